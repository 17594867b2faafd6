// @ts-check
/** The timeline of an episode: source of each step, successful frames, current frame, and two handles to cut by. */

import { element, SOURCES } from "../made.js";

/**
 * @typedef {object} Track
 * @property {number} frames
 * @property {number} dt [s] a step
 * @property {[string, number, number][]} sources who, from step, to step
 * @property {[number, number][]} success from frame, to frame
 */

export class Timeline {
  /**
   * @param {HTMLElement} place
   * @param {HTMLElement} clock shown beside the legend
   * @param {{seek: (frame: number) => void, cut: (start: number, stop: number) => void, mayCut: boolean}} page
   */
  constructor(place, clock, page) {
    this.page = page;
    /** @type {Track} */
    this.track = { frames: 2, dt: 0.05, sources: [], success: [] };
    this.start = 0;
    this.stop = 1;
    this.bar = element("div", { class: "track", "aria-hidden": "true" });
    this.range = element("input", { type: "range", min: 0, step: 1, class: "scrub", "aria-label": "Frame" });
    this.range.addEventListener("input", () => page.seek(Number(this.range.value)));
    this.handles = page.mayCut ? [this.handle("start", "Keep from frame"), this.handle("stop", "Keep up to frame")] : [];
    this.cutOff = [element("div", { class: "off" }), element("div", { class: "off end" })];
    this.legend = element("p", { class: "small soft" });
    place.replaceChildren(element("div", { class: "timeline" }, this.bar, ...this.cutOff, this.range, ...this.handles), element("div", { class: "row apart legend" }, this.legend, clock));
  }

  /** @param {Track} track */
  show(track) {
    this.track = track;
    const last = Math.max(track.frames - 1, 1);
    this.range.max = String(last);
    const parts = track.sources.map(([who, from, to]) => span(`source ${who}`, from / last, to / last));
    parts.push(...track.success.map(([from, to]) => span("success", from / last, Math.min(to, last) / last || 0)));
    this.bar.replaceChildren(...parts);
    const who = [...new Set(track.sources.map(([name]) => name))];
    this.legend.replaceChildren(
      "Chosen by ",
      ...who.flatMap((name, index) => [index ? ", " : "", element("span", { class: `key ${name}` }), ` ${SOURCES[name] || name}`]),
      ...(track.success.length ? [". Task done: ", element("span", { class: "key success" }), ` from ${((track.success[0][0] * track.dt)).toFixed(2)} s`] : [". Task never done"]),
      ".",
    );
    this.setKept(0, last);
    this.at(0);
  }

  /** @param {number} frame */
  at(frame) {
    this.range.value = String(frame);
    this.range.setAttribute("aria-valuetext", `frame ${frame} of ${this.track.frames - 1}, ${(frame * this.track.dt).toFixed(2)} seconds`);
  }

  /**
   * Mark what is kept when the episode is cut.
   * @param {number} start frame
   * @param {number} stop frame
   */
  setKept(start, stop) {
    const last = Math.max(this.track.frames - 1, 1);
    this.start = Math.min(Math.max(start, 0), last - 1);
    this.stop = Math.max(Math.min(stop, last), this.start + 1);
    this.cutOff[0].style.width = `${(100 * this.start) / last}%`;
    this.cutOff[1].style.width = `${100 - (100 * this.stop) / last}%`;
    this.handles.forEach((handle, index) => {
      const at = index ? this.stop : this.start;
      handle.style.left = `${(100 * at) / last}%`;
      handle.setAttribute("aria-valuemin", String(index ? this.start + 1 : 0));
      handle.setAttribute("aria-valuemax", String(index ? last : this.stop - 1));
      handle.setAttribute("aria-valuenow", String(at));
      handle.setAttribute("aria-valuetext", `frame ${at}, ${(at * this.track.dt).toFixed(2)} seconds`);
    });
    this.page.cut(this.start, this.stop);
  }

  get whole() {
    return this.start === 0 && this.stop === this.track.frames - 1;
  }

  /**
   * @param {"start" | "stop"} side
   * @param {string} label
   */
  handle(side, label) {
    const made = element("div", { class: `handle ${side}`, role: "slider", tabindex: 0, "aria-label": label, "aria-orientation": "horizontal" });
    /** @param {number} frame */
    const put = (frame) => {
      if (side === "start") this.setKept(Math.min(frame, this.stop - 1), this.stop);
      else this.setKept(this.start, Math.max(frame, this.start + 1));
      this.page.seek(side === "start" ? this.start : this.stop);
    };
    made.addEventListener("keydown", (event) => {
      const at = side === "start" ? this.start : this.stop;
      const second = Math.max(1, Math.round(1 / this.track.dt));
      const steps = { ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1, PageDown: at - second, PageUp: at + second, Home: 0, End: this.track.frames - 1 };
      const to = steps[/** @type {keyof typeof steps} */ (event.key)];
      if (to === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      put(to);
    });
    made.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      made.setPointerCapture(event.pointerId);
      made.focus();
    });
    made.addEventListener("pointermove", (event) => {
      if (!made.hasPointerCapture(event.pointerId)) return;
      const box = this.bar.getBoundingClientRect();
      put(Math.round(((event.clientX - box.left) / box.width) * (this.track.frames - 1)));
    });
    return made;
  }
}

/**
 * @param {string} kind
 * @param {number} from share of the whole
 * @param {number} to
 */
function span(kind, from, to) {
  const made = element("span", { class: kind });
  made.style.left = `${100 * from}%`;
  made.style.width = `${100 * Math.max(to - from, 0.002)}%`;
  return made;
}
