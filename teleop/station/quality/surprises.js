// @ts-check
/** Answers that a reward expects least, by a reward that did not learn from them. */

import { get, tellRefusals } from "../shared/api.js";
import { element } from "../shared/made.js";
import { percent } from "../shared/runs.js";

/** @typedef {{id: string, task: string, kind: string, clips: string[], person: string, words: string, chance: number}} Surprise */

/**
 * Fetch and draw the list; hidden where no reward has predicted anything.
 * @param {{task: string, run: string}} chosen
 */
export async function drawSurprises(chosen) {
  const found = await tellRefusals(() => get(`/api/questions/surprises?${new URLSearchParams(chosen)}`));
  const part = document.getElementById("surprises-part");
  if (!part || !found) return;
  const people = Object.entries(/** @type {Record<string, {right: number, of: number}>} */ (found.people));
  part.hidden = !people.length;
  const words = people.map(([name, { right, of }]) => `${name}: ${right} of ${of}`).join(" · ");
  /** @type {HTMLElement} */ (document.getElementById("surprises-people")).textContent = words;
  document.getElementById("surprises")?.replaceChildren(...found.otherwise.map(row));
}

/** @param {Surprise} one */
function row(one) {
  const clips = one.clips.map((id, i) => element("a", { href: `/review/clip/${id}`, target: "_blank", rel: "noopener" }, `Clip ${"ABCDEF"[i]}`));
  const about = element("p", { class: "soft small" }, `${one.task} · the reward is ${percent(1 - one.chance)} sure of another answer`);
  return element("li", { class: "card row apart" }, element("div", { class: "wrap" }, element("p", {}, `${one.person}: ${one.words}`), about), element("div", { class: "row" }, ...clips));
}
