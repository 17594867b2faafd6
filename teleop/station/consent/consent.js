// @ts-check
/** Agreeing to the consent text, and its editor. */

import { pageData, send, tellRefusals } from "../shared/api.js";

const page = pageData();
document.getElementById("agree")?.addEventListener("click", () =>
  tellRefusals(async () => {
    await send("/api/consent", { number: page.number });
    location.assign(page.next);
  }),
);
const text = document.getElementById("text");
document.getElementById("consent-form")?.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!(text instanceof HTMLTextAreaElement)) return;
  tellRefusals(async () => {
    await send("/api/consent/text", { text: text.value });
    location.reload();
  });
});
