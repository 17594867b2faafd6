// @ts-check
/** The operator's input on this page: keys, pointer, pads and gamepads are combined into one input for the station. */

import { Gamepad } from "./gamepad.js";
import { Drag, fromKeys, fromPad, GRACE, moves, SLOW, SPEEDS, still, sum, times, toWorld } from "./input.js";

/** @typedef {import("./input.js").Twist} Twist */
/** @typedef {import("./input.js").Binding} Binding */
/** @typedef {{twist: Twist, gripper: number, takeover: boolean, idle: boolean, bank: number}} Wants */

const SHORTEST = 60; // [ms] that a press of a key lasts: a control step, and a little

export class Hands {
  /**
   * @param {Binding[]} table
   * @param {{azimuth: () => number, actions: () => string[], act: (act: string) => void, changed: () => void,
   *   padFound: (name: string) => void, padUnknown: (name: string) => void, padLost: (drove: boolean) => void}} page
   *   act: a button of a gamepad was pressed; changed: something should be sent at once
   */
  constructor(table, page) {
    this.table = table;
    this.page = page;
    /** @type {Map<string, number>} */
    this.held = new Map(); // name of a binding → since when [ms]
    this.drag = new Drag();
    this.dragged = still(); // what the drag moves in this control step
    /** @type {Map<string, Twist>} */
    this.pads = new Map();
    this.speed = SPEEDS.length - 1;
    this.gripper = -1;
    this.bank = 0; // of keys, where there are more joints than pairs of keys
    this.takeoverHeld = false;
    this.movedAt = -Infinity; // [ms]
    this.gamepad = new Gamepad({ found: page.padFound, unknown: page.padUnknown, lost: page.padLost });
  }

  /**
   * A key of the table was pressed or let go. However short, a press counts for one control step.
   * @param {boolean} pressed @param {{name: string}} binding
   */
  key(pressed, { name }) {
    const now = performance.now();
    const since = this.held.get(name);
    if (pressed) {
      this.held.set(name, now);
    } else if (since !== undefined && now - since < SHORTEST) {
      setTimeout(() => this.held.get(name) === since && this.key(false, { name }), SHORTEST - (now - since));
      return;
    } else {
      this.held.delete(name);
    }
    this.page.changed();
  }

  /** Whether a drag or a gamepad, which send no events, may have input. */
  get busy() {
    return this.drag.waiting || this.gamepad.connected || this.gamepad.there;
  }

  /** Whether some key has been held for a while. @param {number} now [ms] */
  longHeld(now) {
    return [...this.held.values()].some((since) => now - since > 800);
  }

  letGo() {
    this.held.clear();
    this.pads.clear();
    this.drag.stop();
    this.takeoverHeld = false;
    this.page.changed();
  }

  grip() {
    this.gripper = this.gripper > 0 ? -1 : 1;
    this.page.changed();
  }

  /** @param {number} by */
  changeSpeed(by) {
    this.speed = Math.max(0, Math.min(SPEEDS.length - 1, this.speed + by));
  }

  /**
   * Return the current input.
   * @param {number} now [ms]
   * @param {boolean} step  a control step passes: what a drag has left is taken
   * @returns {Wants}
   */
  wants(now, step) {
    const pad = this.readPad();
    const slow = this.held.has("slow") || pad.slow ? SLOW : 1;
    const speed = SPEEDS[this.speed] * slow;
    const sticks = times(sum([fromKeys(this.held, this.table, now), pad.twist, ...this.pads.values()]), speed);
    if (step) this.dragged = this.drag.take(speed);
    const twist = sum([sticks, this.dragged]);
    if (moves(twist)) this.movedAt = now;
    return {
      twist: toWorld(twist, this.page.azimuth(), this.bank ? [] : this.page.actions()),
      bank: this.bank,
      gripper: this.gripper,
      takeover: this.takeoverHeld || pad.takeover || now - this.movedAt < GRACE,
      idle: !moves(twist) && !this.takeoverHeld && !pad.takeover,
    };
  }

