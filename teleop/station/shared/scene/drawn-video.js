// @ts-check
/**
 * A clip drawn from poses, from one camera or several, with the part of a video's interface that a clock of several videos
 * uses: frame i is shown from i / fps on. While it plays, what is between two frames is drawn between them.
 */

import { Marks } from "./marks.js";
import { painter } from "./painter.js";
import { Eye } from "./views.js";

/** @typedef {import("./poses.js").Poses} Poses */
/** @typedef {import("./scene.js").LoadedScene} LoadedScene */

/** @typedef {{canvas: HTMLCanvasElement, camera: string, kept: import("./views.js").Window | null}} Pane */

export class DrawnVideo {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    /** @type {Pane[]} the first is the large one; all show the same moment */
    this.panes = [{ canvas, camera: "front", kept: null }];
    /** @type {Poses | null} */
    this.poses = null;
    /** @type {LoadedScene | null} */
    this.scene = null;
    /** @type {Eye | null} */
    this.eye = null;
    /** @type {Marks | null} */
    this.marks = null;
    /** @type {import("./marks.js").Mark[]} what they show */
    this.marked = [];
    /** @type {Poses | null} what is predicted at the same moments */
    this.ghost = null;
    this.exact = false; // as the camera is: nothing is kept in the picture
    this.paused = true;
    this.rate = 1;
    this.from = 0; // the time [s of media] at ...
    this.since = 0; // ... this moment [ms]
    this.stale = true;
    this.seeking = false;
    this.fps = 20;
    /** @type {import("./painter.js").Painter | null} */
    this.painter = null;
    this.resizing = new ResizeObserver(() => this.refresh());
    this.resizing.observe(canvas);
  }

  /**
   * Show poses of a scene.
   * @param {Poses} poses
   * @param {LoadedScene} scene
   * @param {(why: string) => void} ended is told when nothing can be drawn any more
   */
  async open(poses, scene, ended) {
    this.painter = await painter();
    this.painter.enders.add(ended);
    this.painter.views.add(this);
    this.ended_ = ended;
    this.poses = poses;
    this.fps = poses.about.fps;
    this.scene = scene;
    this.eye = new Eye(scene);
    this.marks?.leave();
    this.marks = new Marks(scene);
    this.mark(this.marked);
    this.panes.forEach((pane) => this.look(pane.camera, pane));
  }

  /**
   * Look from a camera.
   * @param {string} camera
   * @param {Pane} [pane]
   */
  look(camera, pane = this.panes[0]) {
    pane.camera = camera;
    if (this.eye && this.poses) {
      this.eye.stand(camera); // throws where the scene has no such camera
      pane.kept = this.exact ? null : this.eye.windowOf(camera, this.poses);
    }
    this.refresh();
  }

  /** Draw arrows and paths into what is shown. @param {import("./marks.js").Mark[]} marks */
  mark(marks) {
    this.marked = marks;
    this.marks?.set(marks);
    this.refresh();
  }

  /**
   * Show these cameras too.
   * @param {{canvas: HTMLCanvasElement, camera: string}[]} others
   */
  lookToo(others) {
    for (const { canvas } of this.panes.slice(1)) this.resizing.unobserve(canvas);
    this.panes.length = 1;
    for (const { canvas, camera } of others) {
      const pane = { canvas, camera, kept: null };
      this.panes.push(pane);
      this.resizing.observe(canvas);
      this.look(camera, pane);
    }
  }

  close() {
    this.resizing.disconnect();
    this.painter?.views.delete(this);
    if (this.ended_) this.painter?.enders.delete(this.ended_);
    this.marks?.leave();
    this.poses = this.scene = null;
  }

  refresh() {
    this.stale = true;
  }

  get duration() {
    return (this.poses?.frames || 0) / this.fps;
  }

  get readyState() {
    return this.poses ? 4 : 0;
  }

  get ended() {
    return Boolean(this.poses) && this.currentTime >= this.duration;
  }

  get currentTime() {
    return this.timeAt(performance.now());
  }

  /** @param {number} now [ms] */
  timeAt(now) {
    const moved = this.paused ? 0 : (Math.max(now - this.since, 0) / 1000) * this.rate;
    return Math.min(this.from + moved, this.duration);
  }

  set currentTime(time) {
    this.from = time;
    this.since = performance.now();
    this.stale = true;
  }

  get playbackRate() {
    return this.rate;
  }

  set playbackRate(rate) {
    this.currentTime = this.currentTime;
    this.rate = rate;
  }

  async play() {
    this.currentTime = this.currentTime;
    this.paused = false;
  }

  pause() {
    this.currentTime = this.currentTime;
    this.paused = true;
  }

  /** Whether the frame that is counted has a state that can be drawn. */
  get drawable() {
    return Boolean(this.poses?.isFinite(Math.min(Math.floor(this.currentTime * this.fps + 1e-3), (this.poses?.frames || 1) - 1)));
  }

  due() {
    return Boolean(this.poses) && (this.stale || !this.paused) && this.panes[0].canvas.isConnected;
  }

  /** @param {import("./painter.js").Painter} by */
  draw(by) {
    const { poses, scene, eye } = this;
    if (!poses || !scene || !eye) return;
    this.stale = false;
    const moment = this.timeAt(by.now) * this.fps - 0.5; // the middle of a frame's time is the frame itself
    const pose = poses.at(this.paused ? Math.round(moment) : moment);
    if (!pose.every(Number.isFinite)) return; // not one frame so far can be drawn
    scene.place(pose);
    if (this.marks) this.marks.group.visible = true; // other clips may show this scene
    const predicted = this.ghost?.at(this.paused ? Math.round(moment) : moment) ?? null;
    if (predicted?.every(Number.isFinite)) scene.predict(predicted);
    for (const { canvas, camera, kept } of this.panes) {
      const [width, height] = [Math.round(canvas.clientWidth * by.density), Math.round(canvas.clientHeight * by.density)];
      if (!width || !height) continue;
      if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
      by.paint(scene, eye.look(camera, width / height, kept), canvas);
      canvas.dataset.frame = String(Math.max(Math.round(moment), 0));
    }
    if (this.marks) this.marks.group.visible = false;
    scene.predict(null);
  }
}
