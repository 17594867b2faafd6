// @ts-check
/** From where a scene is looked at: its own cameras, free ones, and a frame that keeps hand and object in the picture. */

import { CannotDrawError } from "./scene.js";

const MARGIN = 0.04; // of the picture, around what is kept in it
const WIDEST = 3; // times the camera's own picture
const NEAR = 0.01; // [m] of free cameras
const FAR = 60; // [m]

/** @typedef {import("./scene.js").LoadedScene} LoadedScene */
/** @typedef {[left: number, right: number, bottom: number, top: number]} Window tangents of angles from the line of sight */

export class Eye {
  /** @param {LoadedScene} scene */
  constructor(scene) {
    this.scene = scene;
    const { three } = scene;
    this.camera = new three.Camera();
    this.point = new three.Vector3();
    this.back = new three.Matrix4();
    this.unit = new three.Vector3(1, 1, 1);
  }

  /**
   * Look from a camera as `Camera.parse` of the station reads it; the scene's movers are placed.
   * @param {string} name
   * @param {number} aspect width to height
   * @param {Window | null} kept what has to be in the picture, see `windowOf`
   */
  look(name, aspect, kept = null) {
    const { near, far, fovy } = this.stand(name);
    const high = Math.tan((fovy * Math.PI) / 360);
    const [left, right, bottom, top] = fitted([-high * aspect, high * aspect, -high, high], kept, aspect);
    const { projectionMatrix, projectionMatrixInverse } = this.camera;
    projectionMatrix.makePerspective(left * near, right * near, top * near, bottom * near, near, far);
    projectionMatrixInverse.copy(projectionMatrix).invert();
    this.camera.updateMatrixWorld(true);
    const { head } = this.scene;
    head.position.copy(this.camera.position);
    head.quaternion.copy(this.camera.quaternion);
    head.updateMatrixWorld(true);
    return this.camera;
  }

  /**
   * Put the camera where a name says, and return its lens.
   * @param {string} name
   */
  stand(name) {
    const { about, movers, three } = this.scene;
    const found = about.cameras.find((one) => one.name === name);
    const free = found?.free || (name.includes(",") ? name.split(",").map(Number) : null);
    if (free) {
      this.orbit(free);
      return { near: NEAR, far: FAR, fovy: about.free_fovy };
    }
    if (!found) throw new CannotDrawError(`This scene has no camera ${name}.`);
    const [w, x, y, z] = found.quat;
    const { position, quaternion } = this.camera;
    position.set(...found.pos);
    quaternion.set(x, y, z, w);
    const mover = movers[found.mover];
    if (mover) {
      const local = new three.Matrix4().compose(position, quaternion, this.unit);
      new three.Matrix4().copy(mover.matrixWorld).multiply(local).decompose(position, quaternion, new three.Vector3());
    }
    return found;
  }

  /** Whether a camera stands still in the world. @param {string} name */
  still(name) {
    const found = this.scene.about.cameras.find((one) => one.name === name);
    return Boolean(found && !found.free && found.mover < 0);
  }

  /** @param {number[]} pose azimuth, elevation [deg], distance [m], and the point looked at */
  orbit([azimuth, elevation, distance, ...point]) {
    const { three, about } = this.scene;
    const [turn, rise] = [(azimuth * Math.PI) / 180, (elevation * Math.PI) / 180];
    const target = new three.Vector3(...(point.length === 3 ? point : about.center));
    const ahead = new three.Vector3(Math.cos(rise) * Math.cos(turn), Math.cos(rise) * Math.sin(turn), Math.sin(rise));
    const up = new three.Vector3(-Math.sin(rise) * Math.cos(turn), -Math.sin(rise) * Math.sin(turn), Math.cos(rise));
    this.camera.position.copy(target).addScaledVector(ahead, -distance);
    this.camera.quaternion.setFromRotationMatrix(new three.Matrix4().lookAt(this.camera.position, target, up));
  }

  /**
   * Return the window that holds what the scene says to look at, in some frames of a clip, from a camera that stands still.
   * @param {string} name
   * @param {import("./poses.js").Poses} poses
   * @returns {Window | null} null where there is nothing to look at, or it is behind the camera
   */
  windowOf(name, poses) {
    const { about, movers } = this.scene;
    if (!about.focus.length || !this.still(name)) return null;
    /** @type {Window} */
    const window = [Infinity, -Infinity, Infinity, -Infinity];
    const step = Math.max(1, Math.floor(poses.frames / 60));
    for (let frame = 0; frame < poses.frames; frame += step) {
      if (!poses.isFinite(frame)) continue;
      this.scene.place(poses.of(frame));
      this.stand(name);
      this.camera.updateMatrixWorld(true);
      this.back.copy(this.camera.matrixWorld).invert();
      for (const { mover, pos, radius } of about.focus) {
        this.point.set(...pos);
        if (movers[mover]) this.point.applyMatrix4(movers[mover].matrixWorld);
        this.point.applyMatrix4(this.back);
        const depth = -this.point.z;
        if (depth < 2 * radius) continue;
        const around = radius / depth;
        const [x, y] = [this.point.x / depth, this.point.y / depth];
        window[0] = Math.min(window[0], x - around);
        window[1] = Math.max(window[1], x + around);
        window[2] = Math.min(window[2], y - around);
        window[3] = Math.max(window[3], y + around);
      }
    }
    return Number.isFinite(window[0]) ? window : null;
  }
}

/**
 * Return the window that holds all of several.
 * @param {(Window | null)[]} windows
 * @returns {Window | null}
 */
export function union(windows) {
  const found = /** @type {Window[]} */ (windows.filter(Boolean));
  if (!found.length) return null;
  const of = (/** @type {number} */ i) => found.map((window) => window[i]);
  return [Math.min(...of(0)), Math.max(...of(1)), Math.min(...of(2)), Math.max(...of(3))];
}

/**
 * Return the picture of a camera, made larger to those sides where something to be kept would lie outside.
 * @param {Window} own
 * @param {Window | null} kept
 * @param {number} aspect
 * @returns {Window}
 */
export function fitted(own, kept, aspect) {
  if (!kept) return own;
  const margin = MARGIN * (own[3] - own[2]);
  const most = WIDEST * own[3];
  const low = (/** @type {number} */ a, /** @type {number} */ b, /** @type {number} */ end) => Math.max(Math.min(a, b - margin), end);
  const high = (/** @type {number} */ a, /** @type {number} */ b, /** @type {number} */ end) => Math.min(Math.max(a, b + margin), end);
  let [left, right, bottom, top] = [low(own[0], kept[0], -most * aspect), high(own[1], kept[1], most * aspect), low(own[2], kept[2], -most), high(own[3], kept[3], most)];
  const wide = (top - bottom) * aspect - (right - left);
  if (wide > 0) [left, right] = [left - wide / 2, right + wide / 2];
  else [bottom, top] = [bottom + wide / aspect / 2, top - wide / aspect / 2];
  return [left, right, bottom, top];
}
