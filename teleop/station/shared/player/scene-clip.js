// @ts-check
/** A clip as `Clip` is one, drawn by this browser from poses. */

import { mediaAddress } from "./media-address.js";
import { DrawnVideo } from "../scene/drawn-video.js";
import { fetchPoses } from "../scene/poses.js";
import { CannotDrawError, loadScene } from "../scene/scene.js";

/** @typedef {import("./clip.js").Source} Source */

export class SceneClip {
  /**
   * @param {HTMLElement} stage gets the canvas
   * @param {(shown: import("./clip.js").Shown) => void} changed is called whenever something is shown anew
   * @param {(why: string) => void} failed is told why this browser cannot draw it; empty where that says nothing to people
   */
  constructor(stage, changed, failed) {
    this.changed = changed;
    this.failed = failed;
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("aria-hidden", "true");
    stage.append(this.canvas);
    this.video = new DrawnVideo(this.canvas);
    /** @type {Source | null} */
    this.source = null;
    this.stop = new AbortController();
    this.camera = "front";
    this.width = 640;
    this.frame = 0;
    this.first = 0;
    this.last = 0;
    this.rate = 1;
    this.loop = false;
    this.playing = false;
    this.ready = false;
    this.share = 0; // of the meshes that are loaded
    const tick = () => {
      if (this.playing) this.follow();
      this.ticking = requestAnimationFrame(tick);
    };
    this.ticking = requestAnimationFrame(tick);
  }

  close() {
    cancelAnimationFrame(this.ticking);
    this.stop.abort();
    this.playing = false;
    this.source = null;
    this.video.close();
    this.canvas.remove();
  }

  /**
   * @param {Source} source
   * @param {number} [frame]
   */
  open(source, frame = 0) {
    this.stop.abort();
    this.stop = new AbortController();
    this.source = source;
    this.first = 0;
    this.last = source.frames - 1;
    this.ready = false;
    this.video.poses = null;
    this.goTo(frame);
    this.load(source, this.stop.signal);
  }

  /**
   * @param {Source} source
   * @param {AbortSignal} signal
   */
  async load(source, signal) {
    try {
      const poses = await fetchPoses(mediaAddress("poses", source, { start: 0, stop: source.frames }), signal);
      const scene = await loadScene(poses.about, (share) => this.tell((this.share = share)));
      if (signal.aborted) return;
      this.video.panes[0].camera = this.camera;
      await this.video.open(poses, scene, (why) => this.failed(why));
      this.ready = true;
      if (this.playing) this.start();
      this.tell();
    } catch (error) {
      if (!signal.aborted) this.failed(error instanceof CannotDrawError ? error.message : "");
    }
  }

  /** @param {string} camera @param {{still?: boolean}} [_how] */
  look(camera, _how = {}) {
    this.camera = camera;
    try {
      this.video.look(camera);
    } catch (error) {
      return this.failed(error instanceof Error ? error.message : "");
    }
    this.tell();
  }

  /** Show these cameras beside the large one. @param {{canvas: HTMLCanvasElement, camera: string}[]} others */
  lookToo(others) {
    try {
      this.video.lookToo(others);
    } catch {
      this.video.lookToo([]); // the scene has other cameras than it is said
    }
  }

  /** Draw arrows and paths into what is shown. @param {import("../scene/marks.js").Mark[]} marks */
  mark(marks) {
    this.video.mark(marks);
  }

  /** @param {number} frame */
  goTo(frame) {
    if (!this.source) return;
    this.frame = Math.min(Math.max(Math.round(frame), 0), this.source.frames - 1);
    this.video.currentTime = (this.frame + 0.5) / this.source.fps;
    this.tell();
  }

  /** @param {number} frames */
  step(frames) {
    this.pause();
    this.goTo(this.frame + frames);
  }

  play() {
    if (!this.source || this.playing || this.source.frames < 2) return;
    this.playing = true;
    if (this.frame >= this.last || this.frame < this.first) this.goTo(this.first);
    if (this.ready) this.start();
    this.tell();
  }

  start() {
    this.video.playbackRate = this.rate;
    this.video.play();
  }

  pause() {
    if (!this.playing) return;
    this.playing = false;
    this.video.pause();
    this.goTo(this.frame);
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  /** @param {number} rate */
  setRate(rate) {
    this.rate = rate;
    this.video.playbackRate = rate;
    this.tell();
  }

  follow() {
    if (!this.source || !this.ready) return;
    const frame = Math.min(Math.floor(this.video.currentTime * this.source.fps + 1e-3), this.source.frames - 1);
    if (frame !== this.frame) {
      this.frame = frame;
      this.tell();
    }
    if ((frame >= this.last && this.last < this.source.frames - 1) || this.video.ended) this.ended();
  }

  ended() {
    if (this.loop) return this.goTo(this.first);
    this.playing = false;
    this.video.pause();
    this.goTo(this.last);
  }

  /** @param {number} [_] */
  tell(_) {
    const trouble = this.ready && !this.video.drawable ? "The state of this frame is not finite: the last one that is can be seen." : "";
    const loading = Boolean(this.source) && !this.ready;
    this.changed({ frame: this.frame, playing: this.playing, loading, trouble, share: this.share, low: Boolean(trouble) });
  }
}
