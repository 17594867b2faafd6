// @ts-check
/** The review page: the current question, those that are preloaded, and sending the answers. */

import { Refused, pageData } from "../shared/api.js";
import { Clock } from "../shared/player/clock.js";
import { ask } from "../shared/dialog.js";
import { choose, drawer, measured, writeDrawer } from "../shared/scene/choice.js";
import { showGuidelines } from "../shared/guidelines.js";
import { bindKeys } from "../shared/keys.js";
import { printKeys } from "../shared/made.js";
import { Presence } from "./away.js";
import { drawControls } from "./controls.js";
import { Learned } from "./learned.js";
import { earlier, keep } from "./memory.js";
import { Note } from "./note.js";
import { Paces } from "./paces.js";
import { Reasons } from "./reasons.js";
import { Outbox, newKey } from "../shared/outbox.js";
import { giveBack, nextQuestion, reportBroken } from "../shared/questions.js";
import { Stage } from "./stage.js";
import { insetSwitch, swapInsets } from "../shared/player/insets.js";
import { Transport, byId } from "../shared/player/transport.js";
import { Words } from "./words.js";
import { takenBack } from "../shared/taken-back.js";
import { tell } from "../shared/toast.js";

const AHEAD = 2; // questions that are loaded while one is answered
const BACK = 20; // answers that can be taken back, one after the other
const LOOK_AGAIN = 4000; // [ms] until the station is asked again where it had nothing, or could not be reached
const WATCH = 5000; // [ms] between checks of leases
const PACE_EVERY = 5; // answers after which the station is asked how many questions wait

/** @typedef {import("./stage.js").Question} Question */
/** @typedef {import("./controls.js").Panel} Panel */

export class Review {
  constructor() {
    this.page = pageData();
    this.chosen = { run: this.page.run, task: this.page.task, practice: this.page.practice };
    this.remembered = `review:back:${JSON.stringify([this.page.person, this.chosen])}`;
    /** @type {Stage[]} the first one is shown */
    this.stages = [];
    /** @type {Question[]} what was answered, newest last */
    this.answered = earlier(this.remembered);
    /** @type {Panel | null} */
    this.panel = null;
    /** @type {Stage | null} */
    this.shown = null;
    /** @type {{stop: () => void, table: any[]} | null} */
    this.keys = null;
    this.asking = false;
    this.later = 0;
    this.since = 0; // when the question was shown [ms]
    this.count = 0;
    this.practised = ""; // key of the practice answer whose reply is waited for
    this.place = byId("stages", HTMLDivElement);
    this.workspace = byId("workspace", HTMLElement);
    this.words = new Words(this);
    this.presence = new Presence(this);
    this.under = byId("controls", HTMLDivElement);
    this.note = new Note();
    this.learned = new Learned(byId("learned", HTMLParagraphElement), byId("taken", HTMLParagraphElement), this.chosen);
    this.clock = new Clock(() => this.moved());
    this.transport = new Transport(this.clock, (camera) => this.lookFrom(camera));
    this.paces = new Paces(this.clock);
    this.reasons = new Reasons(this.clock, () => this.transport?.draw(this.marks));
    this.outbox = new Outbox(this.page.person, {
      sent: (letter, reply) => this.sent(letter, reply),
      refused: (letter, why) => this.refused(letter, why),
      changed: (waiting, offline) => this.words.tellWaiting(waiting, offline),
    });
    this.listen();
  }

  listen() {
    const alive = () => (this.presence.active = performance.now());
    for (const kind of ["keydown", "pointerdown", "pointermove"]) document.addEventListener(kind, alive, { passive: true });
    byId("undo", HTMLButtonElement).addEventListener("click", () => this.undo());
    const switching = byId("drawer", HTMLButtonElement);
    switching.hidden = !measured().possible;
    switching.addEventListener("click", () => this.swapDrawer());
    writeDrawer(switching, drawer() === "here");
    this.insetSwitch = insetSwitch("insets");
    byId("note", HTMLButtonElement).before(this.insetSwitch);
    byId("note", HTMLButtonElement).addEventListener("click", () => this.note.open());
    byId("show-how", HTMLButtonElement).addEventListener("click", () => this.showHow());
    document.addEventListener("visibilitychange", () => this.presence.seen());
    window.addEventListener("focus", () => this.panel?.back?.());
    setInterval(() => this.presence.watch(), WATCH);
    window.addEventListener("pagehide", () => giveBack(this.stages.slice(1).map((stage) => stage.question.lease)));
    window.addEventListener("pageshow", (event) => event.persisted && location.reload());
  }

  async start() {
    await this.outbox.opened;
    this.fill();
    this.words.tellPace();
  }

