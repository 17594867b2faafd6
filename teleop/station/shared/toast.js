// @ts-check
/** Short messages at the edge of the page: what happened, and a way to undo it. */

/** @typedef {{label: string, run: () => void, once?: string}} Action what a message offers; `once` replaces an older one */

const STAYS = 6000; // [ms] of a message that is not about trouble
const MOST = 4; // messages at once

/**
 * Show a message.
 * @param {string} text
 * @param {"good" | "bad" | "plain"} [tone] bad ones stay until they are dismissed
 * @param {Action} [action]
 */
export function tell(text, tone = "plain", action = undefined) {
  const place = document.getElementById("toasts");
  if (!place) return;
  const key = action?.once || text;
  for (const old of place.querySelectorAll(".toast")) {
    if (old instanceof HTMLElement && old.dataset.key === key) old.remove();
  }
  const toast = document.createElement("div");
  toast.className = `toast ${tone}`;
  toast.dataset.key = key;
  toast.setAttribute("role", tone === "bad" ? "alert" : "status");
  const words = document.createElement("p");
  words.textContent = text;
  toast.append(words);
  if (action) toast.append(button(action.label, () => (toast.remove(), action.run())));
  toast.append(button("Dismiss", () => toast.remove(), "×"));
  place.append(toast);
  while (place.children.length > MOST) place.firstElementChild?.remove();
  if (tone !== "bad") leaveLater(toast);
}

/**
 * @param {string} label
 * @param {() => void} run
 * @param {string} [sign] shown in place of the label
 */
function button(label, run, sign = "") {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "button quiet small";
  made.textContent = sign || label;
  made.setAttribute("aria-label", label);
  made.addEventListener("click", run);
  return made;
}

/** @param {HTMLElement} toast */
function leaveLater(toast) {
  let timer = setTimeout(() => toast.remove(), STAYS);
  const stay = () => clearTimeout(timer);
  const go = () => {
    clearTimeout(timer);
    timer = setTimeout(() => toast.remove(), STAYS);
  };
  for (const [enter, leave] of [["pointerenter", "pointerleave"], ["focusin", "focusout"]]) {
    toast.addEventListener(enter, stay);
    toast.addEventListener(leave, go);
  }
}
