// @ts-check
/** The monitor's data of the selected runs: curves that are extended incrementally, and the charts made of them. */

/** @typedef {import("../shared/curves.js").Curves} Curves */
/** @typedef {import("../shared/curves.js").Line} Line */
/** @typedef {import("../shared/curves.js").Point} Point */
/** @typedef {{stage: string, track: string, round: number, epoch: number, step: number[], values: Record<string, (number | null)[]>, last: Record<string, number>}} Curve */
/** @typedef {{name: string, style: number, info: any, curves: Map<string, Curve>}} Run */

const OWN = new Set(["reward", "anchor_kl", "disagreement", "held_out_loss", "held_out/accuracy", "held_out/ece", "answers"]);

/**
 * Merge an update of the station into the data of a run.
 * @param {Run} run
 * @param {any} answer
 */
export function merge(run, answer) {
  const { curves, ...info } = answer;
  run.info = info;
  const now = new Map();
  for (const sent of curves) {
    const known = run.curves.get(sent.stage);
    const goesOn = known && known.epoch === sent.epoch && known.step.length === sent.from && sent.from > 0;
    const before = goesOn ? known : { step: [], values: {} };
    const count = before.step.length;
    /** @type {Record<string, (number | null)[]>} */
    const values = {};
    for (const name of new Set([...Object.keys(before.values), ...Object.keys(sent.values)])) {
      const old = /** @type {Record<string, (number | null)[]>} */ (before.values)[name] || Array(count).fill(null);
      values[name] = old.concat(sent.values[name] || Array(sent.step.length).fill(null));
    }
    now.set(sent.stage, { ...sent, step: before.step.concat(sent.step), values });
  }
  run.curves = now;
}

/**
 * Return how much of a run's curves is loaded, for the station to send the rest.
 * @param {Run} run
 */
export function have(run) {
  return [...run.curves.values()].map((curve) => `${curve.stage}:${curve.epoch}:${curve.step.length}`);
}

/**
 * Return the stages of a track, each with where its first step lies on the common axis.
 * @param {Run} run
 * @param {string} track
 */
function placed(run, track) {
  let offset = 0;
  return [...run.curves.values()]
    .filter((curve) => curve.track === track)
    .map((curve) => {
      const at = offset;
      offset += curve.last.step || curve.step[curve.step.length - 1] || 0;
      return { curve, offset: at };
    });
}

/**
 * @param {Run} run
 * @param {string} track
 * @param {string} metric
 * @param {string} [across] another metric that is the axis
 * @returns {Point[]}
 */
function pointsOf(run, track, metric, across = "") {
  const points = [];
  for (const { curve, offset } of placed(run, track)) {
    const [ys, xs] = [curve.values[metric], across ? curve.values[across] : curve.step];
    if (!ys || !xs) continue;
    ys.forEach((y, i) => y !== null && xs[i] !== null && points.push({ x: Number(xs[i]) + (across ? 0 : offset), y }));
    const last = curve.last;
    const x = across ? last[across] : last.step + offset;
    if (last[metric] !== undefined && points.length && x > points[points.length - 1].x) points.push({ x, y: last[metric] });
  }
  return points;
}

/** @typedef {"iterations" | "steps" | "minutes"} Across */
/** @type {Record<Across, string>} */
const ACROSS = { iterations: "iteration", steps: "environment steps", minutes: "minutes since the run began" };

/**
 * Return where an iteration of a run lies on the chosen axis; NaN where that is not known.
 * @param {Run} run
 * @param {Across} across
 * @returns {(x: number) => number}
 */
function placeOf(run, across) {
  if (across === "iterations") return (x) => x;
  if (across === "steps") {
    const rows = run.info.truth.flatMap((/** @type {any} */ stage) => stage.rows);
    const each = (rows[rows.length - 1]?.episodes || NaN) * (run.info.episode_steps || NaN);
    return (x) => x * each;
  }
  /** @type {[number, number][]} */
  const known = placed(run, finetuning(run)).flatMap(({ curve, offset }) => (run.info.times[curve.stage] || []).map((/** @type {[number, number]} */ [step, at]) => [step + offset, at]));
  const began = Math.min(...Object.values(run.info.times).map((/** @type {any} */ rows) => rows[0][1]));
  return (x) => {
    const next = known.findIndex(([step]) => step >= x);
    if (next < 0) return NaN;
    const [[a, from], [b, to]] = [known[Math.max(next - 1, 0)], known[next]];
    const at = b > a ? from + ((to - from) * (x - a)) / (b - a) : to;
    return (at - began) / 60;
  };
}

/**
 * Return a chart over iterations on another axis.
 * @param {Curves} chart
 * @param {Run[]} runs
 * @param {Across} across
 * @returns {Curves}
 */
