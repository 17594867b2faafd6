// @ts-check
/** Evaluative feedback, live: watch a policy, press + or −; presses stay in this browser until the station has them. */

import { get, pageData, Refused, send, tellRefusals } from "../shared/api.js";
import { bindKeys } from "../shared/keys.js";
import { date, duration, element } from "../shared/made.js";
import { Outbox, newKey } from "../shared/outbox.js";
import { byId } from "../shared/player/transport.js";
import { Live } from "./live.js";
import { Marks } from "./marks.js";
import { Replay } from "./replay.js";
import { tell } from "../shared/toast.js";

const PRESS = "/api/signal/press";
const UNDO = "/api/signal/undo";
const SHOWN = 160; // [ms] that a button looks pressed
const [SOON, LATER] = [700, 5000]; // [ms] between looks at what practises
const LISTED = 30; // recorded episodes

const data = pageData();

class Watching {
  /** @param {(watching: {changed: () => void, say: typeof tell}) => Live | Replay} open */
  constructor(open) {
    this.marks = new Marks(byId("marks", HTMLElement), byId("counts", HTMLElement), byId("saved", HTMLElement));
    this.scrub = byId("scrub", HTMLInputElement);
    this.note = byId("note", HTMLParagraphElement);
    this.of = ""; // the episode whose marks are shown
    this.shown = open({ changed: () => this.changed(), say: tell });
    this.outbox = new Outbox(data.person, {
      sent: (letter) => this.sent(letter),
      refused: (letter, why) => this.refused(letter, why),
      changed: (waiting, offline) => this.marks.tell(waiting, offline),
    }, "robo-rlhf-signal");
    this.listen();
    this.changed();
  }

  listen() {
    const on = (/** @type {string} */ id, /** @type {() => void} */ run) => byId(id, HTMLElement).addEventListener("click", run);
    for (const [id, sign] of /** @type {[string, 1 | -1][]} */ ([["good", 1], ["bad", -1]])) {
      // at the first touch, not when the finger leaves: what is meant is now; a click of the keyboard has no pointer
      byId(id, HTMLElement).addEventListener("pointerdown", (event) => event.button === 0 && this.press(sign));
      byId(id, HTMLElement).addEventListener("click", (event) => event.detail === 0 && this.press(sign));
    }
    on("undo", () => this.undo());
    on("play", () => this.shown.toggle());
    on("start", () => this.shown.toggle());
    on("again", () => this.again());
    on("drawer", () => this.shown.swap());
    on("keep", () => this.shown.do("keep"));
    on("discard", () => this.shown.do("discard"));
    this.scrub.addEventListener("input", () => this.shown instanceof Replay && this.shown.seek(Number(this.scrub.value)));
    const faster = (/** @type {number} */ by) => this.shown instanceof Replay && this.shown.faster(by);
    const replays = data.shown.kind === "replay";
    bindKeys(data.keys, {
      good: () => this.press(1),
      bad: () => this.press(-1),
      undo: () => this.undo(),
      camera: () => this.shown.nextCamera(),
      drawer: () => this.shown.swap(),
      play: () => this.shown.toggle(),
      ...(replays ? { again: () => this.again(), slower: () => faster(-1), faster: () => faster(1) } : { keep: () => this.shown.do("keep"), discard: () => this.shown.do("discard") }),
    });
  }

  again() {
    if (this.shown instanceof Replay) this.shown.again();
  }

  /** Something is shown anew. */
  changed() {
    const { shown } = this;
    if (!shown) return;
    byId("what", HTMLElement).textContent = shown.task;
    byId("who", HTMLElement).textContent = shown.who;
    this.note.textContent = shown.trouble || (data.shown.kind === "live" && shown.status && !shown.episode ? "No episode runs just now." : "");
    this.note.hidden = !this.note.textContent;
    this.marks.stretch(shown.frames);
    this.scrub.max = String(Math.max(shown.frames - 1, 1));
    this.scrub.value = String(shown.frame);
    byId("clock", HTMLElement).textContent = `step ${shown.frame}`;
    byId("play-word", HTMLElement).textContent = byId("start-word", HTMLElement).textContent = shown.running ? "Pause" : data.shown.kind === "live" ? "Start" : "Play";
    byId("drive", HTMLElement).hidden = !shown.drives;
    byId("start", HTMLButtonElement).disabled = shown.loading;
    const of = shown.episode ? `${shown.dataset}/${shown.episode}` : "";
    if (of && of !== this.of) this.turnTo(of);
  }

  /**
   * Another episode is watched: show what was pressed about it before.
   * @param {string} of
   */
  async turnTo(of) {
    this.of = of;
    const { dataset, episode } = this.shown;
    this.marks.take([]);
    this.drawUndo();
    await this.outbox?.opened;
    const gone = this.letters.filter((letter) => letter.path === UNDO).map((letter) => letter.body.press);
    const waiting = this.letters.filter(({ path, body }) => path === PRESS && body.dataset === dataset && body.episode === episode);
    const found = await tellRefusals(() => get(`/api/signal/list?${new URLSearchParams({ dataset, episode })}`));
    if (this.of !== of) return;
    const known = new Map((found?.presses || []).map((/** @type {any} */ press) => [press.key, { ...press, saved: true }]));
    for (const { body } of waiting) if (!known.has(body.key)) known.set(body.key, { key: body.key, sign: body.sign, step: body.step, saved: false });
    for (const mark of this.marks.all) known.set(mark.key, mark); // pressed meanwhile
    this.marks.take([...known.values()].filter((mark) => !gone.includes(mark.key)));
    this.marks.tell(this.letters.length, this.outbox.offline);
    this.drawUndo();
  }

