// @ts-check
// The operator's input from held keys, a dragged pointer, pads and gamepads. Pure functions: no DOM, no clock.
//
// Everything is first a twist in the frame of the view: ahead (away from the viewer), left, up, and turns about them.
// `toWorld` turns it into the frame that the robot is commanded in.

/** @typedef {{name: string, label: string, group: string, keys: string[], axis: number | null, sign: number,
 *             act: string, held: boolean}} Binding */
/** @typedef {[number, number, number, number, number, number]} Twist */
/** @typedef {{twist: Twist, takeover: boolean, slow: boolean, pressed: Set<string>}} Hands  what a device says now */

export const SPEEDS = [0.2, 0.35, 0.6, 1]; // shares of full speed; "slower" and "faster" go through them
export const SLOW = 0.3; // times the speed, while the key for slow motion is held
export const DEADZONE = 0.15; // of a stick
export const RAMP = 0.3; // [s] until a held key has its full effect, so that a tap is a small step
export const TAP = 0.45; // share of the effect that a key has at once
export const GRACE = 300; // [ms] for which the operator still drives after letting go, where a policy would continue
const POSE = new Set(["x", "y", "z", "roll", "pitch", "yaw"]); // what is commanded in the world
const DRAG_STEPS = 40; // control steps at full speed that a drag across the whole view makes

/** @returns {Twist} */
export const still = () => [0, 0, 0, 0, 0, 0];

/** @param {number} value @param {number} [most] */
export const clamp = (value, most = 1) => Math.max(-most, Math.min(most, value));

/**
 * The twist of the keys that are held.
 * @param {Map<string, number>} held  name of a binding → when it was pressed [ms]
 * @param {Binding[]} table
 * @param {number} now [ms]
 * @returns {Twist}
 */
export function fromKeys(held, table, now) {
  const twist = still();
  for (const { name, axis, sign } of table) {
    const since = held.get(name);
    if (axis === null || since === undefined) continue;
    const share = Math.min(1, Math.max(0, (now - since) / 1000 / RAMP));
    twist[axis] += sign * (TAP + (1 - TAP) * share);
  }
  return /** @type {Twist} */ (twist.map((value) => clamp(value)));
}

/**
 * A stick's two axes without the dead zone, finer near the middle.
 * @param {number} x @param {number} y
 * @returns {[number, number]}
 */
export function stick(x, y) {
  const length = Math.hypot(x, y);
  if (length <= DEADZONE) return [0, 0];
  const reach = Math.min(1, (length - DEADZONE) / (1 - DEADZONE));
  const scale = (reach * Math.sqrt(reach)) / length;
  return [x * scale, y * scale];
}

// Buttons of the Gamepad API's standard mapping → the commands of the key table. Held ones are read as they are.
export const PAD_BUTTONS = /** @type {Record<number, string>} */ ({
  0: "gripper", 1: "discard", 2: "undo", 3: "keep", 8: "rewind", 9: "start", 16: "help",
});
const [PAD_SLOW, PAD_TAKEOVER] = [4, 5];

/**
 * Read a gamepad of the standard mapping: left stick ahead and aside, right stick up and turn, cross roll and pitch.
 * @param {{axes: readonly number[], buttons: readonly {pressed: boolean, value: number}[]}} pad
 * @returns {Hands}
 */
export function fromGamepad(pad) {
  const [aside = 0, back = 0, turn = 0, down = 0] = pad.axes;
  const on = (/** @type {number} */ index) => pad.buttons[index]?.pressed ?? false;
  const [left, right] = [stick(aside, back), stick(turn, down)];
  const twist = /** @type {Twist} */ ([
    -left[1], -left[0], -right[1], Number(on(15)) - Number(on(14)), Number(on(13)) - Number(on(12)), -right[0],
  ].map((value) => value + 0)); // + 0: no negative zeros
  const pressed = new Set(Object.entries(PAD_BUTTONS).filter(([index]) => on(Number(index))).map(([, act]) => act));
  return { twist, takeover: on(PAD_TAKEOVER), slow: on(PAD_SLOW), pressed };
}

/**
 * A pad under a thumb: where it is from the middle, in shares of the pad's radius.
 * @param {"move" | "lift"} kind  move: ahead and aside; lift: up and turn
 * @param {number} x  to the right @param {number} y  downwards
 * @returns {Twist}
 */
export function fromPad(kind, x, y) {
  const [right, down] = stick(clamp(x), clamp(y));
  return kind === "move" ? [-down, -right, 0, 0, 0, 0] : [0, 0, -down, 0, 0, -right];
}

