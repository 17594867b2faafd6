// @ts-check
/** The editor for the guidelines of a task. */

import { pageData, send, tellRefusals } from "../shared/api.js";

const form = document.getElementById("guidelines-form");
const text = document.getElementById("text");
form?.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!(text instanceof HTMLTextAreaElement)) return;
  tellRefusals(async () => {
    await send("/api/guidelines", { task: pageData().task, text: text.value });
    location.reload();
  });
});
