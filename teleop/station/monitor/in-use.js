// @ts-check
/** Policies in use: what `robo-rlhf monitor` found last of each dataset, and where moments that look new are sent. */

import { get, send, tellRefusals } from "../shared/api.js";
import { element } from "../shared/made.js";
import { ago } from "../shared/runs.js";
import { tell } from "../shared/toast.js";

const EVERY = 10_000; // [ms] between updates
const SENDS = [["review", "Ask for review"], ["corrections", "Ask for corrections"], ["training", "Add to the next training set"]];
const PLACE = /** @type {HTMLElement} */ (document.getElementById("in-use"));

/** @typedef {{name: string, value: number | null, level: number | null, alarm: boolean, about: string}} Signal */
/** @typedef {{episode: string, start: number, length: number, unusual: number, why: string}} Moment */
/** @typedef {{dataset: string, policy: string, reference: string, episodes: number, alarm: boolean, time: string, signals: Signal[], moments: Moment[]}} Found */

export class InUse {
  /** @param {boolean} maySend */
  constructor(maySend) {
    this.maySend = maySend;
    this.drawn = "";
    this.look();
  }

  async look() {
    if (!document.hidden) this.draw((await get("/api/monitor/in-use").catch(() => ({ found: [] }))).found);
    setTimeout(() => this.look(), EVERY);
  }

  /** @param {Found[]} found */
  draw(found) {
    const drawn = JSON.stringify(found);
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    PLACE.hidden = !found.length;
    PLACE.replaceChildren(element("h2", { id: "in-use-title" }, "In use"), ...found.map((one) => this.card(one)));
  }

  /** @param {Found} one */
  card(one) {
    const number = (/** @type {number | null} */ value) => (value === null ? "–" : value.toPrecision(3));
    const rows = one.signals.map((signal) =>
      element("tr", {}, element("th", { scope: "row" }, signal.name), element("td", { class: "number" }, number(signal.value)), element("td", { class: "number" }, number(signal.level)), element("td", {}, signal.alarm ? element("span", { class: "badge bad" }, "alarm") : ""), element("td", { class: "wrap small" }, signal.about.replaceAll("_", " "))),
    );
    const head = element("tr", {}, ...["Watched", "Value", "Alarm level", "", "What deviates most"].map((text) => element("th", { scope: "col" }, text)));
    const moments = one.moments.map((moment) =>
      element("li", {}, element("a", { href: `/library/episode/${[...one.dataset.split("/"), moment.episode].map(encodeURIComponent).join("/")}` }, moment.episode), ` steps ${moment.start} to ${moment.start + moment.length}: ${moment.why.replaceAll("_", " ")}, ${number(moment.unusual)} times the level of an unusual step`),
    );
    const node = element(
      "article",
      { class: "card stack tight", "aria-label": `${one.policy} in ${one.dataset}` },
      element("h3", { class: "row" }, `${one.policy} in ${one.dataset}`, element("span", { class: `badge ${one.alarm ? "bad" : "good"}` }, one.alarm ? "alarm" : "as usual")),
      element("p", { class: "small soft" }, `${one.episodes} newest episodes against ${one.reference} · ${ago(Date.parse(one.time) / 1000)}`),
      element("div", { class: "table", role: "region", tabindex: "0", "aria-label": `Watched in ${one.dataset}` }, element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows))),
    );
    if (moments.length) node.append(element("p", {}, "These moments look new:"), element("ol", { class: "small wrap" }, ...moments));
    if (moments.length && this.maySend) node.append(element("div", { class: "row" }, ...SENDS.map(([to, text]) => element("button", { type: "button", class: "button small", onclick: () => this.send(one.dataset, to) }, text))));
    return node;
  }

  /**
   * @param {string} dataset
   * @param {string} to
   */
  async send(dataset, to) {
    await tellRefusals(async () => {
      const { where, count } = await send("/api/monitor/moments", { dataset, send: to });
      tell(to === "training" ? `${count} episodes are new in ${where}.` : `${count} new questions in ${where}.`);
    });
  }
}
