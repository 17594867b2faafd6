// @ts-check
/** The note that may go with an answer. */

import { byId } from "../shared/player/transport.js";

export class Note {
  constructor() {
    this.field = byId("note-text", HTMLTextAreaElement);
    this.field.addEventListener("keydown", (event) => {
      if (event.isComposing || (event.key !== "Escape" && (event.key !== "Enter" || event.shiftKey))) return;
      event.preventDefault();
      this.field.blur();
      this.draw();
    });
    this.field.addEventListener("blur", () => this.draw());
  }

  get text() {
    return this.field.value.trim();
  }

  clear() {
    this.field.value = "";
    this.draw();
  }

  /** @param {string} text of an answer that was taken back */
  restore(text) {
    this.field.value = text;
    this.draw();
  }

  open() {
    byId("note-field", HTMLDivElement).hidden = false;
    this.field.focus();
  }

  draw() {
    byId("note-field", HTMLDivElement).hidden = !this.text && document.activeElement !== this.field;
    byId("note", HTMLButtonElement).setAttribute("aria-pressed", String(Boolean(this.text)));
  }
}
