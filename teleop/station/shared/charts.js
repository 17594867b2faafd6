// @ts-check
/** Charts as plain SVG, from the station's JSON; `teleop/station/library/statistics.py` says what each kind holds. */

import { element } from "./made.js";

export const WIDTH = 560; // [units of the view box]
export const HEIGHT = 260;
const ROW = 26;
export const [LEFT, RIGHT, TOP, BOTTOM] = [62, 20, 12, 44]; // room around the plot
const NAMES = 150; // room for the names of rows

/** @typedef {{label?: string, low?: number, high?: number, percent?: boolean, whole?: boolean}} Axis */
/** @typedef {{x: [number, number], y: [number, number], across: (value: number) => number, up: (value: number) => number, height: number, left: number}} Frame */

/**
 * Return a chart with its title and its description.
 * @param {any} chart
 * @returns {HTMLElement}
 */
export function drawChart(chart) {
  const draw = { line: drawLine, bars: drawBars, points: drawPoints, shares: drawShares, intervals: drawIntervals, heat: drawHeat }[/** @type {string} */ (chart.kind)];
  const figure = element("figure", { class: "card chart", id: `chart-${chart.id}` }, element("h2", {}, chart.title), element("p", { class: "soft small" }, chart.text));
  if (!draw) return figure;
  const drawing = draw(chart);
  drawing.setAttribute("role", "img");
  drawing.setAttribute("aria-label", `${chart.title}. ${chart.text}`);
  figure.append(drawing, ...legend(chart));
  return figure;
}

/**
 * @param {string} name
 * @param {Record<string, string | number>} attributes
 * @param {string} [text]
 */
export function svg(name, attributes, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [attribute, value] of Object.entries(attributes)) {
    made.setAttribute(attribute, typeof value === "number" ? String(Math.round(value * 100) / 100) : value);
  }
  if (text) made.textContent = text;
  return made;
}

/** @param {number} height */
export function canvas(height) {
  return svg("svg", { viewBox: `0 0 ${WIDTH} ${height}` });
}

/**
 * Round numbers from `low` to `high`, some `about` of them.
 * @param {number} low
 * @param {number} high
 * @param {number} [about]
 * @param {boolean} [whole] only whole numbers
 * @returns {number[]}
 */
export function ticks(low, high, about = 5, whole = false) {
  const raw = Math.max((high - low) / about, whole ? 1 : 0);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].reduce((best, factor) => (Math.abs(factor * power - raw) < Math.abs(best * power - raw) ? factor : best));
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k <= Math.floor(high / step + 1e-9); k++) found.push(Number((k * step).toPrecision(12)));
  return found;
}

/**
 * @param {number} value
 * @param {Axis} axis
 * @param {number} [digits] that count
 */
export function numberOf(value, axis, digits = 4) {
  const shown = Number((axis.percent ? 100 * value : value).toPrecision(digits));
  return (axis.percent ? `${shown} %` : shown.toLocaleString("en", { maximumFractionDigits: Math.max(digits, 4) })).replace("-", "−");
}

/**
 * Return the numbers of an axis in words, with as many digits as make them differ.
 * @param {number[]} values
 * @param {Axis} axis
 */
function numbersOf(values, axis) {
  for (let digits = 4; digits < 13; digits++) {
    const found = values.map((value) => numberOf(value, axis, digits));
    if (new Set(found).size === found.length) return found;
  }
  return values.map(String);
}

/**
 * @param {number[]} values
 * @param {Axis} axis
 * @param {number} [margin] share of the span, at ends that the axis does not fix
 * @returns {[number, number]}
 */
export function spanOf(values, axis, margin = 0) {
  let low = axis.low ?? Math.min(...values);
  let high = axis.high ?? Math.max(...values);
  if (!(high - low > 1e-9 * Math.max(Math.abs(low), Math.abs(high), 1e-9))) [low, high] = [axis.low ?? low - 0.5, high + 0.5];
  const wide = (high - low) * margin;
  return [axis.low === undefined ? low - wide : low, axis.high === undefined ? high + wide : high];
}

/**
 * @param {[number, number]} x
 * @param {[number, number]} y
 * @param {number} [height]
 * @param {number} [left]
 * @returns {Frame}
 */
export function frameOf(x, y, height = HEIGHT, left = LEFT) {
  const across = (/** @type {number} */ value) => left + ((value - x[0]) / (x[1] - x[0])) * (WIDTH - left - RIGHT);
  const up = (/** @type {number} */ value) => height - BOTTOM - ((value - y[0]) / (y[1] - y[0])) * (height - TOP - BOTTOM);
  return { x, y, across, up, height, left };
}

/**
 * Draw grid, numbers and labels.
 * @param {Element} place
 * @param {Frame} frame
 * @param {Axis} x
 * @param {Axis | null} y
 */
