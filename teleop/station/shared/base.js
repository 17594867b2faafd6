// @ts-check
/** Code of every page: the account menu, Enter, and how long ago things were. */

import { send, tellRefusals } from "./api.js";

const account = document.getElementById("account");
document.getElementById("sign-out")?.addEventListener("click", () =>
  tellRefusals(async () => {
    await send("/sign-out");
    location.assign("/sign-in");
  }),
);
if (account instanceof HTMLDetailsElement) {
  document.addEventListener("click", (event) => {
    if (event.target instanceof Node && !account.contains(event.target)) account.open = false;
  });
  account.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !account.open) return;
    account.open = false;
    account.querySelector("summary")?.focus();
  });
}
// A button that was clicked keeps no focus: Space and Enter then go to the page's keys, not to the button once more.
document.addEventListener("click", (event) => {
  if (event.detail === 0 || !(event.target instanceof Element)) return; // 0: by the keyboard
  const button = event.target.closest("button");
  if (button && document.activeElement === button) button.blur();
});

// Enter does what the button says that prints it: from a choice of its form, or from anywhere where the page has one such form.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.defaultPrevented || event.isComposing || event.repeat || document.querySelector("dialog[open]")) return;
  if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
  const forms = [...document.forms].filter((form) => [...form.querySelectorAll('[type="submit"] kbd')].some((key) => key.textContent === "Enter"));
  const { target } = event;
  const form = target instanceof HTMLSelectElement ? forms.find((one) => one === target.form) : target === document.body && forms.length === 1 ? forms[0] : null;
  if (!form) return;
  event.preventDefault();
  form.requestSubmit();
});

/** Keep "5 min ago" true while the page stays open. */
function tellTimes() {
  for (const place of document.querySelectorAll("time.ago")) {
    if (place instanceof HTMLTimeElement) place.textContent = ago((Date.now() - Date.parse(place.dateTime)) / 1000) || place.textContent;
  }
}

/**
 * @param {number} passed [s]
 * @returns {string} empty where the date is shown instead
 */
function ago(passed) {
  if (passed < 60) return "just now";
  if (passed < 3600) return `${Math.floor(passed / 60)} min ago`;
  if (passed < 86400) return `${Math.floor(passed / 3600)} h ago`;
  const days = Math.floor(passed / 86400);
  return days < 14 ? `${days} ${days === 1 ? "day" : "days"} ago` : "";
}
setInterval(tellTimes, 30_000);
