// @ts-check
/**
 * The controls of a question, built from what its kind declares: a layout, and controls with label, key and value.
 * A new kind needs no change here where one of the layouts suffices.
 */

import { button, element } from "../shared/made.js";
import { Ranking } from "./ranking.js";

/** @typedef {import("./stage.js").Question} Question */
/** @typedef {import("./stage.js").Control} Control */
/** @typedef {import("./stage.js").Stage} Stage */
/** @typedef {import("../shared/player/clock.js").Clock} Clock */
/** @typedef {import("../shared/keys.js").Binding} Binding */
/** @typedef {{stage: Stage, clock: Clock, answer: (value: Record<string, any>) => void, showHow: () => void,
 *   mayDrive: boolean, changed: () => void}} Desk what controls work with */
/**
 * @typedef {object} Panel what is drawn of a question
 * @property {HTMLElement} node under the clips
 * @property {Binding[]} keys
 * @property {Record<string, (pressed: boolean) => void>} handlers
 * @property {() => boolean} [undo] takes a part back; false where there was none
 * @property {{at: number, good: boolean}[]} [marks] on the timeline [frames]
 * @property {() => void} [back] the person came back to the page
 */

/** Keys of a board, as KeyboardEvent.code, for what a kind names as KeyboardEvent.key. @type {Record<string, string[]>} */
const CODES = { "+": ["Equal", "NumpadAdd"], "-": ["Minus", "NumpadSubtract"], Enter: ["Enter", "NumpadEnter"], " ": ["Space"] };

/**
 * @param {string} key
 * @returns {string[]}
 */
export function codesOf(key) {
  if (CODES[key]) return CODES[key];
  if (/^\d$/.test(key)) return [`Digit${key}`, `Numpad${key}`];
  if (/^[a-z]$/i.test(key)) return [`Key${key.toUpperCase()}`];
  return [key];
}

/**
 * @param {string} name
 * @param {string} label
 * @param {string} key
 * @returns {Binding}
 */
export function binding(name, label, key) {
  return { name, label, group: "answer", keys: codesOf(key) };
}

/**
 * Draw the controls of a question.
 * @param {Question} question
 * @param {Desk} review
 * @returns {Panel}
 */
export function drawControls(question, review) {
  const draw = { choice: drawChoice, levels: drawLevels, presses: drawPresses, number: drawNumber, show: drawShow, order: drawOrder }[question.layout];
  return (draw || drawChoice)(question, review);
}

/**
 * Draw the controls that answer by themselves.
 * @param {Control[]} controls
 * @param {(control: Control) => void} press
 */
function row(controls, press) {
  const keys = controls.map((control, i) => binding(`answer_${i}`, control.label, control.key));
  const buttons = controls.map((control, i) => {
    const made = button(control.label, "answer", () => press(control), `answer_${i}`);
    made.dataset.value = JSON.stringify(control.value);
    return made;
  });
  const handlers = Object.fromEntries(controls.map((control, i) => [`answer_${i}`, (/** @type {boolean} */ pressed) => pressed && press(control)]));
  return { keys, buttons, handlers };
}

/**
 * One press is the whole answer. What names one clip stands under that clip.
 * @param {Question} question
 * @param {Desk} review
 * @returns {Panel}
 */
function drawChoice(question, review) {
  const { keys, buttons, handlers } = row(question.controls.filter((control) => !control.part), (control) => review.answer(control.value));
  const others = element("div", { class: "answers" });
  for (const made of buttons) {
    const { choice } = JSON.parse(made.dataset.value || "{}");
    const screen = review.stage.screens.find(({ clip }) => clip.name === choice);
    if (screen) {
      made.classList.add("big", "primary");
      screen.figure.querySelector(".answer")?.remove();
      screen.figure.append(made);
    } else {
      others.append(made);
    }
  }
  return { node: others, keys, handlers };
}

/**
 * One press an axis; the last one answers.
 * @param {Question} question
 * @param {Desk} review
 * @returns {Panel}
 */
