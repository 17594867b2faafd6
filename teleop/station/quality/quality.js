// @ts-check
/** The quality page: the quality of the answers, and the settings of a team. */

import { Refused, get, pageData, send, tellRefusals } from "../shared/api.js";
import { drawChart } from "../shared/charts.js";
import { drawCurves } from "../shared/curves.js";
import { bindKeys } from "../shared/keys.js";
import { element, printKeys } from "../shared/made.js";
import { percent } from "../shared/runs.js";
import { tell } from "../shared/toast.js";
import { drawAmbiguous } from "./ambiguous.js";
import { drawSurprises } from "./surprises.js";

const [SOON, LATER] = [700, 5000]; // [ms] between requests, while results are computed and else

/** @typedef {{hits: number, of: number, interval: [number, number, number] | {value: number, low: number, high: number} | null}} Share */

/** name → what it is called, what it does, unit ("%" for shares), least, most, step. @type {[string, string, string, string, number, number, number][]} */
const SETTINGS = [
  ["overlap", "Overlap", "annotators for each new question", "", 1, 1000, 1],
  ["gold_share", "Gold questions", "share of assigned questions; their answer is known", "%", 0, 50, 1],
  ["repeat_share", "Repeats", "share of assigned questions; the annotator has answered them before", "%", 0, 50, 1],
  ["repeat_gap", "Gap to a repeat", "questions in between", "", 1, 1_000_000, 1],
  ["lease", "Time for a question", "after which it may be assigned to another annotator", "s", 1, 86400, 1],
  ["too_fast", "Too fast", "the clips cannot be seen in less", "s", 0, 60, 0.1],
  ["least_gold", "Least gold", "right answers of a reliable person", "%", 0, 100, 1],
  ["most_too_fast", "Most too fast", "answers, before a person is warned about", "%", 0, 100, 1],
  ["most_ties", "Most ties", "answers that prefer nothing", "%", 0, 100, 1],
  ["least_consistent", "Least consistent", "questions answered alike when asked again", "%", 0, 100, 1],
  ["least_skill", "Least reliable", "chance of the answer that the others make likely", "%", 0, 100, 1],
];

/** @param {string} id */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
const page = pageData();
const selects = { task: /** @type {HTMLSelectElement} */ (byId("task")), run: /** @type {HTMLSelectElement} */ (byId("run")) };
const chosen = { task: page.task, run: page.run };
let drawn = "";
let formOf = "";
let timer = 0;

async function look(anew = false) {
  clearTimeout(timer);
  const asked = JSON.stringify(chosen);
  let wait = LATER;
  try {
    const answer = await get(`/api/quality?${new URLSearchParams({ ...chosen, anew: String(anew) })}`);
    if (asked !== JSON.stringify(chosen)) return;
    draw(answer);
    wait = answer.working ? SOON : LATER;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    byId("about").textContent = `${error.message} What you see is the last that came.`;
  }
  clearTimeout(timer);
  timer = setTimeout(() => look(), document.hidden ? 4 * LATER : wait);
}

/** @param {any} answer */
function draw(answer) {
  const { report } = answer;
  drawForm(answer);
  if (!report) return void (byId("about").textContent = "Looking at the answers; the page stays usable meanwhile …");
  if (report.error) return void (byId("about").textContent = report.error);
  options(selects.task, [...new Set([...report.tasks, ...answer.known_tasks])].sort(), chosen.task);
  options(selects.run, report.runs, chosen.run);
  const newer = answer.newer ? `; ${answer.newer.toLocaleString("en")} newer ${answer.working ? "are being looked at" : "not yet in"}` : "";
  byId("about").textContent = `${report.answers.toLocaleString("en")} answers, as of ${new Date(answer.made * 1000).toLocaleTimeString()}${newer}. At most the newest 50,000 are looked at.`;
  const now = JSON.stringify(report);
  if (now === drawn) return;
  drawn = now;
  byId("nothing").hidden = report.people.length > 0;
  byId("people-part").hidden = !report.people.length;
  figures(report);
  people(report.people);
  drawAmbiguous(report.ambiguous);
  drawSurprises(chosen);
  byId("charts").replaceChildren(...charts(report));
}

/**
 * @param {HTMLSelectElement} select
 * @param {string[]} names
 * @param {string} value
 */
function options(select, names, value) {
  if (value && !names.includes(value)) names = [...names, value];
  const [first] = select.options;
  const now = names.join("\n");
  if (select.dataset.names !== now) {
    select.dataset.names = now;
    select.replaceChildren(first, ...names.map((name) => element("option", { value: name }, name)));
  }
  select.value = value;
}

