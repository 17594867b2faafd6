// @ts-check
/** The clips of one question: loaded while the question before is answered, shown when it is its turn. */

import { element } from "../shared/made.js";
import { Insets } from "../shared/player/insets.js";
import { drawer } from "../shared/scene/choice.js";
import { DrawnVideo } from "../shared/scene/drawn-video.js";
import { NoPosesError, fetchPoses } from "../shared/scene/poses.js";
import { CannotDrawError, loadScene } from "../shared/scene/scene.js";
import { union } from "../shared/scene/views.js";
import { tell } from "../shared/toast.js";
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
 *   reasons: {name: string, axis: string, direction: string, key: string}[],
 *   given?: Record<string, any>}} Question  given: the answer that was taken back
 */

/** One clip in its figure: a video of the station's, or drawn by this browser from poses. */
class Screen {
  /**
   * @param {ClipOf} clip
   * @param {() => void} again is called when this browser cannot draw it any more
   */
  constructor(clip, again) {
    this.clip = clip;
    this.again = again;
    this.refused = !clip.poses; // this browser cannot draw it
    /** @type {DrawnVideo | null} */
    this.drawn = null;
    this.element = element("video", { muted: true, playsinline: true, preload: "auto", disablepictureinpicture: true, tabindex: "-1" });
    this.element.muted = true;
    this.element.setAttribute("aria-label", `Clip ${clip.label}`);
    this.note = element("p", { class: "screen-note" }, "Drawing the clip");
    this.frame = element("div", { class: "screen" }, this.element, this.note);
    this.figure = element("figure", { class: "clip-of", "data-name": clip.name }, this.frame);
    this.letter = element("span", { class: "letter", "aria-hidden": "true" }, clip.label);
    this.address = "";
  }

  /** What the clock holds. @returns {import("../shared/player/clock.js").Part[]} */
  get parts() {
    return [{ video: this.drawn || this.element, frames: this.clip.frames, fps: this.clip.fps }];
  }

  /**
   * @param {string} camera
   * @param {number} width of the station's pictures
   * @param {AbortSignal} signal
   * @returns {Promise<void>} its first frame can be shown
   */
  async load(camera, width, signal) {
    if (drawer() === "here" && !this.refused) {
      try {
        return await this.draw(camera, signal);
      } catch (error) {
        if (signal.aborted) throw error;
        if (!(error instanceof CannotDrawError) && !(error instanceof NoPosesError)) throw error;
        this.refused = true; // the station says why, where it cannot either
      }
    }
    this.leave();
    await this.play(`${this.clip.address}&camera=${encodeURIComponent(camera)}&width=${width}`, signal);
  }

  /**
   * @param {string} camera
   * @param {AbortSignal} signal
   */
  async draw(camera, signal) {
    this.note.textContent = "Loading the clip";
    const poses = await fetchPoses(this.clip.poses, signal);
    const share = (/** @type {number} */ value) => (this.note.textContent = `Loading the scene, ${Math.round(100 * value)} %`);
    const scene = await loadScene(poses.about, share);
    if (signal.aborted) return;
    this.leave();
    const canvas = element("canvas", { role: "img", "aria-label": `Clip ${this.clip.label}` });
    this.frame.prepend(canvas);
    this.element.hidden = true;
    this.drawn = new DrawnVideo(canvas);
    this.drawn.panes[0].camera = camera;
    await this.drawn.open(poses, scene, (why) => {
      this.refused = true;
      tell(why, "plain");
      this.again();
    });
    this.note.hidden = true;
  }

  /** The station's video is shown. */
  leave() {
    this.drawn?.panes[0].canvas.remove();
    this.drawn?.close();
    this.drawn = null;
    this.element.hidden = false;
  }

  /**
   * @param {string} address
   * @param {AbortSignal} signal
   * @returns {Promise<void>} its first frame can be shown
   */
  async play(address, signal) {
    const answer = await fetch(address, { signal, headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Unshown(answer.status, this.clip);
    const content = await answer.blob();
    if (signal.aborted) return;
    this.free();
    this.address = URL.createObjectURL(content);
    const loaded = new Promise((resolve, reject) => {
      this.element.onloadeddata = resolve;
      this.element.onerror = () => reject(new Unshown(410, this.clip));
    });
    this.element.src = this.address;
    await loaded;
    this.note.hidden = true;
  }

  free() {
    if (this.address) URL.revokeObjectURL(this.address);
    this.address = "";
  }

  close() {
    this.leave();
    this.element.onerror = null;
    this.element.removeAttribute("src");
    this.element.load();
    this.free();
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
    this.screens = question.clips.map((clip) => (clip.cameras.length ? new RecordedScreen(clip, again) : new Screen(clip, again)));
    this.insets = this.screens.map(({ clip, frame }) => {
      const insets = new Insets(frame);
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
        this.frameAlike();
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
   * @param {Screen | RecordedScreen} screen
   * @param {string} camera
   * @param {number} width
   * @param {AbortSignal} signal
   */
  async loadOne(screen, camera, width, signal) {
    try {
      await screen.load(camera, width, signal);
    } catch (error) {
      throw error instanceof MissingVideo ? new Unshown(error.status, screen.clip) : error;
    }
  }

  /** Show equal parts of the scene in all clips: what one would cut off is kept in all. */
  frameAlike() {
    const panes = this.screens.flatMap(({ drawn }) => (drawn ? [drawn.panes[0]] : []));
    const kept = union(panes.map((pane) => pane.kept));
    for (const pane of panes) pane.kept = kept;
    for (const { drawn } of this.screens) drawn?.refresh();
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
