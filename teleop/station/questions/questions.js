// @ts-check
/** The questions page: the form that makes questions, and what people answered. */

import { get, pageData, Refused, send, tellRefusals } from "../shared/api.js";
import { bindKeys } from "../shared/keys.js";
import { button, element, printKeys } from "../shared/made.js";
import { tell } from "../shared/toast.js";
import { clipsOf } from "./clips.js";

const { places, kinds, most, keys } = pageData();
/** @param {string} id */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
/** @param {string} id */
const field = (id) => /** @type {HTMLInputElement} */ (document.getElementById(id));
/** @type {any[]} */
let shown = [];
/** @type {ReturnType<typeof bindKeys> | null} */
let bound = null;
/** @type {Record<string, string>} */
const DONE = { accept: "Your answer is the same now.", more: "Two more people are asked.", gold: "It is a gold question now: mixed in unseen.", practice: "It is a practice question now." };

begin();
look();

function begin() {
  field("place").append(...places.map((/** @type {any} */ one) => new Option(one.title ? `${one.title} (${one.name})` : one.name, one.name)));
  field("kind").append(...kinds.map((/** @type {any} */ one) => new Option(one.name.replaceAll("_", " "), one.name)));
  field("count").max = String(most.count);
  field("people").max = String(most.people);
  field("place").addEventListener("input", fillTasks);
  field("kind").addEventListener("input", describe);
  field("disputed").addEventListener("input", look);
  byId("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
  });
  fillTasks();
  describe();
  const once = (/** @type {() => void} */ run) => (/** @type {boolean} */ pressed) => void (pressed && run());
  const acts = Object.fromEntries(Object.keys(DONE).map((act) => [act, once(() => settle(focused(), act))]));
  bound = bindKeys(keys, { ...acts, next: once(() => move(1)), previous: once(() => move(-1)) });
}

function fillTasks() {
  const tasks = places.find((/** @type {any} */ one) => one.name === field("place").value)?.tasks || [];
  field("task").replaceChildren(...tasks.map((/** @type {string} */ name) => new Option(name, name)));
}

function describe() {
  byId("prompt").textContent = kinds.find((/** @type {any} */ one) => one.name === field("kind").value)?.prompt || "";
}

async function ask() {
  const problem = byId("problem");
  problem.hidden = true;
  try {
    const number = (/** @type {string} */ id) => Number(field(id).value);
    const made = await send("/api/questions", { place: field("place").value, task: field("task").value, kind: field("kind").value, count: number("count"), people: number("people"), seconds: number("seconds") });
    const link = element("a", { href: `/review?run=${encodeURIComponent(made.run)}` }, "Review");
    byId("asked").replaceChildren(`${made.count} ${made.count === 1 ? "question waits" : "questions wait"} for people as ${made.run}. `, link);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    problem.textContent = error.message;
    problem.hidden = false;
  }
}

async function look() {
  await tellRefusals(async () => {
    const found = await get(`/api/questions/answered?disputed=${field("disputed").checked}`);
    shown = found.questions;
    byId("disputed-word").textContent = `Disputed only (${found.disputed})`;
    byId("nothing").hidden = shown.length > 0;
    const place = byId("answered");
    place.removeAttribute("aria-busy");
    place.replaceChildren(...shown.map(line));
    if (bound) printKeys(bound.table);
  });
}

/** @param {any} one */
function line(one) {
  const node = element("li", { class: "card", "data-question": one.id });
  const badge = one.disputed ? [element("span", { class: "badge warn" }, "disputed")] : [];
  const head = element("div", { class: "row" }, element("h3", { tabindex: "-1" }, one.prompt), ...badge);
  const given = one.answers.map((/** @type {any} */ answer, /** @type {number} */ i) => element("li", {}, element("label", {}, element("input", { type: "radio", name: one.id, value: String(i), checked: i === 0 }), answer.words, element("span", { class: "small soft" }, answer.annotator))));
  const deeds = element("div", { class: "row" });
  for (const [act, word] of [["accept", "Accept"], ["more", "Ask more"], ["gold", "Gold"], ["practice", "Practice"]]) {
    if (one.disputed || act === "gold" || act === "practice") deeds.append(button(word, "small", () => settle(node, act), act));
  }
  const about = [one.task, one.kind, one.run].join(" · ");
  node.append(head, element("p", { class: "small soft" }, about), element("ul", { class: "given" }, ...given), clipsOf(one.clips), deeds);
  return node;
}

/** Return the row that has the focus, else the first. */
function focused() {
  const rows = [...byId("answered").children];
  return /** @type {HTMLElement | undefined} */ (rows.find((row) => row.contains(document.activeElement)) || rows[0]);
}

/** @param {number} by */
function move(by) {
  const rows = [...byId("answered").children];
  const here = rows.findIndex((row) => row.contains(document.activeElement));
  const next = rows[Math.max(0, Math.min(rows.length - 1, here < 0 ? 0 : here + by))];
  const heading = next?.querySelector("h3");
  if (heading instanceof HTMLElement) heading.focus();
}

/**
 * @param {HTMLElement | undefined} row
 * @param {string} act
 */
async function settle(row, act) {
  const one = shown.find(({ id }) => id === row?.dataset.question);
  if (!row || !one) return tell("Go to a question first.", "plain");
  const chosen = /** @type {HTMLInputElement | null} */ (row.querySelector("input:checked"));
  const { value } = one.answers[Number(chosen?.value || 0)];
  if (await tellRefusals(() => send("/api/questions/settle", { question: one.id, act, value: act === "more" ? {} : value }))) {
    tell(DONE[act], "good");
    await look();
  }
}