  /** Preload the next questions. */
  async fill() {
    if (this.asking || this.presence.away || this.stages.length > AHEAD) return;
    this.asking = true;
    clearTimeout(this.later);
    let wait = 0;
    try {
      const open = this.stages.map((stage) => stage.question.lease);
      const sending = this.outbox.letters.map((letter) => Number(letter.body.lease));
      const question = await nextQuestion(this.chosen, [...new Set([...open, ...sending])].slice(-20));
      if (!question) wait = LOOK_AGAIN;
      else if (!this.has(question.lease)) {
        question.given = takenBack(question.question);
        this.add(new Stage(question, (clip) => this.broken(question, clip)));
      } else wait = 200; // it came back a moment ago
      if (!this.stages.length) this.words.showEmpty();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      wait = LOOK_AGAIN;
      if (!this.stages.length) this.words.showTrouble(error);
    } finally {
      this.asking = false;
    }
    if (!wait) this.fill();
    else if (this.stages.length <= AHEAD) this.later = setTimeout(() => this.fill(), wait);
  }

  /** @param {number} lease */
  has(lease) {
    return this.stages.some((stage) => stage.question.lease === lease);
  }

  /**
   * Load a question's clips; show it where it is the first.
   * @param {Stage} stage
   * @param {boolean} [first]
   */
  add(stage, first = false) {
    if (first) this.stages.unshift(stage);
    else this.stages.push(stage);
    this.place.append(stage.node);
    stage.onready = () => stage === this.shown && this.begin();
    stage.load(Transport.cameraOf(stage.question.task, stage.cameras));
    if (this.stages[0] !== this.shown) this.show();
  }

  /** Show the first question, or say that there is none. */
  show() {
    const stage = this.stages[0];
    if (this.shown && this.shown !== stage) {
      this.shown.node.classList.remove("now");
      this.shown.node.inert = true;
    }
    this.shown = stage || null;
    if (!stage) return this.asking ? undefined : this.words.showEmpty();
    this.words.state.hidden = true;
    this.workspace.hidden = false;
    const { question } = stage;
    stage.node.classList.add("now");
    stage.node.inert = false;
    this.workspace.dataset.question = question.question;
    this.workspace.dataset.layout = question.layout;
    this.workspace.style.setProperty("--rows", String(question.axes.length || 1));
    this.workspace.style.setProperty("--rows-wide", String(question.axes.length > 2 ? Math.ceil(question.axes.length / 2) : question.axes.length || 1));
    this.clock.playing = false;
    this.paces.stop();
    if (stage.ready) this.begin();
    else this.clock.take([]);
    this.since = performance.now();
    this.learned.soon(question.task);
    byId("prompt", HTMLHeadingElement).textContent = question.prompt;
    const about = byId("about", HTMLParagraphElement);
    about.textContent = [question.task, question.about].filter(Boolean).join(" · ");
    byId("guidelines", HTMLAnchorElement).href = `/guidelines?task=${encodeURIComponent(question.task)}`;
    byId("practice", HTMLSpanElement).hidden = !question.practice;
    byId("drawer", HTMLButtonElement).hidden = !measured().possible || stage.cameras.length > 0;
    if (this.insetSwitch) this.insetSwitch.hidden = !question.clips.some(({ sees }) => sees);
    this.note.clear();
    this.reasons.show(question);
    const { mayDrive } = this.page;
    const answer = (/** @type {Record<string, any>} */ value) => this.answer(value);
    const changed = () => this.transport.draw(this.marks);
    this.panel = null;
    this.panel = drawControls(question, { stage, clock: this.clock, answer, mayDrive, showHow: () => this.showHow(), changed });
    this.under.replaceChildren(this.panel.node);
    this.words.showGiven(question);
    byId("show-how", HTMLButtonElement).hidden = !mayDrive || question.layout === "show";
    stage.load(this.transport.of(question.task, stage.cameras));
    this.bind();
    showGuidelines(this.page.person, question.task).then((shown) => shown && (this.since = performance.now()));
  }

  /** The clips are here: play them. */
  begin() {
    if (!this.shown) return;
    this.paces.take(this.shown);
    this.clock.play();
    this.since = performance.now();
  }

  /** Another frame is shown. */
  moved() {
    this.transport?.draw(this.marks);
    this.shown?.insets.forEach((insets, place) => insets.at(this.paces.frameOf(place)));
  }

  /** What is marked on the timeline. */
  get marks() {
    return [...(this.panel?.marks || []), ...this.reasons.marks];
  }

  /** Have this browser draw, or the server. */
  swapDrawer() {
    if (!measured().possible) return;
    choose(drawer() === "here" ? "server" : "here");
    writeDrawer(byId("drawer", HTMLButtonElement), drawer() === "here");
    for (const stage of this.stages) stage.again(true);
  }

  bind() {
    this.keys?.stop();
    if (!this.panel || !this.shown) return;
    const own = new Set(this.panel.keys.flatMap((row) => row.keys));
    const reasons = this.reasons.keys.filter(({ keys }) => !keys.some((key) => own.has(key)));
    const rest = this.page.keys.filter((/** @type {any} */ row) => !row.keys.every((/** @type {string} */ key) => own.has(key)));
    const once = (/** @type {() => void} */ run) => (/** @type {boolean} */ pressed) => void (pressed && run());
    /** @type {Record<string, (pressed: boolean) => void>} */
    const handlers = {
      ...this.transport.handlers,
      ...this.panel.handlers,
      ...this.reasons.handlers,
      undo: once(() => this.undo()),
      note: once(() => this.note.open()),
      drawer: once(() => this.swapDrawer()),
      insets: once(() => swapInsets()),
      pace: once(() => this.paces.next()),
      other: once(() => this.paces.choose()),
      guidelines: once(() => byId("guidelines", HTMLAnchorElement).click()),
    };
    if (this.page.mayDrive) handlers.show = once(() => this.showHow());
    this.keys = bindKeys([...this.panel.keys, ...reasons, ...rest], handlers, { scope: `review:${this.shown.question.kind}` });
    printKeys(this.keys.table);
  }

