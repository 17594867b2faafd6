// @ts-check
/** The clips of one question: loaded while the question before is answered, shown when it is its turn. */

import { element } from "../shared/made.js";

const TRY_AGAIN = 2000; // [ms]
const WIDTHS = [320, 480, 640]; // [pixels]

/**
 * @typedef {{name: string, label: string, id: string, address: string, fps: number, frames: number, start: number,
 *   source: string, episode: string}} ClipOf
 * @typedef {{label: string, key: string, value: Record<string, any>, part: boolean,
 *   span: [number, number] | null}} Control
 * @typedef {{lease: number, question: string, kind: string, prompt: string, layout: string, task: string, about: string,
 *   axes: string[], practice: boolean, seconds: number, controls: Control[], clips: ClipOf[],
 *   given?: Record<string, any>}} Question  given: the answer that was taken back
 */

/** One clip in its figure. */
class Screen {
  /** @param {ClipOf} clip */
  constructor(clip) {
    this.clip = clip;
    this.video = element("video", { muted: true, playsinline: true, preload: "auto", disablepictureinpicture: true, tabindex: "-1" });
    this.video.muted = true;
    this.video.setAttribute("aria-label", `Clip ${clip.label}`);
    this.note = element("p", { class: "screen-note" }, "Drawing the clip");
    this.frame = element("div", { class: "screen" }, this.video, this.note);
    this.figure = element("figure", { class: "clip-of", "data-name": clip.name }, this.frame);
    this.letter = element("span", { class: "letter", "aria-hidden": "true" }, clip.label);
    this.address = "";
  }

  /**
   * @param {string} address
   * @param {AbortSignal} signal
   * @returns {Promise<void>} its first frame can be shown
   */
  async load(address, signal) {
    const answer = await fetch(address, { signal, headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Unshown(answer.status, this.clip);
    const content = await answer.blob();
    if (signal.aborted) return;
    this.free();
    this.address = URL.createObjectURL(content);
    const loaded = new Promise((resolve, reject) => {
      this.video.onloadeddata = resolve;
      this.video.onerror = () => reject(new Unshown(410, this.clip));
    });
    this.video.src = this.address;
    await loaded;
    this.note.hidden = true;
  }

  free() {
    if (this.address) URL.revokeObjectURL(this.address);
    this.address = "";
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
    this.screens = question.clips.map((clip) => new Screen(clip));
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

  get parts() {
    return this.screens.map(({ video, clip }) => ({ video, frames: clip.frames, fps: clip.fps }));
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
        const wait = this.screens.map((screen) =>
          screen.load(`${screen.clip.address}&camera=${encodeURIComponent(camera)}&width=${width}`, stop.signal),
        );
        await Promise.all(wait);
        if (stop.signal.aborted) return;
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

  close() {
    this.stop.abort();
    for (const screen of this.screens) {
      screen.video.onerror = null;
      screen.video.removeAttribute("src");
      screen.video.load();
      screen.free();
    }
    this.node.remove();
  }
}