  /** Read the gamepad, and run the commands of its buttons. */
  readPad() {
    const pad = this.gamepad.read();
    for (const act of pad.pressed) {
      if (act === "gripper") this.gripper = this.gripper > 0 ? -1 : 1;
      else this.page.act(act);
    }
    return pad;
  }

  /**
   * Listen to the pointer on the large view: a drag moves the hand, with the middle button or Alt up and down; with the
   * right button, two fingers or Ctrl it turns the view; the wheel, or two fingers apart, zooms.
   * @param {HTMLElement} view
   * @param {{turn: (dx: number, dy: number) => void, zoom: (by: number) => void}} camera
   */
  listen(view, camera) {
    /** @type {Map<number, {x: number, y: number}>} */
    const down = new Map();
    let turning = false;
    let lifting = false;
    view.addEventListener("contextmenu", (event) => event.preventDefault());
    view.addEventListener("wheel", (event) => {
      event.preventDefault();
      camera.zoom(event.deltaY);
    }, { passive: false });
    view.addEventListener("pointerdown", (event) => {
      if (!(event.target instanceof HTMLCanvasElement)) return;
      view.setPointerCapture(event.pointerId);
      down.set(event.pointerId, { x: event.clientX, y: event.clientY });
      lifting = event.button === 1;
      turning = event.button === 2 || event.ctrlKey || event.metaKey || down.size > 1;
      if (turning) this.drag.stop();
    });
    view.addEventListener("pointermove", (event) => {
      const before = down.get(event.pointerId);
      if (!before) return;
      const [dx, dy] = [event.clientX - before.x, event.clientY - before.y];
      const apart = spread(down);
      down.set(event.pointerId, { x: event.clientX, y: event.clientY });
      if (turning) {
        if (down.size > 1) camera.zoom((apart - spread(down)) * 4);
        camera.turn(dx / down.size, dy / down.size);
      } else if (!this.held.has("clutch")) {
        this.drag.add(dx, dy, view.clientWidth, event.altKey || lifting);
      }
    });
    for (const kind of ["pointerup", "pointercancel"]) {
      view.addEventListener(kind, (event) => {
        down.delete(/** @type {PointerEvent} */ (event).pointerId);
        if (!down.size) turning = false;
      });
    }
  }

  /**
   * Let a pad on the screen be pushed by a thumb.
   * @param {HTMLElement} pad
   * @param {"move" | "lift"} kind
   */
  addPad(pad, kind) {
    const knob = /** @type {HTMLElement} */ (pad.firstElementChild);
    /** @type {number | null} */
    let thumb = null;
    const push = (/** @type {PointerEvent} */ event) => {
      const box = pad.getBoundingClientRect();
      const radius = box.width / 2;
      let [x, y] = [(event.clientX - box.left) / radius - 1, (event.clientY - box.top) / radius - 1];
      const length = Math.max(1, Math.hypot(x, y));
      [x, y] = [x / length, y / length];
      knob.style.transform = `translate(${x * radius * 0.6}px, ${y * radius * 0.6}px)`;
      this.pads.set(kind, fromPad(kind, x, y));
      this.page.changed();
    };
    pad.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      pad.setPointerCapture(event.pointerId);
      thumb = event.pointerId;
      push(event);
    });
    pad.addEventListener("pointermove", (event) => event.pointerId === thumb && push(event));
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
      pad.addEventListener(end, () => {
        thumb = null;
        knob.style.transform = "";
        this.pads.delete(kind);
        this.page.changed();
      });
    }
  }
}

/** How far two fingers are apart. @param {Map<number, {x: number, y: number}>} down [pixels] */
function spread(down) {
  const [a, b] = down.values();
  return a && b ? Math.hypot(a.x - b.x, a.y - b.y) : 0;
}
