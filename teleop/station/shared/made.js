// @ts-check
/** Helpers that create elements, and format numbers and times. */

import { keySign } from "./layout.js";

/**
 * Return a new element.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} name
 * @param {Record<string, any>} [attributes] `class`, any attribute, or `onclick` and the like; false and null leave it out
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (attribute.startsWith("on")) made.addEventListener(attribute.slice(2), value);
    else made.setAttribute(attribute, value === true ? "" : String(value));
  }
  made.append(...children.filter((child) => child !== ""));
  return made;
}

/**
 * Return a button that prints its key.
 * @param {string} label
 * @param {string} kind its classes in addition to `button`
 * @param {() => void} run
 * @param {string} [key] the name of its row in the key table
 */
export function button(label, kind, run, key = "") {
  const made = element("button", { type: "button", class: `button ${kind}`.trim(), onclick: run }, label);
  if (key) made.append(" ", element("kbd", { "data-key": key }));
  return made;
}

/**
 * Return seconds as 0:06.4.
 * @param {number} seconds
 */
export function duration(seconds) {
  const tenths = Math.round(seconds * 10);
  const minutes = Math.floor(tenths / 600);
  return `${minutes}:${String(Math.floor(tenths / 10) % 60).padStart(2, "0")}.${tenths % 10}`;
}

const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const dayAndTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/**
 * Return a day, or "date unknown".
 * @param {number} instant [s since 1970], 0 where it is not known
 * @param {boolean} [time] whether to say the time too
 */
export function date(instant, time = false) {
  return instant ? (time ? dayAndTime : day).format(new Date(instant * 1000)) : "date unknown";
}

/**
 * Return bytes as people read them.
 * @param {number} bytes
 */
export function size(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), units.length - 1);
  const value = bytes / 1000 ** power;
  return `${value >= 100 || power === 0 ? Math.round(value) : value.toFixed(1)} ${units[power]}`;
}

/** @type {Record<string, [string, string]>} outcome → the badge's class and its word */
const OUTCOMES = { success: ["good", "Success"], failure: ["bad", "Failure"], aborted: ["", "Aborted"] };
/** @type {Record<string, string>} */
const SHAPES = { success: "M2 6.5l3 3 5-6", failure: "M3 3l6 6M9 3l-6 6", aborted: "M3 6h6" };

/**
 * Return an outcome as a badge: a shape and a word, not colour alone.
 * @param {string} outcome
 */
export function outcomeBadge(outcome) {
  const [kind, word] = OUTCOMES[outcome] || ["", outcome];
  const made = element("span", { class: `badge ${kind}` });
  made.append(sign(SHAPES[outcome] || SHAPES.aborted), word);
  return made;
}

/**
 * Return a small drawing of one line.
 * @param {string} path
 * @param {number} [box] width and height of its view box
 */
export function sign(path, box = 12) {
  const drawing = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [name, value] of Object.entries({ viewBox: `0 0 ${box} ${box}`, width: box, height: box, "aria-hidden": "true", class: "sign" })) {
    drawing.setAttribute(name, String(value));
  }
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", path);
  drawing.append(line);
  return drawing;
}

/**
 * Print keys on the buttons that were made after the keys were bound.
 * @param {{name: string, keys: string[]}[]} table
 */
export function printKeys(table) {
  for (const place of document.querySelectorAll("kbd[data-key]")) {
    const row = table.find((row) => place instanceof HTMLElement && row.name === place.dataset.key);
    place.toggleAttribute("hidden", !row);
    if (row) place.textContent = row.keys.length ? keySign(row.keys[0]) : "–";
  }
}

/** Who chose a step, in words. @type {Record<string, string>} */
export const SOURCES = { human: "person", policy: "policy", scripted: "script", correction: "correction" };
