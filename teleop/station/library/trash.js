// @ts-check
/** The trash: deleted episodes, which can be restored, or deleted for good after a confirmation. */

import { get, pageData, Refused, send } from "../shared/api.js";
import { mediaAddress } from "../shared/player/media-address.js";
import { confirm } from "../shared/dialog.js";
import { date, duration, element, outcomeBadge, size } from "../shared/made.js";
import { tell } from "../shared/toast.js";

const SHOWN = 200; // rows at once
const AT_ONCE = 100;
const { mayEdit } = pageData();
/** @type {any[]} */
let items = [];
/** @type {Set<string>} */
const chosen = new Set();
let shown = SHOWN;

/** @param {string} id */
const found = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
/** @param {string} id */
const control = (id) => /** @type {HTMLButtonElement & HTMLInputElement} */ (document.getElementById(id));
/** @param {any} item */
const nameOf = (item) => `${item.dataset}\n${item.episode}`;

async function load() {
  try {
    items = (await get("/api/library/trash")).items;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    found("trash").replaceChildren();
    say("The trash cannot be shown now", error.message);
    return;
  }
  for (const name of [...chosen]) if (!items.some((item) => nameOf(item) === name)) chosen.delete(name);
  draw();
}

function draw() {
  const list = found("trash");
  list.removeAttribute("aria-busy");
  list.hidden = !items.length;
  list.replaceChildren(...items.slice(0, shown).map(row));
  if (items.length > shown) {
    const more = element("button", { type: "button", class: "button", onclick: () => ((shown += SHOWN), draw()) }, `Show ${Math.min(SHOWN, items.length - shown)} more`);
    list.append(element("li", { class: "more" }, more));
  }
  found("trash-bar").hidden = !items.length || !mayEdit;
  found("nothing").hidden = items.length > 0;
  if (!items.length) say("The trash is empty", "Episodes that are deleted or cut in the library come here first.");
  mark();
}

/**
 * @param {string} title
 * @param {string} text
 */
function say(title, text) {
  found("nothing").hidden = false;
  found("nothing").replaceChildren(element("h2", {}, title), element("p", { class: "wrap" }, text), element("a", { class: "button", href: "/library" }, "To the library"));
}

/** @param {any} item */
function row(item) {
  const box = element("input", { type: "checkbox", "aria-label": `Choose ${item.episode}`, onchange: () => choose(item, box.checked) });
  box.checked = chosen.has(nameOf(item));
  const picture = element("img", { src: mediaAddress("poster", item, { width: 160, trash: item.version }), alt: "", width: 96, height: 72, loading: "lazy" });
  const about = item.damaged
    ? element("span", { class: "badge warn" }, "damaged file")
    : element("span", { class: "row tight" }, outcomeBadge(item.outcome), element("span", { class: "soft number" }, duration(item.seconds)));
  const words = element("div", { class: "words" },
    element("strong", { class: "clip", title: item.episode }, item.episode),
    element("span", { class: "soft small clip" }, [item.dataset, item.task, item.operator].filter(Boolean).join(" · ")),
    about,
  );
  const facts = element("div", { class: "words soft small when" }, element("span", {}, `since ${date(Date.parse(item.since) / 1000, true)}`), element("span", { class: "number" }, size(item.size) + (item.versions > 1 ? `, ${item.versions} versions` : "")));
  const restore = mayEdit ? element("button", { type: "button", class: "button", onclick: () => change("restore", [item]), "aria-label": `Restore ${item.episode}` }, "Restore") : "";
  return element("li", {}, mayEdit ? element("label", { class: "box" }, box) : "", picture, words, facts, restore);
}

/**
 * @param {any} item
 * @param {boolean} on
 */
function choose(item, on) {
  if (on) chosen.add(nameOf(item));
  else chosen.delete(nameOf(item));
  mark();
}

function mark() {
  const all = control("trash-all");
  all.checked = chosen.size > 0 && chosen.size === items.length;
  all.indeterminate = chosen.size > 0 && chosen.size < items.length;
  const bytes = items.reduce((sum, item) => sum + item.size, 0);
  found("trash-count").textContent = chosen.size ? `${chosen.size} of ${items.length} chosen` : `${items.length} ${items.length === 1 ? "episode" : "episodes"}, ${size(bytes)}`;
  control("trash-restore").disabled = control("trash-purge").disabled = !chosen.size;
}

/**
 * @param {"restore" | "purge"} act
 * @param {any[]} which
 */
async function change(act, which) {
  let done = 0;
  /** @type {string[]} */
  const problems = [];
  try {
    for (let at = 0; at < which.length; at += AT_ONCE) {
      const episodes = which.slice(at, at + AT_ONCE).map(({ dataset, episode }) => ({ dataset, episode }));
      const answer = await send("/api/library/change", { act, episodes });
      done += answer.done.length;
      problems.push(...answer.failed.map((/** @type {any} */ failed) => failed.error));
    }
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (error.code !== "signed_out") problems.push(error.message);
  }
  const words = done === 1 ? "1 episode" : `${done} episodes`;
  if (done) tell(act === "restore" ? `Restored ${words}.` : `Deleted ${words} for good.`, "good");
  if (problems.length) tell(problems.length > 1 ? `${problems.length} stayed as they were. The first: ${problems[0]}` : problems[0], "bad");
  await load();
}

/** @param {any[]} which */
async function purge(which) {
  const bytes = size(which.reduce((sum, item) => sum + item.size, 0));
  const what = which.length === 1 ? which[0].episode : `${which.length} episodes`;
  const sure = await confirm(`Delete ${what} for good?`, `${bytes} are freed. This cannot be undone.`, { yes: "Delete for good", tone: "danger" });
  if (sure) await change("purge", which);
}

const picked = () => items.filter((item) => chosen.has(nameOf(item)));
control("trash-all").addEventListener("change", () => {
  chosen.clear();
  if (control("trash-all").checked) for (const item of items) chosen.add(nameOf(item));
  draw();
});
control("trash-restore").addEventListener("click", () => change("restore", picked()));
control("trash-purge").addEventListener("click", () => purge(picked()));
control("trash-empty").addEventListener("click", () => purge(items));
load();
