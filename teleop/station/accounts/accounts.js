// @ts-check
/** The list of accounts: search, and invitations. */

import { showLink } from "../shared/account-forms.js";
import { Refused, pageData, send } from "../shared/api.js";
import { openDialog } from "../shared/dialog.js";
import { bindKeys } from "../shared/keys.js";
import { element } from "../shared/made.js";

const { keys, roles } = pageData();
const find = /** @type {HTMLInputElement} */ (document.getElementById("find"));
const rows = [...document.querySelectorAll("#people tbody tr")];

/** Show the rows that contain every typed word. */
function filter() {
  const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of rows) {
    const text = (row.textContent || "").toLowerCase();
    const fits = words.every((word) => text.includes(word));
    row.toggleAttribute("hidden", !fits);
    shown += fits ? 1 : 0;
  }
  const count = document.getElementById("shown");
  if (count) count.textContent = shown === rows.length ? people(shown) : `${shown} of ${people(rows.length)}`;
  document.getElementById("none")?.toggleAttribute("hidden", shown > 0);
  document.getElementById("people")?.closest(".table")?.toggleAttribute("hidden", shown === 0);
}

/** @param {number} count */
const people = (count) => `${count} ${count === 1 ? "person" : "people"}`;
if (rows.length) find.addEventListener("input", filter);

/** Ask for a name and a role, and show the link. */
function invite() {
  const dialog = openDialog("Invite a user", "invite");
  const content = /** @type {HTMLElement} */ (dialog.querySelector(".stack"));
  const name = element("input", { id: "invite-name", required: true, maxlength: 64, autocomplete: "off", autocapitalize: "none", spellcheck: "false" });
  const problem = element("p", { class: "notice bad", role: "alert", hidden: true });
  const choices = roles.map((/** @type {[string, string]} */ [role, about], /** @type {number} */ i) =>
    element("label", { class: "check" },
      element("input", { type: "radio", name: "role", value: role, checked: i === 0 }),
      element("span", {}, element("strong", {}, role), " ", element("span", { class: "soft" }, about))),
  );
  const form = element("form", { class: "stack", onsubmit: make },
    element("div", { class: "field" }, element("label", { for: "invite-name" }, "Name, which they also sign in with"), name),
    element("fieldset", {}, element("legend", { class: "only-read" }, "Role"), ...choices),
    problem,
    element("div", { class: "row end" },
      element("button", { type: "button", class: "button", onclick: () => dialog.close() }, "Cancel"),
      element("button", { type: "submit", class: "button primary" }, "Make a link ", element("kbd", {}, "Enter"))),
  );
  content.append(form);
  dialog.showModal();
  name.focus();

  /** @param {Event} event */
  async function make(event) {
    event.preventDefault();
    const role = new FormData(form).get("role");
    try {
      const made = await send("/api/accounts/invite", { name: name.value, role });
      dialog.close();
      showLink(made, () => location.reload());
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      problem.textContent = error.message;
      problem.hidden = false;
      name.focus();
    }
  }
}

document.getElementById("invite")?.addEventListener("click", invite);
bindKeys(keys, {
  ...(document.getElementById("invite") ? { invite } : {}),
  find: (pressed) => pressed && find.focus(),
  log: (pressed) => pressed && location.assign("/accounts/log"),
}, { scope: "accounts" });
