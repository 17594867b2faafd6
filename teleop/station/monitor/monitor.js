// @ts-check
/** The monitor page: the list of runs, and live charts of the selected ones. */

import { Refused, get, pageData } from "../shared/api.js";
import { drawChart } from "../shared/charts.js";
import { drawCurves, swatch } from "../shared/curves.js";
import { bindKeys } from "../shared/keys.js";
import { element, printKeys } from "../shared/made.js";
import { chartsOf, have, merge, smoother } from "./data.js";
import { RunList, ago, badge, percent, stageWords } from "../shared/runs.js";
import { Details } from "./details.js";
import { InUse } from "./in-use.js";
import { tell } from "../shared/toast.js";

const EVERY = 2000; // [ms] between updates
const UNSEEN = 20_000; // [ms] between updates while the page is hidden
const LOG_ROWS = 80;
const FINDS_FROM = 8; // runs from which there is a field to find one

/** @typedef {import("./data.js").Run} Run */

/** @param {string} id */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

class Monitor {
  constructor() {
    this.page = pageData();
    this.runs = this.page.runs;
    /** @type {Map<string, Run>} those that are shown, in the order in which they were chosen */
    this.shown = new Map();
    this.all = false;
    this.smooth = false;
    this.drawn = "";
    /** @type {import("./data.js").Across} */
    this.across = "iterations";
    /** @type {import("../shared/curves.js").Zoom} */
    this.zoom = { spans: new Map(), dragging: false, changed: () => ((this.drawn = ""), this.draw()) };
    this.timer = 0;
    this.details = new Details(this.page.mayNote);
    this.list = new RunList(byId("runs"), (name, on) => this.choose(name, on));
    const known = new Set(this.runs.map((/** @type {any} */ run) => run.name));
    const asked = this.page.chosen.filter((/** @type {string} */ name) => known.has(name));
    for (const name of asked.length ? asked : this.runs.slice(0, 1).map((/** @type {any} */ run) => run.name)) this.add(name);
    byId("all").addEventListener("click", () => this.toggle("all"));
    byId("smooth").addEventListener("click", () => this.toggle("smooth"));
    byId("across").addEventListener("change", () => this.goAcross(/** @type {any} */ (/** @type {HTMLSelectElement} */ (byId("across")).value)));
    byId("find").addEventListener("input", () => this.drawList());
    document.addEventListener("visibilitychange", () => !document.hidden && this.look());
    this.bind();
    this.drawList();
    this.look();
  }

  bind() {
    const once = (/** @type {() => void} */ run) => (/** @type {boolean} */ pressed) => void (pressed && run());
    const keys = bindKeys(
      this.page.keys,
      { next: once(() => this.list.move(1)), previous: once(() => this.list.move(-1)), only: once(() => this.only()), all: once(() => this.toggle("all")), smooth: once(() => this.toggle("smooth")), axis: once(() => this.goAcross()) },
      { scope: "monitor" },
    );
    printKeys(keys.table);
  }

  /** @param {string} name */
  add(name) {
    const used = new Set([...this.shown.values()].map((run) => run.style));
    const style = [0, 1, 2, 3, 4, 5].find((one) => !used.has(one)) ?? 0;
    this.shown.set(name, { name, style, info: null, curves: new Map() });
  }

  /**
   * Show a run, or hide it.
   * @param {string} name
   * @param {boolean} on
   */
  choose(name, on) {
    if (on && this.shown.size >= this.page.most) tell(`At most ${this.page.most} runs are laid over each other. Hide one first.`, "plain");
    else if (on) this.add(name);
    else this.shown.delete(name);
    this.chosen();
  }

  only() {
    const name = this.list.focused();
    if (!name) return tell("Go to a run first.", "plain");
    const run = this.shown.get(name);
    this.shown.clear();
    if (run) this.shown.set(name, { ...run, style: 0 });
    else this.add(name);
    this.chosen();
  }

  chosen() {
    const query = new URLSearchParams([...this.shown.keys()].map((name) => ["run", name]));
    history.replaceState(null, "", `${location.pathname}${query.size ? `?${query}` : ""}`);
    this.drawn = "";
    this.drawList();
    this.draw();
    this.look();
  }

  /** @param {"all" | "smooth"} what */
  toggle(what) {
    this[what] = !this[what];
    byId(what).setAttribute("aria-pressed", String(this[what]));
    this.drawn = "";
    this.draw();
  }

