// @ts-check
/** A clip, drawn by this browser or by the server: one after the other where the first cannot, or where the user wants it. */

import { Clip } from "./clip.js";
import { SceneClip } from "./scene-clip.js";
import { choose, drawer, measured } from "../scene/choice.js";
import { tell } from "../toast.js";

/** @typedef {import("./clip.js").Source} Source */
/** @typedef {import("./clip.js").Shown} Shown */

export class Film {
  /**
   * @param {HTMLElement} stage
   * @param {(shown: Shown) => void} changed is called whenever something is shown anew
   * @param {() => void} [swapped] is called when the other one draws
   */
  constructor(stage, changed, swapped = () => {}) {
    this.swapped = swapped;
    this.stage = stage;
    this.changed = changed;
    this.here = false; // this browser draws
    this.refused = ""; // the episode that this browser cannot draw
    /** @type {Clip | SceneClip} */
    this.clip = new Clip(stage, changed);
  }

  /** @param {boolean} here @param {Source | null} source */
  use(here, source = this.source) {
    if (here === this.here) return;
    const { frame, first, last, rate, loop, playing, camera, width } = this.clip;
    this.clip.close();
    this.here = here;
    this.clip = here ? new SceneClip(this.stage, this.changed, (why) => this.fallBack(why)) : new Clip(this.stage, this.changed);
    Object.assign(this.clip, { camera, width, loop });
    this.clip.setRate(rate);
    this.swapped();
    if (!source) return;
    this.clip.open(source, frame);
    Object.assign(this.clip, { first, last: Math.min(last, source.frames - 1) });
    if (playing) this.clip.play();
  }

  /** @param {string} why */
  fallBack(why) {
    const { source } = this;
    if (why) tell(why, "plain");
    this.refused = source ? nameOf(source) : "";
    this.use(false);
  }

  /** Have the other one draw. @returns {boolean} whether this browser can draw at all */
  swap() {
    if (!this.here && !measured().possible) return false;
    this.refused = "";
    choose(this.here ? "server" : "here");
    this.use(!this.here);
    return true;
  }

  /**
   * @param {Source} source
   * @param {number} [frame]
   */
  open(source, frame = 0) {
    const here = source.states !== false && drawer() === "here" && this.refused !== nameOf(source);
    this.use(here, null);
    this.clip.open(source, frame);
  }

  close() {
    this.clip.close();
  }

  /** @param {string} camera @param {{still?: boolean}} [how] */
  look(camera, how = {}) {
    this.clip.look(camera, how);
  }

  /** Show these cameras beside the large one, where this browser draws. @param {{canvas: HTMLCanvasElement, camera: string}[]} others */
  lookToo(others) {
    if (this.clip instanceof SceneClip) this.clip.lookToo(others);
  }

  /** Draw arrows and paths into what is shown, where this browser draws. @param {import("../scene/marks.js").Mark[]} marks */
  mark(marks) {
    if (this.clip instanceof SceneClip) this.clip.mark(marks);
  }

  /** @param {number} frame */
  goTo(frame) {
    this.clip.goTo(frame);
  }

  /** @param {number} frames */
  step(frames) {
    this.clip.step(frames);
  }

  play() {
    this.clip.play();
  }

  pause() {
    this.clip.pause();
  }

  toggle() {
    this.clip.toggle();
  }

  /** @param {number} rate */
  setRate(rate) {
    this.clip.setRate(rate);
  }

  get source() {
    return this.clip.source;
  }

  get frame() {
    return this.clip.frame;
  }

  get rate() {
    return this.clip.rate;
  }

  get playing() {
    return this.clip.playing;
  }

  get camera() {
    return this.clip.camera;
  }

  set camera(camera) {
    this.clip.camera = camera;
  }

  get width() {
    return this.clip.width;
  }

  set width(width) {
    this.clip.width = width;
  }

  get first() {
    return this.clip.first;
  }

  set first(frame) {
    this.clip.first = frame;
  }

  get last() {
    return this.clip.last;
  }

  set last(frame) {
    this.clip.last = frame;
  }

  get loop() {
    return this.clip.loop;
  }

  set loop(on) {
    this.clip.loop = on;
  }
}

/** @param {Source} source */
function nameOf(source) {
  return `${source.dataset} ${source.episode} ${source.v || ""}`;
}