/** @param {any} interval */
function ends(interval) {
  return interval ? `${percent(interval.low)} to ${percent(interval.high)}` : "";
}

/**
 * How often reasons were given beside answers.
 * @param {Record<string, number>} reasons
 * @returns {[string, string]}
 */
function given(reasons) {
  const counts = Object.entries(reasons);
  return [String(counts.reduce((sum, [, count]) => sum + count, 0)), counts.map(([name, count]) => `${name} ${count}`).join(", ")];
}

/** @param {any} report */
function figures(report) {
  const warned = report.people.filter((/** @type {any} */ person) => person.warnings.length).length;
  /** @type {[string, string, string][]} */
  const rows = [
    ["People who agree", percent(report.agreement), "share of pairs who were asked the same"],
    ...Object.entries(report.alpha).map(([kind, value]) => /** @type {[string, string, string]} */ ([`Krippendorff's alpha, ${kind}`, value === null ? "–" : Number(value).toFixed(2).replace("-", "−"), "1 is perfect, 0 is chance"])),
    ["Gold answered right", ...together(report.people, "gold")],
    ["Same when asked again", ...together(report.people, "consistency")],
    ["Too fast", ...together(report.people, "too_fast")],
    ["From rewinds and takeovers", String(Object.values(report.implicit).reduce((sum, count) => sum + count, 0)), Object.entries(report.implicit).map(([name, count]) => `${name} ${count}`).join(", ") || "preferences that nobody was asked for"],
    ...(Object.keys(report.reasons).length ? [/** @type {[string, string, string]} */ (["Reasons given", ...given(report.reasons)])] : []),
    ["Need a look", String(warned), `of ${report.people.length} people`],
  ];
  byId("figures").hidden = !report.people.length;
  byId("figures").replaceChildren(...rows.map(([name, value, note]) => element("div", {}, element("dt", {}, name), element("dd", {}, value, note ? element("small", {}, note) : ""))));
}

/**
 * Return a share over all people, and of how many.
 * @param {any[]} everybody
 * @param {string} name
 * @returns {[string, string]}
 */
function together(everybody, name) {
  const [hits, of] = ["hits", "of"].map((part) => everybody.reduce((sum, person) => sum + person[name][part], 0));
  return [of ? percent(hits / of) : "–", of ? `of ${of.toLocaleString("en")}` : "none asked"];
}

/** @type {[string, (person: any) => Node | string][]} */
const COLUMNS = [
  ["Answers", (person) => person.answers.toLocaleString("en")],
  ["Seconds", (person) => (person.seconds === null ? "–" : person.seconds.toFixed(1))],
  ["Agrees", (person) => percent(person.agreement)],
  ["Consistent", (person) => share(person.consistency)],
  ["Gold", (person) => share(person.gold)],
  ["Chose left", (person) => share(person.left)],
  ["Too fast", (person) => share(person.too_fast, false)],
  ["Ties", (person) => share(person.ties, false)],
  ["Skipped", (person) => share(person.skipped, false)],
  ["Reliability", (person) => percent(person.skill)],
  ["Weight", (person) => person.weight.toFixed(2)],
];

/**
 * @param {Share} one
 * @param {boolean} [interval]
 */
function share(one, interval = true) {
  if (!one.of) return "–";
  const node = element("span", { title: `${one.hits} of ${one.of}, ${ends(one.interval)}` }, percent(one.hits / one.of));
  if (interval) node.append(element("small", {}, ends(one.interval)));
  return node;
}

/** @param {any[]} everybody */
function people(everybody) {
  byId("people-head").replaceChildren(element("th", { scope: "col" }, "Person"), ...COLUMNS.map(([name]) => element("th", { scope: "col", class: "count" }, name)), element("th", { scope: "col" }, "Look at"));
  const order = [...everybody].sort((a, b) => b.warnings.length - a.warnings.length || b.answers - a.answers);
  byId("people").replaceChildren(
    ...order.map((person) =>
      element(
        "tr",
        {},
        element("th", { scope: "row" }, element("span", { class: "clip who-of", title: person.name }, person.name), ...(person.kind === "simulated" ? [element("span", { class: "badge" }, "simulated")] : []), person.team ? element("small", { class: "soft clip who-of", title: person.team }, person.team) : ""),
        ...COLUMNS.map(([name, show]) => element("td", { class: "count", "data-label": name }, show(person))),
        element("td", { "data-label": "Look at" }, person.warnings.length ? element("span", { class: "warnings" }, ...person.warnings.map((/** @type {string} */ text) => element("span", { class: "badge warn" }, text))) : element("span", { class: "soft" }, "–")),
      ),
    ),
  );
}

