// @ts-check
/** The WebSocket connection with a session: it reconnects by itself, and reports its state. */

import { socketAddress } from "../api.js";

/** @typedef {"opening" | "open" | "lost" | "over" | "superseded" | "signed_out" | "forbidden"} LinkState */
/** @typedef {{frame: number, slot: number, slots: number, tick: number, sequence: number, at: number, jpeg: Uint8Array, poses: Float32Array | null, seen: boolean}} Picture  poses: in the place of a picture; seen: a PNG of what the policy sees */

const HEADER = 24; // [bytes] before the JPEG, as FRAME of teleop/ipc/messages.py
const POSES = 1; // content of a frame
const SEEN = 2; // the same
const FINAL = /** @type {Record<number, LinkState>} */ ({
  4401: "signed_out", 4403: "forbidden", 4404: "over", 4409: "superseded",
});
const SOONEST = 200;
const LATEST = 3000; // [ms] between two attempts
const SILENT = 10_000; // [ms] without a word from the station, which says something every second
const SOON = 3000; // [ms] the same after the page was away: the connection may have ended meanwhile, without a word
const LOOK = 500; // [ms] between two checks

/**
 * Read a binary message.
 * @param {ArrayBuffer} buffer
 * @returns {Picture}
 */
export function readPicture(buffer) {
  const view = new DataView(buffer);
  return {
    frame: view.getUint32(0, true),
    slot: view.getUint8(4),
    slots: view.getUint8(5),
    tick: view.getUint32(8, true),
    sequence: view.getUint32(12, true),
    at: view.getFloat64(16, true),
    jpeg: new Uint8Array(buffer, HEADER),
    poses: view.getUint16(6, true) === POSES ? new Float32Array(buffer, HEADER) : null,
    seen: view.getUint16(6, true) === SEEN,
  };
}

/** The id of this page, which a reload keeps: it is how the controls find back to it. */
export function pageKey() {
  try {
    const found = sessionStorage.getItem("operate:key");
    if (found) return found;
    const made = crypto.randomUUID ? crypto.randomUUID() : String(Math.random()).slice(2) + Date.now();
    sessionStorage.setItem("operate:key", made);
    return made;
  } catch {
    return String(Math.random()).slice(2); // nothing can be remembered here: a reload will be another page
  }
}

export class Connection {
  /**
   * @param {string} session
   * @param {{message: (message: any) => void, picture: (picture: Picture) => void, state: (state: LinkState) => void}} listener
   */
  constructor(session, listener) {
    this.listener = listener;
    this.address = socketAddress(`/operate/${session}/socket?key=${encodeURIComponent(pageKey())}`);
    /** @type {LinkState} */
    this.state = "opening";
    this.wait = SOONEST;
    this.silentAt = Infinity; // [ms] when the connection counts as lost
    /** @type {WebSocket | null} */
    this.socket = null;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    window.addEventListener("online", () => this.again());
    window.addEventListener("offline", () => this.socket?.close());
    document.addEventListener("visibilitychange", () => !document.hidden && this.again());
    setInterval(() => this.state === "open" && performance.now() > this.silentAt && this.drop(), LOOK);
    this.open();
  }

  open() {
    clearTimeout(this.timer);
    const socket = new WebSocket(this.address);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onopen = () => {
      this.wait = SOONEST;
      this.silentAt = performance.now() + SILENT;
      this.become("open");
    };
    socket.onmessage = ({ data }) => {
      if (socket !== this.socket) return;
      this.silentAt = performance.now() + SILENT;
      if (typeof data === "string") this.listener.message(JSON.parse(data));
      else this.listener.picture(readPicture(data));
    };
    socket.onclose = ({ code }) => {
      if (socket !== this.socket) return;
      this.socket = null;
      if (FINAL[code]) return this.become(FINAL[code]);
      this.lose();
    };
  }

  /** The connection is lost: try again, at first soon. */
  lose() {
    this.become("lost");
    this.timer = setTimeout(() => this.open(), this.wait);
    this.wait = Math.min(2 * this.wait, LATEST);
  }

  /** Give up a connection that is silent. The closing handshake is not awaited: the other side may be gone. */
  drop() {
    const silent = this.socket;
    this.socket = null;
    silent?.close();
    this.lose();
  }

  /** The page was away: a connection that still lives says something soon. */
  wake() {
    this.silentAt = Math.min(this.silentAt, performance.now() + SOON);
    this.again();
  }

  /** Try at once, where the connection is lost. */
  again() {
    if (this.state === "lost" && !this.socket) this.open();
  }

  /** Connect in the place of the page that took over from this one. */
  comeBack() {
    this.become("opening");
    this.open();
  }

  /** @param {object} message @returns {boolean} whether it could be sent */
  send(message) {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  /** @param {LinkState} state */
  become(state) {
    this.state = state;
    this.listener.state(state);
  }
}
