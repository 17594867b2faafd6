// @ts-check
/** Texts of the review page: why there is no question, progress, and feedback on practice answers. */

import { bindKeys } from "../shared/keys.js";
import { button, element, printKeys } from "../shared/made.js";
import { Outcome } from "./outcome.js";
import { paceOf } from "../shared/questions.js";
import { byId } from "../shared/player/transport.js";

const LEAST = 5; // comparisons before agreement is shown

/** @typedef {import("../shared/api.js").Refused} Refused */
/** @typedef {import("./stage.js").Question} Question */

export class Words {
  /** @param {import("./review.js").Review} review */
  constructor(review) {
    this.review = review;
    this.state = byId("state", HTMLElement);
    /** @type {any} the station's figures, counted on with each answer; null before they came */
    this.pace = null;
    this.sofar = 0; // answers since the page was opened
    this.asked = 0; // requests for the figures
    this.outcome = new Outcome(review.chosen.run);
  }

  /**
   * Show a text in place of a question.
   * @param {string} title
   * @param {string} text
   * @param {...HTMLElement} more
   */
  say(title, text, ...more) {
    this.review.workspace.hidden = true;
    this.state.hidden = false;
    this.review.panel = null;
    this.review.shown = null;
    const written = `${title} ${text}`;
    if (this.state.dataset.written === written && !more.length) return;
    this.state.dataset.written = written;
    this.state.replaceChildren(element("h2", {}, title), element("p", {}, text), ...more);
  }

  showEmpty() {
    const { chosen, answered, page } = this.review;
    const undo = button("Undo the last answer", "", () => this.review.undo(), "undo");
    const rows = answered.length ? [undo] : [];
    const drawn = `${rows.length} ${this.sofar}`;
    if (this.state.dataset.empty === drawn && !this.state.hidden) return;
    if (chosen.practice) this.say("Practice is over", "There are no more questions to practise on.", element("a", { class: "button primary", href: chosen.task ? `/review?task=${encodeURIComponent(chosen.task)}` : "/review" }, "To the real questions"), ...rows);
    else if (this.sofar) this.say(this.sofar === 1 ? "Your question is answered" : `All ${this.sofar} answered`, "Thank you. What waited for these answers goes on by itself, and new questions appear here.", this.outcome.node, ...rows);
    else this.say("Nothing to review", "New questions appear here by themselves, when a training asks people.", ...(page.mayDrive ? [element("a", { class: "button", href: "/train" }, "Train")] : []), this.outcome.node, ...rows);
    this.outcome.watch(() => !this.state.hidden && this.state.dataset.empty === drawn);
    this.state.dataset.empty = drawn;
    this.review.keys?.stop();
    this.review.keys = bindKeys(page.keys, { undo: (pressed) => void (pressed && this.review.undo()) }, { scope: "review:empty" });
    printKeys(this.review.keys.table);
  }

  /** @param {Refused} error */
  showTrouble(error) {
    delete this.state.dataset.empty;
    if (error.code === "signed_out") this.say("You are signed out", "Sign in again in a new tab, and continue here. What you answered is kept.");
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
    const words = `${waiting} ${waiting === 1 ? "answer is" : "answers are"} kept here until the station ${this.review.outbox?.until}`;
    if (place.textContent !== words) place.textContent = words;
    this.review.workspace.dataset.waiting = String(waiting);
    if (!waiting && !this.review.stages.length) this.review.fill();
  }

  async tellPace() {
    if (this.review.chosen.practice) {
      byId("pace", HTMLParagraphElement).textContent = "Answers do not count here.";
      return;
    }
    const sending = this.review.outbox.letters.length;
    const number = ++this.asked;
    const pace = await paceOf(this.review.chosen);
    if (!pace || number !== this.asked) return; // a newer request is under way
    this.pace = { ...pace, today: pace.today + sending, all: this.sofar + pace.waiting + pace.held - sending };
    this.drawPace();
    const share = (/** @type {{hits: number, of: number}} */ of) => `${Math.round((100 * of.hits) / of.of)} %`;
    const lines = [];
    if (pace.agreement.of >= LEAST) lines.push(`You and the team agree in ${share(pace.agreement)}.`);
    if (pace.self_agreement.of >= LEAST) lines.push(`Asked twice, you gave the same answer in ${share(pace.self_agreement)}.`);
    byId("agreement", HTMLParagraphElement).textContent = lines.join(" ");
  }

