// @ts-check
/** The train page: the form that starts a training, and what is queued, at work and done. */

import { pageData, Refused, send } from "../shared/api.js";
import { copyable } from "../shared/copy.js";
import { bindKeys } from "../shared/keys.js";
import { element } from "../shared/made.js";
import { byId } from "../shared/player/transport.js";
import { Plan } from "./plan.js";
import { howLong, Trainings } from "./trainings.js";

const { tasks, datasets, usual, sizes, most, asked, keys } = pageData();
/** @param {string} id */
const field = (id) => /** @type {HTMLInputElement} */ (document.getElementById(id));
const list = new Trainings();
const plan = new Plan(() => ({ task: field("task").value, dataset: field("dataset").value }));
let newest = 0; // number of the newest question about the command
let later = 0;

begin();

function begin() {
  const known = [...tasks].sort((a, b) => Number(Boolean(datasets[b.name])) - Number(Boolean(datasets[a.name])));
  field("task").append(...known.map((/** @type {any} */ task) => new Option(datasets[task.name] ? task.name : `${task.name} (no demonstrations yet)`, task.name)));
  const own = (/** @type {string} */ name) => (datasets[name] || []).reduce((/** @type {number} */ sum, /** @type {any} */ one) => sum + (one.sample ? 0 : one.mine || one.successes), 0);
  const likely = [...known].sort((a, b) => own(b.name) - own(a.name))[0];
  const named = known.some((task) => task.name === asked.task) ? asked.task : "";
  field("task").value = named || (likely && own(likely.name) ? likely.name : known.some((task) => task.name === "pick_place") ? "pick_place" : known[0]?.name || "");
  field("size").append(...Object.entries(sizes).map(([name, /** @type {any} */ size]) => new Option(name === "default" ? `${size.title}, in the minutes that you give` : `${size.title}, about ${howLong(size.seconds)}`, name)));
  field("labels").max = String(most.labels);
  field("rounds").max = String(most.rounds);
  field("minutes").max = String(most.minutes);
  fillDatasets(asked.dataset);
  field("task").addEventListener("input", () => fillDatasets(""));
  byId("begin", HTMLFormElement).addEventListener("input", () => describe());
  byId("begin", HTMLFormElement).addEventListener("submit", (event) => {
    event.preventDefault();
    start();
  });
  const review = () => document.getElementById("review-now")?.click();
  bindKeys(keys, { review: (/** @type {boolean} */ pressed) => void (pressed && review()), compare: (/** @type {boolean} */ pressed) => void (pressed && byId("compare", HTMLAnchorElement).click()) });
}

/**
 * Offer the datasets of the task, and choose one.
 * @param {string} wanted
 */
function fillDatasets(wanted) {
  const listed = datasets[field("task").value] || [];
  field("dataset").replaceChildren(...listed.map((/** @type {any} */ one) => new Option(label(one), one.name)));
  if (!listed.length) field("dataset").append(new Option("none: record some first", ""));
  field("dataset").value = listed.some((/** @type {any} */ one) => one.name === wanted) ? wanted : usual[field("task").value]?.[0] || "";
  describe();
}

/** @param {any} one */
function label(one) {
  const whose = one.sample ? "samples" : one.mine === one.successes ? "yours" : one.mine ? `${one.mine} yours` : `by ${one.people.join(", ") || "others"}`;
  return `${one.name}: ${one.successes}, ${whose}`;
}

/**
 * Say what a dataset holds, and whether that is enough.
 * @param {any} one
 */
function holds(one) {
  const who = one.people.filter(Boolean).join(", ");
  const few = one.successes < most.enough && !one.sample ? " Fewer than ten successes: the policy may learn little." : "";
  return `${one.successes} ${one.successes === 1 ? "success" : "successes"} in ${one.episodes} ${one.episodes === 1 ? "episode" : "episodes"}${who ? `, by ${who}` : ""}.${few}`;
}

/** Say what the choices mean, and what they would start. */
function describe() {
  const task = field("task").value;
  const chosen = (datasets[task] || []).find((/** @type {any} */ one) => one.name === field("dataset").value);
  byId("about", HTMLParagraphElement).textContent = tasks.find((/** @type {any} */ one) => one.name === task)?.about || "";
  const why = usual[task]?.[0] === chosen?.name ? usual[task]?.[1] || "" : "";
  byId("dataset-about", HTMLParagraphElement).textContent = why || (chosen ? holds(chosen) : "");
  byId("size-about", HTMLParagraphElement).textContent = sizes[field("size").value]?.about || "";
  byId("minutes-field", HTMLDivElement).hidden = field("size").value !== "default";
  byId("go", HTMLButtonElement).disabled = !chosen;
  plan.chosen();
  clearTimeout(later);
  later = setTimeout(foretell, 200);
}

/** Return the choices as the station takes them. */
function body() {
  const answers = /** @type {HTMLInputElement} */ (document.querySelector('input[name="answers"]:checked')).value;
  return { task: field("task").value, dataset: field("dataset").value, answers, labels: Number(field("labels").value), rounds: Number(field("rounds").value) || null, size: field("size").value, minutes: Number(field("minutes").value) };
}

/** Show the command, and how long it will take. */
async function foretell() {
  const number = ++newest;
  const expected = byId("expected", HTMLParagraphElement);
  if (!field("dataset").value) {
    const task = field("task").value;
    expected.replaceChildren("There are no demonstrations of this task. ", element("a", { href: `/operate?task=${encodeURIComponent(task)}` }, "Record some"));
    return;
  }
  try {
    const found = await send("/api/train/command", body());
    if (number !== newest) return;
    problem("");
    const people = found.people ? ` of work, and ${body().labels} answers × ${Math.round(found.pace)} s of people's time` : "";
    expected.textContent = `About ${howLong(found.seconds)}${people}${found.like ? `; ${found.like} took that long here` : ""}.`;
    byId("command-text", HTMLDivElement).replaceChildren(copyable("The command", found.command));
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (number !== newest) return;
    expected.textContent = "";
    problem(error.message);
  }
}

/** @param {string} text */
function problem(text) {
  const place = byId("problem", HTMLParagraphElement);
  place.textContent = text;
  place.hidden = !text;
}

async function start() {
  const go = byId("go", HTMLButtonElement);
  if (go.disabled) return;
  go.disabled = true;
  try {
    const { run } = await send("/api/train", body());
    problem("");
    await list.look();
    list.show(run);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    problem(error.message);
  } finally {
    go.disabled = false;
  }
}

list.watch();
