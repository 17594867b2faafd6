// @ts-check
/**
 * Putting clips in order, the best first: by dragging one between others, or on another for a tie; by buttons; or by
 * pressing the clips' numbers from the best to the worst. A group of tied clips has one place.
 */

import { element } from "../shared/made.js";

/** @typedef {import("./stage.js").Stage} Stage */
/** @typedef {string[][]} Groups names of clips, the best first; those of one group are tied */

/**
 * Return the groups with a clip in a separate group before group `to` (counted without the clip).
 * @param {Groups} groups
 * @param {string} name
 * @param {number} to
 * @returns {Groups}
 */
export function placed(groups, name, to) {
  const rest = without(groups, name);
  return [...rest.slice(0, to), [name], ...rest.slice(to)];
}

/**
 * Return the groups with a clip tied to another.
 * @param {Groups} groups
 * @param {string} name
 * @param {string} other
 * @returns {Groups}
 */
export function tied(groups, name, other) {
  if (name === other) return groups;
  return without(groups, name).map((group) => (group.includes(other) ? [...group, name] : group));
}

/**
 * Return the groups with a clip one step better (-1) or worse (1): out of a tie first, then past its neighbours.
 * @param {Groups} groups
 * @param {string} name
 * @param {-1 | 1} by
 * @returns {Groups}
 */
export function moved(groups, name, by) {
  const at = groups.findIndex((group) => group.includes(name));
  if (groups[at].length > 1) return placed(groups, name, by < 0 ? at : at + 1);
  return placed(groups, name, Math.min(Math.max(at + by, 0), groups.length - 1));
}

/**
 * @param {Groups} groups
 * @param {string} name
 * @returns {Groups}
 */
function without(groups, name) {
  return groups.map((group) => group.filter((other) => other !== name)).filter((group) => group.length);
}

export class Ranking {
  /**
   * @param {Stage} stage
   * @param {(groups: Groups) => void} answer
   * @param {(complete: boolean) => void} changed whether the user has put all clips in order
   */
  constructor(stage, answer, changed) {
    this.stage = stage;
    this.answer = answer;
    this.changed = changed;
    /** @type {Groups} */
    this.groups = stage.screens.map(({ clip }) => [clip.name]);
    /** @type {Groups[]} */
    this.before = [];
    this.picked = 0; // clips named by number so far, from the best on
    this.newest = "";
    this.hint = element("p", { class: "soft hint", role: "status" });
    this.keys = stage.screens.map(({ clip }, i) => ({ name: `pick_${i}`, label: `${clip.label} is next`, group: "answer", keys: [`Digit${i + 1}`, `Numpad${i + 1}`] }));
    /** @type {Record<string, (pressed: boolean) => void>} */
    this.handlers = { tie: (pressed) => pressed && this.tie() };
    stage.screens.forEach(({ clip }, i) => (this.handlers[`pick_${i}`] = (pressed) => pressed && this.pick(clip.name)));
    this.bars = stage.screens.map((screen, i) => this.dress(screen, i));
    this.draw();
  }

  /**
   * Give a clip its place, its buttons and its handles.
   * @param {Stage["screens"][number]} screen
   * @param {number} i
   */
  dress(screen, i) {
    const { name, label } = screen.clip;
    const make = (/** @type {string} */ text, /** @type {string} */ says, /** @type {() => void} */ run) =>
      element("button", { type: "button", class: "button small", "aria-label": says, onclick: run }, text);
    const place = element("strong", { class: "place" });
    const bar = element(
      "figcaption",
      { class: "rank" },
      make("←", `${label}: better`, () => this.change(moved(this.groups, name, -1))),
      place,
      make("→", `${label}: worse`, () => this.change(moved(this.groups, name, 1))),
      make("=", `${label}: tied with the one before it`, () => this.tieBefore(name)),
    );
    place.append(element("span", { class: "place-text" }), element("kbd", { "data-key": `pick_${i}` }));
    screen.figure.querySelector(".rank")?.remove();
    screen.figure.append(bar);
    screen.figure.classList.add("ranked");
    this.drag(screen.figure, screen.frame, name);
    return bar;
  }