function drawLevels(question, review) {
  const parts = question.controls.filter((control) => control.part);
  const field = Object.keys(parts[0].value)[0];
  const levelOf = (/** @type {Control} */ control) => Object.values(control.value[field])[0];
  const usual = Object.keys(parts[0].value[field]);
  const axes = question.axes.length ? question.axes : usual;
  /** @type {Record<string, any>} */
  const given = {};
  let at = 0;
  const rows = axes.map((axis, i) => {
    const name = axis === "overall" && axes.length === 1 ? "" : axis.replaceAll("_", " ");
    const levels = element("div", { class: "segments levels", role: "group", "aria-label": name || question.prompt });
    for (const control of parts) levels.append(button(control.label.replace(`${control.key} `, ""), "", () => give(i, control), `part_${control.key}`));
    const node = element("div", { class: "criterion" }, element("span", { class: "criterion-name" }, name), levels);
    return { node, levels };
  });
  const rest = row(question.controls.filter((control) => !control.part), (control) => review.answer(control.value));
  const table = element("div", { class: `criteria ${axes.length > 2 ? "many" : ""}` }, ...rows.map((one) => one.node));
  const node = element("div", { class: "answers column" }, table, element("div", { class: "answers" }, ...rest.buttons));

  /**
   * @param {number} which
   * @param {Control} control
   */
  function give(which, control) {
    given[axes[which]] = levelOf(control);
    const missing = axes.findIndex((axis) => !(axis in given));
    if (missing < 0) return review.answer({ [field]: { ...given } });
    at = missing;
    draw();
  }

  function draw() {
    rows.forEach((one, i) => {
      one.node.classList.toggle("now", i === at && axes.length > 1);
      Array.from(one.levels.children).forEach((made, k) => {
        made.setAttribute("aria-pressed", String(given[axes[i]] === levelOf(parts[k])));
        made.querySelector("kbd")?.classList.toggle("resting", i !== at);
      });
    });
  }
  draw();
  const keys = parts.map((control) => binding(`part_${control.key}`, control.label, control.key));
  const handlers = Object.fromEntries(parts.map((control) => [`part_${control.key}`, (/** @type {boolean} */ pressed) => pressed && give(at, control)]));
  const undo = () => {
    const last = Object.keys(given).pop();
    if (!last) return false;
    delete given[last];
    at = axes.indexOf(last);
    draw();
    return true;
  };
  return { node, keys: [...keys, ...rest.keys], handlers: { ...handlers, ...rest.handlers }, undo };
}

/**
 * Presses while the clip plays, then done.
 * @param {Question} question
 * @param {Desk} review
 * @returns {Panel}
 */
function drawPresses(question, review) {
  const parts = question.controls.filter((control) => control.part);
  const field = Object.keys(parts[0].value)[0];
  /** @type {Record<string, any>[]} */
  const presses = [];
  const { clip } = review.stage.screens[0];
  const signs = element("div", { class: "answers" });
  parts.forEach((control, i) => {
    const made = button(control.label, `press ${control.value[field][0].sign > 0 ? "good" : "danger"} big`, () => {}, `part_${i}`);
    made.addEventListener("pointerdown", (event) => (event.preventDefault(), press(control, made)));
    made.addEventListener("click", (event) => event.detail === 0 && press(control, made)); // by the keyboard
    signs.append(made);
  });
  const count = element("p", { class: "soft", role: "status" });
  const done = button("Done", "primary", () => finish(), "done");
  const rest = row(question.controls.filter((control) => !control.part), (control) => review.answer(control.value));
  const node = element("div", { class: "answers column" }, signs, count, element("div", { class: "answers" }, done, ...rest.buttons));
  /** @type {Panel} */
  const panel = { node, keys: [], handlers: {}, marks: [], undo };

  /**
   * @param {Control} control
   * @param {HTMLElement} made
   */
  function press(control, made) {
    const { clock } = review;
    const step = Math.max(0, Math.min(clock.time * clip.fps, clip.frames - 1));
    const rate = clock.playing ? clip.fps * clock.rate : 0.001; // on a still there is no reaction delay
    presses.push({ ...control.value[field][0], step: Math.round(step * 100) / 100, rate });
    made.classList.remove("pressed");
    requestAnimationFrame(() => made.classList.add("pressed"));
    setTimeout(() => made.classList.remove("pressed"), 160);
    draw();
  }

  function draw() {
    panel.marks = presses.map(({ step, sign }) => ({ at: step, good: sign > 0 }));
    const good = presses.filter(({ sign }) => sign > 0).length;
    count.textContent = presses.length ? `${good} good · ${presses.length - good} bad` : "Press at the instant; your delay is allowed for.";
    done.disabled = !presses.length;
    for (const made of rest.buttons) if (field in JSON.parse(made.dataset.value || "{}")) made.disabled = presses.length > 0;
    review.changed();
  }

  function finish() {
    if (presses.length) review.answer({ [field]: presses });
  }

  function undo() {
    if (!presses.pop()) return false;
    draw();
    return true;
  }
  draw();
  const buttons = Array.from(signs.children);
  panel.keys = [...parts.map((control, i) => binding(`part_${i}`, control.label, control.key)), ...rest.keys];
  panel.handlers = { ...rest.handlers, done: (pressed) => pressed && finish() };
  rest.keys.forEach(({ name }, i) => {
    const usual = rest.handlers[name];
    panel.handlers[name] = (pressed) => rest.buttons[i].disabled || usual(pressed);
  });
  parts.forEach((control, i) => (panel.handlers[`part_${i}`] = (pressed) => pressed && press(control, /** @type {HTMLElement} */ (buttons[i]))));
  return panel;
}

