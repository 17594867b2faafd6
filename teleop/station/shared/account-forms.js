// @ts-check
/** Shared parts of the account pages: groups, and links that are shown once. */

import { send, tellRefusals } from "./api.js";
import { copyable } from "./copy.js";
import { openDialog } from "./dialog.js";
import { element } from "./made.js";
import { tell } from "./toast.js";

/**
 * Let the form of groups save them.
 * @param {string} path
 * @param {Record<string, string>} [whose]
 */
export function saveGroups(path, whose = {}) {
  const field = /** @type {HTMLInputElement} */ (document.getElementById("groups"));
  document.getElementById("groups-form")?.addEventListener("submit", (event) => {
    event.preventDefault();
    const groups = field.value.split(",").map((word) => word.trim()).filter(Boolean);
    tellRefusals(async () => {
      const saved = await send(path, { ...whose, groups });
      field.value = saved.groups.join(", ");
      tell("The groups are saved.", "good");
    });
  });
}

/**
 * Show a text once, and continue when the dialog is closed.
 * @param {string} title
 * @param {string} about
 * @param {string} text to be copied
 * @param {() => void} done
 */
export function showOnce(title, about, text, done) {
  const dialog = openDialog(title, "once");
  const content = /** @type {HTMLElement} */ (dialog.querySelector(".stack"));
  const field = copyable(title, text);
  const close = element("button", { type: "button", class: "button", onclick: () => dialog.close() }, "Done");
  content.append(element("p", { class: "wrap" }, about), field, element("div", { class: "row end" }, close));
  dialog.addEventListener("close", done);
  dialog.showModal();
  field.querySelector("button")?.focus();
}

/**
 * Show the link of an invitation.
 * @param {{name: string, path: string, days: number}} made
 * @param {() => void} done
 */
export function showLink(made, done) {
  const about = `Send this link to ${made.name}. It signs them in once, within ${made.days} days, and it is not shown again.`;
  showOnce(`A link for ${made.name}`, about, `${location.origin}${made.path}`, done);
}

/**
 * Do something for each button that carries an attribute.
 * @param {string} name of the attribute, after data-
 * @param {(value: string, button: HTMLElement) => void} run
 */
export function onEach(name, run) {
  for (const button of document.querySelectorAll(`[data-${name}]`)) {
    if (button instanceof HTMLElement) button.addEventListener("click", () => run(button.dataset[name] || "", button));
  }
}
