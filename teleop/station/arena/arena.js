// @ts-check
/** The page of one arena: progress, results of the policies, and comparisons that are still undecided. */

import { get, pageData, Refused, send, tellRefusals } from "../shared/api.js";
import { chosen, counted, listPolicies, stateBadge } from "./parts.js";
import { drawChart } from "../shared/charts.js";
import { ask } from "../shared/dialog.js";
import { bindKeys } from "../shared/keys.js";
import { button, element, printKeys } from "../shared/made.js";

const SOON = 2000; // [ms] between requests while the arena works
const LATE = 20000;
const { name, keys, policies, most } = pageData();
const address = `/api/arenas/${name}`;
/** @param {string} id */
const found = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
/** @param {string} id */
const field = (id) => /** @type {HTMLInputElement} */ (document.getElementById(id));
let drawn = "";
let timer = 0;
/** @type {any} */
let arena = null;

const bound = bindKeys(
  keys,
  {
    judge: (pressed) => pressed && arena?.judge === "human" && arena.state === "judging" && location.assign(review()),
    weigh: (pressed) => pressed && !found("weighing").hidden && field("weigh").click(),
    names: (pressed) => pressed && !found("cover").hidden && showNames(),
    on: (pressed) => pressed && ["stopped", "failed"].includes(arena?.state) && goOn(),
  },
  { scope: "arena" },
);
field("weigh").addEventListener("change", () => look());
found("names").addEventListener("click", showNames);
found("more").addEventListener("submit", (event) => {
  event.preventDefault();
  more({ policies: chosen(found("policies")), seeds: field("seeds").value ? Number(field("seeds").value) : null }, found("problem"));
});
look();

function review() {
  return `/review?run=${encodeURIComponent(name)}`;
}

async function look() {
  clearTimeout(timer);
  let wait = LATE;
  try {
    arena = await get(`${address}${field("weigh").checked ? "?weighted=true" : ""}`);
    draw();
    if (arena.state !== "finished") wait = SOON;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (!drawn) found("about").textContent = error.message;
  }
  timer = window.setTimeout(look, document.hidden ? 5 * wait : wait);
}

async function showNames() {
  const choice = await ask({
    title: "Show the names?",
    text: "A judge who knows the names is not blind: what you answer in this arena from now on does not count. What you have answered stays.",
    choices: [
      { label: "Keep them hidden", value: "" },
      { label: "Show the names", value: "show", tone: "primary" },
    ],
  });
  if (choice !== "show") return;
  await tellRefusals(() => send(`${address}/names`));
  look();
}

function goOn() {
  more({}, null);
}

/**
 * @param {object} body
 * @param {HTMLElement | null} problem
 */
async function more(body, problem) {
  if (problem) problem.hidden = true;
  try {
    await send(`${address}/more`, body);
    /** @type {HTMLDetailsElement} */ (document.getElementById("add")).open = false;
    for (const box of found("policies").querySelectorAll("input")) box.checked = false;
    look();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    const place = problem || found("failure");
    place.textContent = error.message;
    place.hidden = false;
  }
}

function draw() {
  const now = JSON.stringify(arena);
  if (now === drawn) return;
  drawn = now;
  found("state").replaceChildren(stateBadge(arena.state));
  found("failure").hidden = !arena.failure;
  found("failure").textContent = arena.failure;
  const known = Boolean(arena.task);
  for (const id of ["judging", "choices", "details", "add"]) found(id).hidden = !known;
  found("results").hidden = !known || !arena.answers;
  found("verdict").hidden = !known || !arena.answers;
  if (!known) {
    found("about").textContent = arena.failure ? "It could not be started." : "The policies are being loaded.";
    return;
  }
  const who = arena.judge === "human" ? "people" : "simulated teachers";
  found("about").textContent = `${arena.task}, ${counted(arena.seeds, "seed")}, judged by ${who}: ${arena.entrants.join(", ")}.`;
  progress();
  found("verdict").textContent = arena.verdict;
  found("verdict").className = `notice wrap${arena.done && arena.pairs.every((/** @type {any} */ pair) => pair.decided) ? " good" : ""}`;
  found("cover").hidden = !arena.covered;
  found("weighing").hidden = !arena.answers || arena.overlap < 2; // reliability shows where several judge the same
  results();
  table();
  form();
  printKeys(bound.table);
}

/** Show the progress of episodes and judging, and the possible next steps. */
function progress() {
  const rows = [];
  if (arena.episodes < arena.episodes_wanted || arena.state === "working") rows.push(bar("Episodes run", arena.episodes, arena.episodes_wanted));
  if (arena.asked) rows.push(bar("Questions answered", arena.answered, arena.asked));
  found("bars").replaceChildren(...rows);
  const ways = [];
  if (arena.judge === "human" && arena.state === "judging") {
    ways.push(element("a", { class: "button primary", href: review() }, "Judge ", element("kbd", { "data-key": "judge" })));
    if (arena.looked) ways.push(element("span", { class: "small soft" }, "You have seen the names: what you answer does not count."));
  }
  if (["stopped", "failed"].includes(arena.state)) ways.push(button("Continue", "primary", goOn, "on"));
  if (arena.not_blind) ways.push(element("span", { class: "small soft" }, `${counted(arena.not_blind, "answer")} of people who had seen the names ${arena.not_blind === 1 ? "does" : "do"} not count.`));
  if (arena.cant_tell) ways.push(element("span", { class: "small soft" }, `${counted(arena.cant_tell, "answer")}: can't tell.`));
  found("ways").replaceChildren(...ways);
  found("judging").hidden = arena.state === "finished" && !ways.length;
}

