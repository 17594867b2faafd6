// @ts-check
/**
 * What is printed on the user's keyboard: from the browser where it tells, else learned from the keys that are pressed.
 *
 * Key tables name keys by their place on an American keyboard (KeyboardEvent.code). Bindings that drive stay at their
 * place; all others that are named by a letter move to the key on which that letter is printed.
 */

/** @typedef {{name: string, keys: string[], axis?: number | null}} Placed */

const STORED = "keyboard";
/** @type {Record<string, string>} */
const SIGNS = {
  Space: "Space", Enter: "Enter", Escape: "Esc", Backspace: "⌫", Delete: "Del", Tab: "Tab",
  ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→", PageUp: "PgUp", PageDown: "PgDn",
  ShiftLeft: "Shift", ShiftRight: "Shift", ControlLeft: "Ctrl", ControlRight: "Ctrl", AltLeft: "Alt", AltRight: "Alt",
  Equal: "+", Minus: "−", Slash: "?", Comma: ",", Period: ".", Semicolon: ";", Quote: "'", BracketLeft: "[",
  BracketRight: "]", Backslash: "\\", Backquote: "`", NumpadAdd: "Num +", NumpadSubtract: "Num −",
};
/** @type {Record<string, string>} symbol keys of an American keyboard → what they type */
const SYMBOLS = {
  Equal: "=", Minus: "-", Slash: "/", Comma: ",", Period: ".", Semicolon: ";", Quote: "'", BracketLeft: "[",
  BracketRight: "]", Backslash: "\\", Backquote: "`",
};
/** @type {Map<string, string>} code → what it types, where that differs from an American keyboard */
const printed = new Map(stored());
/** @type {Set<() => void>} */
const listeners = new Set();

/** @returns {[string, string][]} */
function stored() {
  try {
    const found = JSON.parse(localStorage.getItem(STORED) || "[]");
    return found.filter((/** @type {any} */ one) => Array.isArray(one) && one.length === 2 && one.every((part) => typeof part === "string"));
  } catch {
    return []; // nothing is remembered here, or something else wrote there
  }
}

/**
 * What a key types on an American keyboard; empty for keys that type nothing of their own, and for digits, which are
 * printed on the same keys everywhere.
 * @param {string} code
 */
function american(code) {
  return code.startsWith("Key") ? code.slice(3).toLowerCase() : SYMBOLS[code] || "";
}

/**
 * Return what is printed on the button of a key.
 * @param {string} code
 * @returns {string}
 */
export function keySign(code) {
  if (code.startsWith("Shift+")) return `Shift ${keySign(code.slice("Shift+".length))}`;
  return printed.get(code)?.toUpperCase() || SIGNS[code] || code.replace(/^(Key|Digit)/, "").replace(/^Numpad/, "Num ");
}

/**
 * Return the keys of each row of a table on this keyboard.
 * @param {Placed[]} table
 * @returns {Map<string, string[]>} name of a row → codes
 */
export function placesOf(table) {
  const driving = new Set(table.filter((row) => typeof row.axis === "number").flatMap((row) => row.keys));
  const moved = new Map([...printed].map(([code, types]) => [types, code]));
  const found = new Map();
  const lettered = new Set();
  for (const row of table) {
    const keys = row.keys.map((code) => {
      const there = driving.has(code) || !code.startsWith("Key") ? code : moved.get(american(code)) || code;
      const place = driving.has(there) ? code : there; // the letter lies where the hand drives: the key stays
      if (place !== code) lettered.add(place);
      return place;
    });
    found.set(row.name, keys);
  }
  for (const row of table) {
    // where a letter moved to, what was there by its place alone gives way
    found.set(row.name, found.get(row.name).filter((/** @type {string} */ code) => !lettered.has(code) || !row.keys.includes(code) || driving.has(code)));
  }
  return found;
}

/**
 * Learn from a pressed key what is printed on it; return whether that was not known.
 * @param {KeyboardEvent} event
 */
export function learn(event) {
  const types = event.key.toLowerCase();
  const usual = american(event.code);
  if (!usual || [...types].length !== 1 || event.isComposing || event.getModifierState("AltGraph")) return false;
  if (event.shiftKey && !/\p{L}/u.test(types)) return false; // what is printed above
  if (types === (printed.get(event.code) || usual)) return false;
  note(new Map([[event.code, types]]));
  return true;
}

/**
 * Call a function when it is known better what is printed on the keys.
 * @param {() => void} run
 * @param {AbortSignal} signal
 */
export function onLayout(run, signal) {
  listeners.add(run);
  signal.addEventListener("abort", () => listeners.delete(run));
}

/** @param {ReadonlyMap<string, string>} layout code → what it types */
function note(layout) {
  for (const [code, types] of layout) {
    if (!american(code)) continue;
    if (types === american(code)) printed.delete(code);
    else printed.set(code, types);
  }
  try {
    localStorage.setItem(STORED, JSON.stringify([...printed]));
  } catch {
    // it is learned again on the next page
  }
  for (const run of listeners) run();
}

const keyboard = /** @type {any} */ (navigator).keyboard; // of Chromium, in a secure context
if (keyboard?.getLayoutMap) keyboard.getLayoutMap().then(note, () => {});
