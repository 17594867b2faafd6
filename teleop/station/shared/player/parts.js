// @ts-check
/**
 * A video that is appended to while the station draws it: parts of some frames each, first the one that is looked at,
 * then those after it. What is there can be played and sought in; the browser waits where a part is missing.
 */

const AWAY = "The station cannot be reached. The clip comes when it is back.";
const EPSILON = 2e-3; // [s] by which the edges of parts may be off

/**
 * @typedef {object} Wanted
 * @property {number} frames
 * @property {number} fps
 * @property {(frame: number) => string} address of the part that holds a frame
 * @property {(text: string, code: string, again: boolean) => void} failed is called once
 */

/**
 * Return the codec of a part of an MP4, as browsers ask for it.
 * @param {Uint8Array} bytes
 */
function codecOf(bytes) {
  const text = String.fromCharCode(...bytes.subarray(0, 2048));
  const at = text.indexOf("avcC") + 5; // after its name and version: profile, constraints, level
  return `video/mp4; codecs="avc1.${[...bytes.subarray(at, at + 3)].map((byte) => byte.toString(16).padStart(2, "0")).join("")}"`;
}

export class Parts {
  /** Whether this browser can do it. */
  static possible = "MediaSource" in window;

  /**
   * @param {HTMLVideoElement} video
   * @param {Wanted} wanted
   */
  constructor(video, wanted) {
    this.video = video;
    this.wanted = wanted;
    this.there = new Uint8Array(wanted.frames); // 1: the frame was appended
    this.from = 0; // the next part is the first missing one from here on
    this.busy = false;
    this.stop = new AbortController();
    /** @type {SourceBuffer | null} */
    this.buffer = null;
    this.media = new MediaSource();
    this.address = URL.createObjectURL(this.media);
    this.opened = new Promise((resolve) => this.media.addEventListener("sourceopen", resolve, { once: true }));
    video.src = this.address;
  }

  close() {
    this.stop.abort();
    URL.revokeObjectURL(this.address);
  }

  /** @param {number} frame */
  has(frame) {
    return this.there[frame] === 1;
  }

  /**
   * Have the part come that holds the frame, and then those after it.
   * @param {number} frame
   */
  want(frame) {
    this.from = frame;
    if (!this.busy) this.run();
  }

  async run() {
    this.busy = true;
    try {
      for (let next = this.there.indexOf(0, this.from); next >= 0; next = this.there.indexOf(0, this.from)) {
        if (!(await this.fetch(next))) return;
      }
    } catch {
      if (!this.stop.signal.aborted) this.fail(AWAY, "", true);
    } finally {
      this.busy = false;
    }
  }

  /**
   * @param {number} frame
   * @returns {Promise<boolean>} whether there is more to fetch
   */
  async fetch(frame) {
    const { signal } = this.stop;
    const answer = await fetch(this.wanted.address(frame), { signal, headers: { Accept: "application/json" } });
    if (!answer.ok) {
      const { error, code } = await answer.json().catch(() => ({ error: "", code: "" }));
      if (!signal.aborted) this.fail(error || "This clip cannot be shown.", code, answer.status >= 500);
      return false;
    }
    const [start, stop] = (answer.headers.get("x-frames") || "").split("-").map(Number);
    const bytes = new Uint8Array(await answer.arrayBuffer());
    await this.opened;
    if (signal.aborted) return false;
    if (!(await this.append(bytes, start))) {
      if (!signal.aborted) this.fail("", "whole", false);
      return false;
    }
    this.there.fill(1, start, stop);
    return true;
  }

  /**
   * @param {Uint8Array<ArrayBuffer>} bytes
   * @param {number} start the first frame
   * @returns {Promise<boolean>} whether the browser took it
   */
  async append(bytes, start) {
    if (!this.buffer) {
      const codec = codecOf(bytes);
      if (!MediaSource.isTypeSupported(codec)) return false;
      this.buffer = this.media.addSourceBuffer(codec);
      this.media.duration = this.wanted.frames / this.wanted.fps;
    }
    const buffer = this.buffer;
    const done = new Promise((resolve) => {
      buffer.addEventListener("updateend", () => resolve(true), { once: true });
      buffer.addEventListener("error", () => resolve(false), { once: true });
    });
    buffer.timestampOffset = start / this.wanted.fps;
    buffer.appendBuffer(bytes);
    if (!(await done)) return false;
    const { buffered } = buffer;
    const end = buffered.length ? buffered.end(buffered.length - 1) : 0;
    if (end > this.media.duration - EPSILON - 0.5 / this.wanted.fps && this.media.readyState === "open") this.media.endOfStream();
    return true;
  }

  /**
   * @param {string} text
   * @param {string} code
   * @param {boolean} again
   */
  fail(text, code, again) {
    this.close();
    this.wanted.failed(text, code, again);
  }
}