export function axes(place, frame, x, y) {
  const base = frame.height - BOTTOM;
  if (y) {
    const levels = ticks(...frame.y, 4);
    const words = numbersOf(levels, y);
    for (const [i, value] of levels.entries()) {
      const level = frame.up(value);
      place.append(svg("line", { class: "grid", x1: frame.left, x2: WIDTH - RIGHT, y1: level, y2: level }));
      place.append(svg("text", { class: "end", x: frame.left - 8, y: level + 4 }, words[i]));
    }
    const middle = (TOP + base) / 2;
    place.append(svg("text", { class: "label middle", x: 13, y: middle, transform: `rotate(-90 13 ${middle})` }, y.label));
  }
  const along = ticks(...frame.x, 6, x.whole);
  const marks = numbersOf(along, x);
  for (const [i, value] of along.entries()) {
    place.append(svg("text", { class: "middle", x: frame.across(value), y: base + 18 }, marks[i]));
    if (!y) place.append(svg("line", { class: "grid", x1: frame.across(value), x2: frame.across(value), y1: TOP, y2: base }));
  }
  place.append(svg("line", { class: "axis", x1: frame.left, x2: WIDTH - RIGHT, y1: base, y2: base }));
  place.append(svg("text", { class: "label middle", x: (frame.left + WIDTH - RIGHT) / 2, y: frame.height - 6 }, x.label));
}

/** @param {any} chart */
function drawLine(chart) {
  const { points } = chart;
  const frame = frameOf(spanOf(points.map((/** @type {any} */ p) => p.x), chart.x), spanOf(points.flatMap((/** @type {any} */ p) => [p.low, p.high]), chart.y));
  const place = canvas(HEIGHT);
  axes(place, frame, chart.x, chart.y);
  const at = (/** @type {any} */ p, /** @type {string} */ name) => `${frame.across(p.x).toFixed(1)},${frame.up(p[name]).toFixed(1)}`;
  const edge = [...points.map((/** @type {any} */ p) => at(p, "high")), ...points.map((/** @type {any} */ p) => at(p, "low")).reverse()];
  place.append(svg("polygon", { class: "band", points: edge.join(" ") }));
  place.append(svg("polyline", { class: "line", points: points.map((/** @type {any} */ p) => at(p, "value")).join(" ") }));
  for (const p of points) {
    const dot = svg("circle", { class: "dot", cx: frame.across(p.x), cy: frame.up(p.value), r: 3.5 });
    dot.append(svg("title", {}, `${new Date(p.when * 1000).toLocaleDateString()}: ${interval(p, chart.y)}`));
    place.append(dot);
  }
  return place;
}

/** @param {any} chart */
function drawBars(chart) {
  const { edges, series } = chart;
  const totals = edges.slice(1).map((/** @type {number} */ _, /** @type {number} */ i) => series.reduce((/** @type {number} */ sum, /** @type {any} */ one) => sum + one.values[i], 0));
  const frame = frameOf([edges[0], edges[edges.length - 1]], spanOf([0, ...totals], chart.y, 0.04));
  const place = canvas(HEIGHT);
  axes(place, frame, chart.x, chart.y);
  for (let i = 0; i + 1 < edges.length; i++) {
    let below = 0;
    for (const { name, values } of series) {
      if (!values[i]) continue;
      const [left, right] = [frame.across(edges[i]), frame.across(edges[i + 1])];
      const bar = svg("rect", { class: name, x: left + 0.75, width: right - left - 1.5, y: frame.up(below + values[i]), height: frame.up(below) - frame.up(below + values[i]) });
      bar.append(svg("title", {}, `${numberOf(edges[i], chart.x)} to ${numberOf(edges[i + 1], chart.x)}: ${values[i]} ${name}`));
      place.append(bar);
      below += values[i];
    }
  }
  return place;
}

/** @param {any} chart */
function drawPoints(chart) {
  const xs = chart.points.map((/** @type {any} */ p) => p[0]);
  const ys = chart.points.map((/** @type {any} */ p) => p[1]);
  const [x, y] = [spanOf(xs, chart.x, 0.06), spanOf(ys, chart.y, 0.06)];
  const height = 320;
  const scale = Math.max((x[1] - x[0]) / (WIDTH - LEFT - RIGHT), (y[1] - y[0]) / (height - TOP - BOTTOM)); // a metre is as long both ways
  widen(x, scale * (WIDTH - LEFT - RIGHT));
  widen(y, scale * (height - TOP - BOTTOM));
  const frame = frameOf(x, y, height);
  const place = canvas(height);
  axes(place, frame, chart.x, chart.y);
  for (const [a, b, good] of chart.points) place.append(svg("circle", { class: good ? "success" : "other", cx: frame.across(a), cy: frame.up(b), r: 3.5 }));
  return place;
}

/**
 * @param {[number, number]} span
 * @param {number} to
 */
function widen(span, to) {
  const more = (to - (span[1] - span[0])) / 2;
  span[0] -= more;
  span[1] += more;
}

/**
 * Write the name of a row, cut where there is no more room.
 * @param {Element} place
 * @param {string} name
 * @param {number} y
 */
