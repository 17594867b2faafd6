// @ts-check
/** The views of a session: one large, up to two small; any may become the large one, and that can be turned and zoomed. */

import { choose, drawer, measured, writeDrawer } from "../scene/choice.js";
import { tell } from "../toast.js";
import { viewsOf } from "./session-cameras.js";
import { LiveDrawing } from "./session-drawing.js";

/** @typedef {import("./session-socket.js").Picture} Picture */
/** @typedef {{name: string, azimuth: number, elevation: number, distance: number, lookat: [number, number, number]}} CameraInfo */

const DENSEST = 1.5; // pixels of a picture for one of the page, at most
const SETTLE = 150; // [ms] without a change of size before other pictures are asked for
const PER_PIXEL = 0.4; // [deg] that a drag turns the view
const ZOOM = 0.0012; // share of the distance for each unit of the wheel
const OPPOSITE = -0.34; // cosine of the angle to the large view, seen from above, from which on left and right are swapped
const [NEAREST, FARTHEST, STEEPEST] = [0.15, 8, 89]; // [m], [m], [deg]

export class Views {
  /**
   * @param {HTMLElement[]} figures  the large view first
   * @param {{changed: () => void, drawn: (picture: Picture) => void, done: (frame: number) => void}} tell
   *   changed: other pictures are wanted; drawn: the large view shows this; done: all of a frame is drawn
   */
  constructor(figures, tell) {
    this.figures = figures;
    this.tell = tell;
    this.canvases = figures.map((figure) => /** @type {HTMLCanvasElement} */ (figure.querySelector("canvas")));
    this.contexts = this.canvases.map((canvas) => canvas.getContext("2d", { alpha: false, desynchronized: true }));
    /** @type {CameraInfo[]} */
    this.cameras = [];
    /** @type {string[]} */
    this.shown = []; // names, by slot
    /** @type {CameraInfo | null} */
    this.free = null; // where the large view was turned to
    this.task = "";
    this.newest = figures.map(() => 0); // frame that each slot shows
    /** @type {Map<number, number>} */
    this.left = new Map(); // frame → slots that are still to be drawn
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.settling = undefined;
    /** @type {LiveDrawing | null} */
    this.drawing = null; // where this browser draws
    if (drawer() === "here") this.drawHere(true);
    new ResizeObserver(() => {
      this.drawing?.refresh();
      clearTimeout(this.settling);
      this.settling = setTimeout(() => this.tell.changed(), SETTLE);
    }).observe(figures[0]);
    figures.slice(1).forEach((figure, index) => {
      figure.querySelector("button")?.addEventListener("click", () => this.promote(index + 1));
    });
    document.getElementById("reset-view")?.addEventListener("click", () => this.turnBack());
  }

  /** Show the scene of a task. @param {CameraInfo[]} cameras @param {string} task */
  setScene(cameras, task) {
    const same = this.task === task;
    [this.cameras, this.task] = [cameras, task];
    if (!same) {
      this.shown = viewsOf(task, cameras.map((one) => one.name)).slice(0, this.figures.length);
      this.free = null;
    }
    this.label();
    this.drawing?.open(task);
  }

  /** Have this browser draw, or the server. @param {boolean} here */
  drawHere(here) {
    this.drawing?.close();
    this.drawing = null;
    if (here) {
      this.drawing = new LiveDrawing({
        panes: () => this.shown.map((_, slot) => ({ canvas: this.canvases[slot], camera: this.cameraOf(slot) })),
        ready: () => this.tell.changed(),
        drawn: (picture) => (this.tell.drawn(picture), this.tell.done(picture.frame)),
        ended: (why) => {
          if (why) tell(why, "plain");
          this.drawing = null;
          this.writeDrawer();
          this.tell.changed();
        },
      });
      if (this.task) this.drawing.open(this.task);
    } else if (this.task) this.tell.changed();
  }

  /** Have the other one draw, where this browser can. */
  swap() {
    if (!measured().possible) return;
    const here = !this.drawing; // it may have ended since it was chosen
    choose(here ? "here" : "server");
    this.drawHere(here);
    this.writeDrawer();
  }

  /** Write on the page's button who draws. */
  writeDrawer() {
    const button = /** @type {HTMLElement} */ (document.getElementById("drawer"));
    button.hidden = !measured().possible;
    writeDrawer(button, this.drawing !== null);
  }

  /** @param {number} slot */
  cameraOf(slot) {
    return slot === 0 && this.free ? asText(this.free) : this.shown[slot];
  }

  label() {
    this.figures.forEach((figure, slot) => {
      const name = this.shown[slot];
      figure.hidden = name === undefined;
      const place = figure.querySelector(".name");
      const swapped = slot > 0 && this.swapped(name);
      if (place) place.textContent = slot === 0 && this.free ? `${name}, turned` : swapped ? `${name}, left and right swapped` : name || "";
      this.canvases[slot].setAttribute("aria-label", slot ? `View from the ${name} camera${swapped ? ", left and right swapped" : ""}` : this.describe());
    });
    const reset = document.getElementById("reset-view");
    if (reset) reset.hidden = !this.free;
  }

