// @ts-check
/** The editors for the guidelines and the axes of a task. */

import { pageData, send, tellRefusals } from "../shared/api.js";
import { haveRead } from "../shared/guidelines.js";

const { task, person } = pageData();
const shown = document.querySelector("article[data-version]");
if (shown instanceof HTMLElement) haveRead(person, task, shown.dataset.version || "");
const form = document.getElementById("guidelines-form");
const text = document.getElementById("text");
form?.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!(text instanceof HTMLTextAreaElement)) return;
  tellRefusals(async () => {
    await send("/api/guidelines", { task, text: text.value });
    location.reload();
  });
});

const axesForm = document.getElementById("axes-form");
const axes = document.getElementById("axes");
axesForm?.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!(axes instanceof HTMLTextAreaElement)) return;
  const named = axes.value
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
  tellRefusals(async () => {
    await send("/api/guidelines/axes", { task, axes: named });
    location.reload();
  });
});
