// @ts-check
/**
 * Keys of a page, from the table of teleop/input/key_bindings.py: actions, the overlay of all keys, and custom keys.
 *
 * `bindKeys(table, handlers)` calls the handler of a binding's name, or else of its act, once a press; where the binding
 * is `held` also when it is let go, and then `pressed` is false. Keys rest while a field has the focus or a dialog is open.
 */

import { openDialog } from "./dialog.js";
import { keySign, learn, onLayout, placesOf } from "./layout.js";
import { tell } from "./toast.js";

/**
 * @typedef {object} Binding a row of the table
 * @property {string} name
 * @property {string} label
 * @property {string} group
 * @property {string[]} keys as KeyboardEvent.code, on an American keyboard
 * @property {number | null} [axis]
 * @property {number} [sign]
 * @property {string} [act]
 * @property {boolean} [held]
 */
/** @typedef {(pressed: boolean, binding: Binding) => void} Handler */
/** @typedef {{table: Binding[], letGo: () => void, showKeys: () => void, stop: () => void}} Keys */

/** @type {Record<string, string>} in the order in which the overlay shows them: so they fill columns evenly */
const GROUPS = {
  move: "Move",
  turn: "Turn",
  hand: "Hand and speed",
  view: "View",
  episode: "Episode",
  answer: "Answer",
  clips: "Clips",
  page: "This page",
};
const OLD_NAMES = new Map([["imagine", "rollout"]]); // of bindings, in custom keys that an earlier version stored

/**
 * Bind the keys of a table.
 * @param {Binding[]} table
 * @param {Record<string, Handler>} handlers by name or act; rows without one are not bound and not shown
 * @param {{scope?: string}} [options] `scope`: name under which custom keys are stored
 * @returns {Keys}
 */
export function bindKeys(table, handlers, options = {}) {
  const scope = `keys:${options.scope || location.pathname}`;
  const own = remembered(scope);
  const rows = table
    .filter((row) => row.act === "help" || handlerOf(row))
    .map((row) => ({ ...row, american: row.keys, usual: row.keys, keys: own[row.name] || row.keys }));
  /** @type {Map<string, Binding>} */
  const held = new Map();
  const stop = new AbortController();

  /** @param {Binding} row */
  function handlerOf(row) {
    return handlers[row.name] || handlers[row.act || ""];
  }

  /** Put the usual keys where they are on this keyboard. */
  function place() {
    const places = placesOf(rows.map((row) => ({ ...row, keys: row.american })));
    for (const row of rows) {
      const chosen = row.keys !== row.usual;
      row.usual = places.get(row.name) || row.american;
      if (!chosen) row.keys = row.usual;
    }
    printKeys();
  }

  /** @param {KeyboardEvent} event */
  function rowOf(event) {
    if (event.key === "?") return rows.find((row) => row.act === "help");
    const shifted = event.shiftKey && rows.find((row) => row.keys.includes(`Shift+${event.code}`));
    return shifted || rows.find((row) => row.keys.includes(event.code));
  }

  /** @param {KeyboardEvent} event */
  function press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || rests(event)) return;
    const signed = rows.find((row) => row.keys.some((code) => keySign(code) === event.key.toUpperCase())); // what the user read
    if (learn(event) && signed && signed !== rowOf(event)) {
      event.preventDefault();
      return tell("This key did nothing: your keyboard has other letters than the page believed. The keys shown are right now.", "plain");
    }
    const row = rowOf(event);
    if (!row) return;
    event.preventDefault();
    if (event.repeat || held.has(event.code)) return;
    if (row.act === "help") return showKeys();
    held.set(event.code, row);
    handlerOf(row)?.(true, row);
  }

  /** @param {string} code */
  function release(code) {
    const row = held.get(code);
    held.delete(code);
    if (row?.held && ![...held.values()].includes(row)) handlerOf(row)?.(false, row);
  }

  function letGo() {
    for (const code of [...held.keys()]) release(code);
  }

  function printKeys() {
    for (const place of document.querySelectorAll("[data-key]")) {
      const row = rows.find((row) => place instanceof HTMLElement && row.name === place.dataset.key);
      if (row) place.textContent = row.keys.length ? keySign(row.keys[0]) : "–";
    }
  }

  function showKeys() {
    letGo();
    if (document.querySelector("dialog.keys")) return;
    drawOverlay(rows, scope, printKeys);
  }

  const signal = stop.signal;
  onLayout(place, signal);
  document.addEventListener("keydown", press, { signal });
  document.addEventListener("keyup", (event) => {
    if (held.has(event.code)) event.preventDefault(); // Space would also press a button that has the focus
    release(event.code);
  }, { signal });
  window.addEventListener("blur", letGo, { signal });
  document.addEventListener("visibilitychange", () => document.hidden && letGo(), { signal });
  document.addEventListener("focusin", (event) => isField(event.target) && letGo(), { signal });
  const button = document.getElementById("help");
  if (button) {
    button.hidden = false;
    button.addEventListener("click", showKeys, { signal });
  }
  place();
  return { table: rows, letGo, showKeys, stop: () => (letGo(), stop.abort()) };
}

/** @param {EventTarget | null} target */
function isField(target) {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable) return true;
  const quiet = ["checkbox", "radio", "button", "submit", "reset", "range", "color", "file"];
  if (target instanceof HTMLInputElement) return !quiet.includes(target.type);
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}

/**
 * Whether a key means something else where the focus is.
 * @param {KeyboardEvent} event
 */