/**
 * @param {string} label
 * @param {number} done
 * @param {number} all
 */
function bar(label, done, all) {
  return element("div", { class: "bar" }, element("span", {}, label), element("span", { class: "number soft" }, `${done.toLocaleString("en")} of ${all.toLocaleString("en")}`), element("progress", { value: done, max: Math.max(all, 1), "aria-label": label }));
}

function results() {
  found("results").removeAttribute("aria-busy");
  const rows = arena.policies.map((/** @type {any} */ policy) => ({ name: policy.name, count: policy.judged, ...policy.rating }));
  const chart = drawChart({
    kind: "intervals",
    id: "ratings",
    title: "Ratings",
    text: `Bradley-Terry with ties; lines hold the truth in 95 of 100 cases. 100 points more win 64 of 100 decided comparisons.${arena.weighted ? " Judges are weighed by their reliability." : ""}`,
    x: { label: "rating [points]" },
    counted: "comparisons",
    rows,
  });
  found("results").replaceChildren(chart, matrix());
}

/** @param {number} share */
function percent(share) {
  return `${Math.round(100 * share)} %`;
}

/** Show every pair as a share of what the row wins, with its interval. */
function matrix() {
  const names = arena.policies.map((/** @type {any} */ policy) => policy.name);
  const head = element("tr", {}, element("td", { class: "self" }), ...names.map((/** @type {string} */ other) => element("th", { scope: "col", title: other }, other)));
  const rows = names.map((/** @type {string} */ one) => element("tr", {}, element("th", { scope: "row" }, element("span", { class: "clip", title: one }, one)), ...names.map((/** @type {string} */ other) => cell(one, other))));
  const list = element("ul", { class: "verdicts small" }, ...arena.pairs.map((/** @type {any} */ pair) => element("li", {}, pair.verdict)));
  return element(
    "section",
    { class: "card matrix" },
    element("h2", { id: "pairs-title" }, "Every pair"),
    element("p", { class: "soft small" }, "How much of its comparisons with the column's policy the row's policy wins, ties counted half. Underlined: the difference is significant."),
    element("div", { class: "table", role: "region", "aria-labelledby": "pairs-title", tabindex: "0" }, element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows))),
    list,
  );
}

/**
 * @param {string} one
 * @param {string} other
 */
function cell(one, other) {
  if (one === other) return element("td", { class: "self" }, "–");
  const straight = arena.pairs.find((/** @type {any} */ pair) => pair.first === one && pair.second === other);
  const pair = straight || arena.pairs.find((/** @type {any} */ pair) => pair.first === other && pair.second === one);
  if (!pair?.share) return element("td", {}, element("span", { class: "soft" }, "not compared"));
  const share = straight ? pair.share : { value: 1 - pair.share.value, low: 1 - pair.share.high, high: 1 - pair.share.low };
  const counts = straight ? [pair.wins, pair.losses] : [pair.losses, pair.wins];
  const title = `${one} against ${other}: ${counts[0]} won, ${counts[1]} lost, ${pair.ties} tied`;
  return element("td", { class: pair.decided ? "decided" : "", title }, element("strong", {}, percent(share.value)), element("small", {}, `${percent(share.low)} to ${percent(share.high)}`));
}

function table() {
  const cells = arena.covered ? ["Policy", "Rating", "Chance to be best"] : ["Policy", "Rating", "Chance to be best", "Success", "Checkpoint"];
  const head = element("thead", {}, element("tr", {}, ...cells.map((word) => element("th", { scope: "col", class: word === "Policy" || word === "Checkpoint" ? "" : "count" }, word))));
  const rows = arena.policies.map((/** @type {any} */ policy) => {
    const { value, low, high } = policy.rating;
    const row = element("tr", {}, element("th", { scope: "row" }, element("span", { class: "clip", title: policy.name }, policy.name)));
    row.append(element("td", { class: "count", "data-label": "Rating" }, arena.answers ? `${Math.round(value)} (${Math.round(low)} to ${Math.round(high)})` : "–"));
    row.append(element("td", { class: "count", "data-label": "Chance to be best" }, arena.answers ? percent(policy.best) : "–"));
    if (!arena.covered) {
      const good = policy.success;
      row.append(element("td", { class: "count", "data-label": "Success" }, good ? `${percent(good.value)} (${percent(good.low)} to ${percent(good.high)})` : "–"));
      row.append(element("td", { "data-label": "Checkpoint" }, element("span", { class: "clip small", title: `${policy.checkpoint}, SHA-256 ${policy.digest}` }, policy.checkpoint)));
    }
    return row;
  });
  found("table").replaceChildren(head, element("tbody", {}, ...rows));
}

function form() {
  const fixed = ["starting", "working"].includes(arena.state);
  found("add").hidden = fixed;
  if (/** @type {HTMLDetailsElement} */ (document.getElementById("add")).open) return; // the user is choosing
  const there = arena.policies.map((/** @type {any} */ policy) => policy.checkpoint || "");
  listPolicies(found("policies"), policies, arena.task, there);
  const seeds = field("seeds");
  [seeds.min, seeds.max, seeds.value] = [String(arena.seeds), String(most.seeds), String(arena.seeds)];
}
