// @ts-check
/** The fields of the form that say which cameras are shown. */

import { get, tellRefusals } from "../shared/api.js";
import { rememberViews, VIEWS, viewsOf } from "../shared/player/session-cameras.js";

const fields = () => /** @type {HTMLSelectElement[]} */ ([...document.querySelectorAll("select[data-view]")]);

/** @type {Map<string, string[]>} */
const known = new Map(); // task → its cameras
let shown = ""; // the task whose cameras the fields offer

/** Offer the cameras of a task, as soon as they are known. @param {string} task */
export async function offerCameras(task) {
  shown = task;
  for (const field of fields()) field.disabled = true;
  if (!known.has(task)) {
    const answer = await tellRefusals(() => get(`/api/library/cameras?${new URLSearchParams({ task })}`));
    if (!answer) return;
    known.set(task, Object.keys(answer.cameras));
  }
  if (task === shown) draw(task, viewsOf(task, known.get(task) || []));
}

/** @param {string} task @param {string[]} chosen */
function draw(task, chosen) {
  fields().forEach((field, slot) => {
    const none = slot ? [new Option("none", "")] : [];
    field.replaceChildren(...none, ...(known.get(task) || []).map((name) => new Option(name, name)));
    field.value = chosen[slot] || "";
    field.disabled = false;
  });
}

/** A camera is shown once: the view that had it gets what this one had. @param {number} slot */
function choose(slot) {
  const names = known.get(shown) || [];
  const before = viewsOf(shown, names);
  const chosen = fields().map((field) => field.value);
  const other = chosen.findIndex((name, at) => at !== slot && name && name === chosen[slot]);
  if (other >= 0) chosen[other] = before[slot] || "";
  const views = chosen.filter(Boolean).slice(0, VIEWS);
  rememberViews(shown, views, names);
  draw(shown, views);
}

/** Listen to the fields. */
export function bindCameras() {
  fields().forEach((field, slot) => field.addEventListener("change", () => choose(slot)));
}
