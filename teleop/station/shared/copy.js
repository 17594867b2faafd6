// @ts-check
/** A field with a copy button, for a link or a token. */

import { element } from "./made.js";

/**
 * Return a field that holds a text, and a button that copies it.
 * @param {string} label what it is
 * @param {string} text
 */
export function copyable(label, text) {
  const field = element("input", { readonly: true, value: text, "aria-label": label, onfocus: () => field.select() });
  const button = element("button", { type: "button", class: "button primary" }, "Copy");
  button.addEventListener("click", async () => {
    button.textContent = (await copied(field)) ? "Copied" : "Press Ctrl C";
    setTimeout(() => (button.textContent = "Copy"), 2500);
  });
  return element("div", { class: "copy" }, field, button);
}

/**
 * Copy the text of a field; outside of HTTPS browsers offer only the old way.
 * @param {HTMLInputElement} field
 * @returns {Promise<boolean>}
 */
async function copied(field) {
  try {
    await navigator.clipboard.writeText(field.value);
    return true;
  } catch {
    field.focus();
    field.select();
    return document.execCommand("copy");
  }
}
