// @ts-check
import { Refused, pageData, send } from "../shared/api.js";

const form = /** @type {HTMLFormElement} */ (document.getElementById("form"));
const problem = /** @type {HTMLElement} */ (document.getElementById("problem"));
const [name, password] = ["name", "password"].map((id) => /** @type {HTMLInputElement} */ (document.getElementById(id)));

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = /** @type {HTMLButtonElement} */ (form.querySelector("button"));
  const missing = [name, password].find((field) => !field.value);
  if (missing) {
    show(`Type your ${missing.id}.`, missing);
    return;
  }
  button.disabled = true;
  try {
    await send("/sign-in", { name: name.value, password: password.value });
    location.assign(pageData().next);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    show(error.message, password);
  } finally {
    button.disabled = false;
  }
});

/**
 * @param {string} text
 * @param {HTMLInputElement} field
 */
function show(text, field) {
  problem.textContent = text;
  problem.hidden = false;
  field.focus();
  field.select();
}
