// @ts-check
/** Texts of the review page: why there is no question, progress, and feedback on practice answers. */

import { bindKeys } from "../shared/keys.js";
import { button, element, printKeys } from "../shared/made.js";
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
  }

  /**
   * Show a text in place of a question.
   * @param {string} title
   * @param {string} text
   * @param {...HTMLElement} more
   */
  say(title, text, ...more) {
    this.review.desk.hidden = true;
    this.state.hidden = false;
    this.review.panel = null;
    this.review.shown = null;
    const said = `${title} ${text}`;
    if (this.state.dataset.said === said && !more.length) return;
    this.state.dataset.said = said;
    this.state.replaceChildren(element("h2", {}, title), element("p", {}, text), ...more);
  }

  showEmpty() {
    const undo = button("Undo the last answer", "", () => this.review.undo(), "undo");
    const rows = this.review.answered.length ? [undo] : [];
    if (this.state.dataset.empty === String(rows.length) && !this.state.hidden) return;
    if (this.review.chosen.practice) this.say("Practice is over", "There are no more questions to practise on.", element("a", { class: "button primary", href: this.review.chosen.task ? `/review?task=${encodeURIComponent(this.review.chosen.task)}` : "/review" }, "To the real questions"), ...rows);
    else this.say("Nothing to review", "New questions appear here by themselves. A run asks them when it is started with --annotator human:", element("code", {}, "robo-rlhf run --task pick_place --annotator human"), ...rows);
    this.state.dataset.empty = String(rows.length);
    this.review.keys?.stop();
    this.review.keys = bindKeys(this.review.page.keys, { undo: (pressed) => void (pressed && this.review.undo()) }, { scope: "review:empty" });
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
    this.review.desk.dataset.waiting = String(waiting);
    if (!waiting && !this.review.stages.length) this.review.fill();
  }

  async tellPace() {
    if (this.review.chosen.practice) {
      byId("pace", HTMLParagraphElement).textContent = "Answers do not count here.";
      return;
    }
    const pace = await paceOf(this.review.chosen);
    if (!pace) return;
    const wait = pace.waiting >= pace.most ? `${pace.most} or more wait` : pace.waiting ? `${pace.waiting} wait` : "";
    const each = pace.seconds === null ? "" : `${pace.seconds < 10 ? pace.seconds.toFixed(1) : Math.round(pace.seconds)} s each`;
    byId("pace", HTMLParagraphElement).textContent = [`${pace.today} today`, each, wait].filter(Boolean).join(" · ");
    const share = (/** @type {{hits: number, of: number}} */ of) => `${Math.round((100 * of.hits) / of.of)} %`;
    const lines = [];
    if (pace.agreement.of >= LEAST) lines.push(`You and the team agree in ${share(pace.agreement)}.`);
    if (pace.self_agreement.of >= LEAST) lines.push(`Asked twice, you gave the same answer in ${share(pace.self_agreement)}.`);
    byId("agreement", HTMLParagraphElement).textContent = lines.join(" ");
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
  if (value.ratings) return Object.entries(value.ratings).map(([name, level]) => `${name.replaceAll("_", " ")} ${level}`).join(", ");
  if (value.presses) return [1, -1].map((sign) => `${value.presses.filter((/** @type {any} */ one) => one.sign === sign).length} ${sign > 0 ? "good" : "bad"}`).join(", ");
  return "another answer";
}