/** @type {[string, (operator: any) => Node | string][]} */
const SHOWN = [
  ["Demonstrations", (operator) => operator.demonstrations.toLocaleString("en")],
  ["Success", (operator) => withEnds(operator.success, percent)],
  ["Seconds until done", (operator) => withEnds(operator.seconds, (value) => value.toFixed(1))],
  ["Largest jerk [m/s³]", (operator) => withEnds(operator.jerk, (value) => value.toPrecision(3))],
];

/**
 * A figure above its interval.
 * @param {{value: number, low: number, high: number} | null} interval
 * @param {(value: number) => string} show
 */
function withEnds(interval, show) {
  if (!interval) return "–";
  return element("span", {}, show(interval.value), element("small", {}, `${show(interval.low)} to ${show(interval.high)}`));
}

/** Show how well people drive the chosen task. */
async function operators() {
  const { task } = chosen;
  const found = task ? (await get(`/api/quality/operators?${new URLSearchParams({ task })}`)).operators : [];
  if (task !== chosen.task) return;
  byId("operators-part").hidden = !found.length;
  byId("operators-of").textContent = task;
  byId("operators-head").replaceChildren(element("th", { scope: "col" }, "Operator"), ...SHOWN.map(([name]) => element("th", { scope: "col", class: "count" }, name)));
  byId("operators").replaceChildren(...found.map((/** @type {any} */ one) => element("tr", {}, element("th", { scope: "row" }, one.operator || "nobody named"), ...SHOWN.map(([name, show]) => element("td", { class: "count", "data-label": name }, show(one))))));
}

/** @param {any} report */
function charts(report) {
  const made = [];
  const rows = (/** @type {string} */ name) => report.people.filter((/** @type {any} */ person) => person[name].interval).slice(0, 30).map((/** @type {any} */ person) => ({ name: person.name, ...person[name].interval, count: person[name].of }));
  const x = { label: "share", low: 0, high: 1, percent: true };
  for (const [name, title, text] of [["gold", "Gold answered right", "Questions whose answer is known; the line holds the truth in 95 of 100 cases."], ["left", "Chose the left clip", "Half is fair: which clip is on the left is drawn at random for each annotator."]]) if (rows(name).length) made.push(drawChart({ kind: "intervals", id: name, title, text, x, rows: rows(name) }));
  const differ = report.differences.filter((/** @type {any} */ pair) => pair.difference);
  if (differ.length) {
    const groups = differ.map((/** @type {any} */ pair) => ({ name: `${pair.first}, ${pair.second}`, ...pair.difference, count: report.answers }));
    made.push(drawChart({ kind: "intervals", id: "groups", title: "Do groups judge differently?", text: "How much more people agree within two groups than between them. Where the line lies above 0, the groups judge differently.", x: { label: "difference of agreement", percent: true }, rows: groups }));
  }
  made.push(...trends(report.trend));
  return made;
}

