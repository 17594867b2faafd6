// @ts-check
/** What comes of the answers: the runs that learn from them, as they go on. */

import { get, Refused } from "../shared/api.js";
import { element } from "../shared/made.js";
import { badge, percent, stageWords } from "../shared/runs.js";

const EVERY = 3000; // [ms]
const MOST = 3; // runs
const LATELY = 3600; // [s]

export class Outcome {
  /** @param {string | null} run whose questions were asked for; null: any */
  constructor(run) {
    this.run = run;
    this.node = element("ul", { class: "outcome", "aria-label": "What comes of it" });
    this.later = 0;
    this.drawn = "";
  }

  /**
   * Show how the runs go on, for as long as `still` says so.
   * @param {() => boolean} still
   */
  watch(still) {
    clearTimeout(this.later);
    const look = async () => {
      await this.look();
      if (still()) this.later = setTimeout(look, EVERY);
    };
    this.later = setTimeout(look, 0);
  }

  async look() {
    try {
      const { runs } = await get("/api/monitor/runs");
      const fresh = Date.now() / 1000 - LATELY;
      const shown = runs.filter((/** @type {any} */ run) => (this.run ? run.name === this.run : run.kind === "main" && (["working", "waiting"].includes(run.state) || run.changed > fresh)));
      this.draw(shown.slice(0, MOST));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
    }
  }

  /** @param {any[]} runs */
  draw(runs) {
    const drawn = JSON.stringify(runs.map((run) => [run.name, run.title, run.state, run.stage, run.before, run.after]));
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    this.node.replaceChildren(...runs.map(line));
  }
}

/** @param {any} run */
function line(run) {
  let words = stageWords(run.stage);
  if (run.state === "working" && words) words = `it trains now: ${words}`;
  if (run.after) words = `success ${percent(run.before?.value)} before, ${percent(run.after.value)} now`;
  return element("li", {}, element("a", { class: "clip", href: `/monitor?run=${encodeURIComponent(run.name)}` }, run.title || run.name), badge(run), element("span", { class: "soft" }, words));
}