/**
 * A number on each of one or several scales, then done. A scale that was not moved has no number yet.
 * @param {Question} question
 * @param {Desk} review
 * @returns {Panel}
 */
function drawNumber(question, review) {
  const parts = question.controls.filter((control) => control.part && control.span);
  const rest = row(question.controls.filter((control) => !control.part), (control) => review.answer(control.value));
  const done = button("Done", "primary", () => finish(), "done");
  /** @type {Record<string, number>} */
  const given = {};
  const scales = parts.map((control, i) => {
    const [field] = Object.keys(control.value);
    const [least, most] = control.span || [0, 1];
    const shown = element("output", { class: "number" }, "–");
    const input = element("input", { type: "range", min: String(least), max: String(most), step: "1", value: String(control.value[field]) });
    input.addEventListener("input", () => {
      given[field] = Number(input.value);
      draw();
    });
    input.addEventListener("keydown", (event) => event.key === "Enter" && finish());
    const name = element("span", { class: "criterion-name" }, control.label, " ", element("kbd", { "data-key": `part_${i}` }));
    const ends = [String(least), String(most)].map((end) => element("span", { class: "soft" }, end));
    const node = element("label", { class: "criterion scale" }, name, ends[0], input, ends[1], shown);
    return { field, input, shown, node };
  });
  const node = element("div", { class: "answers column" }, ...scales.map((scale) => scale.node), element("div", { class: "answers" }, done, ...rest.buttons));

  function draw() {
    for (const { field, shown } of scales) shown.textContent = field in given ? String(given[field]) : "–";
    done.disabled = scales.some(({ field }) => !(field in given));
  }

  function finish() {
    if (!done.disabled) review.answer({ ...given });
  }

  function undo() {
    const field = Object.keys(given).pop();
    if (!field) return false;
    delete given[field];
    draw();
    return true;
  }
  draw();
  const keys = parts.map((control, i) => binding(`part_${i}`, control.label, control.key));
  /** @type {Record<string, (pressed: boolean) => void>} */
  const handlers = { ...rest.handlers, done: (pressed) => pressed && finish() };
  scales.forEach(({ input }, i) => (handlers[`part_${i}`] = (pressed) => pressed && input.focus()));
  return { node, keys: [...keys, ...rest.keys], handlers, undo };
}

/**
 * "Show how" opens the operate page; what is kept there is the answer.
 * @param {Question} question
 * @param {Desk} review
 * @returns {Panel}
 */
function drawShow(question, review) {
  const part = question.controls.find((control) => control.part);
  const rest = row(question.controls.filter((control) => !control.part), (control) => review.answer(control.value));
  const show = button(part?.label || "Show how", "primary big", () => review.showHow(), "show");
  show.disabled = !review.mayDrive;
  const words = review.mayDrive
    ? "Pause at the frame from which you would do it otherwise. Drive from there on the operate page, keep it, and come back."
    : "Showing how takes the role operator; ask an administrator for it.";
  const says = element("p", { class: "soft", role: "status" }, words);
  const use = button("Use what I recorded", "primary", () => found && review.answer(found), "done");
  use.hidden = true;
  const node = element("div", { class: "answers column" }, element("div", { class: "answers" }, show, use, ...rest.buttons), says);
  /** @type {Record<string, any> | null} */
  let found = null;
  const back = async () => {
    const { correctionOf } = await import("../shared/questions.js");
    found = await correctionOf(question.lease);
    use.hidden = !found;
    if (found) says.textContent = "What you kept continues this clip. Take it as the answer, or show it again.";
  };
  const handlers = { ...rest.handlers, done: (/** @type {boolean} */ pressed) => void (pressed && found && review.answer(found)) };
  return { node, keys: rest.keys, handlers, back };
}

/**
 * The clips are put in order.
 * @param {Question} question
 * @param {Desk} review
 * @returns {Panel}
 */
function drawOrder(question, review) {
  const done = button("Done", "primary big", () => ranking.done(), "done");
  const ranking = new Ranking(review.stage, (groups) => review.answer({ ranking: groups }), (complete) => (done.disabled = !complete));
  const rest = row(question.controls.filter((control) => !control.part), (control) => review.answer(control.value));
  const node = element("div", { class: "answers column" }, ranking.hint, element("div", { class: "answers" }, done, ...rest.buttons));
  const handlers = { ...rest.handlers, done: (/** @type {boolean} */ pressed) => pressed && ranking.done(), ...ranking.handlers };
  return { node, keys: [...ranking.keys, ...rest.keys], handlers, undo: () => ranking.undo() };
}
