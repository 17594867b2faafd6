// @ts-check
/** Curves of several runs in one chart: intervals where they are known, marks, and the values under the pointer. */

import { BOTTOM, HEIGHT, RIGHT, TOP, WIDTH, axes, canvas, frameOf, numberOf, spanOf, svg } from "./charts.js";
import { element } from "./made.js";

/** @typedef {{x: number, y: number, low?: number | null, high?: number | null}} Point */
/** @typedef {{name: string, style: number, points: Point[], dots?: boolean, faint?: boolean}} Line */
/** @typedef {{label?: string, low?: number, high?: number, percent?: boolean, whole?: boolean}} Axis */
/** @typedef {{id: string, title: string, text?: string, x: Axis, y: Axis, lines: Line[], marks?: {x: number, word: string, kind?: string}[], diagonal?: boolean}} Curves */
/** @typedef {{spans: Map<string, [number, number]>, dragging: boolean, changed: () => void}} Zoom what of each chart is shown, by its id */

const FEW = 24; // points up to which each is drawn as a dot
const LEAST_SPAN = 12; // [units] of a drag that chooses a part
const MANY_MARKS = 12; // above, marks have no words
const WORDS = 90; // [units] that the words of a mark may take

/**
 * Return a chart.
 * @param {Curves} chart
 * @param {Zoom} [zoom] a part of it is chosen by dragging where this is given
 */
export function drawCurves(chart, zoom) {
  const span = zoom?.spans.get(chart.id);
  const inside = (/** @type {Point} */ p) => !span || (p.x >= span[0] && p.x <= span[1]);
  const lines = chart.lines.map((line) => ({ ...line, points: line.points.filter((p) => Number.isFinite(p.x) && Number.isFinite(p.y) && inside(p)) })).filter((line) => line.points.length);
  const figure = element("figure", { class: "card chart", id: `chart-${chart.id}` }, element("h3", {}, chart.title));
  if (chart.text) figure.append(element("p", { class: "soft small" }, chart.text));
  if (!lines.length) return figure;
  const every = lines.flatMap((line) => line.points);
  const edges = every.flatMap((p) => [p.y, p.low ?? p.y, p.high ?? p.y]);
  const frame = frameOf(span || spanOf(every.map((p) => p.x), chart.x), spanOf(edges, chart.y, 0.04));
  const place = canvas(HEIGHT);
  place.setAttribute("role", "img");
  place.setAttribute("aria-label", `${chart.title}. ${inWords(lines, chart.y)}`);
  axes(place, frame, chart.x, chart.y);
  if (chart.diagonal) place.append(svg("line", { class: "ideal", x1: frame.across(frame.x[0]), y1: frame.up(frame.x[0]), x2: frame.across(frame.x[1]), y2: frame.up(frame.x[1]) }));
  drawMarks(place, frame, chart.marks || []);
  for (const line of lines) drawLine(place, frame, line, lines.length === 1 || Boolean(line.dots));
  const readout = element("p", { class: "readout small soft number" });
  if (!chart.diagonal) readout.replaceChildren(...readings("", lines.map((line) => ({ line, point: line.points[line.points.length - 1] })), chart.y));
  follow(place, frame, lines, chart, readout);
  figure.append(place, readout);
  if (zoom && !chart.diagonal) chooseSpan(figure, place, frame, chart, zoom);
  return figure;
}

/**
 * Let a part of a chart be chosen by dragging over it, and be left by a button.
 * @param {HTMLElement} figure
 * @param {Element} place
 * @param {import("./charts.js").Frame} frame
 * @param {Curves} chart
 * @param {Zoom} zoom
 */
