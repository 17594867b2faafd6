// @ts-check
/** A scene as the station describes it, loaded once a page, and placed by poses. */

import { Shapes } from "./shapes.js";

/** @typedef {typeof import("../three/three.module.js")} Three */
/** @typedef {{name: string, mover: number, pos: [number, number, number], quat: [number, number, number, number], fovy: number, near: number, far: number, free?: number[]}} CameraOf */
/** @typedef {{pos: number[], dir: number[], ambient: number[], diffuse: number[], head: boolean, shadow: boolean, spot: boolean}} LightOf */
/** @typedef {{mover: number, pos: [number, number, number], radius: number}} Focus */
/**
 * @typedef {object} Description
 * @property {string} reason why only the server draws it; empty where the browser can
 * @property {number} movers
 * @property {import("./shapes.js").Shape[]} shapes
 * @property {LightOf[]} lights
 * @property {CameraOf[]} cameras
 * @property {Focus[]} focus
 * @property {[number, number, number]} center
 * @property {number} extent
 * @property {number} free_fovy [deg]
 */
/** @typedef {{scene: string, assets: string, size: number}} Places  addresses, and bytes of what comes compressed */

const SHADOW_MAP = 2048; // [texels] a side
const SHADE = 0.55; // of the lamp's light that a shadow takes away
const REACH = 1.8; // [extents of the scene] that shadows are drawn in
const CALM = /** @type {const} */ ([0.8, 0.83, 0.85]); // the background
const NUMBERS = 7; // of a pose
const GHOST = { color: /** @type {const} */ ([0.15, 0.4, 0.95]), opacity: 0.35 }; // of what is predicted

/** @type {Promise<Three> | null} */
let library = null;
/** @type {Map<string, Promise<LoadedScene>>} */
const scenes = new Map();

/** That a scene, or what draws it, cannot be had; the text says why. */
export class CannotDrawError extends Error {}

/** Load three.js, once. @returns {Promise<Three>} */
export function three() {
  library ||= import("../three/three.module.js").then(
    (found) => {
      found.ColorManagement.enabled = false; // colours as MuJoCo mixes them
      return found;
    },
    () => {
      throw new CannotDrawError("This station came without three.js; the server draws.");
    },
  );
  return library;
}

/**
 * Load a scene, once.
 * @param {Places} places
 * @param {(share: number) => void} [progress]
 * @returns {Promise<LoadedScene>}
 */
export function loadScene(places, progress = () => {}) {
  let found = scenes.get(places.scene);
  if (!found) {
    found = load(places, progress);
    scenes.set(places.scene, found);
    found.catch(() => scenes.delete(places.scene));
  }
  return found;
}

/**
 * @param {Places} places
 * @param {(share: number) => void} progress
 */
async function load({ scene, assets, size }, progress) {
  const [drawing, answer] = await Promise.all([three(), fetch(scene)]);
  if (!answer.ok) throw new CannotDrawError("The scene could not be loaded.");
  /** @type {Description} */
  const about = await answer.json();
  if (about.reason) throw new CannotDrawError(about.reason);
  return new LoadedScene(drawing, about, await bytesOf(assets, size, progress));
}

/**
 * @param {string} address
 * @param {number} size
 * @param {(share: number) => void} progress
 */
async function bytesOf(address, size, progress) {
  const found = new Uint8Array(size);
  if (!size) return found.buffer;
  const answer = await fetch(address);
  if (!answer.ok || !answer.body) throw new CannotDrawError("The meshes of the scene could not be loaded.");
  let at = 0;
  for await (const part of /** @type {AsyncIterable<Uint8Array>} */ (/** @type {unknown} */ (answer.body))) {
    if (at + part.length > size) throw new CannotDrawError("The meshes of the scene changed while they were loaded.");
    found.set(part, at);
    at += part.length;
    progress(at / size);
  }
  if (at !== size) throw new CannotDrawError("The meshes of the scene came short.");
  return found.buffer;
}