/** @param {any[]} trend */
function trends(trend) {
  if (!trend.length) return [];
  let answers = 0;
  const at = trend.map((stretch) => (answers += stretch.answers));
  const points = (/** @type {(stretch: any) => any} */ of) => trend.flatMap((stretch, i) => (of(stretch) ? [{ x: at[i], y: of(stretch).value, low: of(stretch).low, high: of(stretch).high }] : []));
  const [first, last] = [trend[0].first, trend[trend.length - 1].last].map((when) => new Date(when).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" }));
  const x = { label: "answers, in their order" };
  const y = { label: "share", low: 0, high: 1, percent: true };
  const text = `${first} to ${last}.`;
  const lines = (/** @type {[string, (stretch: any) => any][]} */ rows) => rows.map(([name, of], style) => ({ name, style, points: points(of), dots: true }));
  return [
    { id: "over-time", title: "Agreement over time", text, x, y, lines: lines([["people agree", (one) => one.agreement], ["gold right", (one) => one.gold.interval]]) },
    { id: "haste", title: "Haste and ties over time", text, x, y: { ...y, high: undefined }, lines: lines([["too fast", (one) => one.too_fast.interval], ["ties", (one) => one.ties.interval]]) },
    { id: "seconds", title: "Seconds an answer", text, x, y: { label: "median [s]", low: 0 }, lines: [{ name: "seconds", style: 0, dots: true, points: trend.flatMap((one, i) => (one.seconds === null ? [] : [{ x: at[i], y: one.seconds }])) }] },
  ].filter((chart) => chart.lines.some((line) => line.points.length)).map((chart) => drawCurves(chart));
}

/**
 * Draw the settings, unless the user is editing them.
 * @param {any} answer
 */
function drawForm(answer) {
  const form = /** @type {HTMLFormElement} */ (byId("settings"));
  const now = JSON.stringify([chosen.task, answer.settings, answer.own]);
  if (now === formOf || (form.contains(document.activeElement) && formOf.startsWith(JSON.stringify([chosen.task]).slice(0, -1)))) return;
  formOf = now;
  byId("settings-of").textContent = chosen.task ? chosen.task : "all tasks";
  const fields = SETTINGS.map(([name, title, text, unit, least, most, step]) => {
    const value = answer.settings[name] * (unit === "%" ? 100 : 1);
    const input = element("input", { type: "number", name, id: `set-${name}`, min: least, max: most, step, required: true, value: Number(value.toPrecision(6)), "aria-describedby": `about-${name}` });
    const usual = Number((answer.else[name] * (unit === "%" ? 100 : 1)).toPrecision(6));
    const about = element("small", { class: "small", id: `about-${name}` }, `${text}; ${chosen.task ? "all tasks" : "usually"} ${usual}`);
    const field = element("div", { class: "field" }, element("label", { for: `set-${name}` }, unit ? `${title} [${unit}]` : title), input, about);
    if (answer.own.includes(name)) field.append(unsetter(name, title));
    return field;
  });
  const asked = element("input", { type: "checkbox", name: "asked" });
  form.replaceChildren(...fields, element("div", { class: "foot" }, element("button", { class: "button primary" }, "Save"), element("label", { class: "check" }, asked, "Overlap also for questions that were asked before")));
}

/**
 * The button that resets a task's setting to the common one.
 * @param {string} name of the setting
 * @param {string} title
 */
function unsetter(name, title) {
  const word = chosen.task ? "As all tasks" : "As usual";
  const button = element("button", { type: "button", class: "button quiet small unset", "aria-label": `${title}: ${word.toLowerCase()}` }, word);
  button.addEventListener("click", () => change({ [name]: null }, false));
  return button;
}

/** @param {SubmitEvent} event */
async function save(event) {
  event.preventDefault();
  const form = /** @type {HTMLFormElement} */ (byId("settings"));
  const before = JSON.parse(formOf)[1];
  /** @type {Record<string, number>} */
  const settings = {};
  for (const [name, , , unit] of SETTINGS) {
    const value = Number(/** @type {HTMLInputElement} */ (form.elements.namedItem(name)).value) / (unit === "%" ? 100 : 1);
    if (Math.abs(value - before[name]) > 1e-9) settings[name] = value;
  }
  const asked = /** @type {HTMLInputElement} */ (form.elements.namedItem("asked")).checked;
  if (asked) settings.overlap = Number(/** @type {HTMLInputElement} */ (form.elements.namedItem("overlap")).value);
  if (!Object.keys(settings).length) return tell("Nothing was changed.", "plain");
  await change(settings, asked);
}

/**
 * @param {Record<string, number | null>} settings null: as all tasks, or as usual
 * @param {boolean} asked whether the overlap holds for questions, too, that were asked before
 */
async function change(settings, asked) {
  await tellRefusals(async () => {
    const answer = await send("/api/quality/settings", { task: chosen.task, settings, asked });
    formOf = "";
    const about = asked ? ` ${answer.questions.toLocaleString("en")} questions have the new overlap.` : "";
    tell(`Saved.${about}`, "good");
    if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
    await look(true);
  });
}

for (const name of /** @type {("task" | "run")[]} */ (["task", "run"])) {
  selects[name].addEventListener("change", () => {
    chosen[name] = selects[name].value;
    const query = new URLSearchParams(Object.entries(chosen).filter(([, value]) => value));
    history.replaceState(null, "", `${location.pathname}${query.size ? `?${query}` : ""}`);
    drawn = formOf = "";
    look();
    tellRefusals(operators);
  });
}
byId("anew").addEventListener("click", () => look(true));
byId("settings").addEventListener("submit", (event) => save(/** @type {SubmitEvent} */ (event)));
document.addEventListener("visibilitychange", () => !document.hidden && look());
const keys = bindKeys(page.keys, { anew: (pressed) => void (pressed && look(true)), settings: (pressed) => void (pressed && byId("settings-title").focus()) }, { scope: "quality" });
printKeys(keys.table);
look();
tellRefusals(operators);
