// @ts-check
/** The reward along an episode: mean, band of disagreement, current frame, and the reward of a what-if rollout. */

import { element } from "../shared/made.js";

/** @typedef {{mean: number[], spread: number[]}} Worth */

const HEIGHT = 100; // of the drawing, stretched to its place
const NS = "http://www.w3.org/2000/svg";

/**
 * @param {string} name
 * @param {Record<string, string | number>} attributes
 */
function svg(name, attributes) {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  return made;
}

export class WorthChart {
  /** @param {HTMLElement} place */
  constructor(place) {
    this.place = place;
    /** @type {Worth | null} */
    this.worth = null;
    /** @type {{at: number, worth: Worth} | null} */
    this.ahead = null;
    /** @type {HTMLElement[]} */
    this.found = []; // what the model looks at, below the curve
    this.frames = 2;
    this.frame = 0;
    this.value = element("span", { class: "number", role: "status" });
    this.line = svg("line", { class: "here", y1: 0, y2: HEIGHT });
    this.tell("");
  }

  /**
   * Explain why there is no curve.
   * @param {string} text
   */
  tell(text) {
    this.worth = null;
    this.ahead = null;
    this.place.replaceChildren(...(text ? [element("p", { class: "none" }, ...withCode(text))] : []));
  }

  /**
   * Show another episode.
   * @param {Worth} worth
   * @param {number} frames
   */
  show(worth, frames) {
    this.worth = worth;
    this.frames = frames;
    this.ahead = null;
    this.found = [];
    this.draw();
  }

  /**
   * Say what the model looks at in this episode, and show where in the pictures of its cameras.
   * @param {{words: string, shares: Record<string, number>} | null} found
   * @param {Record<string, string>} where
   */
  looks(found, where) {
    if (!found) return;
    const shares = Object.entries(found.shares).filter(([, share]) => share >= 0.01).map(([words, share]) => `${words} ${Math.round(100 * share)} %`);
    const shown = Object.entries(where).map(([camera, picture]) => element("span", {}, element("img", { src: `data:image/png;base64,${picture}`, alt: `Where it looks in ${camera}: red` }), camera));
    const words = element("p", { class: "soft small", title: shares.join(", ") }, "It looks at: ", element("span", {}, found.words), shown.length ? " Red: covering it changes the reward." : "");
    this.found = [words, ...(shown.length ? [element("p", { class: "soft small where" }, ...shown)] : [])];
    this.place.append(...this.found);
  }

  /**
   * Show the reward of a what-if rollout from a frame on; null: none.
   * @param {{at: number, worth: Worth} | null} ahead
   */
  showPrediction(ahead) {
    this.ahead = ahead;
    if (this.worth) this.draw();
  }

  draw() {
    if (!this.worth) return;
    const last = Math.max(this.frames - 1, 1, this.ahead ? this.ahead.at + this.ahead.worth.mean.length : 0);
    this.last = Math.max(this.frames - 1, 1);
    const all = [this.worth, ...(this.ahead ? [this.ahead.worth] : [])];
    const low = Math.min(0, ...all.flatMap(({ mean, spread }) => mean.map((value, i) => value - spread[i])));
    const high = Math.max(0, ...all.flatMap(({ mean, spread }) => mean.map((value, i) => value + spread[i])));
    const y = (/** @type {number} */ value) => HEIGHT - (HEIGHT * (value - low)) / (high - low || 1);
    const drawing = svg("svg", { viewBox: `0 0 ${this.last} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
    drawing.setAttribute("aria-label", `Reward along the episode, from ${low.toFixed(1)} to ${high.toFixed(1)}`);
    drawing.append(svg("line", { class: "zero", x1: 0, x2: this.last, y1: y(0), y2: y(0) }));
    drawing.append(...curve(this.worth, 0, y, "band", "line"));
    if (this.ahead) drawing.append(...curve(this.ahead.worth, this.ahead.at, y, "ahead-band", "ahead"));
    drawing.append(this.line);
    const beyond = last > this.last ? ` It continues for ${last - this.last} steps after the episode's end.` : "";
    const legend = element("span", {}, element("span", { class: "swatch" }), " recorded", ...(this.ahead ? [" ", element("span", { class: "swatch ahead" }), ` what-if rollout.${beyond}`] : []), " · band: how far the models disagree");
    this.place.replaceChildren(drawing, element("figcaption", {}, legend, this.value), ...this.found);
    this.at(this.frame);
  }

  /**
   * Show the current frame.
   * @param {number} frame
   */
  at(frame) {
    this.frame = frame;
    this.line.setAttribute("x1", String(frame));
    this.line.setAttribute("x2", String(frame));
    if (!this.worth) return;
    const step = Math.min(frame, this.worth.mean.length - 1);
    const words = [];
    if (step >= 0) words.push(`reward ${this.worth.mean[step].toFixed(2)} ± ${this.worth.spread[step].toFixed(2)}`);
    const within = this.ahead ? frame - this.ahead.at : -1;
    if (this.ahead && within >= 0 && within < this.ahead.worth.mean.length) words.push(`what-if rollout ${this.ahead.worth.mean[within].toFixed(2)}`);
    this.value.textContent = words.join(", ");
  }
}

/**
 * @param {Worth} worth
 * @param {number} at
 * @param {(value: number) => number} y
 * @param {string} band
 * @param {string} line
 */
function curve({ mean, spread }, at, y, band, line) {
  const point = (/** @type {number} */ i, /** @type {number} */ value) => `${at + i},${y(value).toFixed(2)}`;
  const upper = mean.map((value, i) => point(i, value + spread[i]));
  const lower = mean.map((value, i) => point(i, value - spread[i])).reverse();
  const middle = mean.map((value, i) => point(i, value));
  return [
    svg("path", { class: band, d: `M${[...upper, ...lower].join("L")}Z` }),
    svg("path", { class: line, d: `M${middle.join("L")}` }),
  ];
}

/** @param {string} text with code between back ticks */
export function withCode(text) {
  return text.split("`").map((part, i) => (i % 2 ? element("code", {}, part) : part));
}
