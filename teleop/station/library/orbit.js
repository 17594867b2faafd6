// @ts-check
/** An orbit camera: dragging the picture rotates it around its look-at point, the wheel or two fingers zoom. */

const TURN = 0.4; // [deg] a pixel
const NEAR = 1.0015; // times farther a unit of the wheel
const REST = 250; // [ms] after the last turn of the wheel
const [NEAREST, FARTHEST] = [0.2, 12]; // [m]

export class Orbit {
  /**
   * @param {HTMLElement} stage
   * @param {{begin: () => number[] | null, fine?: () => boolean, turn: (camera: string) => void, end: (camera: string) => void}} page
   *     `begin` returns azimuth, elevation [deg], distance and the point looked at [m]; null where none is known yet;
   *     `fine`: every pixel counts, since nothing is shared by near views
   */
  constructor(stage, page) {
    this.page = page;
    /** @type {number[] | null} */
    this.pose = null;
    /** @type {Map<number, [number, number]>} */
    this.fingers = new Map();
    this.rest = 0;
    this.moved = false;
    stage.addEventListener("pointerdown", (event) => this.down(event, stage));
    stage.addEventListener("pointermove", (event) => this.move(event));
    stage.addEventListener("pointerup", (event) => this.up(event));
    stage.addEventListener("pointercancel", (event) => this.up(event));
    stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
  }

  /**
   * @param {PointerEvent} event
   * @param {HTMLElement} stage
   */
  down(event, stage) {
    if (event.button !== 0) return;
    if (!this.fingers.size) {
      this.pose = this.page.begin()?.slice() || null;
      this.moved = false;
    }
    if (!this.pose) return;
    this.fingers.set(event.pointerId, [event.clientX, event.clientY]);
    stage.setPointerCapture(event.pointerId);
  }

  /** @param {PointerEvent} event */
  move(event) {
    const before = this.fingers.get(event.pointerId);
    if (!before || !this.pose) return;
    const [dx, dy] = [event.clientX - before[0], event.clientY - before[1]];
    if (!this.moved && Math.hypot(dx, dy) < 4) return;
    this.moved = true;
    const spread = this.spread();
    this.fingers.set(event.pointerId, [event.clientX, event.clientY]);
    if (this.fingers.size === 1) {
      this.pose[0] -= TURN * dx;
      this.pose[1] = Math.min(Math.max(this.pose[1] - TURN * dy, -89), 10);
    } else if (spread) {
      this.zoom(spread / Math.max(this.spread(), 1));
    }
    this.page.turn(this.text());
  }

  /** @param {PointerEvent} event */
  up(event) {
    if (!this.fingers.delete(event.pointerId) || this.fingers.size || !this.moved) return;
    this.page.end(this.text());
  }

  /** @param {WheelEvent} event */
  wheel(event) {
    if (event.ctrlKey) return;
    const pose = this.rest ? this.pose : this.page.begin()?.slice();
    if (!pose) return;
    event.preventDefault();
    this.pose = pose;
    this.zoom(NEAR ** (event.deltaY * (event.deltaMode ? 20 : 1)));
    this.page.turn(this.text());
    clearTimeout(this.rest);
    this.rest = setTimeout(() => {
      this.rest = 0;
      this.page.end(this.text());
    }, REST);
  }

  /** @param {number} factor */
  zoom(factor) {
    if (this.pose) this.pose[2] = Math.min(Math.max(this.pose[2] * factor, NEAREST), FARTHEST);
  }

  /** How far two fingers are apart [pixels]. */
  spread() {
    const [one, other] = [...this.fingers.values()];
    return other ? Math.hypot(one[0] - other[0], one[1] - other[1]) : 0;
  }

  /** The camera as the station reads it; rounded, so that near views share their pictures. */
  text() {
    const pose = this.pose || [];
    const turned = ((((pose[0] + 180) % 360) + 360) % 360) - 180;
    const digits = this.page.fine?.() ? 2 : 0;
    const point = pose.slice(3).map((value) => value.toFixed(2 + digits));
    return [turned.toFixed(digits), pose[1].toFixed(digits), pose[2].toFixed(2 + digits), ...point].join(",");
  }
}
