// @ts-check
/** Questions that are ambiguous rather than people that are careless, each with what to do about it. */

import { element } from "../shared/made.js";

/** @typedef {{hits: number, of: number}} Share */
/** @typedef {{id: string, task: string, kind: string, clips: string[], answers: Record<string, number>, people: Share,
 *   same_person: Share, advice: string}} Ambiguous */

/**
 * Draw the list; hidden where there is none.
 * @param {Ambiguous[]} found
 */
export function drawAmbiguous(found) {
  const part = document.getElementById("ambiguous-part");
  if (part) part.hidden = !found.length;
  document.getElementById("ambiguous")?.replaceChildren(...found.map(row));
}

/** @param {Ambiguous} one */
function row(one) {
  const answers = Object.entries(one.answers).map(([words, count]) => `${words}: ${count}`).join(" · ");
  const shares = [
    one.people.hits ? `${one.people.hits} of ${one.people.of} pairs of people disagree` : "",
    one.same_person.hits ? `${one.same_person.hits} of ${one.same_person.of} who were asked again answer otherwise` : "",
  ];
  const clips = one.clips.map((id, i) => element("a", { href: `/review/clip/${id}`, target: "_blank", rel: "noopener" }, `Clip ${"ABCDEF"[i]}`));
  const about = element("p", { class: "soft small" }, `${one.task} · ${answers} · ${shares.filter(Boolean).join("; ")}`);
  const guidelines = element("a", { class: "button quiet", href: `/guidelines?task=${encodeURIComponent(one.task)}` }, "Guidelines");
  return element("li", { class: "card row apart" }, element("div", { class: "wrap" }, element("p", {}, one.advice), about), element("div", { class: "row" }, ...clips, guidelines));
}