function rowName(place, name, y) {
  const text = svg("text", { class: "name end", x: NAMES - 10, y }, name.length > 19 ? `${name.slice(0, 18)}…` : name);
  text.append(svg("title", {}, name));
  place.append(text);
}

/** @param {any} chart */
function drawShares(chart) {
  const height = TOP + chart.rows.length * ROW + BOTTOM;
  const frame = frameOf([0, 1], [0, 1], height, NAMES);
  const place = canvas(height);
  axes(place, frame, { label: "share of episodes; the line is the interval of successes", percent: true }, null);
  chart.rows.forEach((/** @type {any} */ row, /** @type {number} */ index) => {
    const y = TOP + index * ROW;
    rowName(place, row.name, y + 17);
    let from = 0;
    for (const name of ["success", "failure", "aborted"]) {
      const share = (row.parts[name] || 0) / row.count;
      if (!share) continue;
      const bar = svg("rect", { class: name, x: frame.across(from), width: Math.max(frame.across(from + share) - frame.across(from), 0.5), y: y + 4, height: ROW - 10 });
      bar.append(svg("title", {}, `${row.name}: ${row.parts[name]} of ${row.count} ${name}; successes ${interval(row, { percent: true })}`));
      place.append(bar);
      from += share;
    }
    place.append(svg("line", { class: "axis", x1: frame.across(row.low), x2: frame.across(row.high), y1: y + ROW - 2, y2: y + ROW - 2 }));
  });
  return place;
}

/** @param {any} chart */
function drawIntervals(chart) {
  const height = TOP + chart.rows.length * ROW + BOTTOM;
  const frame = frameOf(spanOf(chart.rows.flatMap((/** @type {any} */ row) => [row.low, row.high]), chart.x, 0.08), [0, 1], height, NAMES);
  const place = canvas(height);
  axes(place, frame, chart.x, null);
  chart.rows.forEach((/** @type {any} */ row, /** @type {number} */ index) => {
    const y = TOP + index * ROW + ROW / 2;
    rowName(place, row.name, y + 4);
    place.append(svg("line", { class: "whisker", x1: frame.across(row.low), x2: frame.across(row.high), y1: y, y2: y }));
    const dot = svg("circle", { class: "dot", cx: frame.across(row.value), cy: y, r: 5 });
    dot.append(svg("title", {}, `${row.name}: ${interval(row, chart.x)}, ${row.count} ${chart.counted || "episodes"}`));
    place.append(dot);
  });
  return place;
}

/** @param {any} chart */
function drawHeat(chart) {
  const height = TOP + chart.rows.length * ROW + BOTTOM;
  const frame = frameOf([-1, 1], [0, 1], height, NAMES);
  const place = canvas(height);
  chart.rows.forEach((/** @type {any} */ row, /** @type {number} */ index) => {
    const y = TOP + index * ROW;
    rowName(place, row.name, y + 17);
    const most = Math.max(...row.shares);
    const wide = (WIDTH - NAMES - RIGHT) / row.shares.length;
    place.append(svg("rect", { class: "field", x: NAMES, width: WIDTH - NAMES - RIGHT, y: y + 2, height: ROW - 4 }));
    row.shares.forEach((/** @type {number} */ share, /** @type {number} */ bin) => {
      if (!share) return;
      const box = svg("rect", { class: "heat", x: NAMES + bin * wide, width: wide, y: y + 2, height: ROW - 4, opacity: 0.1 + 0.9 * Math.sqrt(share / most) });
      box.append(svg("title", {}, `${row.name} about ${(-1 + (2 * bin + 1) / row.shares.length).toFixed(2)}: ${(100 * share).toFixed(1)} % of the steps`));
      place.append(box);
    });
  });
  axes(place, frame, { label: "action" }, null);
  return place;
}

/**
 * @param {{value: number, low: number, high: number}} row
 * @param {Axis} axis
 */
function interval(row, axis) {
  return `${numberOf(row.value, axis)} (${numberOf(row.low, axis)} to ${numberOf(row.high, axis)})`;
}

/** @param {any} chart */
function legend(chart) {
  /** @type {Record<string, [string, string][]>} */
  const entries = {
    shares: [["success", "success"], ["failure", "failure"], ["aborted", "aborted"]],
    bars: [["success", "success"], ["other", "failure or aborted"]],
    points: [["success", "success (disc)"], ["other", "failure or aborted (ring)"]],
  };
  const rows = entries[chart.kind];
  if (!rows) return [];
  const marks = rows.map(([kind, word]) => {
    const mark = svg("svg", { viewBox: "0 0 12 12" });
    mark.append(chart.kind === "points" ? svg("circle", { class: kind, cx: 6, cy: 6, r: 4 }) : svg("rect", { class: kind, x: 1, y: 1, width: 10, height: 10 }));
    return element("span", {}, mark, word);
  });
  return [element("div", { class: "chart-legend", "aria-hidden": "true" }, ...marks)];
}
