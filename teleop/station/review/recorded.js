// @ts-check
/** A clip that cameras recorded: the videos of one camera or of all, each from where the clip begins in its file. */

import { element } from "../shared/made.js";

export const ALL = "*"; // in the place of a camera's name: every camera

/** @typedef {{name: string, address: string, start: number, frames: number}} Recorded  start: [s] into the file */
/** @typedef {import("../shared/player/clock.js").Part} Part */
/** @typedef {Part["video"]} Played */

/** A video whose time begins elsewhere and runs at another rate: second t of it is second start + scale · t of the other. */
export class TimedVideo {
  /**
   * @param {Played} video
   * @param {number} start [s of `video`]
   * @param {number} scale seconds of `video` in one of this
   */
  constructor(video, start, scale) {
    this.video = video;
    this.start = start;
    this.scale = scale;
    this.rate = 1;
  }

  get currentTime() {
    return (this.video.currentTime - this.start) / this.scale;
  }

  set currentTime(seconds) {
    this.video.currentTime = this.start + this.scale * seconds;
  }

  get playbackRate() {
    return this.rate;
  }

  set playbackRate(rate) {
    this.rate = rate;
    this.video.playbackRate = rate && Math.min(Math.max(rate * this.scale, 0.0625), 16); // what browsers take
  }

  get paused() {
    return this.video.paused;
  }

  get ended() {
    return this.video.ended;
  }

  get seeking() {
    return this.video.seeking;
  }

  get readyState() {
    return this.video.readyState;
  }

  play() {
    return this.video.play();
  }

  pause() {
    this.video.pause();
  }
}

/** A camera's video that did not come. */
export class MissingVideo extends Error {
  /** @param {number} status */
  constructor(status) {
    super(`video: ${status}`);
    this.status = status;
  }
}

/** One camera of a clip. */
class View {
  /**
   * @param {Recorded} camera
   * @param {string} label of the clip
   * @param {() => void} again is called when the video stops coming
   */
  constructor(camera, label, again) {
    this.camera = camera;
    this.again = again;
    this.video = element("video", { muted: true, playsinline: true, preload: "auto", disablepictureinpicture: true, tabindex: "-1" });
    this.video.muted = true;
    this.video.setAttribute("aria-label", `Clip ${label}, ${camera.name}`);
    this.node = element("div", { class: "view" }, this.video, element("span", { class: "view-name" }, camera.name.replaceAll("_", " ")));
    this.timed = new TimedVideo(this.video, camera.start, 1);
    /** @type {Promise<void> | null} */
    this.loading = null;
  }

  /** @returns {Promise<void>} its first frame is shown, and it can play */
  load() {
    this.loading ||= this.fetch().catch((error) => {
      this.loading = null;
      throw error;
    });
    return this.loading;
  }

  async fetch() {
    const { video, camera } = this;
    try {
      await new Promise((resolve, reject) => {
        video.onerror = reject;
        video.onloadedmetadata = () => {
          if (camera.start > 0) video.currentTime = camera.start;
        };
        video.oncanplay = video.onseeked = () => !video.seeking && video.readyState >= 3 && resolve(null);
        video.src = camera.address;
        video.load();
      });
    } catch {
      const answer = await fetch(camera.address, { method: "HEAD" }); // throws where the station is away
      throw new MissingVideo(answer.ok ? 410 : answer.status);
    }
    video.onerror = () => {
      this.loading = null;
      this.again();
    };
  }

  close() {
    this.video.onerror = null;
    this.video.removeAttribute("src");
    this.video.load();
  }
}

/** A clip in its figure; used as a `Screen` is. */
export class RecordedScreen {
  /**
   * @param {import("./stage.js").ClipOf} clip
   * @param {() => void} again loads the clip again
   */
  constructor(clip, again) {
    this.clip = clip;
    this.refused = false;
    this.drawn = null; // by this browser: never
    this.views = clip.cameras.map((camera) => new View(camera, clip.label, again));
    /** @type {View[]} */
    this.shown = [];
    this.note = element("p", { class: "screen-note" }, "Loading the clip");
    this.frame = element("div", { class: "screen recorded" }, this.note);
    this.figure = element("figure", { class: "clip-of", "data-name": clip.name }, this.frame);
    this.letter = element("span", { class: "letter", "aria-hidden": "true" }, clip.label);
  }

  /** What the clock holds. @returns {Part[]} */
  get parts() {
    const { fps } = this.clip;
    return this.shown.map(({ timed, camera }) => ({ video: /** @type {any} */ (timed), frames: camera.frames, fps }));
  }

  /**
   * Show a camera, or all of them; where a clip has no such camera, all that it has.
   * @param {string} camera
   */
  async load(camera) {
    const named = this.views.filter((view) => view.camera.name === camera);
    const shown = named.length ? named : this.views;
    await Promise.all(shown.map((view) => view.load()));
    for (const view of this.views) {
      view.video.pause();
      if (!shown.includes(view)) view.node.remove();
    }
    this.shown = shown;
    this.note.hidden = true;
    this.frame.dataset.count = String(shown.length);
    this.frame.append(...shown.map((view) => view.node), ...(this.letter.isConnected ? [this.letter] : []));
  }

  close() {
    for (const view of this.views) view.close();
  }
}