function onAxis(chart, runs, across) {
  if (chart.x.label !== "iteration") return chart;
  const places = new Map(runs.map((run) => [run.name, placeOf(run, across)]));
  const lines = chart.lines.map((line) => ({ ...line, points: line.points.map((point) => ({ ...point, x: places.get(line.name)?.(point.x) ?? NaN })).filter(({ x }) => Number.isFinite(x)) }));
  const only = runs.length === 1 ? places.get(runs[0].name) : undefined;
  const marks = (chart.marks || []).map((mark) => ({ ...mark, x: only?.(mark.x) ?? NaN })).filter(({ x }) => Number.isFinite(x));
  return { ...chart, x: { label: ACROSS[across], whole: across !== "minutes" }, lines, marks };
}

/** @param {Run} run */
const tracksOf = (run) => [...new Set([...run.curves.values()].map((curve) => curve.track))];

/**
 * The track in which a policy is trained on a reward.
 * @param {Run} run
 */
const finetuning = (run) => tracksOf(run).find((track) => [...run.curves.values()].some((curve) => curve.track === track && curve.values.anchor_kl)) || tracksOf(run).find((track) => pointsOf(run, track, "reward").length) || "finetune";

/**
 * Where the rounds of a track begin, and the gates' decisions at their ends.
 * @param {Run[]} runs
 */
function marksOf(runs) {
  if (runs.length !== 1) return [];
  const [run] = runs;
  const stages = placed(run, finetuning(run));
  const marks = stages.filter(({ curve }) => curve.round > 1).map(({ curve, offset }) => ({ x: offset, word: `round ${curve.round}`, kind: "" }));
  for (const gate of run.info.gates) {
    const stage = stages.find(({ curve }) => curve.round === gate.round);
    if (stage) marks.unshift({ x: stage.offset + (stage.curve.last.step || 0), word: gate.accepted ? "kept" : "refused", kind: gate.accepted ? "kept" : "refused" });
  }
  return marks;
}

/**
 * Return a chart of one metric of the track in which each run learns.
 * @param {string} id
 * @param {string} title
 * @param {string} metric
 * @param {Run[]} runs
 * @param {Partial<Curves>} more
 * @param {(run: Run) => string} track
 * @returns {Curves}
 */
function metricChart(id, title, metric, runs, more, track) {
  const lines = runs.map((run) => ({ name: run.name, style: run.style, points: pointsOf(run, track(run), metric) }));
  return { id, title, x: { label: "iteration" }, y: {}, lines, ...more };
}

/**
 * @param {Run} run
 * @param {(row: any) => Point} point
 * @returns {Point[]}
 */
function truthOf(run, point) {
  const starts = new Map(placed(run, finetuning(run)).map(({ curve, offset }) => [curve.stage, offset]));
  return run.info.truth.flatMap((/** @type {any} */ stage) => stage.rows.map((/** @type {any} */ row) => ({ ...point(row), x: row.step + (starts.get(stage.stage) || 0) })));
}

/**
 * Return a figure of each reward model of a run, over the answers that it learned from.
 * @param {Run} run
 * @param {string} name
 * @param {string} [metric] what it is called in the metrics of a run that follows answers
 * @returns {Point[]}
 */
function scoresOf(run, name, metric = name) {
  if (run.info.follows) return tracksOf(run).flatMap((track) => pointsOf(run, track, metric, "answers"));
  const known = run.info.reward.filter((/** @type {any} */ one) => typeof one[name] === "number");
  return known.map((/** @type {any} */ one) => ({ x: one.answers, y: one[name] }));
}

/** @param {Run} run @returns {Point[]} */
function accuracyOf(run) {
  if (!run.info.follows) return run.info.reward.filter((/** @type {any} */ one) => one.accuracy).map((/** @type {any} */ one) => ({ x: one.answers, y: one.accuracy.value, low: one.accuracy.low, high: one.accuracy.high }));
  return tracksOf(run).flatMap((track) => pointsOf(run, track, "held_out/accuracy", "answers"));
}

/**
 * Return the charts of some runs, those that matter first; empty ones are left out.
 * @param {Run[]} runs
 * @param {boolean} all whether every metric is shown
 * @param {Across} across
 * @returns {Curves[]}
 */