function chooseSpan(figure, place, frame, chart, zoom) {
  const box = svg("rect", { class: "chosen-span", x: 0, width: 0, y: TOP, height: frame.height - TOP - BOTTOM, visibility: "hidden" });
  place.append(box);
  place.classList.add("zooms");
  let from = NaN;
  const at = (/** @type {PointerEvent} */ event) => {
    const { left, width } = place.getBoundingClientRect();
    return Math.max(frame.left, Math.min(WIDTH - RIGHT, ((event.clientX - left) / width) * WIDTH));
  };
  const value = (/** @type {number} */ across) => frame.x[0] + ((across - frame.left) / (WIDTH - frame.left - RIGHT)) * (frame.x[1] - frame.x[0]);
  place.addEventListener("pointerdown", (event) => {
    if (!(event instanceof PointerEvent) || event.button !== 0) return;
    from = at(event);
    zoom.dragging = true;
    place.setPointerCapture(event.pointerId);
  });
  place.addEventListener("pointermove", (event) => {
    if (!(event instanceof PointerEvent) || Number.isNaN(from)) return;
    const to = at(event);
    box.setAttribute("x", String(Math.min(from, to)));
    box.setAttribute("width", String(Math.abs(to - from)));
    box.setAttribute("visibility", "visible");
  });
  const end = (/** @type {Event} */ event) => {
    if (!(event instanceof PointerEvent) || Number.isNaN(from)) return;
    const to = at(event);
    zoom.dragging = false;
    if (event.type === "pointerup" && Math.abs(to - from) > LEAST_SPAN) zoom.spans.set(chart.id, [value(Math.min(from, to)), value(Math.max(from, to))]);
    from = NaN;
    box.setAttribute("visibility", "hidden");
    zoom.changed();
  };
  place.addEventListener("pointerup", end);
  place.addEventListener("pointercancel", end);
  if (zoom.spans.has(chart.id)) figure.append(element("button", { type: "button", class: "button small", "aria-label": `${chart.title}: show the whole`, onclick: () => (zoom.spans.delete(chart.id), zoom.changed()) }, "Show the whole"));
}

/**
 * @param {Element} place
 * @param {import("./charts.js").Frame} frame
 * @param {{x: number, word: string, kind?: string}[]} marks
 */
function drawMarks(place, frame, marks) {
  const inside = marks.filter((mark) => mark.x >= frame.x[0] && mark.x <= frame.x[1]);
  /** @type {Map<number, string[]>} */
  const words = new Map();
  for (const { x, word, kind } of inside) {
    const at = frame.across(x);
    const line = svg("line", { class: `mark ${kind || ""}`, x1: at, x2: at, y1: TOP, y2: frame.height - BOTTOM });
    line.append(svg("title", {}, word));
    place.append(line);
    words.set(at, [...(words.get(at) || []), word]);
  }
  if (inside.length > MANY_MARKS) return;
  for (const [at, each] of words) {
    const late = at > WIDTH - RIGHT - WORDS; // its words stand before it
    place.append(svg("text", { class: "note", x: late ? at - 4 : at + 4, y: TOP + 11, "text-anchor": late ? "end" : "start" }, each.join(", ")));
  }
}

/**
 * @param {Element} place
 * @param {import("./charts.js").Frame} frame
 * @param {Line} line
 * @param {boolean} interval
 */
function drawLine(place, frame, line, interval) {
  const group = svg("g", { class: `curve s${line.style}${line.faint ? " faint" : ""}` });
  const at = (/** @type {number} */ x, /** @type {number} */ y) => `${frame.across(x).toFixed(1)},${frame.up(y).toFixed(1)}`;
  const known = line.points.filter((p) => p.low !== undefined && p.low !== null && p.high !== undefined && p.high !== null);
  if (line.dots) {
    for (const p of known) group.append(svg("line", { class: "whisker", x1: frame.across(p.x), x2: frame.across(p.x), y1: frame.up(Number(p.low)), y2: frame.up(Number(p.high)) }));
  } else if (interval && known.length > 1) {
    const around = [...known.map((p) => at(p.x, Number(p.high))), ...known.map((p) => at(p.x, Number(p.low))).reverse()];
    group.append(svg("polygon", { class: "band", points: around.join(" ") }));
  }
  group.append(svg("polyline", { class: "line", points: line.points.map((p) => at(p.x, p.y)).join(" ") }));
  if (line.dots || line.points.length <= FEW) for (const p of line.points) group.append(svg("circle", { class: "dot", cx: frame.across(p.x), cy: frame.up(p.y), r: 3 }));
  place.append(group);
}

