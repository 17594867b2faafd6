// @ts-check
/** The keys that drive, over the picture: they fade when the hand has driven for a while, and come back when it rests. */

import { element } from "../shared/made.js";

const FADES = 3000; // [ms] of driving
const RETURNS = 2500; // [ms] of rest
/** @type {[string, string[]][]} what is done, and the rows of the key table that do it */
const GROUPS = [
  ["move", ["ahead", "left", "back", "right"]],
  ["up, down", ["up", "down"]],
  ["turn", ["turn_left", "turn_right"]],
  ["roll", ["roll_left", "roll_right"]],
  ["tilt", ["pitch_up", "pitch_down"]],
  ["gripper", ["gripper"]],
  ["slowly", ["slow"]],
];

export class Legend {
  /** @param {HTMLElement} place */
  constructor(place) {
    this.place = place;
    this.moves = 0; // when the hand began to drive, or to rest [ms]
    this.rests = 0;
  }

  /**
   * Draw the keys of a table; what they are called on this keyboard is printed by `bindKeys`.
   * @param {{name: string}[]} table
   */
  draw(table) {
    const known = new Set(table.map((row) => row.name));
    const groups = GROUPS.map(([word, names]) => /** @type {const} */ ([word, names.filter((name) => known.has(name))])).filter(([, names]) => names.length);
    this.place.replaceChildren(...groups.map(([word, names]) => element("div", {}, element("dt", {}, word), element("dd", {}, ...names.map((name) => element("kbd", { "data-key": name }))))));
  }

  /**
   * Show or fade them.
   * @param {boolean} drives
   * @param {boolean} moving keys are held
   */
  show(drives, moving) {
    const now = performance.now();
    if (moving) [this.moves, this.rests] = [this.moves || now, 0];
    else this.rests ||= now;
    if (!moving && now - this.rests > RETURNS) this.moves = 0;
    this.place.hidden = !drives;
    this.place.classList.toggle("faded", Boolean(this.moves) && now - this.moves > FADES);
  }
}
