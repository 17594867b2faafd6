// @ts-check
/** The editor for the list of reasons of a task, with suggestions from what people noted. */

import { get, pageData, send, tellRefusals } from "../shared/api.js";
import { button, element } from "../shared/made.js";
import { tell } from "../shared/toast.js";

const form = document.getElementById("reasons-form");
form?.addEventListener("submit", (event) => {
  event.preventDefault();
  const valueOf = (/** @type {Element} */ row, /** @type {string} */ name) => {
    const field = row.querySelector(`[name=${name}]`);
    return field instanceof HTMLInputElement || field instanceof HTMLSelectElement ? field.value.trim() : "";
  };
  const rows = Array.from(form.querySelectorAll(".reason-row"));
  const reasons = rows.map((row) => ({ name: valueOf(row, "name"), axis: valueOf(row, "axis"), direction: valueOf(row, "direction") }));
  tellRefusals(async () => {
    await send("/api/guidelines/reasons", { task: pageData().task, reasons: reasons.filter(({ name }) => name) });
    location.reload();
  });
});

/** @typedef {{name: string, notes: number, people: number, examples: string[]}} Suggestion */

const suggested = document.getElementById("reasons-suggested");
suggested?.addEventListener("toggle", () => {
  const place = document.getElementById("suggestions");
  if (!(suggested instanceof HTMLDetailsElement) || !suggested.open || !place) return;
  tellRefusals(async () => {
    /** @type {{suggestions: Suggestion[]}} */
    const { suggestions } = await get(`/api/guidelines/suggestions?task=${encodeURIComponent(pageData().task)}`);
    const none = element("p", { class: "soft small" }, "Nothing yet: a suggestion takes three notes that say alike and are not on the list.");
    place.replaceChildren(...(suggestions.length ? suggestions.map(drawn) : [none]));
  });
});

/**
 * Draw what some notes suggest.
 * @param {Suggestion} one
 */
function drawn({ name, notes, people, examples }) {
  const from = `${notes} notes of ${people} ${people === 1 ? "person" : "people"}: ${examples.map((text) => `“${text}”`).join(", ")}`;
  const words = element("div", { class: "wrap" }, element("strong", {}, name), element("p", { class: "soft small" }, from));
  return element("div", { class: "row apart" }, words, button("Use", "quiet", () => take(name)));
}

/**
 * Put a name into the first row that is empty.
 * @param {string} name
 */
function take(name) {
  const fields = Array.from(form?.querySelectorAll("[name=name]") || []);
  const empty = fields.find((field) => field instanceof HTMLInputElement && !field.value);
  if (!(empty instanceof HTMLInputElement)) return tell("The list is full: make room for it first.", "plain");
  empty.value = name;
  empty.focus();
}
