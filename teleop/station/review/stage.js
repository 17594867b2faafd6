// @ts-check
/** The clips of one question: loaded while the question before is answered, shown when it is its turn. */

import { element } from "../shared/made.js";
import { Insets } from "../shared/player/insets.js";
import { ClipError, Screen, frameAlike } from "../shared/player/screen.js";
import { ALL, MissingVideo, RecordedScreen } from "./recorded.js";

const TRY_AGAIN = 2000; // [ms]
const WIDTHS = [320, 480, 640]; // [pixels]

/**
 * @typedef {{name: string, label: string, id: string, address: string, poses: string, fps: number, frames: number, start: number,
 *   sees: (import("../shared/player/insets.js").Sight & {address: string}) | null, source: string, episode: string, cameras: import("./recorded.js").Recorded[]}} ClipOf  cameras: that recorded it, if any did
 * @typedef {{label: string, key: string, value: Record<string, any>, part: boolean,
 *   span: [number, number] | null}} Control
 * @typedef {{lease: number, question: string, kind: string, prompt: string, layout: string, task: string, about: string,
 *   axes: string[], practice: boolean, seconds: number, controls: Control[], clips: ClipOf[],
 *   reasons: {name: string, axis: string, direction: string, key: string}[], objects: string[],
 *   given?: Record<string, any>}} Question  given: the answer that was taken back
 */

/** One clip in its figure. */
class ClipScreen extends Screen {
  /**
   * @param {ClipOf} clip
   * @param {() => void} again is called when this browser cannot draw it any more
   */
  constructor(clip, again) {
    super(clip, `Clip ${clip.label}`, again);
    this.clip = clip;
    this.figure = element("figure", { class: "clip-of", "data-name": clip.name }, this.frame);
    this.letter = element("span", { class: "letter", "aria-hidden": "true" }, clip.label);
  }
}

/** A clip that did not come. */
class Unshown extends Error {
  /**
   * @param {number} status
   * @param {ClipOf} clip
   */
  constructor(status, clip) {
    super(`clip ${clip.label}: ${status}`);
    this.status = status;
    this.clip = clip;
  }
}

export class Stage {
  /**
   * @param {Question} question
   * @param {(clip: ClipOf) => void} broken receives a clip that cannot be loaded
   */
  constructor(question, broken) {
    this.question = question;
    this.broken = broken;
    const again = () => this.again();
    this.screens = question.clips.map((clip) => (clip.cameras.length ? new RecordedScreen(clip, again) : new ClipScreen(clip, again)));
    this.insets = this.screens.map(({ clip, frame }) => {
      const row = element("div", { class: "seen" });
      frame.replaceWith(row);
      row.append(frame);
      const insets = new Insets(row, { beside: true });
      insets.open(clip.sees, (start, stop) => `${clip.sees?.address}&start=${start}&stop=${stop}`, clip.frames);
      return insets;
    });
    if (this.screens.length > 1) for (const screen of this.screens) screen.frame.append(screen.letter);
    this.node = element("div", { class: `clips clips-${this.screens.length}`, "data-question": question.question });
    this.node.append(...this.screens.map((screen) => screen.figure));
    this.node.inert = true;
    this.camera = "";
    this.due = performance.now() + question.seconds * 1000;
    this.stop = new AbortController();
    this.ready = false;
    this.onready = () => {};
  }

  /** The cameras that recorded the clips, and all of them at once; empty where clips are drawn. @returns {string[]} */
  get cameras() {
    const names = [...new Set(this.question.clips.flatMap(({ cameras }) => cameras.map(({ name }) => name)))];
    return names.length > 1 ? [ALL, ...names] : names;
  }

  /** Whether there are several clips that are not all as long. */
  get uneven() {
    const lengths = this.question.clips.map(({ frames, fps }) => frames / fps);
    return Math.max(...lengths) - Math.min(...lengths) > 0.5 / Math.max(...this.question.clips.map(({ fps }) => fps));
  }

  /** Return the width at which clips are drawn: as wide as they will be shown, or a little less. */
  static widthFor(/** @type {number} */ clips) {
    const columns = window.innerWidth < 640 ? 1 : Math.min(clips, 3);
    const room = (Math.min(window.innerWidth, 1500) / columns) * Math.min(window.devicePixelRatio, 2);
    return WIDTHS.find((width) => width >= room * 0.7) || (clips > 2 ? 480 : 640);
  }

  /**
   * Load the clips from a camera, and again until they are there.
   * @param {string} camera
   */
  async load(camera) {
    if (camera === this.camera) return;
    this.camera = camera;
    this.stop.abort();
    const stop = (this.stop = new AbortController());
    this.ready = false;
    const width = Stage.widthFor(this.screens.length);
    while (!stop.signal.aborted) {
      try {
        await Promise.all(this.screens.map((screen) => this.loadOne(screen, camera, width, stop.signal)));
        if (stop.signal.aborted) return;
        frameAlike(this.screens);
        this.ready = true;
        this.onready();
        return;
      } catch (error) {
        if (stop.signal.aborted) return;
        if (error instanceof Unshown && [404, 410].includes(error.status)) return this.broken(error.clip);
        for (const screen of this.screens) screen.note.textContent = "The station cannot be reached. The clip comes when it is back.";
        await new Promise((resolve) => setTimeout(resolve, TRY_AGAIN));
      }
    }
  }

  /**
   * @param {ClipScreen | RecordedScreen} screen
   * @param {string} camera
   * @param {number} width
   * @param {AbortSignal} signal
   */
  async loadOne(screen, camera, width, signal) {
    try {
      await screen.load(camera, width, signal);
    } catch (error) {
      throw error instanceof MissingVideo || error instanceof ClipError ? new Unshown(error.status, screen.clip) : error;
    }
  }

  /** Load the clips again: another one draws. @param {boolean} [afresh] also by this browser, where it could not before */
  again(afresh = false) {
    const { camera } = this;
    if (afresh) for (const screen of this.screens) screen.refused = !screen.clip.poses;
    this.camera = "";
    if (camera) this.load(camera);
  }

  close() {
    this.stop.abort();
    for (const part of [...this.screens, ...this.insets]) part.close();
    this.node.remove();
  }
}