  get letters() {
    return this.outbox ? this.outbox.letters : [];
  }

  /** @param {1 | -1} sign */
  press(sign) {
    const now = this.shown.now();
    if (typeof now === "string") return tell(now);
    const key = newKey();
    const button = byId(sign > 0 ? "good" : "bad", HTMLElement);
    button.classList.add("pressed");
    setTimeout(() => button.classList.remove("pressed"), SHOWN);
    this.marks.add({ key, sign, step: now.step, saved: false });
    this.drawUndo();
    this.outbox.put(PRESS, { ...now, sign, key });
  }

  undo() {
    const last = this.marks.all.at(-1);
    if (!last) return;
    this.marks.remove(last.key);
    this.drawUndo();
    this.outbox.put(UNDO, { key: newKey(), press: last.key });
  }

  drawUndo() {
    byId("undo", HTMLButtonElement).disabled = !this.marks.all.length;
  }

  /** @param {{path: string, body: Record<string, any>}} letter */
  sent(letter) {
    if (letter.path === PRESS) this.marks.save(letter.body.key);
  }

  /**
   * @param {{path: string, body: Record<string, any>}} letter
   * @param {Refused} why
   */
  refused(letter, why) {
    this.marks.remove(letter.path === PRESS ? letter.body.key : "");
    this.drawUndo();
    tell(`A press was not taken. ${why.message}`, "bad");
  }
}

/** Policies that practise, and what each practised last. @returns {Promise<{run: string, dataset: string, episode: string}[]>} */
async function practising() {
  try {
    return (await get("/api/signal/practice")).runs;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return [];
  }
}

/** @param {{dataset: string, episode: string}} one */
const addressOf = (one) => `/signal?${new URLSearchParams({ dataset: one.dataset, episode: one.episode })}`;

/** What practises is watched: when the episode is over, go on with the newest. @param {Watching} watching */
function follow(watching) {
  const { dataset, episode } = data.shown;
  const look = async () => {
    const newest = (await practising()).find((one) => one.dataset === dataset);
    const over = !watching.shown.running && watching.shown.frame >= watching.shown.frames - 1;
    if (newest && newest.episode > episode && over && !watching.letters.length) return location.replace(addressOf(newest));
    setTimeout(look, SOON);
  };
  look();
}

/** The list of what can be watched. */
async function choose() {
  const learning = byId("practising", HTMLElement);
  const look = async () => {
    const runs = await practising();
    learning.hidden = !runs.length;
    learning.querySelector("ul")?.replaceChildren(...runs.map((one) => element("li", { class: "card row apart" }, element("strong", { class: "wrap" }, one.run), element("a", { class: "button primary", href: addressOf(one) }, "Watch"))));
    setTimeout(look, LATER);
  };
  look();
  const only = byId("only", HTMLSelectElement);
  const list = byId("episodes", HTMLUListElement);
  const form = document.getElementById("begin");
  if (form instanceof HTMLFormElement) fillForm(form);
  const draw = async () => {
    const query = new URLSearchParams({ limit: String(LISTED), sort: "newest", ...(only.value && { source: only.value }) });
    const found = await tellRefusals(() => get(`/api/library/episodes?${query}`));
    if (!found) return;
    const items = found.items.map((/** @type {any} */ item) => element("li", { class: "card row apart" },
      element("div", { class: "wrap" }, element("strong", {}, item.task), " ", element("span", { class: "soft", title: item.episode }, [date(item.started, true), item.outcome, duration(item.seconds)].join(" · "))),
      element("a", { class: "button", href: `/signal?${new URLSearchParams({ dataset: item.dataset, episode: item.episode })}` }, "Watch"),
    ));
    list.replaceChildren(...(items.length ? items : [element("li", { class: "empty" }, only.value ? "No policy has driven an episode that was kept yet." : "Nothing was recorded yet.")]));
  };
  only.addEventListener("change", draw);
  await draw();
}

/** @param {HTMLFormElement} form lets a policy drive */
function fillForm(form) {
  const policy = byId("policy", HTMLSelectElement);
  const go = byId("go", HTMLButtonElement);
  policy.append(...data.policies.map((/** @type {any} */ one, /** @type {number} */ i) => new Option(`${one.task}: ${one.path}`, String(i))));
  if (!data.policies.length) policy.append(new Option("none is trained yet", ""));
  policy.disabled = go.disabled = !data.policies.length;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const chosen = data.policies[Number(policy.value)];
    const problem = byId("problem", HTMLElement);
    go.disabled = true;
    problem.hidden = true;
    try {
      const { session } = await send("/operate", { task: chosen.task, dataset: "live", policy: chosen.path, fresh: true });
      location.assign(`/signal?session=${session}`);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      problem.textContent = error.message;
      problem.hidden = false;
      go.disabled = false;
    }
  });
}

async function start() {
  const { kind, session, policy, dataset, episode } = data.shown;
  if (!kind) return choose();
  if (kind === "live") return new Watching((page) => new Live(session, policy, page));
  const item = await tellRefusals(() => get(`/api/library/episode?${new URLSearchParams({ dataset, episode })}`));
  if (!item) return;
  const watching = new Watching((page) => new Replay(item, page));
  if (dataset.startsWith("practice/")) follow(watching);
}

start();
