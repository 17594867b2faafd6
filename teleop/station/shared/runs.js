// @ts-check
/** The list of runs: state, task, success, a line of its newest curve; rows stay the same elements while they change. */

import { svg } from "./charts.js";
import { swatch } from "./curves.js";
import { element } from "./made.js";

export const MOST_LISTED = 200;

/** @type {Record<string, [string, string]>} state → the badge's class and its word */
const STATES = {
  working: ["accent", "at work"],
  waiting: ["warn", "waits for answers"],
  finished: ["good", "finished"],
  stopped: ["", "stopped"],
  failed: ["bad", "failed"],
};

/** @type {Record<string, string>} */
const STAGES = {
  clone: "imitating the demonstrations",
  before: "measuring the cloned policy",
  collect: "trying the policy out",
  ask: "choosing what to ask",
  answer: "collecting answers",
  reward: "learning the reward",
  finetune: "fine-tuning",
  after: "measuring the result",
};

/**
 * Return a stage of a run in words: round-2/finetune is "round 2, fine-tuning".
 * @param {string} stage
 */
export function stageWords(stage) {
  const [, round, name] = /^(?:round-(\d+)\/)?(.*)$/.exec(stage) || ["", "", stage];
  const words = STAGES[name] || name.replaceAll("_", " ");
  return round ? `round ${round}, ${words}` : words;
}

/** @param {any} run */
export function badge(run) {
  const [kind, word] = STATES[run.state] || ["", run.state];
  return element("span", { class: `badge ${kind}` }, element("span", { class: `dot${run.state === "stopped" ? " hollow" : ""}` }), word);
}

/** @param {number | null | undefined} share */
export const percent = (share) => (share === null || share === undefined ? "–" : `${Math.round(100 * share)} %`);

/** @param {number} then [s since 1970] */
export function ago(then) {
  const passed = Date.now() / 1000 - then;
  if (passed < 60) return "just now";
  if (passed < 3600) return `${Math.floor(passed / 60)} min ago`;
  if (passed < 86400) return `${Math.floor(passed / 3600)} h ago`;
  return new Date(then * 1000).toLocaleDateString(undefined, { day: "numeric", month: "short", year: "numeric" });
}

/**
 * Return a small drawing of values over time.
 * @param {number[]} values
 */
function spark(values) {
  const place = svg("svg", { viewBox: "0 0 96 24", class: "spark", "aria-hidden": "true" });
  if (values.length < 2) return place;
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const at = values.map((value, i) => `${((96 * i) / (values.length - 1)).toFixed(1)},${(22 - (20 * (value - low)) / (high - low || 1)).toFixed(1)}`);
  place.append(svg("polyline", { points: at.join(" ") }));
  return place;
}

export class RunList {
  /**
   * @param {HTMLElement} place
   * @param {(name: string, shown: boolean) => void} choose
   */
  constructor(place, choose) {
    this.place = place;
    this.choose = choose;
    /** @type {Map<string, {node: HTMLElement, box: HTMLInputElement, drawn: string}>} */
    this.rows = new Map();
  }

  /**
   * Show these runs, in this order.
   * @param {any[]} runs
   * @param {Map<string, {style: number}>} shown
   */
  draw(runs, shown) {
    const names = new Set(runs.map((run) => run.name));
    for (const [name, row] of this.rows) {
      if (names.has(name)) continue;
      row.node.remove();
      this.rows.delete(name);
    }
    runs.slice(0, MOST_LISTED).forEach((run, index) => {
      const row = this.rows.get(run.name) || this.made(run.name);
      const style = shown.get(run.name)?.style;
      const drawn = JSON.stringify([run, style, Math.floor(Date.now() / 60_000)]);
      row.box.checked = style !== undefined;
      if (drawn !== row.drawn) {
        row.drawn = drawn;
        row.node.classList.toggle("shown", style !== undefined);
        const label = /** @type {HTMLElement} */ (row.node.querySelector(".run-about"));
        label.replaceChildren(...about(run, style));
      }
      if (this.place.children[index] !== row.node) this.place.insertBefore(row.node, this.place.children[index] || null);
    });
  }

  /** @param {string} name */
  made(name) {
    const box = element("input", { type: "checkbox", onchange: () => this.choose(name, box.checked) });
    const node = element("li", { class: "run" }, element("label", { class: "run-line" }, box, element("span", { class: "run-about" })));
    const row = { node, box, drawn: "" };
    this.rows.set(name, row);
    return row;
  }

  /** @param {number} by */
  move(by) {
    const boxes = [...this.place.querySelectorAll("input")];
    const here = boxes.findIndex((box) => box === document.activeElement);
    boxes[Math.max(0, Math.min(boxes.length - 1, here < 0 ? 0 : here + by))]?.focus();
  }

  /** Return the name of the run that has the focus. */
  focused() {
    return [...this.rows].find(([, row]) => row.box === document.activeElement)?.[0] || "";
  }
}

/**
 * @param {any} run
 * @param {number | undefined} style
 */
function about(run, style) {
  const success = run.after ? `${percent(run.before?.value)} → ${percent(run.after.value)}` : run.before ? `cloned ${percent(run.before.value)}` : "";
  const known = run.newest["held_out/accuracy"];
  const drawn = [success, known === undefined ? "" : `predicts ${percent(known)}`, run.stage || run.kind].filter(Boolean).join(" · ");
  return [
    element("span", { class: "run-top" }, ...(style === undefined ? [] : [swatch(style)]), element("span", { class: "clip run-name", title: run.name }, run.name), badge(run)),
    element("span", { class: "run-facts small soft" }, element("span", { class: "clip" }, run.task || "no task"), element("span", { class: "clip", title: drawn }, drawn || "no figures yet")),
    element("span", { class: "run-side small soft" }, spark(run.spark.values), element("span", {}, ago(run.changed))),
  ];
}
