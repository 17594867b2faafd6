// @ts-check
/** The fields of the operate page: seed, note, task, policy, and the timeline. */

const by = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
/** @typedef {(act: string, value?: any) => Promise<any>} Do */

/**
 * Fill the menu of the session, and mark the current choices.
 * @param {{tasks: string[], policies: {path: string, task: string}[]}} data
 * @param {{scene: any, status: any}} panel
 */
export function fillSession(data, panel) {
  const [task, policy] = ["task-field", "policy-field"].map((id) => /** @type {HTMLSelectElement} */ (by(id)));
  const now = panel.scene?.task ?? "";
  task.replaceChildren(...data.tasks.map((name) => new Option(name, name, false, name === now)));
  const fitting = data.policies.filter((one) => one.task === now).map((one) => one.path);
  const driving = panel.status?.policy ?? "";
  if (driving && !fitting.includes(driving)) fitting.unshift(driving);
  policy.replaceChildren(new Option("none: you drive", ""), ...fitting.map((path) => new Option(path, path)));
  policy.value = driving;
}

/**
 * Listen to the fields.
 * @param {Do} act
 * @param {() => void} fill  writes what holds into the menu of the session
 */
export function bindFields(act, fill) {
  const seed = /** @type {HTMLInputElement} */ (by("seed-field"));
  by("seed-form").addEventListener("submit", (event) => {
    event.preventDefault();
    act("seed", Number(seed.value));
    /** @type {HTMLDetailsElement} */ (by("seed-menu")).open = false;
    seed.blur();
  });
  const note = /** @type {HTMLInputElement} */ (by("note"));
  by("note-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const reply = await act("note", note.value);
    if (reply?.ok) note.value = "";
    note.blur();
  });
  for (const field of [seed, note]) field.addEventListener("keydown", (event) => event.key === "Escape" && field.blur());
  for (const [id, name] of [["task-field", "task"], ["policy-field", "policy"]]) {
    const field = /** @type {HTMLSelectElement} */ (by(id));
    field.addEventListener("change", async () => {
      await act(name, field.value || null);
      fill();
      field.blur();
    });
  }
  for (const menu of document.querySelectorAll(".strip details")) {
    document.addEventListener("click", (event) => {
      if (event.target instanceof Node && !menu.contains(event.target)) /** @type {HTMLDetailsElement} */ (menu).open = false;
    });
  }
}

/**
 * Dragging the timeline shows frames, the newest only: the next is requested when the last has arrived.
 * @param {Do} act
 * @param {(dragging: boolean) => void} drags
 */
export function bindTimeline(act, drags) {
  const line = /** @type {HTMLInputElement} */ (by("timeline"));
  let asking = false;
  let wanted = -1;
  const seek = async () => {
    drags(true);
    wanted = Number(line.value);
    if (asking) return;
    asking = true;
    while (wanted >= 0) {
      const frame = wanted;
      wanted = -1;
      await act("seek", frame);
    }
    asking = false;
  };
  line.addEventListener("input", seek);
  for (const end of ["change", "pointerup", "blur"]) line.addEventListener(end, () => drags(false));
  line.addEventListener("pointerup", () => line.blur());
}