/** The rest of a drag, in control steps at full speed: the robot follows the pointer at up to full speed. */
export class Drag {
  constructor() {
    this.ahead = 0;
    this.left = 0;
    this.up = 0;
  }

  /**
   * The pointer moved by pixels on a view that is `width` wide; `lift`: up and down in place of ahead and back.
   * @param {number} dx @param {number} dy @param {number} width @param {boolean} lift
   */
  add(dx, dy, width, lift) {
    const steps = DRAG_STEPS / Math.max(width, 1);
    this.left -= dx * steps;
    if (lift) this.up -= dy * steps;
    else this.ahead -= dy * steps;
  }

  get waiting() {
    return Math.hypot(this.ahead, this.left, this.up) > 0;
  }

  /** The twist of the next step; what it moves is taken off. @param {number} speed @returns {Twist} */
  take(speed) {
    const length = Math.hypot(this.ahead, this.left, this.up);
    if (length < 0.02) {
      this.stop();
      return still();
    }
    const share = Math.min(1, speed / length);
    const taken = [this.ahead * share, this.left * share, this.up * share];
    this.ahead -= taken[0];
    this.left -= taken[1];
    this.up -= taken[2];
    return [taken[0], taken[1], taken[2], 0, 0, 0];
  }

  stop() {
    this.ahead = this.left = this.up = 0;
  }
}

/**
 * Add twists; along no direction faster than 1.
 * @param {Twist[]} twists @returns {Twist}
 */
export function sum(twists) {
  const total = still();
  for (const twist of twists) twist.forEach((value, axis) => (total[axis] += value));
  const scale = 1 / Math.max(1, Math.hypot(total[0], total[1], total[2]));
  return /** @type {Twist} */ (total.map((value, axis) => (axis < 3 ? value * scale : clamp(value))));
}

/** @param {Twist} twist @param {number} factor @returns {Twist} */
export const times = (twist, factor) => /** @type {Twist} */ (twist.map((value) => value * factor));

/** @param {Twist} twist */
export const moves = (twist) => twist.some((value) => Math.abs(value) > 1e-3);

/**
 * Turn a twist in the frame of the view into the one that the robot is commanded in.
 * @param {Twist} twist
 * @param {number} azimuth [deg]  heading of the line of sight, so that "ahead" is away from the viewer
 * @param {string[]} actions  what drives the task's action columns: parts of a pose, a rover's own, or joints
 * @returns {Twist}
 */
export function toWorld(twist, azimuth, actions) {
  if (!actions.some((name) => POSE.has(name))) {
    if (!actions.includes("forward")) return /** @type {Twist} */ (twist.map((value) => Math.round(clamp(value) * 1000) / 1000 + 0)); // joints
    // A rover is commanded in its own frame, and has no left: keys for left and right turn it.
    return [twist[0], 0, 0, 0, 0, clamp(twist[1] + twist[5])];
  }
  const [cos, sin] = [Math.cos((azimuth * Math.PI) / 180), Math.sin((azimuth * Math.PI) / 180)];
  const turned = (/** @type {number} */ a, /** @type {number} */ l) => [a * cos - l * sin, a * sin + l * cos];
  const [x, y] = turned(twist[0], twist[1]);
  const [roll, pitch] = turned(twist[3], twist[4]);
  return /** @type {Twist} */ ([x, y, twist[2], roll, pitch, twist[5]].map((value) => Math.round(clamp(value) * 1000) / 1000 + 0));
}

/** From an input to the picture that shows it, by the page's own clock. */
export class Latency {
  constructor() {
    /** @type {{sequence: number, at: number, changed: boolean}[]} */
    this.waiting = [];
    /** @type {number[]} */
    this.recent = [];
  }

  /** An input was sent. @param {number} sequence @param {number} at [ms] @param {boolean} changed */
  sent(sequence, at, changed) {
    this.waiting.push({ sequence, at, changed });
    if (this.waiting.length > 200) this.waiting.shift();
  }

  /**
   * A picture that shows input `sequence` was drawn: return how long the oldest change took [ms], or null where it shows none.
   * @param {number} sequence @param {number} now [ms] @returns {number | null}
   */
  shown(sequence, now) {
    const shown = this.waiting.filter((one) => one.sequence <= sequence);
    this.waiting = this.waiting.filter((one) => one.sequence > sequence);
    const first = shown.find((one) => one.changed);
    if (first === undefined) return null;
    this.recent.push(now - first.at);
    if (this.recent.length > 20) this.recent.shift();
    return now - first.at;
  }

  /** The usual latency of late [ms]; null before there was one. */
  get usual() {
    if (!this.recent.length) return null;
    const sorted = [...this.recent].sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)];
  }
}
