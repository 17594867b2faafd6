// @ts-check
/** The form that begins a session; `?start=1` in the address begins it at once. */

import { pageData, Refused, send, tellRefusals } from "../shared/api.js";
import { confirm } from "../shared/dialog.js";
import { bindCameras, offerCameras } from "./start-cameras.js";

const { tasks, robots, datasets, policies, asked, conditions } = pageData();
const form = document.getElementById("begin");
const field = (/** @type {string} */ id) => /** @type {HTMLInputElement} */ (document.getElementById(id));

if (form instanceof HTMLFormElement) {
  fill();
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    begin();
  });
  field("task").addEventListener("input", describe);
  field("robot").addEventListener("input", describe);
  field("dataset").addEventListener("input", describe);
  const more = /** @type {HTMLDetailsElement} */ (document.getElementById("more"));
  const cameras = () => more.open && offerCameras(chosenTask());
  more.addEventListener("toggle", cameras);
  for (const id of ["task", "robot"]) field(id).addEventListener("input", cameras);
  bindCameras();
  if (asked.start) begin();
  else field("task").focus();
}

for (const button of document.querySelectorAll("[data-end]")) {
  button.addEventListener("click", async () => {
    const id = button instanceof HTMLElement ? button.dataset.end : "";
    const sure = await confirm("End this session?", "What was kept stays. Its open episode is kept too, marked as interrupted.", { yes: "End it" });
    if (sure && (await tellRefusals(() => send(`/operate/${id}/end`)))) location.reload();
  });
}

function fill() {
  field("task").append(...tasks.map((/** @type {any} */ task) => new Option(task.name, task.name)));
  field("robot").append(...robots.map((/** @type {string} */ name) => new Option(name, name)));
  const [task, robot] = splitRobot(asked.task);
  const has = (/** @type {string} */ name) => tasks.some((/** @type {any} */ one) => one.name === name);
  field("task").value = has(task) ? task : has("pick_place") ? "pick_place" : tasks[0]?.name;
  if (robots.includes(robot)) field("robot").value = robot;
  field("dataset").value = asked.dataset;
  field("seed").value = asked.seed;
  for (const name of Object.keys(conditions)) field(name).value = asked[name] || String(conditions[name]);
  document.getElementById("datasets")?.append(...datasets.map((/** @type {string} */ name) => new Option(name)));
  describe();
  field("policy").value = asked.policy;
}

/** Split a task into itself and its robot. @param {string} name @returns {[string, string]} */
function splitRobot(name) {
  const known = tasks.some((/** @type {any} */ one) => one.name === name); // that of an outside environment may hold an @
  const at = known ? -1 : name.indexOf("@");
  return at < 0 ? [name, ""] : [name.slice(0, at), name.slice(at + 1)];
}

/** The task as it is recorded: with its robot, where that is another than the usual one. */
function chosenTask() {
  const [task, robot] = [field("task").value, field("robot").value];
  const choice = tasks.find((/** @type {any} */ one) => one.name === task);
  return choice?.arm && robot !== robots[0] ? `${task}@${robot}` : task;
}

/** Say what the choices mean. */
function describe() {
  const choice = tasks.find((/** @type {any} */ one) => one.name === field("task").value);
  /** @type {HTMLElement} */ (document.getElementById("robot-field")).hidden = !choice?.arm || robots.length < 2;
  const task = chosenTask();
  const about = choice?.about || "";
  /** @type {HTMLElement} */ (document.getElementById("about")).textContent = about;
  const dataset = field("dataset");
  dataset.placeholder = task;
  const there = datasets.includes(dataset.value || task);
  /** @type {HTMLElement} */ (document.getElementById("dataset-about")).textContent = there
    ? "There already: new episodes are added."
    : "New: it is made when you begin.";
  const policy = field("policy");
  const chosen = policy.value;
  const fitting = policies.filter((/** @type {any} */ one) => one.task === task);
  policy.replaceChildren(
    new Option(fitting.length ? "none: I drive" : "none trained for this task yet", ""),
    ...fitting.map((/** @type {any} */ one) => new Option(one.path, one.path)),
  );
  policy.value = fitting.some((/** @type {any} */ one) => one.path === chosen) ? chosen : "";
}

/** The conditions that are not as usual. @returns {Record<string, number>} */
function changedConditions() {
  const asked = Object.keys(conditions).map((name) => [name, Number(field(name).value || conditions[name])]);
  return Object.fromEntries(asked.filter(([name, value]) => value !== conditions[name]));
}

async function begin() {
  const go = /** @type {HTMLButtonElement} */ (document.getElementById("go"));
  const problem = /** @type {HTMLElement} */ (document.getElementById("problem"));
  problem.hidden = true;
  go.disabled = true;
  const seed = field("seed").value.trim();
  const body = {
    task: asked.episode && !asked.task ? "" : chosenTask(),
    dataset: field("dataset").value.trim(),
    seed: seed ? Number(seed) : null,
    policy: field("policy").value,
    rate: field("rate").value ? Number(field("rate").value) : null,
    source: asked.source,
    episode: asked.episode,
    frame: Number(asked.frame || 0),
    mode: asked.mode || "continue",
    conditions: changedConditions(),
    fresh: Boolean(asked.fresh),
  };
  try {
    const { address } = await send("/operate", body);
    if (asked.start) location.replace(address);
    else location.assign(address);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    problem.textContent = error.message;
    problem.hidden = false;
    go.disabled = false;
  }
}
