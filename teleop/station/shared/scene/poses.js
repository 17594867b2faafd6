// @ts-check
/** The poses of a clip: where everything that moves is in each of its frames. */

const NUMBERS = 7; // of a pose: position, quaternion w, x, y, z

/** @typedef {{scene: string, assets: string, size: number, frames: number, fps: number, movers: number}} About */

/** That poses did not come. */
export class NoPosesError extends Error {
  /**
   * @param {number} status of the answer
   * @param {string} text
   * @param {string} code
   */
  constructor(status, text, code) {
    super(text);
    this.status = status;
    this.code = code;
  }
}

/**
 * Return poses from the station.
 * @param {string} address
 * @param {AbortSignal} [signal]
 */
export async function fetchPoses(address, signal) {
  const answer = await fetch(address, { signal: signal ?? null, headers: { Accept: "application/json" } });
  if (!answer.ok) {
    const { error, code } = await answer.json().catch(() => ({ error: "", code: "" }));
    throw new NoPosesError(answer.status, error || "The clip could not be loaded.", code);
  }
  return readPoses(await answer.arrayBuffer());
}

/** @param {ArrayBuffer} buffer */
export function readPoses(buffer) {
  const length = new DataView(buffer).getUint32(4, true);
  /** @type {About} */
  const about = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  return new Poses(about, new Float32Array(buffer, 8 + length, about.frames * about.movers * NUMBERS));
}

export class Poses {
  /**
   * @param {About} about
   * @param {Float32Array} numbers
   */
  constructor(about, numbers) {
    this.about = about;
    this.numbers = numbers;
    this.each = about.movers * NUMBERS;
    this.between = new Float32Array(this.each);
  }

  get frames() {
    return this.about.frames;
  }

  /** @param {number} frame */
  of(frame) {
    const first = Math.min(Math.max(frame, 0), this.frames - 1);
    return this.numbers.subarray(first * this.each, (first + 1) * this.each);
  }

  /** Whether all of a frame's numbers are finite. @param {number} frame */
  isFinite(frame) {
    return this.of(frame).every(Number.isFinite);
  }

  /**
   * Return the poses at a moment, between frames where it is not one; a frame that is not finite shows the one before.
   * @param {number} moment [frames]
   * @returns {Float32Array} valid until the next call
   */
  at(moment) {
    let low = Math.min(Math.max(Math.floor(moment), 0), this.frames - 1);
    while (low > 0 && !this.isFinite(low)) low--;
    const one = this.of(low);
    const share = moment - low;
    if (share <= 0 || share >= 1 || low + 1 >= this.frames || !this.isFinite(low + 1)) return one;
    return mix(one, this.of(low + 1), share, this.between);
  }
}

/**
 * Write poses between two into `out`, and return it.
 * @param {Float32Array} one
 * @param {Float32Array} other
 * @param {number} share of the other
 * @param {Float32Array} out
 */
export function mix(one, other, share, out) {
  for (let at = 0; at < one.length; at += NUMBERS) {
    for (let i = at; i < at + 3; i++) out[i] = one[i] + share * (other[i] - one[i]);
    let same = 0;
    for (let i = at + 3; i < at + 7; i++) same += one[i] * other[i];
    const sign = same < 0 ? -1 : 1; // a quaternion and its negative are one rotation
    let size = 0;
    for (let i = at + 3; i < at + 7; i++) {
      out[i] = one[i] + share * (sign * other[i] - one[i]);
      size += out[i] * out[i];
    }
    const scale = size > 0 ? 1 / Math.sqrt(size) : 1;
    for (let i = at + 3; i < at + 7; i++) out[i] *= scale;
  }
  return out;
}