function rests(event) {
  if (event.isComposing || isField(event.target) || document.querySelector("dialog[open]")) return true;
  const target = event.target instanceof Element ? event.target : null;
  if (target?.matches('input[type="range"], [role="slider"]') && /^(Arrow|Page|Home|End)/.test(event.code)) return true;
  const pressed = 'a[href], button, summary, input, [role="button"], [role="option"], [role="tab"], [role="menuitem"]';
  return ["Enter", "Space"].includes(event.code) && Boolean(target?.closest(pressed));
}

/**
 * @param {string} scope
 * @returns {Record<string, string[]>}
 */
function remembered(scope) {
  try {
    const found = JSON.parse(localStorage.getItem(scope) || "{}");
    const good = Object.entries(found).filter(
      ([, keys]) => Array.isArray(keys) && keys.every((key) => typeof key === "string"),
    );
    return Object.fromEntries(good.map(([name, keys]) => [OLD_NAMES.get(name) || name, keys]));
  } catch {
    return {}; // nothing can be remembered here, or something else wrote there
  }
}

/** @typedef {Binding & {american: string[], usual: string[]}} Row  usual: on this keyboard, unless the user chose others */

/**
 * @param {string} scope
 * @param {Row[]} rows
 */
function remember(scope, rows) {
  const own = rows.filter((row) => row.keys.join() !== row.usual.join()).map((row) => [row.name, row.keys]);
  try {
    if (own.length) localStorage.setItem(scope, JSON.stringify(Object.fromEntries(own)));
    else localStorage.removeItem(scope);
  } catch {
    tell("This browser does not let the page remember your keys; they hold until you leave.", "plain");
  }
}

/**
 * Show all keys, and let the person choose others.
 * @param {Row[]} rows
 * @param {string} scope
 * @param {() => void} changed
 */
function drawOverlay(rows, scope, changed) {
  const dialog = openDialog("Keys", "keys");
  const content = /** @type {HTMLElement} */ (dialog.querySelector(".stack"));
  const hint = document.createElement("p");
  hint.className = "soft";
  hint.setAttribute("aria-live", "polite");
  const usual = "Press a key's button to choose another key. Keys rest while you type in a field.";
  const groups = document.createElement("div");
  groups.className = "keys-groups";
  const foot = document.createElement("div");
  foot.className = "row apart";
  content.append(hint, groups, foot);
  foot.append(
    made("Usual keys", "button", () => {
      for (const row of rows) row.keys = row.usual;
      save();
    }),
    made("Close", "button primary", () => dialog.close(), "Esc"),
  );
  let asking = "";

  function save() {
    asking = "";
    remember(scope, rows);
    changed();
    draw();
  }

  /** @param {string} [text] */
  function draw(text = usual) {
    hint.textContent = text;
    const shown = Object.keys(GROUPS).filter((group) => rows.some((row) => row.group === group));
    groups.replaceChildren(...shown.map(section));
    const focus = groups.querySelector(`[data-row="${asking || lastAsked}"]`);
    if (focus instanceof HTMLElement) focus.focus();
  }
  let lastAsked = "";

  /** @param {string} group */
  function section(group) {
    const part = document.createElement("section");
    part.className = "stack tight";
    const heading = document.createElement("h3");
    heading.textContent = GROUPS[group] || group;
    const list = document.createElement("dl");
    for (const row of rows.filter((row) => row.group === group)) {
      const label = document.createElement("dt");
      label.textContent = row.label;
      const keys = document.createElement("dd");
      keys.append(button(row));
      list.append(label, keys);
    }
    part.append(heading, list);
    return part;
  }

  /** @param {Row} row */
  function button(row) {
    const waits = asking === row.name;
    const change = made("", "button quiet small", () => {
      lastAsked = asking = waits ? "" : row.name;
      draw(asking ? `Press the key for “${row.label}”, or Escape to leave it.` : usual);
      lastAsked = row.name;
    });
    change.dataset.row = row.name;
    const named = row.keys.map(keySign).join(" or ") || "none";
    change.setAttribute("aria-label", `${row.label}: ${waits ? "press a key" : `${named}. Change`}`);
    change.setAttribute("aria-pressed", String(waits));
    const shown = waits ? ["…"] : [...new Set(row.keys.map(keySign))];
    for (const sign of shown.length ? shown : ["–"]) {
      const key = document.createElement("kbd");
      key.textContent = sign;
      change.append(key);
    }
    return change;
  }

  dialog.addEventListener("keydown", (event) => {
    if (!asking) {
      if (event.key === "?" || event.code === "F1") {
        event.preventDefault();
        dialog.close();
      }
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    const row = /** @type {Row} */ (rows.find((row) => row.name === asking));
    if (event.code === "Escape") {
      asking = "";
      return draw();
    }
    if (!event.code || /^(Meta|OS|Tab$|Alt|Control)/.test(event.code)) return draw("That key belongs to the browser; press another.");
    const other = rows.find((other) => other !== row && other.keys.includes(event.code));
    if (other) other.keys = other.keys.filter((key) => key !== event.code);
    row.keys = [event.code];
    save();
    hint.textContent = other
      ? `${keySign(event.code)} now is “${row.label}”; “${other.label}” ${other.keys.length ? "keeps its other key" : "has no key now"}.`
      : `${keySign(event.code)} now is “${row.label}”.`;
  });
  draw();
  dialog.showModal();
}

/**
 * @param {string} label
 * @param {string} kind
 * @param {() => void} run
 * @param {string} [key]
 */
function made(label, kind, run, key = "") {
  const button = document.createElement("button");
  button.type = "button";
  button.className = kind;
  button.append(label);
  if (key) {
    const sign = document.createElement("kbd");
    sign.textContent = key;
    button.append(" ", sign);
  }
  button.addEventListener("click", run);
  return button;
}