  /**
   * Send an answer and continue.
   * @param {Record<string, any>} value
   */
  answer(value) {
    const stage = this.shown;
    if (!stage || this.practised) return;
    if (!stage.ready) return tell("The clips are not here yet; watch them first.", "plain");
    const { question } = stage;
    const note = this.note.text;
    const reasons = this.reasons.given;
    const key = newKey();
    const whole = { ...value, ...(note ? { note } : {}), ...(reasons.length ? { reasons } : {}) };
    const body = { question: question.question, lease: question.lease, value: whole, key, seconds: this.seconds() };
    this.outbox.put("/api/review/answer", body);
    this.answered = [...this.answered, { ...question, given: body.value }].slice(-BACK);
    keep(this.remembered, this.answered);
    this.count += 1;
    this.words.countAnswer(1);
    this.learned.soon(question.task);
    if (question.practice) {
      this.practised = key;
      if (this.outbox.offline) tell("The station cannot be reached; it says how you did when it is back.", "plain");
      return;
    }
    this.leave(stage);
  }

  /**
   * Show the next question.
   * @param {Stage} stage that was shown
   */
  leave(stage) {
    this.stages = this.stages.filter((other) => other !== stage);
    this.show();
    setTimeout(() => stage.close(), 0); // what is next comes first
    this.fill();
  }

  /** Return for how long the clips have been viewed [s]. */
  seconds() {
    return Math.round(performance.now() - this.since) / 1000;
  }

  /** Take a part of this answer back, or else the answer before. */
  undo() {
    if (this.panel?.undo?.()) return;
    const question = this.answered.pop();
    if (!question) return tell("There is nothing to take back.", "plain");
    keep(this.remembered, this.answered);
    this.practised = "";
    this.count = Math.max(this.count - 1, 0);
    this.words.countAnswer(-1);
    this.outbox.put("/api/review/undo", { question: question.question, lease: question.lease, key: newKey() });
    const here = this.stages.find((stage) => stage.question.lease === question.lease);
    if (here) {
      here.question = question;
      this.stages = this.stages.filter((stage) => stage !== here);
    }
    this.add(here || new Stage(question, (clip) => this.broken(question, clip)), true);
  }

  /** Open the operate page at the frame that is shown of a clip; of several, the user chooses one. */
  async showHow() {
    if (!this.shown) return;
    this.clock.pause();
    const { clips } = this.shown.question;
    let clip = clips[0];
    if (clips.length > 1) {
      const choices = clips.map(({ label, name }, i) => ({ label: `Clip ${label}`, value: name, key: String(i + 1), tone: /** @type {const} */ ("primary") }));
      const name = await ask({ title: "Which clip do you show how to do better?", text: "The operate page opens at the frame that is shown of it, in a new tab.", choices });
      const found = clips.find((one) => one.name === name);
      if (!found) return;
      clip = found;
    }
    const frame = clip.start + this.paces.frameOf(clips.indexOf(clip));
    const query = new URLSearchParams({ source: clip.source, episode: clip.episode, frame: String(frame), mode: "takeover", task: this.shown.question.task, start: "1" });
    window.open(`/operate?${query}`, "_blank", "noopener");
  }

  /**
   * A clip will never come: the station looks into it, and the next question is shown.
   * @param {Question} question
   * @param {{id: string}} clip
   */
  async broken(question, clip) {
    await reportBroken(question.lease, clip.id);
    const stage = this.stages.find((other) => other.question === question);
    if (!stage) return;
    const was = stage === this.shown;
    this.leave(stage);
    if (was) tell("A clip could not be shown. Its question was withdrawn; here is the next.", "plain");
  }

  /**
   * @param {import("../shared/outbox.js").Letter} letter
   * @param {any} reply
   */
  sent(letter, reply) {
    if (this.count % PACE_EVERY === 1) this.words.tellPace();
    if (reply.counts === false) tell("That question had gone to others meanwhile. Your answer was kept, and does not count.", "plain");
    if (letter.body.key !== this.practised) return;
    this.practised = "";
    this.words.showFeedback(reply.feedback, letter.body.value);
  }

  /**
   * @param {import("../shared/outbox.js").Letter} letter
   * @param {Refused} why
   */
  refused(letter, why) {
    tell(`The station did not take an answer. ${why.message}`, "bad");
    if (letter.body.key === this.practised) this.practised = "";
  }

  /** @param {string} camera */
  lookFrom(camera) {
    for (const stage of this.stages) if (stage.question.task === this.transport.task) stage.load(camera);
  }

}

new Review().start();
