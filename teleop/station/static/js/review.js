// @ts-check
/** The review page: the question that is shown, those that are loaded behind it, and what becomes of an answer. */

import { Refused, pageData } from "./api.js";
import { Clock } from "./clock.js";
import { bindKeys } from "./keys.js";
import { button, element, printKeys } from "./made.js";
import { drawControls } from "./review-controls.js";
import { Learned } from "./review-learned.js";
import { Outbox, newKey } from "./review-outbox.js";
import { giveBack, nextQuestion, paceOf, renew, reportBroken } from "./review-questions.js";
import { Stage } from "./review-stage.js";
import { Transport, byId } from "./review-transport.js";
import { tell } from "./toast.js";

const AHEAD = 2; // questions that are loaded while one is answered
const BACK = 20; // answers that can be taken back, one after the other
const LOOK_AGAIN = 4000; // [ms] until the station is asked again where it had nothing, or could not be reached
const WATCH = 5000; // [ms] between looks at leases
const ACTIVE = 120_000; // [ms] since a person did something, for their questions to be kept for them
const PACE_EVERY = 10; // answers
const LEAST = 5; // comparisons before agreement is told

/** @typedef {import("./review-stage.js").Question} Question */
/** @typedef {import("./review-controls.js").Panel} Panel */

class Review {
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
    this.hidden = 0; // when the page was hidden [ms]; 0 while it is seen
    this.active = performance.now();
    this.count = 0;
    this.practised = ""; // key of the practice answer whose reply is waited for
    this.away = false;
    this.place = byId("stages", HTMLDivElement);
    this.desk = byId("desk", HTMLElement);
    this.state = byId("state", HTMLElement);
    this.under = byId("controls", HTMLDivElement);
    this.note = byId("note-text", HTMLTextAreaElement);
    this.learned = new Learned(byId("learned", HTMLParagraphElement), this.chosen);
    this.clock = new Clock(() => this.transport?.draw(this.panel?.marks || []));
    this.transport = new Transport(this.clock, (camera) => this.lookFrom(camera));
    this.outbox = new Outbox(this.page.person, {
      sent: (letter, reply) => this.sent(letter, reply),
      refused: (letter, why) => this.refused(letter, why),
      changed: (waiting, offline) => this.tellWaiting(waiting, offline),
    });
    this.listen();
  }

  listen() {
    const alive = () => (this.active = performance.now());
    for (const kind of ["keydown", "pointerdown", "pointermove"]) document.addEventListener(kind, alive, { passive: true });
    byId("undo", HTMLButtonElement).addEventListener("click", () => this.undo());
    byId("note", HTMLButtonElement).addEventListener("click", () => this.openNote());
    byId("show-how", HTMLButtonElement).addEventListener("click", () => this.showHow());
    this.note.addEventListener("keydown", (event) => {
      if (event.isComposing || (event.key !== "Escape" && (event.key !== "Enter" || event.shiftKey))) return;
      event.preventDefault();
      this.note.blur();
      this.drawNote();
    });
    this.note.addEventListener("blur", () => this.drawNote());
    document.addEventListener("visibilitychange", () => this.seen());
    window.addEventListener("focus", () => this.panel?.back?.());
    setInterval(() => this.watch(), WATCH);
    window.addEventListener("pagehide", () => giveBack(this.stages.slice(1).map((stage) => stage.question.lease)));
    window.addEventListener("pageshow", (event) => event.persisted && location.reload());
  }

  async start() {
    await this.outbox.opened;
    this.fill();
    this.tellPace();
  }

  /** Have the next questions here before they are needed. */
  async fill() {
    if (this.asking || this.away || this.stages.length > AHEAD) return;
    this.asking = true;
    clearTimeout(this.later);
    let wait = 0;
    try {
      const open = this.stages.map((stage) => stage.question.lease);
      const sending = this.outbox.letters.map((letter) => Number(letter.body.lease));
      const question = await nextQuestion(this.chosen, [...new Set([...open, ...sending])].slice(-20));
      if (!question) wait = LOOK_AGAIN;
      else if (!this.has(question.lease)) this.add(new Stage(question, (clip) => this.broken(question, clip)));
      else wait = 200; // it came back a moment ago
      if (!this.stages.length) this.showEmpty();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      wait = LOOK_AGAIN;
      if (!this.stages.length) this.showTrouble(error);
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
    stage.load(Transport.cameraOf(stage.question.task));
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
    if (!stage) return this.asking ? undefined : this.showEmpty();
    this.state.hidden = true;
    this.desk.hidden = false;
    const { question } = stage;
    stage.node.classList.add("now");
    stage.node.inert = false;
    this.desk.dataset.question = question.question;
    this.desk.dataset.layout = question.layout;
    this.desk.style.setProperty("--rows", String(question.criteria.length || 1));
    this.clock.playing = false;
    if (stage.ready) this.begin();
    else this.clock.take([]);
    this.since = performance.now();
    this.learned.soon(question.task);
    byId("prompt", HTMLHeadingElement).textContent = question.prompt;
    const about = byId("about", HTMLParagraphElement);
    about.textContent = [question.task.replaceAll("_", " "), question.about].filter(Boolean).join(" · ");
    byId("guidelines", HTMLAnchorElement).href = `/guidelines?task=${encodeURIComponent(question.task)}`;
    byId("practice", HTMLSpanElement).hidden = !question.practice;
    this.note.value = "";
    this.drawNote();
    const { mayDrive } = this.page;
    const answer = (/** @type {Record<string, any>} */ value) => this.answer(value);
    const changed = () => this.transport.draw(this.panel?.marks || []);
    this.panel = null;
    this.panel = drawControls(question, { stage, clock: this.clock, answer, mayDrive, showHow: () => this.showHow(), changed });
    this.under.replaceChildren(this.panel.node);
    byId("show-how", HTMLButtonElement).hidden = !mayDrive || question.layout === "show";
    stage.load(this.transport.of(question.task));
    this.bind();
  }

  /** The clips are here: play them. */
  begin() {
    if (!this.shown) return;
    this.clock.take(this.shown.parts);
    this.clock.play();
    this.since = performance.now();
  }

  bind() {
    this.keys?.stop();
    if (!this.panel || !this.shown) return;
    const own = new Set(this.panel.keys.flatMap((row) => row.keys));
    const rest = this.page.keys.filter((/** @type {any} */ row) => !row.keys.every((/** @type {string} */ key) => own.has(key)));
    const once = (/** @type {() => void} */ run) => (/** @type {boolean} */ pressed) => void (pressed && run());
    /** @type {Record<string, (pressed: boolean) => void>} */
    const handlers = {
      ...this.transport.handlers,
      ...this.panel.handlers,
      undo: once(() => this.undo()),
      note: once(() => this.openNote()),
      guidelines: once(() => byId("guidelines", HTMLAnchorElement).click()),
    };
    if (this.page.mayDrive) handlers.show = once(() => this.showHow());
    this.keys = bindKeys([...this.panel.keys, ...rest], handlers, { scope: `review:${this.shown.question.kind}` });
    printKeys(this.keys.table);
  }

  /**
   * Send an answer and go on.
   * @param {Record<string, any>} value
   */
  answer(value) {
    const stage = this.shown;
    if (!stage || this.practised) return;
    if (!stage.ready) return tell("The clips are not here yet; watch them first.", "plain");
    const { question } = stage;
    const note = this.note.value.trim();
    const key = newKey();
    const body = { question: question.question, lease: question.lease, value: note ? { ...value, note } : value, key, seconds: this.seconds() };
    this.outbox.put("/api/review/answer", body);
    this.answered = [...this.answered, question].slice(-BACK);
    keep(this.remembered, this.answered);
    this.count += 1;
    if (this.count % PACE_EVERY === 1) this.tellPace();
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

  /** Return for how long the clips have been looked at [s]. */
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
    this.outbox.put("/api/review/undo", { question: question.question, lease: question.lease, key: newKey() });
    const here = this.stages.find((stage) => stage.question.lease === question.lease);
    if (here) this.stages = this.stages.filter((stage) => stage !== here);
    this.add(here || new Stage(question, (clip) => this.broken(question, clip)), true);
  }

  openNote() {
    byId("note-field", HTMLDivElement).hidden = false;
    this.note.focus();
  }

  drawNote() {
    const written = this.note.value.trim();
    byId("note-field", HTMLDivElement).hidden = !written && document.activeElement !== this.note;
    byId("note", HTMLButtonElement).setAttribute("aria-pressed", String(Boolean(written)));
  }

  /** Open the operate page at the frame that is shown. */
  showHow() {
    if (!this.shown) return;
    this.clock.pause();
    const clip = this.shown.question.clips[0];
    const frame = clip.start + Math.min(this.clock.frame, clip.frames - 1);
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
   * @param {import("./review-outbox.js").Letter} letter
   * @param {any} reply
   */
  sent(letter, reply) {
    if (reply.counts === false) tell("That question had gone to others meanwhile. Your answer was kept, and does not count.", "plain");
    if (letter.body.key !== this.practised) return;
    this.practised = "";
    this.showFeedback(reply.feedback);
  }

  /**
   * @param {import("./review-outbox.js").Letter} letter
   * @param {Refused} why
   */
  refused(letter, why) {
    tell(`The station did not take an answer. ${why.message}`, "bad");
    if (letter.body.key === this.practised) this.practised = "";
  }

  /** @param {any} feedback */
  showFeedback(feedback) {
    const stage = this.shown;
    if (!stage) return;
    const right = feedback?.right;
    const title = feedback ? (right ? "Right" : "Not quite") : "Thank you";
    const expected = feedback && !right ? `Expected: ${inWords(stage.question, feedback.expected)}.` : "";
    this.clock.pause();
    for (const made of stage.node.querySelectorAll("button")) made.disabled = true;
    const go = () => {
      const keep = stage.question;
      this.leave(stage);
      this.answered = this.answered.filter((question) => question !== keep);
    };
    this.under.replaceChildren(
      element("div", { class: `notice feedback ${feedback ? (right ? "good" : "bad") : ""}`, role: "status" }, element("strong", {}, title), element("p", {}, [expected, feedback?.why].filter(Boolean).join(" ") || "On with the next.")),
      element("div", { class: "answers" }, button("Go on", "primary big", go, "done")),
    );
    this.panel = { node: this.under, keys: [], handlers: { done: (pressed) => void (pressed && go()) } };
    this.bind();
  }

  /** @param {string} camera */
  lookFrom(camera) {
    for (const stage of this.stages) if (stage.question.task === this.transport.task) stage.load(camera);
  }

  /** Keep questions for somebody who is at work; let them go where nobody is. */
  async watch() {
    const now = performance.now();
    const works = (!document.hidden && now - this.active < ACTIVE) || this.shown?.question.layout === "show";
    for (const stage of [...this.stages]) {
      const left = stage.due - now;
      if (left <= 0) return this.leaveDesk();
      if (!works || left > stage.question.seconds * 500) continue;
      try {
        const seconds = await renew(stage.question.lease);
        if (seconds) stage.due = now + seconds * 1000;
        else return this.leaveDesk();
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
      }
    }
  }

  /** Nobody was here for so long that the questions have gone to others. */
  leaveDesk() {
    this.away = true;
    clearTimeout(this.later);
    for (const stage of this.stages) stage.close();
    this.stages = [];
    this.clock.take([]);
    const back = () => {
      this.away = false;
      this.active = performance.now();
      this.shown = null;
      this.say("One moment", "The next question is on its way.");
      this.fill();
    };
    this.shown = null;
    this.say("You were away", "Your questions have gone to others. Nothing is lost.", button("Go on", "primary big", back, "done"));
    this.keys?.stop();
    this.keys = bindKeys(this.page.keys, { done: (pressed) => void (pressed && back()) }, { scope: "review:away" });
    printKeys(this.keys.table);
  }

  seen() {
    if (document.hidden) this.hidden = performance.now();
    else if (this.hidden) {
      this.since += performance.now() - this.hidden;
      this.hidden = 0;
      this.panel?.back?.();
      this.watch();
    }
  }

  /**
   * Put words in the place of a question.
   * @param {string} title
   * @param {string} text
   * @param {...HTMLElement} more
   */
  say(title, text, ...more) {
    this.desk.hidden = true;
    this.state.hidden = false;
    this.panel = null;
    this.shown = null;
    const said = `${title} ${text}`;
    if (this.state.dataset.said === said && !more.length) return;
    this.state.dataset.said = said;
    this.state.replaceChildren(element("h2", {}, title), element("p", {}, text), ...more);
  }

  showEmpty() {
    const undo = button("Undo the last answer", "", () => this.undo(), "undo");
    const rows = this.answered.length ? [undo] : [];
    if (this.state.dataset.empty === String(rows.length) && !this.state.hidden) return;
    if (this.chosen.practice) this.say("Practice is over", "There are no more questions to practise on.", element("a", { class: "button primary", href: "/review" }, "To the real questions"), ...rows);
    else this.say("Nothing to review", "New questions appear here by themselves. A run asks them when it is started with --annotator human:", element("code", {}, "robo-rlhf run --task pick_place --annotator human"), ...rows);
    this.state.dataset.empty = String(rows.length);
    this.keys?.stop();
    this.keys = bindKeys(this.page.keys, { undo: (pressed) => void (pressed && this.undo()) }, { scope: "review:empty" });
    printKeys(this.keys.table);
  }

  /** @param {Refused} error */
  showTrouble(error) {
    delete this.state.dataset.empty;
    if (error.code === "signed_out") this.say("You are signed out", "Sign in again in a new tab, and go on here. What you answered is kept.");
    else if (error.status === 0) this.say("The station cannot be reached", "What you answered is kept in this browser and sent when the station is back.");
    else this.say("One moment", error.message);
  }

  /**
   * @param {number} waiting answers that the station does not have yet
   * @param {boolean} offline
   */
  tellWaiting(waiting, offline) {
    const place = byId("outbox", HTMLParagraphElement);
    place.hidden = !offline || !waiting;
    const words = `${waiting} ${waiting === 1 ? "answer is" : "answers are"} kept here until the station ${this.outbox?.until}`;
    if (place.textContent !== words) place.textContent = words;
    this.desk.dataset.waiting = String(waiting);
    if (!waiting && !this.stages.length) this.fill();
  }

  async tellPace() {
    const pace = await paceOf(this.chosen);
    if (!pace) return;
    const wait = pace.waiting >= pace.most ? `${pace.most} or more wait` : pace.waiting ? `${pace.waiting} wait` : "";
    const each = pace.seconds === null ? "" : `${pace.seconds < 10 ? pace.seconds.toFixed(1) : Math.round(pace.seconds)} s each`;
    byId("pace", HTMLParagraphElement).textContent = [`${pace.today} today`, each, wait].filter(Boolean).join(" · ");
    const share = (/** @type {{hits: number, of: number}} */ of) => `${Math.round((100 * of.hits) / of.of)} %`;
    const lines = [];
    if (pace.agreement.of >= LEAST) lines.push(`You and the team agree in ${share(pace.agreement)}.`);
    if (pace.self_agreement.of >= LEAST) lines.push(`Asked twice, you said the same in ${share(pace.self_agreement)}.`);
    byId("agreement", HTMLParagraphElement).textContent = lines.join(" ");
  }
}

/**
 * Return an answer in words.
 * @param {Question} question
 * @param {Record<string, any>} value
 */
function inWords(question, value) {
  const control = question.controls.find((one) => value.choice !== undefined && one.value.choice === value.choice);
  if (control) return control.label;
  const label = (/** @type {string} */ name) => question.clips.find((clip) => clip.name === name)?.label || name;
  if (value.ranking) return value.ranking.map((/** @type {string[]} */ group) => group.map(label).join(" = ")).join(" > ");
  if (value.ratings) return Object.entries(value.ratings).map(([name, level]) => `${name.replaceAll("_", " ")} ${level}`).join(", ");
  return "another answer";
}

/**
 * @param {string} name
 * @returns {Question[]}
 */
function earlier(name) {
  try {
    return JSON.parse(sessionStorage.getItem(name) || "[]");
  } catch {
    return [];
  }
}

/**
 * @param {string} name
 * @param {Question[]} questions
 */
function keep(name, questions) {
  try {
    sessionStorage.setItem(name, JSON.stringify(questions));
  } catch {
    // undo then reaches back to the last time that the page was loaded
  }
}

new Review().start();
