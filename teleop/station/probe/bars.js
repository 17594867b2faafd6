// @ts-check
/** An action as bars from -1 to 1: the policy's action, the range of its samples, and the recorded action. */

import { element } from "../shared/made.js";

/** @param {number} value in [-1, 1] */
const place = (value) => `${50 + 50 * Math.min(Math.max(value, -1), 1)}%`;

/**
 * @param {HTMLElement} host
 * @param {HTMLElement} about says what the marks mean
 * @param {{names: string[], actions: number[][], recorded: number[] | null, chance: boolean}} seen
 */
export function drawBars(host, about, seen) {
  const [first, ...others] = seen.actions;
  host.replaceChildren(
    ...seen.names.flatMap((name, column) => {
      const value = first[column];
      const fill = element("i");
      fill.style.left = place(Math.min(value, 0));
      fill.style.width = `${50 * Math.min(Math.abs(value), 1)}%`;
      const bar = element("span", { class: "bar", "aria-hidden": "true" }, fill);
      for (const other of seen.chance ? others : []) {
        const tick = element("b");
        tick.style.left = place(other[column]);
        bar.append(tick);
      }
      if (seen.recorded) {
        const mark = element("s");
        mark.style.left = place(seen.recorded[column]);
        bar.append(mark);
      }
      const done = seen.recorded ? `, done: ${seen.recorded[column].toFixed(2)}` : "";
      const number = element("span", { class: "number" }, value.toFixed(2).replace("-", "−"), element("span", { class: "only-read" }, done));
      return [element("span", { class: "name" }, name), bar, number];
    }),
  );
  const words = [seen.chance ? `Lines: what chance could choose, ${seen.actions.length} times.` : "Nothing is left to chance."];
  words.push(seen.recorded ? "▾: what was done." : "The episode ends here: nothing was done.");
  about.textContent = words.join(" ");
}
