// @ts-check
/** Dialogs: the browser's own `<dialog>`, which keeps the focus inside and closes on Escape. */

/** @typedef {{label: string, value: string, tone?: "primary" | "danger" | "good" | "", key?: string}} Choice */

/**
 * Ask the person something and return the value of the choice; "" where the dialog was closed without one.
 * @param {{title: string, text?: string, choices: Choice[], body?: HTMLElement}} question
 * @returns {Promise<string>}
 */
export function ask(question) {
  const dialog = openDialog(question.title, "ask");
  const content = /** @type {HTMLElement} */ (dialog.querySelector(".stack"));
  if (question.text) {
    const words = document.createElement("p");
    words.className = "wrap";
    words.textContent = question.text;
    content.append(words);
  }
  if (question.body) content.append(question.body);
  const row = document.createElement("div");
  row.className = "row end";
  for (const choice of question.choices) {
    const made = document.createElement("button");
    made.type = "button";
    made.className = `button ${choice.tone || ""}`;
    made.append(choice.label);
    if (choice.key) {
      const key = document.createElement("kbd");
      key.textContent = choice.key;
      made.append(" ", key);
    }
    made.addEventListener("click", () => dialog.close(choice.value));
    row.append(made);
  }
  content.append(row);
  dialog.addEventListener("keydown", (event) => {
    const choice = question.choices.find(({ key }) => key && key === event.key && /^\d$/.test(key));
    if (!choice || event.target instanceof HTMLInputElement || event.target instanceof HTMLTextAreaElement) return;
    event.preventDefault();
    dialog.close(choice.value);
  });
  dialog.showModal();
  const first = dialog.querySelector("[autofocus], input, textarea, select") || row.lastElementChild;
  if (first instanceof HTMLElement) first.focus();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true }));
}

/**
 * Ask whether something should be done.
 * @param {string} title
 * @param {string} text
 * @param {{yes?: string, no?: string, tone?: "primary" | "danger"}} [words]
 * @returns {Promise<boolean>}
 */
export async function confirm(title, text, words = {}) {
  const choices = /** @type {Choice[]} */ ([
    { label: words.no || "Cancel", value: "" },
    { label: words.yes || "Yes", value: "yes", tone: words.tone || "primary" },
  ]);
  return (await ask({ title, text, choices })) === "yes";
}

/**
 * Ask for a text; null where the dialog was closed without one.
 * @param {string} title
 * @param {{label: string, value?: string, long?: boolean, yes?: string, most?: number}} field
 * @returns {Promise<string | null>}
 */
export async function askText(title, field) {
  const body = document.createElement("div");
  body.className = "field";
  const label = document.createElement("label");
  label.textContent = field.label;
  label.htmlFor = "dialog-text";
  const input = document.createElement(field.long ? "textarea" : "input");
  input.id = "dialog-text";
  input.value = field.value || "";
  input.maxLength = field.most || 1000;
  input.addEventListener("keydown", (event) => {
    if (!(event instanceof KeyboardEvent) || event.key !== "Enter" || event.isComposing) return;
    if (field.long && !event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    input.closest("dialog")?.close("yes");
  });
  body.append(label, input);
  const choices = /** @type {Choice[]} */ ([
    { label: "Cancel", value: "" },
    { label: field.yes || "Save", value: "yes", tone: "primary", key: field.long ? "Ctrl Enter" : "Enter" },
  ]);
  return (await ask({ title, choices, body })) === "yes" ? input.value : null;
}

/**
 * Return a new dialog with a heading, in the page and not yet shown; it leaves the page when it closes.
 * @param {string} title
 * @param {string} [name] its class
 * @returns {HTMLDialogElement}
 */
export function openDialog(title, name = "") {
  const dialog = document.createElement("dialog");
  if (name) dialog.className = name;
  const heading = document.createElement("h2");
  heading.id = `dialog-title-${document.querySelectorAll("dialog").length}`;
  heading.textContent = title;
  dialog.setAttribute("aria-labelledby", heading.id);
  const content = document.createElement("div");
  content.className = "stack";
  content.append(heading);
  dialog.append(content);
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close(""); // on the backdrop, beside the dialog
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  return dialog;
}
