// @ts-check
/** Marks in a scene that are no part of it: the line from the hand down to what is under it, arrows, paths. */

const COLOUR = /** @type {const} */ ([0.85, 0.05, 0.55]); // as `guide` of robo_rlhf/sim/scenes/appearance.py
const THIN = 0.0012; // [m] radius of the line
const ABOVE = 0.002; // [m] that the ring lies above the surface

export class DropMark {
  /** @param {import("./scene.js").LoadedScene} scene */
  constructor(scene) {
    const { three } = scene;
    this.scene = scene;
    this.group = new three.Group();
    const solid = new three.MeshBasicMaterial({ color: new three.Color(...COLOUR) });
    const pale = new three.MeshBasicMaterial({ color: new three.Color(...COLOUR), transparent: true, opacity: 0.25, depthWrite: false });
    this.line = new three.Mesh(new three.CylinderGeometry(1, 1, 1, 8).rotateX(Math.PI / 2), solid);
    this.ring = new three.Mesh(new three.RingGeometry(0.9, 1, 40), solid);
    this.disc = new three.Mesh(new three.RingGeometry(0, 0.9, 40), pale);
    this.group.add(this.line, this.ring, this.disc);
    this.group.visible = false;
    scene.extras.add(this.group);
  }

  /** @param {Float32Array} landing where the hand is, the point under it, and the radius of the ring [m] */
  place(landing) {
    this.group.visible = landing.length >= 7 && landing.every(Number.isFinite);
    if (!this.group.visible) return;
    const [x, y, z, u, v, w, radius] = landing;
    this.line.position.set((x + u) / 2, (y + v) / 2, (z + w) / 2);
    this.line.scale.set(THIN, THIN, Math.max(z - w, 1e-4));
    for (const flat of [this.ring, this.disc]) {
      flat.position.set(u, v, w + ABOVE);
      flat.scale.set(radius, radius, 1);
    }
    this.group.updateMatrixWorld(true);
  }

  hide() {
    this.group.visible = false;
  }

  leave() {
    this.scene.extras.remove(this.group);
  }
}

const COLOURS = /** @type {Record<string, readonly [number, number, number]>} */ ({ guide: COLOUR, purple: [0.52, 0.33, 0.7] }); // as in appearance.py
const [HEAD, TIP] = [2.2, 6]; // of an arrow: radius and length, in radii of its shaft

/** @typedef {[number, number, number]} Point [m] */
/** @typedef {{kind: "arrow", start: Point, end: Point, colour: string, width: number}} ArrowOf  width: radius of its shaft [m] */
/** @typedef {{kind: "trail", points: Point[], colour: string, width: number, fade: number}} TrailOf  fade: opacity at its end */
/** @typedef {ArrowOf | TrailOf} Mark  as `robo_rlhf/sim/rendering/annotations.py` describes them */

/** Arrows and paths in a scene, shown while one clip is drawn. */
export class Marks {
  /** @param {import("./scene.js").LoadedScene} scene */
  constructor(scene) {
    const { three } = scene;
    this.scene = scene;
    this.group = new three.Group();
    this.group.visible = false;
    this.rod = new three.CylinderGeometry(1, 1, 1, 10).rotateX(Math.PI / 2);
    this.cone = new three.CylinderGeometry(0, 1, 1, 16).rotateX(Math.PI / 2);
    this.ball = new three.SphereGeometry(1, 10, 6);
    scene.extras.add(this.group);
  }

  /** @param {Mark[]} marks */
  set(marks) {
    this.group.remove(...this.group.children);
    for (const mark of marks) {
      if (mark.kind === "arrow") this.arrow(mark);
      else this.trail(mark);
    }
    this.group.updateMatrixWorld(true);
  }

  /** @param {ArrowOf} mark */
  arrow({ start, end, colour, width }) {
    const long = Math.hypot(...start.map((value, i) => end[i] - value));
    const tip = Math.min(TIP * width, long / 2) / (long || 1);
    const neck = /** @type {Point} */ (start.map((value, i) => end[i] + tip * (value - end[i])));
    const paint = this.paint(colour, 1);
    this.between(this.rod, start, neck, width, paint);
    this.between(this.cone, neck, end, HEAD * width, paint);
  }

  /** @param {TrailOf} mark */
  trail({ points, colour, width, fade }) {
    for (let i = 0; i + 1 < points.length; i++) {
      const paint = this.paint(colour, 1 - ((1 - fade) * i) / Math.max(1, points.length - 2));
      this.between(this.rod, points[i], points[i + 1], width, paint);
      const joint = new this.scene.three.Mesh(this.ball, paint);
      joint.position.set(...points[i]);
      joint.scale.set(width, width, width);
      this.group.add(joint);
    }
  }

  /** @param {string} colour @param {number} opacity */
  paint(colour, opacity) {
    const { three } = this.scene;
    return new three.MeshBasicMaterial({ color: new three.Color(...(COLOURS[colour] || COLOUR)), transparent: opacity < 1, opacity, depthWrite: opacity === 1 });
  }

  /**
   * @param {import("../three/three.module.js").BufferGeometry} geometry along z, of length 1
   * @param {Point} start @param {Point} end
   * @param {number} radius [m]
   * @param {import("../three/three.module.js").Material} paint
   */
  between(geometry, start, end, radius, paint) {
    const { three } = this.scene;
    const mesh = new three.Mesh(geometry, paint);
    const way = new three.Vector3(...end).sub(new three.Vector3(...start));
    const long = Math.max(way.length(), 1e-6);
    mesh.position.set(...start);
    mesh.position.addScaledVector(way, 0.5);
    mesh.quaternion.setFromUnitVectors(new three.Vector3(0, 0, 1), way.multiplyScalar(1 / long));
    mesh.scale.set(radius, radius, long);
    this.group.add(mesh);
  }

  leave() {
    this.scene.extras.remove(this.group);
  }
}
