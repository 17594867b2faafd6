// @ts-check
/** Guidelines are shown before the first question about a task, and again when there is a new version. */

import { openDialog } from "./dialog.js";
import { element } from "./made.js";

const asked = new Set(); // tasks whose guidelines this page has asked for

/**
 * @param {string} person
 * @param {string} task
 */
const nameOf = (person, task) => `guidelines:${JSON.stringify([person, task])}`;

/**
 * Remember that a version was shown to a person in this browser.
 * @param {string} person
 * @param {string} task
 * @param {string} version
 */
export function haveRead(person, task, version) {
  try {
    localStorage.setItem(nameOf(person, task), version);
  } catch {
    // nothing can be remembered here: they are shown once more
  }
}

/**
 * Show the guidelines of a task where the person has not seen this version, and return when they are closed.
 * @param {string} person
 * @param {string} task
 * @returns {Promise<boolean>} whether they were shown
 */
export async function showGuidelines(person, task) {
  if (asked.has(task)) return false;
  asked.add(task);
  /** @type {HTMLElement | null} */
  let found = null;
  try {
    const response = await fetch(`/guidelines?task=${encodeURIComponent(task)}`, { credentials: "same-origin" });
    if (response.ok) found = new DOMParser().parseFromString(await response.text(), "text/html").querySelector("article[data-version]");
  } catch {
    asked.delete(task); // the station cannot be reached: they are shown before a later question
  }
  const version = found?.dataset.version || "";
  try {
    if (!found || localStorage.getItem(nameOf(person, task)) === version) return false;
  } catch {
    if (!found) return false;
  }
  const dialog = openDialog(`Guidelines: ${task}`, "guidelines-first");
  const start = element("button", { type: "button", class: "button primary", onclick: () => dialog.close() }, "Start ", element("kbd", {}, "Enter"));
  const text = document.importNode(found, true);
  text.tabIndex = 0; // the keyboard can scroll it
  dialog.querySelector(".stack")?.append(text, element("div", { class: "row end" }, start));
  dialog.showModal();
  start.focus();
  return new Promise((resolve) => dialog.addEventListener("close", () => (haveRead(person, task, version), resolve(true)), { once: true }));
}
