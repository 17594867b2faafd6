// @ts-check
/** One's own answers: each can be looked at, and changed. */

import { get, send, tellRefusals } from "../shared/api.js";
import { date, element } from "../shared/made.js";
import { newKey } from "../shared/outbox.js";
import { clipsOf } from "./clips.js";

const place = /** @type {HTMLElement} */ (document.getElementById("answered"));

tellRefusals(async () => {
  const { answers } = await get("/api/questions/mine");
  place.removeAttribute("aria-busy");
  /** @type {HTMLElement} */ (document.getElementById("nothing")).hidden = answers.length > 0;
  place.replaceChildren(...answers.map(line));
});

/** @param {any} one */
function line(one) {
  const change = element("button", { type: "button", class: "button small", onclick: () => again(one) }, "Change");
  const head = element("div", { class: "row apart" }, element("h2", {}, one.words), change);
  const about = [one.prompt, one.task, date(Date.parse(one.answered) / 1000, true), one.note].filter(Boolean).join(" · ");
  return element("li", { class: "card" }, head, element("p", { class: "small soft wrap" }, about), clipsOf(one.clips));
}

/**
 * Take an answer back; the review page asks the question again.
 * @param {any} one
 */
async function again(one) {
  const body = { question: one.question_id, lease: one.lease, key: newKey() };
  if (await tellRefusals(() => send("/api/review/undo", body))) location.assign(`/review?task=${encodeURIComponent(one.task)}`);
}
