// @ts-check
/** The accuracy of a reward model that learns online, beside the answering rate; requested only after answers. */

import { Refused, get } from "../shared/api.js";

const SOON = 1500; // [ms] after an answer, and then again while the figures change
const AGAIN = 4; // requests without a change, after which none is sent until the next answer
const NONE = 30_000; // [ms] between requests while no model learns online

export class Learned {
  /**
   * @param {HTMLElement} place
   * @param {HTMLElement} taken what the answers did
   * @param {{run: string | null, task: string | null, practice: boolean}} chosen
   */
  constructor(place, taken, chosen) {
    this.place = place;
    this.taken = taken;
    this.run = chosen.run || "";
    this.task = "";
    this.newest = "";
    this.timer = 0;
    this.left = 0;
    this.looked = -NONE;
    this.follows = false;
  }

  /**
   * Request it soon: a question about `task` is shown, or was answered.
   * @param {string} task
   */
  soon(task) {
    const other = task !== this.task;
    this.task = task;
    if (!other && !this.follows && performance.now() - this.looked < NONE) return;
    this.left = AGAIN;
    if (!this.timer) this.timer = setTimeout(() => this.look(), SOON);
  }

  async look() {
    this.looked = performance.now();
    try {
      const { model, rolledBack, taken } = await get(`/api/monitor/learning?${new URLSearchParams({ run: this.run, task: this.task })}`);
      this.follows = Boolean(model);
      const now = [model ? inWords(model) : "", rolledBack].filter(Boolean).join(" · ");
      if (now !== this.newest || taken !== this.taken.textContent) this.left = AGAIN;
      this.taken.textContent = taken;
      this.taken.hidden = !taken;
      this.newest = now;
      this.place.textContent = now;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
    }
    this.left -= 1;
    this.timer = this.left > 0 && !document.hidden ? setTimeout(() => this.look(), SOON) : 0;
  }
}

/** @param {{answers: number, accuracy: number | null, of: number}} model */
function inWords(model) {
  if (!model.answers) return "the reward model waits for answers";
  const labels = `${model.answers.toLocaleString("en")} ${model.answers === 1 ? "label" : "labels"}`;
  return typeof model.accuracy === "number" ? `the model predicts ${Math.round(100 * model.accuracy)} % from ${labels}` : `the model learns from ${labels}`;
}
