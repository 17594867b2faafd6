// @ts-check
/** The editor for the list of reasons of a task. */

import { pageData, send, tellRefusals } from "../shared/api.js";

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