  /** An answer was given (1) or taken back (-1). @param {1 | -1} by */
  countAnswer(by) {
    this.sofar = Math.max(this.sofar + by, 0);
    if (!this.pace) return;
    this.pace.today = Math.max(this.pace.today + by, 0);
    this.drawPace();
  }

  /** How far the work is: what was answered here, of all that there is for this person. */
  drawPace() {
    const { pace } = this;
    const many = pace.waiting >= pace.most;
    const all = Math.max(pace.all, this.sofar + 1);
    const each = pace.seconds === null ? "" : `${pace.seconds < 10 ? pace.seconds.toFixed(1) : Math.round(pace.seconds)} s each`;
    const minutes = Math.round((pace.seconds * (all - this.sofar)) / 60);
    const rest = many || pace.seconds === null ? "" : minutes ? `about ${minutes} min left` : "less than a minute left";
    const words = [many ? `${pace.most} or more wait` : `${this.sofar + 1} of ${all}`, rest, each, `${pace.today} today`];
    byId("pace", HTMLParagraphElement).textContent = words.filter(Boolean).join(" · ");
    const bar = byId("progress", HTMLProgressElement);
    bar.hidden = many;
    bar.max = all;
    bar.value = this.sofar;
  }

  /** Say what was answered to a question that came back. @param {Question} question */
  showGiven(question) {
    const place = byId("given", HTMLParagraphElement);
    place.hidden = !question.given;
    place.textContent = question.given ? `Back at this question. You had answered: ${inWords(question, question.given)}.` : "";
    const note = question.given?.note;
    if (note) this.review.note.restore(note);
    for (const made of document.querySelectorAll(".workspace .button.answer")) {
      const same = made instanceof HTMLElement && question.given?.choice !== undefined && JSON.parse(made.dataset.value || "{}").choice === question.given.choice;
      made.classList.toggle("given", Boolean(same && made.closest(".clips.now, #controls")));
    }
  }

  /**
   * Show whether a practice answer was right.
   * @param {any} feedback
   * @param {Record<string, any>} given the answer
   */
  showFeedback(feedback, given) {
    const stage = this.review.shown;
    if (!stage) return;
    const right = feedback?.right;
    const title = feedback ? (right ? "Right" : "Not quite") : "Thank you";
    const expected = feedback && !right ? `Your answer: ${inWords(stage.question, given)}. Expected: ${inWords(stage.question, feedback.expected)}.` : "";
    this.review.clock.pause();
    for (const made of stage.node.querySelectorAll("button")) made.disabled = true;
    const go = () => {
      const done = stage.question;
      this.review.leave(stage);
      this.review.answered = this.review.answered.filter((question) => question !== done);
    };
    this.review.under.replaceChildren(
      element("div", { class: `notice feedback ${feedback ? (right ? "good" : "bad") : ""}`, role: "status" }, element("strong", {}, title), element("p", {}, [expected, feedback?.why].filter(Boolean).join(" ") || "On with the next.")),
      element("div", { class: "answers" }, button("Continue", "primary big", go, "done")),
    );
    this.review.panel = { node: this.review.under, keys: [], handlers: { done: (pressed) => void (pressed && go()) } };
    this.review.bind();
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
  if (value.axes) return Object.entries(value.axes).map(([axis, choice]) => `${axis.replaceAll("_", " ")}: ${choice === "cant_tell" ? "can't tell" : label(choice)}`).join(", ");
  if (value.ratings) return Object.entries(value.ratings).map(([name, level]) => `${name.replaceAll("_", " ")} ${level}`).join(", ");
  if (value.presses) return [1, -1].map((sign) => `${value.presses.filter((/** @type {any} */ one) => one.sign === sign).length} ${sign > 0 ? "good" : "bad"}`).join(", ");
  return "another answer";
}
