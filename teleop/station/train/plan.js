// @ts-check
/** What a training will probably take: the plan beside the chosen demonstrations, and a button that makes one. */

import { get, Refused, send } from "../shared/api.js";
import { element } from "../shared/made.js";
import { byId } from "../shared/player/transport.js";

const AGAIN = 2000; // [ms] between two looks while a plan is made

/** The part of the form about the plan. */
export class Plan {
  /** @param {() => {task: string, dataset: string}} choice */
  constructor(choice) {
    this.choice = choice;
    this.shown = "";
    this.later = 0;
    this.place = byId("plan", HTMLDetailsElement);
    this.place.addEventListener("toggle", () => void this.look());
    byId("make-plan", HTMLButtonElement).addEventListener("click", () => void this.make());
    byId("target", HTMLInputElement).addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault(); // it would start the training
      void this.make();
    });
  }

  /** Look again where other demonstrations were chosen. */
  chosen() {
    const { task, dataset } = this.choice();
    if (`${task} ${dataset}` === this.shown) return;
    this.shown = `${task} ${dataset}`;
    byId("plan-text", HTMLDivElement).replaceChildren();
    void this.look();
  }

  async look() {
    clearTimeout(this.later);
    const asked = this.choice();
    byId("make-plan", HTMLButtonElement).disabled = !asked.dataset;
    if (!this.place.open || !asked.dataset) return;
    try {
      const found = await get(`/api/train/plan?${new URLSearchParams(asked)}`);
      if (`${asked.task} ${asked.dataset}` !== this.shown) return;
      const lines = found.working ? ["Policies are being cloned: a minute."] : found.why ? [found.why] : found.words.length ? found.words : ["No plan was made yet."];
      this.say(lines);
      byId("make-plan", HTMLButtonElement).disabled = found.working;
      if (found.working) this.later = setTimeout(() => void this.look(), AGAIN);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.say([error.message]);
    }
  }

  async make() {
    const button = byId("make-plan", HTMLButtonElement);
    button.disabled = true;
    try {
      await send("/api/train/plan", { ...this.choice(), target: byId("target", HTMLInputElement).valueAsNumber });
      await this.look();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.say([error.message]);
      button.disabled = false;
    }
  }

  /** @param {string[]} lines */
  say(lines) {
    byId("plan-text", HTMLDivElement).replaceChildren(...lines.map((line) => element("p", {}, line)));
  }
}
