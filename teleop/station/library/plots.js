// @ts-check
/** Curves of an episode under its timeline: action, gripper, force and reward, with a cursor at the frame that is shown. */

import { get } from "../shared/api.js";
import { svg } from "../shared/charts.js";
import { element } from "../shared/made.js";

const [WIDTH, HEIGHT, EDGE] = [1000, 56, 4]; // of a row, in units of its drawing
const STYLES = 6; // colours of lines, in library.css

/** @typedef {{name: string, values: number[]}} Line */
/** @typedef {{title: string, unit: string, low: number, high: number, lines: Line[]}} Row */

export class Plots {
  /** @param {{seek: (frame: number) => void}} page */
  constructor(page) {
    this.page = page;
    this.rows = element("div", { class: "plot-rows" });
    this.place = element("details", { class: "plots", open: true, hidden: true }, element("summary", { class: "small soft" }, "Action, force and reward"), this.rows);
    this.frames = 1;
    this.every = 1;
    this.asked = 0;
    /** @type {{row: Row, cursor: SVGElement, readout: HTMLElement}[]} */
    this.drawn = [];
    this.frame = 0;
    this.rows.addEventListener("pointerdown", (event) => this.point(event));
    this.rows.addEventListener("pointermove", (event) => event.buttons === 1 && this.point(event));
  }

  /**
   * Show the curves of an episode.
   * @param {{dataset: string, episode: string}} item
   * @param {number} frames
   */
  async show({ dataset, episode }, frames) {
    const number = ++this.asked;
    const found = await get(`/api/library/signals?${new URLSearchParams({ dataset, episode })}`).catch(() => null);
    if (number !== this.asked) return;
    this.frames = frames;
    this.every = found?.every || 1;
    this.place.hidden = !found?.rows.length;
    this.rows.replaceChildren();
    this.drawn = (found?.rows || []).map((/** @type {Row} */ row) => this.draw(row));
    this.at(this.frame);
  }

  /** @param {Row} row */
  draw(row) {
    const [low, high] = row.high > row.low ? [row.low, row.high] : [row.low - 0.5, row.low + 0.5];
    const across = (/** @type {number} */ step) => (WIDTH * step) / Math.max(this.frames - 1, 1);
    const up = (/** @type {number} */ value) => EDGE + (HEIGHT - 2 * EDGE) * (1 - (Math.min(Math.max(value, low), high) - low) / (high - low));
    const lines = row.lines.map((line, i) => {
      const points = line.values.map((value, step) => `${across(step * this.every).toFixed(1)},${up(value).toFixed(1)}`);
      return svg("polyline", { class: `plot-line style-${i % STYLES}`, points: points.join(" ") });
    });
    const cursor = svg("line", { class: "plot-cursor", y1: 0, y2: HEIGHT });
    const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": `${row.title} over the episode, from ${shorter(row.low)} to ${shorter(row.high)} ${row.unit}` });
    picture.append(...lines, cursor);
    const readout = element("span", { class: "number small" });
    const drawn = element("div", { class: "plot" }, element("div", { class: "row apart small soft" }, row.title + (row.unit ? ` [${row.unit}]` : ""), readout), picture);
    this.rows.append(drawn);
    return { row, cursor, readout };
  }

  /** Move the cursor. @param {number} frame */
  at(frame) {
    this.frame = frame;
    const step = Math.floor(Math.min(frame, this.frames - 2) / this.every);
    const x = (WIDTH * frame) / Math.max(this.frames - 1, 1);
    for (const { row, cursor, readout } of this.drawn) {
      cursor.setAttribute("x1", String(x));
      cursor.setAttribute("x2", String(x));
      readout.replaceChildren(...row.lines.flatMap(({ name, values }, i) => [element("span", { class: `plot-key style-${i % STYLES}`, "aria-hidden": "true" }), `${name} ${shorter(values[Math.max(step, 0)] ?? 0)} `]));
    }
  }

  /** @param {PointerEvent} event */
  point(event) {
    const picture = event.target instanceof Element && event.target.closest("svg");
    if (!picture) return;
    const box = picture.getBoundingClientRect();
    this.page.seek(Math.round(((event.clientX - box.left) / box.width) * (this.frames - 1)));
  }
}

/** @param {number} value */
function shorter(value) {
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2);
}