  /** @param {import("./data.js").Across} [across] the next one where none is named */
  goAcross(across) {
    const every = /** @type {const} */ (["iterations", "steps", "minutes"]);
    this.across = across || every[(every.indexOf(this.across) + 1) % every.length];
    /** @type {HTMLSelectElement} */ (byId("across")).value = this.across;
    this.zoom.spans.clear();
    this.zoom.changed();
  }

  /** Load updates from the station. */
  async look() {
    clearTimeout(this.timer);
    const live = byId("live");
    try {
      const [{ runs }] = await Promise.all([get("/api/monitor/runs"), ...[...this.shown.values()].map((run) => this.fetch(run))]);
      this.runs = runs;
      const busy = runs.filter((/** @type {any} */ run) => run.state === "working" || run.state === "waiting").length;
      live.textContent = busy ? `${busy} of ${runs.length} at work; looked at ${new Date().toLocaleTimeString()}` : runs.length ? `none of ${runs.length} at work` : "";
      this.drawList();
      this.draw();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      live.textContent = `${error.message} What you see is the last that came.`;
    }
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.look(), document.hidden ? UNSEEN : EVERY);
  }

  /** @param {Run} run */
  async fetch(run) {
    const query = new URLSearchParams([["name", run.name], ...have(run).map((text) => ["have", text])]);
    try {
      const answer = await get(`/api/monitor/run?${query}`);
      if (this.shown.get(run.name) === run) merge(run, answer);
    } catch (error) {
      if (!(error instanceof Refused) || error.status !== 404) throw error;
      if (run.info) tell(`The run ${run.name} is not here any more.`, "plain");
      this.shown.delete(run.name);
    }
  }

  drawList() {
    const words = /** @type {HTMLInputElement} */ (byId("find")).value.trim().toLowerCase();
    byId("find-field").hidden = this.runs.length < FINDS_FROM;
    byId("no-runs").hidden = this.runs.length > 0;
    byId("curves").hidden = !this.runs.length;
    this.list.draw(this.runs.filter((/** @type {any} */ run) => `${run.name} ${run.task} ${run.state}`.toLowerCase().includes(words)), this.shown);
  }

  draw() {
    const runs = [...this.shown.values()].filter((run) => run.info);
    this.drawAlerts(runs);
    const now = JSON.stringify([runs.map((run) => [run.name, run.style, run.info, have(run), [...run.curves.values()].map((curve) => curve.last)]), this.all, this.smooth]);
    if (now === this.drawn || this.zoom.dragging) return;
    this.drawn = now;
    this.details.draw(runs);
    byId("heads").replaceChildren(...runs.map(head));
    const charts = chartsOf(runs, this.all, this.across).map((chart) => drawCurves(this.smooth ? smoother(chart) : chart, this.zoom));
    byId("charts").replaceChildren(...[measured(runs), rated(runs)].filter((chart) => chart).map((chart) => drawChart(chart)), ...charts);
    const empty = byId("no-curves");
    empty.hidden = charts.length > 0 || !this.runs.length || runs.length < this.shown.size;
    empty.replaceChildren(element("p", {}, this.shown.size ? "Nothing is measured of it yet; the curves come with the first figures." : "Choose a run on the list."));
    drawLog(runs);
  }

  /** @param {Run[]} runs */
  drawAlerts(runs) {
    const rows = this.runs.flatMap((/** @type {any} */ run) => {
      if (run.state === "waiting") return [["warn", `${run.name} waits for answers.`, `/review?run=${encodeURIComponent(run.name)}`, "Review"]];
      if (run.state === "failed" && Date.now() / 1000 - run.changed < 86400) return [["bad", `${run.name} failed: ${run.why}`, "", ""]];
      return [];
    });
    for (const run of runs.filter((run) => run.info.state === "working")) for (const alarm of run.info.alarms.slice(-1)) rows.push(["bad", `Alarm in ${run.name}, ${alarm.stage}: ${alarm.why}.`, "", ""]);
    const nodes = rows.slice(0, 5).map((/** @type {string[]} */ [kind, text, address, word]) => element("li", { class: `notice ${kind}` }, element("span", { class: "wrap" }, text), ...(address ? [" ", element("a", { class: "button small", href: address }, word)] : [])));
    const place = byId("alerts");
    if (place.textContent !== nodes.map((/** @type {HTMLElement} */ node) => node.textContent).join("")) place.replaceChildren(...nodes);
  }
}

