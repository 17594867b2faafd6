// @ts-check
/** The account page of the signed-in user. */

import { onEach, saveGroups, showOnce } from "../shared/account-forms.js";
import { Refused, send, tellRefusals } from "../shared/api.js";
import { confirm } from "../shared/dialog.js";
import { tell } from "../shared/toast.js";

/** @param {string} id */
const field = (id) => /** @type {HTMLInputElement | null} */ (document.getElementById(id));
const problem = /** @type {HTMLElement} */ (document.getElementById("password-problem"));

document.getElementById("password-form")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const [before, first, again] = ["old", "new", "again"].map(field);
  problem.hidden = true;
  if (first?.value !== again?.value) return wrong("The two are not the same.", again);
  try {
    await send("/api/account/password", { old: before?.value || "", new: first?.value || "" });
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return wrong(error.message, before || first);
  }
  tell("The password is set. Your other browsers are signed out.", "good");
  for (const one of [before, first, again]) if (one) one.value = "";
  if (!before) location.assign("/account?chosen=1");
});

/**
 * @param {string} text
 * @param {HTMLInputElement | null} where
 */
function wrong(text, where) {
  problem.textContent = text;
  problem.hidden = false;
  where?.focus();
}

saveGroups("/api/account/groups");

onEach("end", (id, button) =>
  tellRefusals(async () => {
    await send("/api/account/sessions/end", { id });
    button.closest("li")?.remove();
    tell("That browser is signed out.", "good");
  }),
);
document.getElementById("end-others")?.addEventListener("click", () =>
  tellRefusals(async () => {
    await send("/api/account/sessions/end-others");
    location.reload();
  }),
);

document.getElementById("token-form")?.addEventListener("submit", (event) => {
  event.preventDefault();
  const body = { name: field("token-name")?.value || "", role: field("token-role")?.value, days: Number(field("token-days")?.value) };
  tellRefusals(async () => {
    const made = await send("/api/account/tokens", body);
    const about = `Give it to the program now: it is not shown again. It lives until ${made.expires.slice(0, 10)}.`;
    showOnce(`The token “${body.name}”`, about, made.token, () => location.reload());
  });
});
onEach("revoke", async (number, button) => {
  const name = button.closest("li")?.querySelector("strong")?.textContent || "";
  const text = `Programs that use “${name}” are refused from the next request on.`;
  if (!(await confirm("Revoke this token?", text, { yes: "Revoke", tone: "danger" }))) return;
  tellRefusals(async () => {
    await send("/api/account/tokens/revoke", { number: Number(number) });
    location.reload();
  });
});

document.getElementById("erase-form")?.addEventListener("submit", (event) => {
  event.preventDefault();
  const form = /** @type {HTMLFormElement} */ (event.target);
  const answers = new FormData(form).get("answers");
  tellRefusals(async () => {
    await send("/api/account/erase", { name: field("erase-name")?.value.trim() || "", answers });
    location.assign("/sign-in?erased=1");
  });
});
