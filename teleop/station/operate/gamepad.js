// @ts-check
/** The operator's gamepad, read through the Gamepad API: its input, and whether it is still connected. */

import { fromGamepad, moves, stick, still } from "./input.js";

/** @typedef {import("./input.js").Twist} Twist */
/** @typedef {{twist: Twist, takeover: boolean, slow: boolean, pressed: string[]}} PadWants  pressed: since the last look */

const STICKS = [[0, 1], [2, 3]]; // axes of the standard mapping

/**
 * The Gamepad API has to be polled, so connecting and disconnecting are found by polling, too. A gamepad without the
 * standard mapping is not read: its triggers and crosses would be taken for sticks. A stick that is off its middle when the
 * gamepad appears, or a button that is down, counts once it has been at rest.
 */
export class Gamepad {
  /** @param {{found: (name: string) => void, unknown: (name: string) => void, lost: (drove: boolean) => void}} tell  drove: the robot was moved with it */
  constructor(tell) {
    this.tell = tell;
    this.there = false;
    /** @type {Set<string>} sticks and buttons that were off when it appeared, and still are */
    this.notRested = new Set();
    /** @type {Set<string>} names of gamepads that were reported, as they cannot be read */
    this.reported = new Set();
    this.drove = false; // it moved something when it was last read
    /** @type {Set<string>} */
    this.down = new Set();
  }

  /** Whether a gamepad is connected. */
  get connected() {
    return this.find() !== null;
  }

  /** The first gamepad with the standard mapping: others cannot be read, and other devices are listed as gamepads, too. */
  find() {
    const pads = [...(navigator.getGamepads?.() || [])].filter((pad) => pad !== null && pad.connected);
    const known = pads.find((pad) => pad?.mapping === "standard");
    for (const pad of known ? [] : pads) {
      if (!pad || this.reported.has(pad.id)) continue;
      this.reported.add(pad.id);
      this.tell.unknown(pad.id);
    }
    return known || null;
  }

  /** @returns {PadWants} what it wants now; nothing where there is none */
  read() {
    const pad = this.find();
    this.notice(pad);
    if (!pad) return { twist: still(), takeover: false, slow: false, pressed: [] };
    const hands = fromGamepad(this.rested(pad));
    const pressed = [...hands.pressed].filter((act) => !this.down.has(act));
    this.down = hands.pressed;
    this.drove = moves(hands.twist) || hands.takeover;
    return { ...hands, pressed };
  }

  /** What has been at rest since the gamepad appeared; the others as if they were. @param {Gamepad_} pad */
  rested(pad) {
    const now = off(pad);
    for (const name of this.notRested) if (!now.has(name)) this.notRested.delete(name);
    const waits = this.notRested;
    return {
      axes: pad.axes.map((value, axis) => (waits.has(`stick ${Math.floor(axis / 2)}`) ? 0 : value)),
      buttons: pad.buttons.map((button, index) => (waits.has(`button ${index}`) ? { pressed: false, value: 0 } : button)),
    };
  }

  /** Report a gamepad that was connected or disconnected. @param {Gamepad_ | null} pad */
  notice(pad) {
    if (Boolean(pad) === this.there) return;
    this.there = Boolean(pad);
    if (pad) {
      this.notRested = off(pad); // browsers show a gamepad when a button is pressed: that press is no order
      this.down = new Set();
      this.tell.found(pad.id);
    } else {
      this.tell.lost(this.drove);
      this.drove = false;
    }
  }
}

/** @typedef {globalThis.Gamepad} Gamepad_ */

/** The sticks and buttons that are not at rest. @param {Gamepad_} pad @returns {Set<string>} */
function off(pad) {
  const sticks = STICKS.map(([x, y], place) => (stick(pad.axes[x] || 0, pad.axes[y] || 0).some(Boolean) ? `stick ${place}` : ""));
  const buttons = pad.buttons.map((button, index) => (button.pressed ? `button ${index}` : ""));
  return new Set([...sticks, ...buttons].filter(Boolean));
}