/** @param {Run} run */
function head(run) {
  const { info } = run;
  const { labels } = info;
  /** @type {[string, string, string][]} */
  const figures = info.evaluations.map((/** @type {any} */ one) => [`Success, ${one.name}`, percent(one.value), `${percent(one.low)} to ${percent(one.high)} of ${one.episodes}`]);
  const model = info.reward[info.reward.length - 1];
  if (model?.accuracy) figures.push(["Answers predicted", percent(model.accuracy.value), [`${percent(model.accuracy.low)} to ${percent(model.accuracy.high)}`, info.people_agree === null ? "" : `people agree in ${percent(info.people_agree)}`].filter(Boolean).join("; ")]);
  if (model?.disagreement !== null && model?.disagreement !== undefined) figures.push(["Models disagree by", model.disagreement.toPrecision(2), "deviation of a clip's score"]);
  if (labels?.questions) {
    figures.push(["Labels by people", labels.human.toLocaleString("en"), labels.human ? `${labels.minutes.toFixed(labels.minutes < 10 ? 1 : 0)} min` : "none yet"]);
    figures.push(["Simulated labels", labels.simulated.toLocaleString("en"), "by a simulated teacher"]);
  }
  const gates = info.gates.map((/** @type {any} */ gate) => element("li", {}, element("span", { class: `badge ${gate.accepted ? "good" : "warn"}` }, gate.accepted ? "kept" : "refused"), ` round ${gate.round}: ${gate.reason}`));
  const alarms = info.alarms.map((/** @type {any} */ alarm) => element("li", {}, element("span", { class: "badge bad" }, "alarm"), ` ${alarm.stage}: ${alarm.why}`));
  const node = element(
    "article",
    { class: "card run-head" },
    element("h3", { class: "row" }, swatch(run.style), element("span", { class: "clip", title: run.name }, info.title || run.name), badge(info)),
    element("p", { class: "small soft wrap" }, [info.task, stageWords(info.stage), info.why, `changed ${ago(info.changed)}`].filter(Boolean).join(" · ")),
  );
  if (figures.length) node.append(element("dl", { class: "figures" }, ...figures.map(([name, value, note]) => element("div", {}, element("dt", {}, name), element("dd", {}, value, note ? element("small", {}, note) : "")))));
  if (gates.length || alarms.length) node.append(element("ul", { class: "small verdicts" }, ...alarms, ...gates));
  if (labels?.waiting && info.state !== "finished") node.append(element("p", { class: "small" }, `${labels.waiting.toLocaleString("en")} questions wait. `, element("a", { href: `/review?run=${encodeURIComponent(run.name)}` }, "Review")));
  return node;
}

/** @param {Run[]} runs */
function measured(runs) {
  const rows = runs.flatMap((run) => run.info.evaluations.map((/** @type {any} */ one) => ({ ...one, name: runs.length > 1 ? `${run.name}, ${one.name}` : one.name, count: one.episodes })));
  if (!rows.length) return null;
  return { kind: "intervals", id: "evaluations", title: "Success, measured", text: "On seeds that nothing is learned from; the line holds the truth in 95 of 100 cases.", x: { label: "success", low: 0, high: 1, percent: true }, rows };
}

/** @param {Run[]} runs */
function rated(runs) {
  const found = runs.map((run) => run.info.ratings).find((one) => one?.policies?.length);
  if (!found) return null;
  const rows = found.policies.filter((/** @type {any} */ one) => Number.isFinite(one.rating?.value)).map((/** @type {any} */ one) => ({ name: one.name, ...one.rating, count: one.judged }));
  const text = `${found.verdict} ${found.answers} blind comparisons${found.covered ? "; the names are covered until the judging is over" : ""}.`;
  return rows.length ? { kind: "intervals", id: "ratings", title: "Ratings of checkpoints", text, x: { label: "rating" }, rows } : null;
}

/** @param {Run[]} runs */
function drawLog(runs) {
  const rows = runs.flatMap((run) => run.info.events.map((/** @type {any} */ event) => ({ ...event, run })));
  rows.sort((a, b) => b.time - a.time);
  byId("log").hidden = !rows.length;
  byId("log-rows").replaceChildren(
    ...rows.slice(0, LOG_ROWS).map(({ time, event, stage, text, run }) =>
      element("tr", {}, element("td", { class: "number small" }, new Date(time * 1000).toLocaleString(undefined, { dateStyle: "short", timeStyle: "medium" })), element("td", { class: "small" }, element("span", { class: "log-run" }, swatch(run.style), element("span", { class: "clip" }, run.name))), element("td", { class: "wrap" }, element("strong", {}, event), ` ${[stage, text].filter(Boolean).join(" · ")}`)),
    ),
  );
}

new InUse(new Monitor().page.mayNote);