/**
 * Say what the curves are where the pointer is.
 * @param {Element} place
 * @param {import("./charts.js").Frame} frame
 * @param {Line[]} lines
 * @param {Curves} chart
 * @param {HTMLElement} readout
 */
function follow(place, frame, lines, chart, readout) {
  const cross = svg("line", { class: "cross", x1: 0, x2: 0, y1: TOP, y2: frame.height - BOTTOM, visibility: "hidden" });
  place.append(cross);
  place.addEventListener("pointermove", (event) => {
    if (!(event instanceof PointerEvent)) return;
    const box = place.getBoundingClientRect();
    const across = ((event.clientX - box.left) / box.width) * WIDTH;
    const x = frame.x[0] + ((across - frame.left) / (WIDTH - frame.left - RIGHT)) * (frame.x[1] - frame.x[0]);
    const near = lines.map((line) => ({ line, point: line.points.reduce((best, p) => (Math.abs(p.x - x) < Math.abs(best.x - x) ? p : best)) }));
    const nearest = near.reduce((best, one) => (Math.abs(one.point.x - x) < Math.abs(best.point.x - x) ? one : best));
    const at = frame.across(nearest.point.x).toFixed(1);
    cross.setAttribute("x1", at);
    cross.setAttribute("x2", at);
    cross.setAttribute("visibility", "visible");
    readout.replaceChildren(...readings(`${chart.x.label} ${numberOf(nearest.point.x, chart.x)}`, near, chart.y));
  });
  place.addEventListener("pointerleave", () => {
    cross.setAttribute("visibility", "hidden");
    readout.replaceChildren(...(chart.diagonal ? [] : readings("", lines.map((line) => ({ line, point: line.points[line.points.length - 1] })), chart.y)));
  });
}

/**
 * Return the sign of a line and its value, for each line.
 * @param {string} where
 * @param {{line: Line, point: Point}[]} near
 * @param {Axis} axis
 */
function readings(where, near, axis) {
  const shown = near.filter(({ line }) => !line.faint);
  const rows = shown.map(({ line, point }) => element("span", { class: "reading" }, ...(shown.length > 1 ? [swatch(line.style), line.name] : []), ` ${valueOf(point, axis)}`));
  return [element("span", {}, where ? `${where}:` : "now"), ...rows];
}

/**
 * Return the sign of a run in the charts: a piece of its line.
 * @param {number} style
 */
export function swatch(style) {
  const place = svg("svg", { viewBox: "0 0 24 8", class: `swatch s${style}`, "aria-hidden": "true" });
  place.append(svg("line", { class: "line", x1: 0, x2: 24, y1: 4, y2: 4 }));
  return place;
}

/**
 * @param {Point} point
 * @param {Axis} axis
 */
function valueOf(point, axis) {
  const short = (/** @type {number} */ value) => (axis.percent ? `${Number((100 * value).toPrecision(value < 0.1 ? 2 : 3))}`.replace("-", "−") : numberOf(value, axis));
  const interval = point.low === undefined || point.low === null || point.high === undefined || point.high === null ? "" : ` (${short(point.low)} to ${short(point.high)})`;
  return `${short(point.y)}${axis.percent ? " %" : ""}${interval}`;
}

/**
 * Return the newest value of each curve.
 * @param {Line[]} lines
 * @param {Axis} axis
 */
function inWords(lines, axis) {
  return `now ${lines.map((line) => `${line.name} ${valueOf(line.points[line.points.length - 1], axis)}`).join(" · ")}`;
}