/** A scene in three.js. Its movers are placed before each drawing, so several clips may share it. */
export class LoadedScene {
  /**
   * @param {Three} drawing
   * @param {Description} about
   * @param {ArrayBuffer} assets
   */
  constructor(drawing, about, assets) {
    this.three = drawing;
    this.about = about;
    this.root = new drawing.Scene();
    this.root.background = new drawing.Color(...CALM);
    this.movers = Array.from({ length: about.movers }, () => new drawing.Group());
    this.root.add(...this.movers);
    const shapes = new Shapes(drawing, assets);
    this.meshes = about.shapes.map((shape) => shapes.mesh(shape)); // in the order of the description
    about.shapes.forEach((shape, i) => (this.movers[shape.mover] || this.root).add(this.meshes[i]));
    this.head = new drawing.Group(); // the lights that go with the camera
    this.root.add(this.head);
    /** @type {import("../three/three.module.js").DirectionalLight[]} */
    this.casting = [];
    about.lights.forEach((light) => this.light(light));
    this.extras = new drawing.Group(); // annotations
    /** @type {import("../three/three.module.js").Group[] | null} */
    this.ghosts = null;
    this.root.add(this.extras);
  }

  /** @param {LightOf} light */
  light({ pos, dir, ambient, diffuse, head, shadow }) {
    const drawing = this.three;
    const scale = Math.PI; // three.js divides by it
    if (ambient.some(Boolean)) this.root.add(new drawing.AmbientLight(colour(drawing, ambient), scale));
    if (!diffuse.some(Boolean)) return;
    const lamp = new drawing.DirectionalLight(colour(drawing, diffuse), scale);
    if (head) {
      lamp.target.position.set(0, 0, -1);
      this.head.add(lamp, lamp.target);
      return;
    }
    const { center, extent } = this.about;
    const far = 2 * REACH * extent;
    lamp.target.position.set(...center);
    lamp.position.set(center[0] - far * dir[0], center[1] - far * dir[1], center[2] - far * dir[2]);
    if (!dir.some(Boolean)) lamp.position.set(pos[0], pos[1], pos[2]);
    this.root.add(lamp, lamp.target);
    if (shadow && !this.casting.length) this.cast(lamp, REACH * extent, 2 * far);
  }

  /**
   * @param {import("../three/three.module.js").DirectionalLight} lamp
   * @param {number} half [m]
   * @param {number} far [m]
   */
  cast(lamp, half, far) {
    const { shadow } = lamp;
    Object.assign(shadow.camera, { left: -half, right: half, top: half, bottom: -half, near: 0.01 * far, far });
    shadow.mapSize.set(SHADOW_MAP, SHADOW_MAP);
    shadow.bias = -0.0005;
    shadow.normalBias = 2 * (half / SHADOW_MAP);
    shadow.radius = 4;
    shadow.intensity = SHADE;
    this.casting.push(lamp);
  }

  /**
   * Place everything that moves.
   * @param {Float32Array} pose of all movers, one after the other
   */
  place(pose) {
    put(this.movers, pose);
    this.root.updateMatrixWorld();
  }

  /**
   * Show everything that moves a second time, translucent and blue, where it is predicted to be; null: not.
   * @param {Float32Array | null} pose as of `place`
   */
  predict(pose) {
    const { three } = this;
    if (pose && !this.ghosts) {
      const [color, opacity] = [new three.Color(...GHOST.color), GHOST.opacity];
      const paint = new three.MeshLambertMaterial({ color, opacity, transparent: true, depthWrite: false });
      const ghosts = (this.ghosts = this.movers.map(() => new three.Group()));
      this.about.shapes.forEach((shape, i) => {
        const [mesh, ghost] = [this.meshes[i], ghosts[shape.mover]];
        if (!ghost) return;
        const copy = new three.Mesh(mesh.geometry, paint);
        copy.position.copy(mesh.position);
        copy.quaternion.copy(mesh.quaternion);
        copy.scale.copy(mesh.scale);
        copy.renderOrder = 2;
        ghost.add(copy);
      });
      this.extras.add(...ghosts);
    }
    for (const ghost of this.ghosts || []) ghost.visible = pose !== null;
    if (pose && this.ghosts) put(this.ghosts, pose);
    if (pose) this.extras.updateMatrixWorld(true);
  }
}

/**
 * @param {import("../three/three.module.js").Group[]} movers
 * @param {Float32Array} pose of all of them, one after the other
 */
function put(movers, pose) {
  movers.forEach((mover, i) => {
    const at = NUMBERS * i;
    mover.position.set(pose[at], pose[at + 1], pose[at + 2]);
    mover.quaternion.set(pose[at + 4], pose[at + 5], pose[at + 6], pose[at + 3]);
  });
}

/**
 * @param {Three} drawing
 * @param {number[]} rgb
 */
function colour(drawing, rgb) {
  return new drawing.Color(rgb[0], rgb[1], rgb[2]);
}
