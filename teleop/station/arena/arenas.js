// @ts-check
/** The list of arenas, and the form that starts one. */

import { get, pageData, Refused, send } from "../shared/api.js";
import { chosen, counted, listPolicies, stateBadge } from "./parts.js";
import { element } from "../shared/made.js";

const SOON = 3000; // [ms] between requests while an arena works
const LATE = 15000;
const { tasks, policies, most } = pageData();
/** @param {string} id */
const found = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
/** @param {string} id */
const field = (id) => /** @type {HTMLInputElement} */ (document.getElementById(id));
let drawn = "";

const trained = new Set(policies.map((/** @type {any} */ policy) => policy.task));
const sorted = [...tasks].sort((a, b) => Number(trained.has(b.name)) - Number(trained.has(a.name)));
field("task").append(...sorted.map((task) => new Option(trained.has(task.name) ? task.name : `${task.name} (no policy yet)`, task.name)));
field("seeds").max = String(most.seeds);
field("judges").max = String(most.judges);
field("task").addEventListener("input", describe);
found("begin").addEventListener("input", sum);
found("begin").addEventListener("submit", (event) => {
  event.preventDefault();
  start();
});
describe();
look();

function describe() {
  listPolicies(found("policies"), policies, field("task").value);
  sum();
}

/** Show how many questions and answers the arena will need. */
function sum() {
  const number = chosen(found("policies")).length;
  const questions = ((number * (number - 1)) / 2) * Number(field("seeds").value || 0);
  found("sum").textContent = number < 2 ? "" : `${counted(questions, "question")}, ${counted(questions * Number(field("judges").value || 0), "answer")} in all.`;
}

async function start() {
  const problem = found("problem");
  const go = field("go");
  problem.hidden = true;
  go.disabled = true;
  const judge = /** @type {HTMLInputElement} */ (document.querySelector('input[name="judge"]:checked')).value;
  const body = { name: field("name").value.trim(), task: field("task").value, policies: chosen(found("policies")), seeds: Number(field("seeds").value), judge, judges: Number(field("judges").value) };
  try {
    const { address } = await send("/api/arenas", body);
    location.assign(address);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    problem.textContent = error.message;
    problem.hidden = false;
    go.disabled = false;
  }
}

async function look() {
  let wait = LATE;
  try {
    const { arenas } = await get("/api/arenas");
    draw(arenas);
    if (arenas.some((/** @type {any} */ one) => ["starting", "working"].includes(one.state))) wait = SOON;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (!drawn) found("arenas").replaceChildren(element("li", { class: "card" }, error.message));
  }
  setTimeout(look, document.hidden ? 4 * wait : wait);
}

/** @param {any[]} arenas */
function draw(arenas) {
  const now = JSON.stringify(arenas);
  if (now === drawn) return;
  drawn = now;
  found("arenas").removeAttribute("aria-busy");
  found("nothing").hidden = arenas.length > 0;
  found("arenas").replaceChildren(...arenas.map(line));
}

/** @param {any} one */
function line(one) {
  const head = element("div", { class: "row apart" }, element("h3", { class: "clip" }, element("a", { href: `/arena/${one.arena}` }, one.arena)), stateBadge(one.state));
  if (!one.task) return element("li", { class: "card" }, head, element("p", { class: `small ${one.failure ? "bad-words wrap" : "soft"}` }, one.failure || "The policies are being loaded."));
  const who = one.judge === "human" ? "people" : "simulated teachers";
  const done = one.state === "working" ? `${one.episodes} of ${one.episodes_wanted} episodes` : `${one.answered} of ${counted(one.asked, "question")} answered`;
  const about = element("p", { class: "small soft" }, `${one.task} · ${counted(one.policies.length, "policy").replace("policys", "policies")} · judged by ${who} · ${done}`);
  const item = element("li", { class: "card" }, head, about);
  if (one.failure) item.append(element("p", { class: "small bad-words wrap" }, one.failure));
  else if (one.answers) item.append(element("p", {}, one.verdict));
  return item;
}
