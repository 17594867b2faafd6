// @ts-check
/** The reasons that may go with an answer: picked by one key each, with the clip, the moment and the object that are meant. */

import { button, element } from "../shared/made.js";
import { byId } from "../shared/player/transport.js";
import { tell } from "../shared/toast.js";
import { binding } from "./controls.js";

const REACTION = 0.5; // [s] from what a person means to their key press, while the clips play

/** @typedef {import("./stage.js").Question} Question */
/** @typedef {import("../shared/player/clock.js").Clock} Clock */
/** @typedef {{name: string, axis: string, direction: string, key: string}} Listed */
/** @typedef {{reason: string, clip?: string, step?: number, object?: string}} Picked  without a clip it follows from the answer */

export class Reasons {
  /**
   * @param {Clock} clock
   * @param {() => void} changed is called when a moment was marked or removed
   */
  constructor(clock, changed) {
    this.clock = clock;
    this.changed = changed;
    this.node = byId("reasons", HTMLDivElement);
    /** @type {Question | null} */
    this.question = null;
    /** @type {Listed[]} */
    this.listed = [];
    /** @type {Picked[]} the newest last */
    this.picked = [];
    this.mark = button("Moment", "quiet", () => this.moment(), "moment");
    this.thing = button("Object", "quiet", () => this.object(), "object");
  }

  /**
   * Show the reasons of a question's task.
   * @param {Question} question
   */
  show(question) {
    this.question = question;
    this.listed = question.reasons;
    const known = new Set(this.listed.map(({ name }) => name));
    this.picked = (question.given?.reasons || []).filter((/** @type {Picked} */ one) => known.has(one.reason));
    this.node.hidden = !this.listed.length;
    const made = this.listed.map(({ name }, i) => button(name, "", () => this.press(i), `reason_${i}`));
    made.forEach((one) => one.append(element("span", { class: "soft small about" })));
    this.node.replaceChildren(element("span", { class: "soft small" }, "Because"), ...made, this.mark, this.thing);
    this.draw();
  }

  /** What goes with the answer; empty where nothing was picked. */
  get given() {
    return this.picked.map((one) => ({ ...one }));
  }

  /** @returns {{at: number, good: boolean}[]} on the timeline [frames] */
  get marks() {
    return this.picked.filter(({ step }) => step !== undefined).map(({ reason, step }) => ({ at: Number(step), good: this.of(reason)?.direction === "better" }));
  }

  /** @returns {import("../shared/keys.js").Binding[]} */
  get keys() {
    return this.listed.map(({ name, key }, i) => binding(`reason_${i}`, `Because: ${name}`, key));
  }

  /** @returns {Record<string, (pressed: boolean) => void>} */
  get handlers() {
    const each = this.listed.map((_, i) => [`reason_${i}`, (/** @type {boolean} */ pressed) => void (pressed && this.press(i))]);
    return { ...Object.fromEntries(each), moment: (pressed) => void (pressed && this.moment()), object: (pressed) => void (pressed && this.object()) };
  }

  /**
   * Pick a reason; again: say which clip it is about, one after the other, and leave it out at the end.
   * @param {number} which
   */
  press(which) {
    const { name } = this.listed[which];
    const before = this.picked.find(({ reason }) => reason === name);
    const about = this.abouts;
    const next = before ? about[about.indexOf(before.clip || "") + 1] : about[0];
    this.picked = this.picked.filter(({ reason }) => reason !== name);
    if (next !== undefined) {
      const one = { ...before, reason: name, clip: next || undefined };
      this.picked = [...this.picked.filter((other) => !this.opposed(one, other)), one];
    }
    this.draw();
  }

  /** The names of the clips that a reason can be about, in turn; "": the one that follows from the answer. */
  get abouts() {
    const names = (this.question?.clips || []).map(({ name }) => name);
    if (names.length < 2) return [""];
    return this.question?.layout === "choice" && names.length === 2 ? ["", ...names] : names;
  }

  /** Mark the frame that is shown as the moment that the newest reason means. */
  moment() {
    const one = this.picked[this.picked.length - 1];
    const clip = this.question?.clips.find(({ name }) => name === one?.clip) || this.question?.clips[0];
    if (!this.listed.length) return;
    if (!one || !clip) return tell("Pick a reason first; then mark the moment that it means.", "plain");
    const late = this.clock.playing ? REACTION * this.clock.rate : 0;
    const step = Math.max(0, Math.min((this.clock.time - late) * clip.fps, clip.frames - 1));
    one.step = Math.round(step * 100) / 100;
    this.draw();
  }

  /** Name the next object as the one that the newest reason means; after the last one none. */
  object() {
    const one = this.picked[this.picked.length - 1];
    const names = this.question?.objects || [];
    if (!this.listed.length || !names.length) return;
    if (!one) return tell("Pick a reason first; then name the object that it means.", "plain");
    one.object = names[one.object === undefined ? 0 : names.indexOf(one.object) + 1];
    this.draw();
  }

  /**
   * Whether two reasons say opposite things along one axis.
   * @param {Picked} one
   * @param {Picked} other
   */
  opposed(one, other) {
    const [first, second] = [this.of(one.reason), this.of(other.reason)];
    const single = this.question?.clips.length === 1;
    if (!first?.axis || first.axis !== second?.axis || (!single && !(one.clip && other.clip))) return false;
    return (one.clip === other.clip) !== (first.direction === second.direction);
  }

  /** @param {string} name */
  of(name) {
    return this.listed.find((one) => one.name === name);
  }

  draw() {
    const made = Array.from(this.node.querySelectorAll("button")).slice(0, this.listed.length);
    made.forEach((one, i) => {
      const picked = this.picked.find(({ reason }) => reason === this.listed[i].name);
      const clip = this.question?.clips.find(({ name }) => name === picked?.clip);
      one.setAttribute("aria-pressed", String(Boolean(picked)));
      const fps = (clip || this.question?.clips[0])?.fps || 1;
      const words = [clip && `of ${clip.label}`, picked?.object, picked?.step !== undefined && `at ${(picked.step / fps).toFixed(1)} s`];
      const about = one.querySelector(".about");
      if (about) about.textContent = words.filter(Boolean).map((word) => ` ${word}`).join("");
    });
    this.mark.hidden = !this.picked.length;
    this.thing.hidden = !this.picked.length || !this.question?.objects.length;
    this.changed();
  }
}
