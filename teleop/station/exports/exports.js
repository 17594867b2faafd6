// @ts-check
/** The exports page: how far each export is, its result to take away, and deleting it. */

import { get, send, tellRefusals } from "../shared/api.js";
import { confirm } from "../shared/dialog.js";
import { button, date, element } from "../shared/made.js";

const SOON = 1000; // [ms] between two looks while something is written
const LATER = 10_000; // and while nothing is

/**
 * @typedef {{name: string, place: string, dataset: string, episodes: number, format: string, cameras: string[], person: string,
 *   asked: number, state: string, what: string, done: number, total: number, error: string}} Job
 */

const list = /** @type {HTMLElement} */ (document.getElementById("exports"));
const nothing = /** @type {HTMLElement} */ (document.getElementById("nothing"));
let drawn = "";

/** @param {Job} job */
function card(job) {
  const { state } = job;
  const tones = /** @type {Record<string, string>} */ ({ done: "good", failed: "bad", working: "accent" });
  const cameras = job.cameras.length ? `, from ${job.cameras.join(", ")}` : "";
  const progress = element("progress", { "aria-label": `${job.name}: ${job.what}`, max: Math.max(job.total, 1), value: job.total ? job.done : false });
  return element(
    "li",
    { class: "card stack tight", "data-export": job.name, "data-state": state },
    element(
      "div",
      { class: "row apart" },
      element("h2", { class: "wrap" }, job.place),
      element("span", { class: `badge ${tones[state] || ""}` }, state),
    ),
    element("p", { class: "small soft wrap" }, `${job.episodes.toLocaleString("en")} of ${job.dataset} as ${job.format}${cameras}; ${job.person}, ${date(job.asked, true)}`),
    state === "working" ? element("div", { class: "row" }, progress, element("span", { class: "small soft number" }, `${job.done.toLocaleString("en")} of ${job.total.toLocaleString("en")} ${job.what}`)) : "",
    job.error ? element("p", { class: "notice bad wrap" }, job.error) : "",
    element(
      "div",
      { class: "row" },
      state === "done" ? element("a", { class: "button primary", href: `/exports/download/${encodeURIComponent(job.name)}`, download: "" }, "Download") : "",
      button(state === "working" || state === "waiting" ? "Stop" : "Delete", "danger", () => remove(job)),
    ),
  );
}

/** @param {Job} job */
async function remove(job) {
  const atWork = job.state === "working" || job.state === "waiting";
  const text = atWork ? "What it has written is deleted." : `${job.place} is deleted from the data home; the episodes stay.`;
  if (!(await confirm(atWork ? "Stop this export?" : "Delete this export?", text, { yes: atWork ? "Stop" : "Delete", tone: "danger" }))) return;
  await tellRefusals(() => send("/api/exports/delete", { name: job.name }));
  await draw();
}

/** @returns {Promise<boolean>} whether something is written */
async function draw() {
  /** @type {{exports: Job[]}} */
  const { exports } = await get("/api/exports");
  const now = JSON.stringify(exports);
  if (now !== drawn) list.replaceChildren(...exports.map(card));
  drawn = now;
  list.setAttribute("aria-busy", "false");
  nothing.hidden = exports.length > 0;
  return exports.some(({ state }) => state === "working" || state === "waiting");
}

async function look() {
  const busy = await tellRefusals(draw);
  setTimeout(look, busy ? SOON : LATER);
}

look();
