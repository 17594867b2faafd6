// @ts-check
/** The views of a session drawn by this browser: the newest poses, as soon as they come. */

import { get } from "../api.js";
import { painter } from "../scene/painter.js";
import { DropMark } from "../scene/marks.js";
import { loadScene } from "../scene/scene.js";
import { Eye } from "../scene/views.js";

/** @typedef {import("./session-socket.js").Picture} Picture */

export class LiveDrawing {
  /**
   * @param {{panes: () => {canvas: HTMLCanvasElement, camera: string}[], ready: () => void, drawn: (picture: Picture) => void,
   *   ended: (why: string) => void}} page panes: what is shown, the large view first; ready: poses may come; drawn: all
   *   views show this; ended: this browser draws no more
   */
  constructor(page) {
    this.page = page;
    this.task = "";
    /** @type {Eye | null} */
    this.eye = null;
    /** @type {DropMark | null} */
    this.mark = null;
    /** @type {import("../scene/painter.js").Painter | null} */
    this.painter = null;
    /** @type {Picture | null} */
    this.newest = null;
    this.stale = false;
    this.reported = -1; // the frame that the page knows to be shown
  }

  get ready() {
    return this.eye !== null;
  }

  /** @param {string} task */
  async open(task) {
    if (task === this.task) return;
    this.task = task;
    this.eye = this.newest = null;
    try {
      const places = await get(`/media/places?${new URLSearchParams({ name: task })}`);
      const [by, scene] = await Promise.all([painter(), loadScene(places)]);
      if (task !== this.task) return;
      this.painter = by;
      by.enders.add((why) => this.end(why));
      by.views.add(this);
      this.mark?.leave();
      this.mark = new DropMark(scene);
      this.eye = new Eye(scene);
      this.page.ready();
    } catch (error) {
      if (task === this.task) this.end(error instanceof Error ? error.message : "");
    }
  }

  /** @param {string} why */
  end(why) {
    this.close();
    this.page.ended(why);
  }

  close() {
    this.painter?.views.delete(this);
    this.mark?.leave();
    this.eye = this.newest = this.mark = null;
    this.task = "";
  }

  /** Show poses with the next picture of the screen. @param {Picture} picture */
  show(picture) {
    if (this.newest && picture.frame < this.newest.frame) return;
    this.newest = picture;
    this.stale = true;
  }

  /** Begin to count frames anew. */
  reconnected() {
    this.newest = null;
    this.reported = -1;
  }

  /** Draw again: a view has changed. */
  refresh() {
    this.stale = true;
  }

  due() {
    return this.stale && this.newest !== null && this.eye !== null;
  }

  /** @param {import("../scene/painter.js").Painter} by */
  draw(by) {
    const { newest, eye, mark } = this;
    this.stale = false;
    if (!newest?.poses || !eye || !mark) return;
    const { scene } = eye;
    const each = newest.poses.length / (scene.movers.length + 1);
    const landing = newest.poses.subarray(each * scene.movers.length);
    const poses = newest.poses.subarray(0, each * scene.movers.length);
    if (poses.every(Number.isFinite)) {
      scene.place(poses);
      mark.place(landing);
      for (const { canvas, camera } of this.page.panes()) {
        const [width, height] = [Math.round(canvas.clientWidth * by.density), Math.round(canvas.clientHeight * by.density)];
        if (!width || !height) continue;
        if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
        by.paint(scene, eye.look(camera, width / height), canvas);
        canvas.dataset.frame = String(newest.frame);
      }
      mark.hide(); // other clips may show this scene
    }
    if (newest.frame === this.reported) return;
    this.reported = newest.frame;
    this.page.drawn(newest);
  }
}