export function chartsOf(runs, all, across) {
  const marks = marksOf(runs);
  const each = (/** @type {(run: Run) => Point[]} */ points, /** @type {boolean} */ dots = false) => runs.map((run) => ({ name: run.name, style: run.style, points: points(run), dots }));
  const share = { low: 0, high: 1, percent: true };
  const calibrated = each((run) => (run.info.reward[run.info.reward.length - 1]?.bins || []).map((/** @type {any} */ bin) => ({ x: bin.confidence, y: bin.value, low: bin.low, high: bin.high })), true);
  /** @type {Curves[]} */
  const charts = [
    { id: "success", title: "True success while it learns", text: "Of the learner's own episodes, which explore; nothing is learned from it.", x: { label: "iteration" }, y: { label: "success", ...share }, lines: each((run) => truthOf(run, (row) => ({ x: 0, y: row.success, low: row.low, high: row.high }))), marks },
    metricChart("learned", "Learned reward", "reward", runs, { text: "What the policy maximises. If it rises while the true return falls, the policy exploits errors of the reward model.", y: { label: "reward a step" }, marks }, finetuning),
    { id: "return", title: "True return", x: { label: "iteration" }, y: { label: "return of an episode" }, lines: each((run) => truthOf(run, (row) => ({ x: 0, y: row.return, low: row.return - row.error, high: row.return + row.error }))), marks },
    metricChart("kl", "Distance from the cloned policy", "anchor_kl", runs, { y: { label: "KL [nat]", low: 0 }, marks }, finetuning),
    { id: "accuracy", title: "Reward model: held-out accuracy", text: "Share of held-out answers that it predicts.", x: { label: "answers", whole: true }, y: { label: "predicted", ...share, low: 0.4 }, lines: runs.flatMap((run) => [{ name: run.name, style: run.style, points: accuracyOf(run), dots: !run.info.follows }]) },
    { id: "calibration", title: "Reward model: calibration", text: "On the diagonal it is as often right as it is sure.", x: { label: "how sure it was", low: Math.min(0.5, ...calibrated.flatMap((line) => line.points.map((point) => point.x))), high: 1, percent: true }, y: { label: "how often it was right", ...share }, diagonal: true, lines: calibrated },
    { id: "ece", title: "Reward model: calibration error", x: { label: "answers", whole: true }, y: { label: "expected error", low: 0, percent: true }, lines: each((run) => scoresOf(run, "ece", "held_out/ece"), true) },
    { id: "doubt", title: "Reward model: disagreement", text: "How far the members of its ensemble differ about the score of a clip.", x: { label: "answers", whole: true }, y: { label: "deviation", low: 0 }, lines: each((run) => scoresOf(run, "disagreement"), true) },
    metricChart("held-out", "Reward model: loss on held-out answers", "held_out_loss", runs, { x: { label: "update", whole: true }, y: { label: "loss [nat]" } }, () => "reward"),
  ];
  charts.push(...losses(runs));
  if (all) charts.push(...everything(runs));
  return charts.map((chart) => onAxis(chart, runs, across)).filter((chart) => chart.lines.some((line) => line.points.length));
}

/** @param {Run[]} runs @returns {Curves[]} */
function losses(runs) {
  const of = (/** @type {Run} */ run, /** @type {string} */ metric, but = "") => {
    const found = tracksOf(run).filter((track) => track !== but).map((track) => ({ track, points: pointsOf(run, track, metric) })).filter(({ points }) => points.length);
    return found.map(({ track, points }) => ({ name: found.length > 1 ? `${run.name}, ${track || "itself"}` : run.name, style: run.style, points }));
  };
  const lines = runs.flatMap((run) => of(run, "loss", "reward"));
  const scores = runs.flatMap((run) => of(run, "score"));
  return [
    { id: "cloning", title: "Imitation: loss", x: { label: "update", whole: true }, y: { label: "loss" }, lines },
    { id: "score", title: "Imitation: success in rollouts", x: { label: "update", whole: true }, y: { label: "success", low: 0, high: 1, percent: true }, lines: scores },
  ];
}

/** @param {Run[]} runs @returns {Curves[]} */
function everything(runs) {
  const names = new Map();
  for (const run of runs) for (const curve of run.curves.values()) for (const metric of Object.keys(curve.values)) if (!OWN.has(metric)) names.set(`${curve.track} ${metric}`, [curve.track, metric]);
  return [...names.entries()].sort().map(([id, [track, metric]]) => ({
    id: `all-${id.replaceAll(/[^a-zA-Z0-9]+/g, "-")}`,
    title: [track, metric.replaceAll("_", " ")].filter(Boolean).join(": "),
    x: { label: "step", whole: true },
    y: {},
    lines: runs.map((run) => ({ name: run.name, style: run.style, points: pointsOf(run, track, metric) })),
  }));
}

/**
 * Return the chart with every curve drawn as a running mean over its raw values, which stay faint behind it.
 * @param {Curves} chart
 * @returns {Curves}
 */
export function smoother(chart) {
  if (chart.diagonal) return chart;
  return { ...chart, lines: chart.lines.flatMap((line) => (line.dots || line.points.length < 8 ? [line] : [{ ...line, points: line.points.map(({ x, y }) => ({ x, y })), faint: true }, { ...line, points: means(line.points) }])) };
}

/** @param {Point[]} points */
function means(points) {
  const keep = 0.85;
  let [mean, weight] = [0, 0];
  return points.map(({ x, y }) => {
    mean = keep * mean + (1 - keep) * y;
    weight = keep * weight + (1 - keep);
    return { x, y: mean / weight };
  });
}
