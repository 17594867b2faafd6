// @ts-check
/** The answers that can be taken back, remembered by this tab: a reload forgets none. */

/** @typedef {import("./stage.js").Question} Question */

/**
 * @param {string} name
 * @returns {Question[]}
 */
export function earlier(name) {
  try {
    return JSON.parse(sessionStorage.getItem(name) || "[]");
  } catch {
    return [];
  }
}

/**
 * @param {string} name
 * @param {Question[]} questions
 */
export function keep(name, questions) {
  try {
    sessionStorage.setItem(name, JSON.stringify(questions));
  } catch {
    // undo then reaches back to the last time that the page was loaded
  }
}
