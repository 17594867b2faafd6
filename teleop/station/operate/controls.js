// @ts-check
/** What drives each column of an action: a live bar for each, and fields to change source, direction, scale, dead zone. */

import { button, element } from "../shared/made.js";
import { keySign } from "../shared/layout.js";

/** @typedef {{column: string, source: string, sign: number, scale: number, dead_zone: number, kind: string, rest: number}} Control */
/** @typedef {import("./input.js").Binding} Binding */

const POSE = ["x", "y", "z", "roll", "pitch", "yaw"];
const OWN_FRAME = ["forward", "turn"];
const AT_ONCE = 6; // joints that have a pair of keys at the same time
const SETTLE = 400; // [ms] without a change before it is sent

/**
 * The part of the twist that a source is, and its bank of keys; null where it is none.
 * @param {string} source
 * @returns {{axis: number, bank: number} | null}
 */
export function partOf(source) {
  if (POSE.includes(source)) return { axis: POSE.indexOf(source), bank: 0 };
  if (OWN_FRAME.includes(source)) return { axis: [0, 5][OWN_FRAME.indexOf(source)], bank: 0 };
  const joint = /^joint(\d+)$/.exec(source);
  if (!joint) return null;
  return { axis: (Number(joint[1]) - 1) % AT_ONCE, bank: Math.floor((Number(joint[1]) - 1) / AT_ONCE) };
}

/** How many banks of keys some sources need. @param {string[]} sources */
export const banksOf = (sources) => 1 + Math.max(0, ...sources.map((source) => partOf(source)?.bank ?? 0));

export class Controls {
  /**
   * @param {HTMLDetailsElement} menu
   * @param {{change: (controls: Control[] | null) => void, keys: () => Binding[]}} page  change: null for the usual ones
   */
  constructor(menu, page) {
    this.menu = menu;
    this.page = page;
    /** @type {Control[]} */
    this.controls = [];
    /** @type {HTMLElement[]} */
    this.bars = [];
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.settling = undefined;
  }

  /** Show what holds. @param {Control[]} controls */
  setControls(controls) {
    if (this.settling !== undefined) return; // what is being changed is newer
    const names = (/** @type {Control[]} */ list) => list.map((one) => one.column).join();
    const [same, focused] = [names(controls) === names(this.controls), this.menu.contains(document.activeElement)];
    this.controls = controls.map((one) => ({ ...one }));
    this.menu.hidden = controls.every(({ column, source }) => column === source);
    if (!(same && focused)) this.draw();
  }

  draw() {
    this.bars = this.controls.map(() => element("span", { class: "bar-value" }));
    const rows = this.controls.map((one, index) => this.row(one, this.bars[index]));
    const usual = button("The usual controls", "", () => this.page.change(null));
    /** @type {HTMLElement} */ (this.menu.querySelector(".sheet")).replaceChildren(...rows, usual);
  }

  /** Show the action of the newest frame. @param {number[]} action each in [-1, 1] */
  show(action) {
    if (!this.menu.open) return;
    this.bars.forEach((bar, index) => {
      const value = action[index] ?? 0;
      bar.style.left = `${50 + 50 * Math.min(value, 0)}%`;
      bar.style.width = `${50 * Math.abs(value)}%`;
    });
  }

  /** @param {Control} one @param {HTMLElement} bar */
  row(one, bar) {
    const named = (/** @type {string} */ what) => `${one.column}: ${what}`;
    const source = element("select", { "aria-label": named("what drives it"), onchange: () => this.set(one, { source: source.value }) });
    source.append(...this.sources(one).map((name) => new Option(name || "nothing", name, false, name === one.source)));
    const flip = button("±", "small", () => {
      this.set(one, { sign: -one.sign });
      flip.setAttribute("aria-pressed", String(one.sign < 0));
    });
    flip.setAttribute("aria-label", named("the other direction"));
    flip.setAttribute("aria-pressed", String(one.sign < 0));
    const fields = [source, flip];
    const parts = [
      element("div", { class: "row" }, element("strong", { class: "wrap" }, one.column), element("span", { class: "small soft" }, this.keysOf(one))),
      element("span", { class: "bar", "aria-hidden": "true" }, bar),
      element("div", { class: "row" }, ...fields),
    ];
    if (one.kind !== "choice") {
      parts.push(element("div", { class: "row" },
        this.slider(one, "scale", "scale", 1, named), this.slider(one, "dead_zone", "dead zone", 0.9, named)));
    }
    return element("div", { class: "field control", role: "group", "aria-label": one.column }, ...parts);
  }

  /**
   * A slider of one number of a control.
   * @param {Control} one @param {"scale" | "dead_zone"} name @param {string} words @param {number} most
   * @param {(what: string) => string} named
   */
  slider(one, name, words, most, named) {
    const readout = element("output", { class: "number small" }, `${Math.round(100 * one[name])} %`);
    const range = element("input", {
      type: "range", min: 0, max: most, step: 0.05, value: one[name], "aria-label": named(words),
      oninput: () => {
        readout.textContent = `${Math.round(100 * Number(range.value))} %`;
        this.set(one, { [name]: Number(range.value) });
      },
    });
    return element("label", { class: "small soft slider" }, words, range, readout);
  }

  /** The sources that are offered for a column. @param {Control} one @returns {string[]} */
  sources(one) {
    const joints = Math.max(AT_ONCE, this.controls.length);
    const all = ["", ...POSE, "gripper", ...Array.from({ length: joints }, (_, index) => `joint${index + 1}`)];
    return all.includes(one.source) ? all : [...all, one.source];
  }

  /** The keys that drive a column. @param {Control} one */
  keysOf({ source, sign, kind }) {
    if (source === "gripper") return signs(this.page.keys().filter(({ act }) => act === "gripper"));
    const part = partOf(source);
    if (!part) return "no key";
    const keys = this.page.keys().filter(({ axis }) => axis === part.axis);
    const ordered = [...keys].sort((a, b) => sign * (a.sign - b.sign));
    const text = signs(kind === "choice" ? ordered.slice(-1) : ordered);
    return part.bank ? `${text}, set ${part.bank + 1}` : text;
  }

  /** @param {Control} one @param {Partial<Control>} values */
  set(one, values) {
    Object.assign(one, values);
    clearTimeout(this.settling);
    this.settling = setTimeout(() => {
      this.settling = undefined;
      this.page.change(this.controls);
    }, SETTLE);
  }
}

/** @param {Binding[]} keys */
const signs = (keys) => keys.map((row) => keySign(row.keys[0])).join(" / ");
