// @ts-check
/** One's own answers: each can be looked at, and changed. */

import { get, send, tellRefusals } from "../shared/api.js";
import { date, element } from "../shared/made.js";
import { newKey } from "../shared/outbox.js";
import { percent } from "../shared/runs.js";
import { rememberTakenBack } from "../shared/taken-back.js";
import { clipsOf } from "./clips.js";

const place = /** @type {HTMLElement} */ (document.getElementById("answered"));

tellRefusals(async () => {
  const { answers } = await get("/api/questions/mine");
  place.removeAttribute("aria-busy");
  /** @type {HTMLElement} */ (document.getElementById("nothing")).hidden = answers.length > 0;
  place.replaceChildren(...answers.map(line));
  count(answers);
});

/**
 * Say how often the reward would have answered otherwise, with a switch that leaves the others out.
 * @param {any[]} answers
 */
function count(answers) {
  const known = answers.filter((one) => one.chance !== null);
  const apart = known.filter((one) => one.chance < 0.5);
  /** @type {HTMLElement} */ (document.getElementById("learned")).hidden = !known.length;
  const words = `${known.length} of these answers were held out from the reward: it expects ${known.length - apart.length} of them, and ${apart.length} otherwise.`;
  /** @type {HTMLElement} */ (document.getElementById("learned-words")).textContent = words;
  const only = /** @type {HTMLInputElement} */ (document.getElementById("apart"));
  only.onchange = () => place.replaceChildren(...(only.checked ? apart : answers).map(line));
}

/** @param {any} one */
function line(one) {
  const change = element("button", { type: "button", class: "button small", onclick: () => again(one) }, "Change");
  const head = element("div", { class: "row apart" }, element("h2", {}, one.words), change);
  const about = [one.prompt, one.task, date(Date.parse(one.answered) / 1000, true), one.note].filter(Boolean).join(" · ");
  const known = one.chance === null ? [] : [element("p", { class: "small wrap" }, expected(one.chance))];
  return element("li", { class: "card" }, head, element("p", { class: "small soft wrap" }, about), ...known, clipsOf(one.clips));
}

/** @param {number} chance of the answer, by a reward that did not learn from it */
function expected(chance) {
  const sure = percent(Math.max(chance, 1 - chance));
  return chance < 0.5 ? `The reward expects otherwise (${sure} sure; it has not learned from this answer).` : `The reward expects this (${sure} sure).`;
}

/**
 * Take an answer back; the review page asks the question again.
 * @param {any} one
 */
async function again(one) {
  const body = { question: one.question_id, lease: one.lease, key: newKey() };
  if (!(await tellRefusals(() => send("/api/review/undo", body)))) return;
  rememberTakenBack(one.question_id, one.value);
  location.assign(`/review?task=${encodeURIComponent(one.task)}`);
}
