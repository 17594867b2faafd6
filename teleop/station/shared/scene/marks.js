// @ts-check
/** Marks in a scene that are no part of it: the line from the hand down to what is under it. */

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