  /**
   * @param {HTMLElement} figure
   * @param {HTMLElement} handle
   * @param {string} name
   */
  drag(figure, handle, name) {
    handle.onpointerdown = (start) => {
      if (start.button !== 0) return;
      handle.setPointerCapture(start.pointerId);
      const move = (/** @type {PointerEvent} */ event) => {
        const [x, y] = [event.clientX - start.clientX, event.clientY - start.clientY];
        figure.classList.toggle("dragged", Math.hypot(x, y) > 6);
        figure.style.setProperty("translate", `${x}px ${y}px`);
        this.over(event, name);
      };
      const end = (/** @type {PointerEvent} */ event) => {
        handle.removeEventListener("pointermove", move);
        const moving = figure.classList.contains("dragged");
        figure.classList.remove("dragged");
        figure.style.removeProperty("translate");
        const target = this.over(event, name);
        for (const { figure: other } of this.stage.screens) other.classList.remove("onto", "before", "after");
        if (moving && event.type === "pointerup" && target) this.drop(name, target);
      };
      handle.addEventListener("pointermove", move);
      handle.addEventListener("pointerup", end, { once: true });
      handle.addEventListener("pointercancel", end, { once: true });
    };
  }

  /**
   * Say where a dragged clip would fall: on another one in its middle, before or after it at its edges.
   * @param {PointerEvent} event
   * @param {string} name
   * @returns {{name: string, where: "onto" | "before" | "after"} | null}
   */
  over(event, name) {
    let found = null;
    for (const { clip, figure } of this.stage.screens) {
      figure.classList.remove("onto", "before", "after");
      if (clip.name === name) continue;
      const box = figure.getBoundingClientRect();
      const inside = event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
      if (!inside) continue;
      const share = (event.clientX - box.left) / box.width;
      const where = /** @type {"onto" | "before" | "after"} */ (share < 0.25 ? "before" : share > 0.75 ? "after" : "onto");
      figure.classList.add(where);
      found = { name: clip.name, where };
    }
    return found;
  }

  /**
   * @param {string} name
   * @param {{name: string, where: "onto" | "before" | "after"}} target
   */
  drop(name, target) {
    if (target.where === "onto") return this.change(tied(this.groups, name, target.name));
    const rest = without(this.groups, name);
    const at = rest.findIndex((group) => group.includes(target.name));
    this.change(placed(this.groups, name, at + (target.where === "after" ? 1 : 0)));
  }

  /** @param {string} name of the clip that comes next, from the best on */
  pick(name) {
    if (this.groups.slice(0, this.picked).flat().includes(name)) return;
    const picked = this.picked;
    this.change(placed(this.groups, name, picked));
    this.picked = picked + 1;
    this.newest = name;
    this.draw();
  }

  /** The clip that was named last is as good as the one before it. */
  tie() {
    if (!this.newest || this.picked < 2) return;
    const other = this.groups[this.picked - 2][0];
    const picked = this.picked - 1;
    this.change(tied(this.groups, this.newest, other));
    this.picked = picked;
    this.draw();
  }

  /** @param {string} name */
  tieBefore(name) {
    const at = this.groups.findIndex((group) => group.includes(name));
    if (at > 0) this.change(tied(this.groups, name, this.groups[at - 1][0]));
  }

  /** @param {Groups} groups */
  change(groups) {
    this.before.push(this.groups);
    this.groups = groups;
    this.picked = 0;
    this.draw();
  }

  undo() {
    const groups = this.before.pop();
    if (!groups) return false;
    this.groups = groups;
    this.picked = 0;
    this.newest = "";
    this.draw();
    return true;
  }

  /** Whether the order is the user's: nothing was said by the order in which the clips were shown. */
  get complete() {
    const named = this.groups.slice(0, this.picked).flat().length;
    return this.picked ? named >= this.groups.flat().length - 1 : this.before.length > 0;
  }

  done() {
    if (this.complete) this.answer(this.groups.map((group) => [...group].sort()));
  }

  /** Show the clips in their order, each with its place. */
  draw() {
    const names = this.groups.flat();
    this.stage.screens.forEach(({ clip, figure }, i) => {
      const at = this.groups.findIndex((group) => group.includes(clip.name));
      figure.style.setProperty("order", String(names.indexOf(clip.name)));
      figure.dataset.place = String(at + 1);
      const text = this.bars[i].querySelector(".place-text");
      if (text) text.textContent = `${at + 1}${this.groups[at].length > 1 ? " =" : ""}`;
      figure.classList.toggle("tied", this.groups[at].length > 1);
    });
    const label = (/** @type {string} */ name) => this.stage.screens.find(({ clip }) => clip.name === name)?.clip.label || name;
    const order = this.groups.map((group) => group.map(label).join(" = ")).join("  >  ");
    const how = "Drag, or press the numbers from the best on; T ties with the one before.";
    this.hint.textContent = this.complete || this.picked ? `${order}.  ${how}` : how;
    this.changed(this.complete);
  }
}
