// @ts-check
/** Which cameras of a scene are shown, the large view first: the usual ones, or those that were chosen and remembered. */

const USUAL = ["front", "side", "wrist"]; // cameras that are shown first, where the scene has them
export const VIEWS = 3; // one large, two small

/** @param {string} task */
const place = (task) => `operate:views:${task}`;

/** @param {string[]} names  all cameras of the scene @returns {string[]} */
export function usualViews(names) {
  const first = USUAL.filter((name) => names.includes(name));
  return [...first, ...names.filter((name) => !first.includes(name))].slice(0, VIEWS);
}

/**
 * What to show of a task.
 * @param {string} task
 * @param {string[]} names  all cameras of its scene
 * @returns {string[]}
 */
export function viewsOf(task, names) {
  try {
    const found = JSON.parse(localStorage.getItem(place(task)) || "[]");
    const good = Array.isArray(found) ? [...new Set(found)].filter((name) => names.includes(name)).slice(0, VIEWS) : [];
    return good.length ? good : usualViews(names);
  } catch {
    return usualViews(names); // nothing can be remembered here, or something else wrote there
  }
}

/**
 * Show these from the next session on.
 * @param {string} task
 * @param {string[]} chosen
 * @param {string[]} names  all cameras of its scene
 */
export function rememberViews(task, chosen, names) {
  try {
    if (chosen.join() === usualViews(names).join()) localStorage.removeItem(place(task));
    else localStorage.setItem(place(task), JSON.stringify(chosen));
  } catch {
    // a browser that remembers nothing shows the usual ones
  }
}
