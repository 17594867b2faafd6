// @ts-check
/** The operator's gamepad, read through the Gamepad API: its input, and whether it is still connected. */

import { fromGamepad, moves, still } from "./input.js";

/** @typedef {import("./input.js").Twist} Twist */
/** @typedef {{twist: Twist, takeover: boolean, slow: boolean, pressed: string[]}} PadWants  pressed: since the last look */

/** The Gamepad API has to be polled, so connecting and disconnecting are found by polling, too. */
export class Gamepad {
  /** @param {{found: (name: string) => void, lost: (drove: boolean) => void}} tell  drove: the robot was moved with it */
  constructor(tell) {
    this.tell = tell;
    this.there = false;
    this.drove = false; // it moved something when it was last read
    /** @type {Set<string>} */
    this.down = new Set();
  }

  /** Whether a gamepad is connected. */
  get connected() {
    return this.find() !== null;
  }

  /** A gamepad with the standard mapping first: other devices are listed as gamepads, too. */
  find() {
    const pads = [...(navigator.getGamepads?.() || [])].filter((pad) => pad?.connected);
    return pads.find((pad) => pad?.mapping === "standard") || pads[0] || null;
  }

  /** @returns {PadWants} what it wants now; nothing where there is none */
  read() {
    const pad = this.find();
    this.notice(pad);
    if (!pad) return { twist: still(), takeover: false, slow: false, pressed: [] };
    const hands = fromGamepad(pad);
    const pressed = [...hands.pressed].filter((act) => !this.down.has(act));
    this.down = hands.pressed;
    this.drove = moves(hands.twist) || hands.takeover;
    return { ...hands, pressed };
  }

  /** Report a gamepad that was connected or disconnected. @param {Gamepad_ | null} pad */
  notice(pad) {
    if (Boolean(pad) === this.there) return;
    this.there = Boolean(pad);
    if (pad) {
      this.down = fromGamepad(pad).pressed; // browsers show a gamepad when a button is pressed: that press is no order
      this.tell.found(pad.id);
    } else {
      this.tell.lost(this.drove);
      this.drove = false;
    }
  }
}

/** @typedef {globalThis.Gamepad} Gamepad_ */
