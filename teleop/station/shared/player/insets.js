// @ts-check
/**
 * What a policy sees, beside the fine picture: each of its cameras at its own resolution, pixel for pixel. The station
 * draws sheets of it, a row a frame and a column a camera. Whether they are shown is remembered in the browser.
 */

import { button, element } from "../made.js";

/** @typedef {{cameras: string[], size: number}} Sight  the cameras of a policy, and the sides of their pictures [pixels] */

const PLACE = "insets";
const CHANGED = "insets";
const SHEET = 20; // frames of a sheet, as MOST_SEEN of teleop/station/media/media.py
const KEPT = 6; // sheets
const SHARE = 0.2; // of the width of the stage, that a picture may take; a whole number of screen pixels for each of theirs

/** Whether they are shown. */
export function insetsShown() {
  try {
    return localStorage.getItem(PLACE) !== "off";
  } catch {
    return true;
  }
}

/** Show them, or no longer. */
export function swapInsets() {
  try {
    localStorage.setItem(PLACE, insetsShown() ? "off" : "on");
  } catch {
    return; // a browser that remembers nothing shows them
  }
  document.dispatchEvent(new Event(CHANGED));
}

/** Return the switch, hidden until there is something to show. @param {string} [key] the name of its row in the key table */
export function insetSwitch(key = "") {
  const made = button("Policy's view", "quiet", swapInsets, key);
  const write = () => made.setAttribute("aria-pressed", String(insetsShown()));
  made.title = "Show what the policy sees beside the picture, or not";
  made.hidden = true;
  document.addEventListener(CHANGED, write);
  write();
  return made;
}

export class Insets {
  /**
   * @param {HTMLElement} stage gets the panel, in its corner
   * @param {{beside?: boolean}} [how] `beside`: the stage is a row, in which the panel stands after the picture
   */
  constructor(stage, { beside = false } = {}) {
    this.stage = stage;
    this.node = element("div", { class: beside ? "insets beside" : "insets", hidden: true, role: "group", "aria-label": "What the policy sees" });
    stage.append(this.node);
    /** @type {Sight | null} */
    this.sight = null;
    /** @type {(start: number, stop: number) => string} */
    this.address = () => "";
    this.frames = 0;
    this.frame = 0;
    /** @type {Map<number, ImageBitmap | null>} by its first frame; null while it comes */
    this.sheets = new Map();
    /** @type {HTMLCanvasElement[]} */
    this.canvases = [];
    this.stop = new AbortController();
    this.redraw = () => this.show();
    document.addEventListener(CHANGED, this.redraw);
    this.resized = new ResizeObserver(() => this.fit());
    this.resized.observe(stage);
  }

  close() {
    this.forget();
    this.resized.disconnect();
    document.removeEventListener(CHANGED, this.redraw);
    this.node.remove();
  }

  /**
   * Show what the policy of an episode sees; nothing where it sees no pictures.
   * @param {Sight | null} sight
   * @param {(start: number, stop: number) => string} [address] of the sheet of frames [start, stop)
   * @param {number} [frames]
   */
  open(sight, address = () => "", frames = 0) {
    this.forget();
    [this.sight, this.address, this.frames] = [sight, address, frames];
    const { cameras, size } = sight || { cameras: [], size: 0 };
    this.canvases = cameras.map(() => element("canvas", { width: size, height: size, "aria-hidden": "true" }));
    const labels = cameras.map((name) => element("span", {}, name));
    const shown = this.canvases.map((canvas, i) => element("div", { class: "inset" }, canvas, labels[i]));
    this.node.replaceChildren(element("p", {}, "Policy's view", element("span", { class: "number" }, `${size} × ${size}`)), element("div", { class: "row" }, ...shown));
    this.node.hidden = true;
    this.fit();
    this.show();
  }

  /** Show a frame, as soon as its sheet is here. @param {number} frame */
  at(frame) {
    if (frame === this.frame && !this.node.hidden) return;
    this.frame = frame;
    this.show();
  }

  /** Show the only row of a sheet. @param {Uint8Array} png */
  async draw(png) {
    const bitmap = await createImageBitmap(new Blob([/** @type {Uint8Array<ArrayBuffer>} */ (png)], { type: "image/png" }));
    if (this.sight) this.take(bitmap);
    else bitmap.close();
  }

  /** Show the only row of a sheet that came by another way. @param {ImageBitmap} sheet */
  take(sheet) {
    this.sheets.get(0)?.close();
    this.sheets.set(0, sheet);
    this.show();
  }

  show() {
    if (!this.sight || !insetsShown()) {
      this.node.hidden = true;
      return;
    }
    const first = this.frame - (this.frame % SHEET);
    const sheet = this.sheets.get(first);
    if (this.frames) {
      this.want(first);
      if (this.frame - first > SHEET / 2) this.want(first + SHEET);
    }
    if (!sheet) return;
    const { size } = this.sight;
    this.canvases.forEach((canvas, i) => canvas.getContext("2d")?.drawImage(sheet, i * size, (this.frame - first) * size, size, size, 0, 0, size, size));
    this.node.dataset.frame = String(this.frame);
    this.node.hidden = false;
  }

  /** Have a sheet. @param {number} first @returns {Promise<void>} */
  async want(first) {
    if (first >= this.frames || this.sheets.has(first)) return;
    const { signal } = this.stop;
    this.sheets.set(first, null);
    try {
      const answer = await fetch(this.address(first, Math.min(first + SHEET, this.frames)), { signal });
      const bitmap = answer.ok ? await createImageBitmap(await answer.blob()) : null;
      if (signal.aborted) return bitmap?.close();
      if (!bitmap) return; // it cannot be drawn: the fine picture says why
      this.sheets.set(first, bitmap);
      for (const [old, kept] of this.sheets) {
        if (this.sheets.size <= KEPT || !kept || Math.abs(old - this.frame) < 2 * SHEET) continue;
        kept.close();
        this.sheets.delete(old);
      }
      this.show();
    } catch (error) {
      if (!signal.aborted) this.sheets.delete(first); // the station is away: asked for again with the next frame
    }
  }

  /** Give each pixel of theirs a whole number of the screen's, as many as fit. */
  fit() {
    if (!this.sight) return;
    const { size } = this.sight;
    const density = window.devicePixelRatio || 1;
    const room = Math.max(this.stage.clientWidth * SHARE, 1);
    const times = Math.floor((room * density) / size);
    this.node.style.setProperty("--inset", `${times >= 1 ? (times * size) / density : room}px`);
    this.node.classList.toggle("smooth", times < 1);
  }

  forget() {
    this.stop.abort();
    this.stop = new AbortController();
    for (const sheet of this.sheets.values()) sheet?.close();
    this.sheets.clear();
    this.sight = null;
  }
}
