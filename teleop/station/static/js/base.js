// @ts-check
/** What every page does: the account menu. */

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
