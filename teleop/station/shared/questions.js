// @ts-check
/** Requests for questions: the next ones are loaded before they are needed. */

import { Refused, get, send } from "./api.js";

/** @typedef {import("../review/stage.js").Question} Question */
/** @typedef {{run: string | null, task: string | null, practice: boolean}} Chosen */

/**
 * Ask for the next question; null where there is none.
 * @param {Chosen} chosen
 * @param {number[]} have leases that the page has
 * @returns {Promise<Question | null>}
 */
export async function nextQuestion(chosen, have) {
  return (await send("/api/review/next", { ...chosen, have })).question;
}

/**
 * Renew a lease; return for how long [s], 0 where the question was assigned to others.
 * @param {number} lease
 * @returns {Promise<number>}
 */
export async function renew(lease) {
  return (await send("/api/review/renew", { lease })).seconds;
}

/**
 * Release questions that were not shown; the page is being left.
 * @param {number[]} leases
 */
export function giveBack(leases) {
  for (const lease of leases) send("/api/review/release", { lease }, { keepalive: true }).catch(() => {});
}

/**
 * Report a clip that cannot be shown.
 * @param {number} lease
 * @param {string} clip
 */
export async function reportBroken(lease, clip) {
  try {
    await send("/api/review/broken", { lease, clip });
  } catch (error) {
    if (!(error instanceof Refused)) throw error; // the next question comes all the same
  }
}

/**
 * Return the answer that says what was recorded in place of a clip; null where nothing was yet.
 * @param {number} lease
 * @returns {Promise<Record<string, any> | null>}
 */
export async function correctionOf(lease) {
  try {
    return (await get(`/api/review/correction?lease=${lease}`)).value;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return null;
  }
}

/**
 * Return the figures of the annotator's work; null where the station cannot be reached.
 * @param {Chosen} chosen
 * @returns {Promise<any>}
 */
export async function paceOf(chosen) {
  const query = new URLSearchParams({ since: new Date(new Date().setHours(0, 0, 0, 0)).toISOString() }); // today
  if (chosen.run) query.set("run", chosen.run);
  if (chosen.task) query.set("task", chosen.task);
  try {
    return await get(`/api/review/pace?${query}`);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return null;
  }
}

/**
 * Return the cameras of a task, by name; the front one alone where they cannot be had.
 * @param {string} task
 * @returns {Promise<string[]>}
 */
export async function camerasOf(task) {
  try {
    const found = Object.keys((await get(`/api/library/cameras?task=${encodeURIComponent(task)}`)).cameras);
    return found.length ? found : ["front"];
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return ["front"];
  }
}
