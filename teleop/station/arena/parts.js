// @ts-check
/** Shared parts of the arena pages: names of states, and the list of policies to choose from. */

import { element } from "../shared/made.js";

/** @type {Record<string, [string, string]>} state → the badge's class and its word */
const STATES = {
  starting: ["accent", "starting"],
  working: ["accent", "running the policies"],
  judging: ["warn", "being judged"],
  finished: ["good", "finished"],
  stopped: ["", "stopped"],
  failed: ["bad", "failed"],
};

/**
 * Return a state as a badge: a dot and a word.
 * @param {string} state
 */
export function stateBadge(state) {
  const [kind, word] = STATES[state] || ["", state];
  return element("span", { class: `badge ${kind}` }, element("span", { class: "dot" }), word);
}

/**
 * Show the policies of a task as check boxes.
 * @param {HTMLElement} place
 * @param {{path: string, task: string}[]} policies
 * @param {string} task
 * @param {string[]} [without] paths that are left out
 */
export function listPolicies(place, policies, task, without = []) {
  const ticked = new Set(chosen(place));
  const fitting = policies.filter((policy) => policy.task === task && !without.includes(policy.path));
  const rows = fitting.map((policy) =>
    element("label", { class: "check" }, element("input", { type: "checkbox", value: policy.path, checked: ticked.has(policy.path) }), element("span", { class: "clip", title: policy.path }, short(policy.path))),
  );
  place.replaceChildren(...(rows.length ? rows : [element("p", { class: "soft small" }, "No policy of this task is trained yet.")]));
}

/**
 * Return the checked paths.
 * @param {HTMLElement} place
 * @returns {string[]}
 */
export function chosen(place) {
  return [...place.querySelectorAll("input:checked")].map((box) => /** @type {HTMLInputElement} */ (box).value);
}

/**
 * Return the short name of a checkpoint.
 * @param {string} path
 */
export function short(path) {
  return path.replace(/^runs\//, "").replace(/(\/finetune)?\/checkpoints\/policy\.safetensors$/, "").replace(/\.safetensors$/, "");
}

/**
 * Return a count with its noun.
 * @param {number} number
 * @param {string} noun
 */
export function counted(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}
