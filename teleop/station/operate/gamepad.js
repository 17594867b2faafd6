// @ts-check
/** The gamepad at the operator's machine, read through the browser: what it wants, and whether it is still there. */

import { fromGamepad, moves, still } from "./input.js";

/** @typedef {import("./input.js").Twist} Twist */
/** @typedef {{twist: Twist, takeover: boolean, slow: boolean, pressed: string[]}} PadWants  pressed: since the last look */

/** A browser tells of a gamepad only when it is asked, so all is found out by asking again and again. */
export class Gamepad {
  /** @param {{found: (name: string) => void, lost: (drove: boolean) => void}} tell  drove: the robot was moved with it */
  constructor(tell) {
    this.tell = tell;
    this.there = false;
    this.drove = false; // it moved something when it was last read
    /** @type {Set<string>} */
    this.down = new Set();
  }

  /** Whether there is one. */
  get connected() {
    return this.find() !== null;
  }

  /** One whose buttons the browser knows, before others: odd devices pass for gamepads, too. */
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

  /** Tell where one has come or gone. @param {Gamepad_ | null} pad */
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
