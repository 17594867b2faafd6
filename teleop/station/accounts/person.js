// @ts-check
/** The page of one account, for administrators. */

import { onEach, saveGroups, showLink } from "../shared/account-forms.js";
import { pageData, send, tellRefusals } from "../shared/api.js";
import { confirm } from "../shared/dialog.js";
import { tell } from "../shared/toast.js";

const { name } = pageData();

/**
 * Send a change, and reload the page.
 * @param {string} what
 * @param {object} [more]
 */
const change = (what, more = {}) =>
  tellRefusals(async () => {
    await send(`/api/accounts/${what}`, { name, ...more });
    location.reload();
  });

for (const choice of document.querySelectorAll('#role input')) {
  choice.addEventListener("change", async () => {
    if (!(choice instanceof HTMLInputElement)) return;
    const done = await tellRefusals(() => send("/api/accounts/role", { name, role: choice.value }));
    if (done) tell(`${name} may now do what an ${done.role} does.`, "good");
    else location.reload();
  });
}
document.getElementById("link")?.addEventListener("click", () =>
  tellRefusals(async () => showLink(await send("/api/accounts/link", { name }), () => location.reload())),
);
document.getElementById("enable")?.addEventListener("click", () => change("enable"));
document.getElementById("disable")?.addEventListener("click", async () => {
  const text = "Their browsers are signed out and their tokens end at once. What they answered stays and counts.";
  if (await confirm(`Disable ${name}?`, text, { yes: "Disable", tone: "danger" })) change("disable");
});
document.getElementById("sign-out-everywhere")?.addEventListener("click", () => change("sign-out"));
onEach("revoke", async (number, button) => {
  const token = button.closest("li")?.querySelector("strong")?.textContent || "";
  const text = `Programs of ${name} that use “${token}” are refused from the next request on.`;
  if (!(await confirm("Revoke this token?", text, { yes: "Revoke", tone: "danger" }))) return;
  tellRefusals(async () => {
    await send("/api/accounts/revoke", { number: Number(number) });
    location.reload();
  });
});
saveGroups("/api/accounts/groups", { name });