  /** Whether a camera looks so much against the large view that what goes right there goes left here. @param {string} name */
  swapped(name) {
    const found = this.cameras.find((one) => one.name === name);
    return found !== undefined && Math.cos(((found.azimuth - this.azimuth) * Math.PI) / 180) < OPPOSITE;
  }

  describe() {
    return `Main view, from the ${this.shown[0]} camera. Drag to move the hand; drag with the right button to look from elsewhere.`;
  }

  /** The camera of the large view; where it was not turned, a free one that sees nearly the same. */
  get camera() {
    return this.free || this.cameras.find((one) => one.name === this.shown[0]);
  }

  /** The heading of the large view's line of sight [deg]. */
  get azimuth() {
    return this.camera?.azimuth ?? 0;
  }

  /** What to ask the station for. */
  get wanted() {
    const box = this.figures[0].getBoundingClientRect();
    const scale = Math.min(window.devicePixelRatio || 1, DENSEST);
    const width = Math.min(box.width, (box.height || box.width) * (4 / 3)) * scale;
    const fit = (/** @type {number} */ value, /** @type {number} */ low, /** @type {number} */ high) =>
      Math.round(Math.max(low, Math.min(high, value)));
    this.drawing?.refresh();
    const cameras = this.shown.map((_, slot) => this.cameraOf(slot));
    return { type: "view", cameras, width: fit(width, 80, 1280), height: fit(width * 0.75, 60, 960), poses: Boolean(this.drawing?.ready) };
  }

  /** Make a small view the large one. @param {number} slot */
  promote(slot) {
    if (!this.shown[slot]) return;
    [this.shown[0], this.shown[slot]] = [this.shown[slot], this.shown[0]];
    this.turnBack();
  }

  /** Show the next camera of the scene large. */
  next() {
    const names = this.cameras.map((one) => one.name);
    const name = names[(names.indexOf(this.shown[0]) + 1) % names.length];
    const slot = this.shown.indexOf(name);
    if (slot > 0) return this.promote(slot);
    this.shown[0] = name;
    this.turnBack();
  }

  /** Show the large view's camera as the scene defines it. */
  turnBack() {
    this.free = null;
    this.label();
    this.tell.changed();
  }

  /** Turn the large view about what it looks at. @param {number} dx [pixels] @param {number} dy */
  turn(dx, dy) {
    const free = this.loosen();
    if (!free) return;
    free.azimuth = (free.azimuth - dx * PER_PIXEL + 360) % 360;
    free.elevation = Math.max(-STEEPEST, Math.min(STEEPEST, free.elevation - dy * PER_PIXEL));
    this.label();
    this.tell.changed();
  }

  /** Come nearer, or go away. @param {number} by units of the wheel */
  zoom(by) {
    const free = this.loosen();
    if (!free) return;
    free.distance = Math.max(NEAREST, Math.min(FARTHEST, free.distance * Math.exp(by * ZOOM)));
    this.tell.changed();
  }

  /** Make the large view's camera one that can be turned. */
  loosen() {
    const camera = this.camera;
    if (!this.free && camera) {
      this.free = { ...camera };
      this.label();
      this.tell.changed();
    }
    return this.free;
  }

  /** Draw a picture as soon as it is decoded, unless a newer one was. @param {Picture} picture */
  async draw(picture) {
    const { frame, slot, slots } = picture;
    if (picture.poses) {
      if (this.drawing) return this.drawing.show(picture);
      return this.tell.done(frame); // under way when the server began to draw
    }
    if (slot === 0) this.left.set(frame, slots);
    try {
      const bitmap = await createImageBitmap(new Blob([/** @type {Uint8Array<ArrayBuffer>} */ (picture.jpeg)], { type: "image/jpeg" }));
      const [canvas, context] = [this.canvases[slot], this.contexts[slot]];
      if (canvas && context && frame >= this.newest[slot]) {
        this.newest[slot] = frame;
        if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
          [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
        }
        context.drawImage(bitmap, 0, 0);
        canvas.dataset.frame = String(frame);
        if (slot === 0) this.tell.drawn(picture);
      }
      bitmap.close();
    } catch (error) {
      console.warn("a picture could not be read", error);
    }
    const left = (this.left.get(frame) ?? 1) - 1;
    this.left.set(frame, left);
    if (left > 0) return;
    for (const old of this.left.keys()) if (old <= frame) this.left.delete(old);
    this.tell.done(frame);
  }

  /** Begin to count frames anew: another connection does. */
  reconnected() {
    this.newest.fill(0);
    this.left.clear();
    this.drawing?.reconnected();
  }
}

/** @param {CameraInfo} camera  as `Camera.parse` reads it */
function asText({ azimuth, elevation, distance, lookat }) {
  return [azimuth, elevation, distance, ...lookat].map((value) => value.toFixed(4)).join(",");
}
