// @ts-check
/** The webhooks page: add, test, pause and remove webhooks. */

import { send, tellRefusals } from "../shared/api.js";
import { confirm } from "../shared/dialog.js";
import { tell } from "../shared/toast.js";

const WAIT = 1000; // [ms] that a test usually takes to arrive

/** @param {string} id */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/**
 * Run the action of a webhook's button.
 * @param {string} id
 * @param {string} what
 * @param {string} address
 */
async function act(id, what, address) {
  const path = `/api/v1/webhooks/${id}`;
  if (what === "test") {
    await send(`${path}/test`);
    tell("A test is on its way.");
    setTimeout(() => location.reload(), WAIT);
    return;
  }
  if (what === "remove") {
    const text = `${address} receives no more messages. Messages that wait for it are discarded.`;
    if (!(await confirm("Remove this webhook?", text, { yes: "Remove", tone: "danger" }))) return;
    await send(path, {}, { method: "DELETE" });
  } else {
    await send(path, { active: what === "wake" }, { method: "PATCH" });
  }
  location.reload();
}

for (const section of document.querySelectorAll("section[data-webhook]")) {
  section.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("button[data-do]") : null;
    if (!(button instanceof HTMLButtonElement) || !(section instanceof HTMLElement)) return;
    const address = section.querySelector("h2")?.textContent || "";
    tellRefusals(() => act(section.dataset.webhook || "", button.dataset.do || "", address));
  });
}

byId("new-webhook").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = /** @type {HTMLFormElement} */ (event.currentTarget);
  const fields = new FormData(form);
  tellRefusals(async () => {
    const made = await send("/api/v1/webhooks", { url: fields.get("url"), events: fields.getAll("events") });
    byId("secret").textContent = made.secret;
    byId("made").hidden = false;
    form.hidden = true;
    byId("noted").focus();
  });
});

byId("noted").addEventListener("click", () => location.reload());
