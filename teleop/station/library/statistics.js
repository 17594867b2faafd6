// @ts-check
/** Statistics of the episodes that match the address; redrawn while the station still reads some of them. */

import { get, Refused } from "../shared/api.js";
import { drawChart } from "../shared/charts.js";
import { element } from "../shared/made.js";
import { withInstants } from "./days.js";

const SOON = 700; // [ms] after which the station is asked again while it reads
const NAMES = { q: "words", since: "from", until: "to", shortest: "at least", longest: "at most", source: "chosen by" };

/** @param {string} id */
const found = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
let drawn = "";

async function load() {
  const query = withInstants(new URLSearchParams(location.search));
  try {
    const answer = await get(`/api/library/statistics?${query}`);
    draw(answer);
    if (answer.missing) setTimeout(load, document.hidden ? 5 * SOON : SOON);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    found("about").textContent = "";
    found("charts").replaceChildren();
    say("The statistics cannot be shown now", error.message, element("button", { type: "button", class: "button", onclick: load }, "Try again"));
  }
}

/** @param {any} answer */
function draw(answer) {
  const filters = [...new URLSearchParams(location.search)].filter(([name]) => name !== "sort");
  const words = filters.map(([name, value]) => `${NAMES[/** @type {keyof typeof NAMES} */ (name)] || name} ${value}`).join(", ");
  let text = words ? `Of the episodes with ${words}.` : "Of all episodes.";
  if (answer.missing) text += ` ${(answer.total - answer.missing).toLocaleString("en")} of ${answer.total.toLocaleString("en")} are read so far; the charts grow.`;
  found("about").textContent = text;
  found("nothing").hidden = answer.total > 0;
  found("figures").hidden = !answer.summary.episodes;
  if (!answer.total) {
    found("charts").replaceChildren();
    say(words ? "No episode fits" : "Nothing is recorded yet", words ? "Take a filter away in the library." : "The charts come with the first episodes.", element("a", { class: "button", href: "/library" }, "To the library"));
    return;
  }
  figures(answer.summary);
  const now = JSON.stringify(answer.charts);
  if (now === drawn) return;
  drawn = now;
  const place = found("charts");
  place.removeAttribute("aria-busy");
  place.replaceChildren(...answer.charts.map(drawChart));
}

/** @param {any} summary */
function figures(summary) {
  const percent = (/** @type {number} */ share) => `${Math.round(100 * share)} %`;
  /** @type {[string, string, string][]} */
  const rows = [
    ["Episodes", summary.episodes.toLocaleString("en"), ""],
    ["Success", summary.success ? percent(summary.success.value) : "–", summary.success ? `${percent(summary.success.low)} to ${percent(summary.success.high)}` : ""],
    ["Minutes", summary.minutes.toLocaleString("en", { maximumFractionDigits: 1 }), ""],
    ["Steps", summary.steps.toLocaleString("en"), ""],
    ["Operators", summary.operators.toLocaleString("en"), ""],
  ];
  found("figures").replaceChildren(...rows.map(([name, value, note]) => element("div", {}, element("dt", {}, name), element("dd", {}, value, note ? element("small", {}, note) : ""))));
}

/**
 * @param {string} title
 * @param {string} text
 * @param {HTMLElement} way
 */
function say(title, text, way) {
  found("nothing").hidden = false;
  found("nothing").replaceChildren(element("h2", {}, title), element("p", { class: "wrap" }, text), way);
}

const back = found("to-library");
if (back instanceof HTMLAnchorElement) back.href = `/library${location.search}`;
load();
