// @ts-check
/**
 * Draws scenes of one page into its canvases, with one WebGL context for all of them. Where frames take long, pixels, shadows
 * and antialiasing are given up, in that order.
 */

import { three } from "./scene.js";

/** @typedef {import("./scene.js").LoadedScene} LoadedScene */
/** @typedef {{density: number, shadows: boolean, antialias: boolean}} Effort */

/** @type {Effort[]} what is drawn, the best first */
export const EFFORTS = [
  { density: 2, shadows: true, antialias: true },
  { density: 1, shadows: true, antialias: true },
  { density: 1, shadows: false, antialias: true },
  { density: 1, shadows: false, antialias: false },
];
const LONG = 25; // [ms] a frame
const HOPELESS = 120; // [ms] a frame at the least effort: the server is quicker
const WINDOW = 20; // frames that are looked at
const PAUSE = 250; // [ms] between frames that are not of one movement

/** A canvas that is drawn into when its turn comes. @typedef {{due: () => boolean, draw: (painter: Painter) => void}} Drawn */

export class Painter {
  /** @param {typeof import("../three/three.module.js")} drawing */
  constructor(drawing) {
    this.three = drawing;
    this.level = 0;
    this.lost = false;
    /** @type {Set<(why: string) => void>} called when nothing can be drawn any more */
    this.enders = new Set();
    /** @type {Set<Drawn>} */
    this.views = new Set();
    /** @type {number[]} [ms] */
    this.spans = [];
    this.last = 0;
    this.now = 0; // [ms] the moment that is drawn, one for all views
    this.width = this.height = 0;
    this.renderer = this.open();
    const tick = (/** @type {number} */ now) => {
      if (!this.lost) requestAnimationFrame(tick);
      this.tick(now);
    };
    requestAnimationFrame(tick);
  }

  get effort() {
    return EFFORTS[this.level];
  }

  /** Pixels for one of the page. */
  get density() {
    return Math.min(window.devicePixelRatio || 1, this.effort.density);
  }

  open() {
    const { three: drawing } = this;
    const renderer = new drawing.WebGLRenderer({ antialias: this.effort.antialias, powerPreference: "high-performance" });
    renderer.outputColorSpace = drawing.LinearSRGBColorSpace;
    renderer.shadowMap.enabled = true;
    renderer.shadowMap.type = drawing.PCFShadowMap;
    renderer.setScissorTest(true);
    renderer.domElement.addEventListener("webglcontextlost", (event) => {
      event.preventDefault();
      if (renderer === this.renderer) this.end("The browser lost its drawing; the server draws now.");
    });
    this.width = this.height = 0;
    return renderer;
  }

  /** @param {string} why */
  end(why) {
    this.lost = true;
    for (const tell of [...this.enders]) tell(why);
    this.enders.clear();
    this.views.clear();
    current = null;
  }

  /** @param {number} now [ms] */
  tick(now) {
    const due = [...this.views].filter((view) => view.due());
    if (!due.length || this.lost) return;
    const span = now - this.last;
    this.last = now;
    this.now = performance.now();
    for (const view of due) view.draw(this);
    if (span < PAUSE) this.watch(span);
  }

  /** Note how long a frame of a movement took. @param {number} span [ms] */
  watch(span) {
    this.spans.push(span);
    if (this.spans.length < WINDOW || document.hidden) return;
    const middle = this.spans.sort((a, b) => a - b)[WINDOW / 2];
    this.spans = [];
    if (middle <= LONG) return;
    if (this.level < EFFORTS.length - 1) this.lower();
    else if (middle > HOPELESS) this.end("This browser draws slowly; the server draws now.");
  }

  lower() {
    const before = this.effort;
    this.level += 1;
    if (before.antialias === this.effort.antialias) return;
    const old = this.renderer;
    this.renderer = this.open();
    old.dispose();
  }

  /**
   * Draw a scene, as it is placed, from a camera into a canvas.
   * @param {LoadedScene} scene
   * @param {import("../three/three.module.js").Camera} camera
   * @param {HTMLCanvasElement} canvas
   */
  paint(scene, camera, canvas) {
    const { width, height } = canvas;
    if (width > this.width || height > this.height) {
      this.width = Math.max(this.width, width);
      this.height = Math.max(this.height, height);
      this.renderer.setSize(this.width, this.height, false);
    }
    for (const lamp of scene.casting) lamp.castShadow = this.effort.shadows;
    this.renderer.setViewport(0, 0, width, height);
    this.renderer.setScissor(0, 0, width, height);
    this.renderer.render(scene.root, camera);
    const context = canvas.getContext("2d", { alpha: false });
    context?.drawImage(this.renderer.domElement, 0, this.height - height, width, height, 0, 0, width, height);
  }
}

/** @type {Promise<Painter> | null} */
let current = null;

/** Return the painter of the page. @returns {Promise<Painter>} */
export function painter() {
  current ||= three().then((drawing) => new Painter(drawing));
  current.catch(() => (current = null));
  return current;
}
