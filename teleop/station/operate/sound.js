// @ts-check
/** Short sounds, synthesised here: feedback without looking. They can be muted, which is remembered. */

const REMEMBERED = "operate:muted";
/** Notes: [Hz] and when they begin [s]. */
const TUNES = /** @type {Record<string, [number, number][]>} */ ({
  success: [[660, 0], [880, 0.09], [1320, 0.18]],
  kept: [[523, 0], [784, 0.08]],
  discarded: [[392, 0], [262, 0.1]],
  lost: [[330, 0], [247, 0.15], [196, 0.3]],
  grip: [[180, 0]],
});

export class Sounds {
  constructor() {
    /** @type {AudioContext | null} */
    this.context = null;
    this.muted = read();
  }

  /** @param {boolean} muted */
  mute(muted) {
    this.muted = muted;
    try {
      localStorage.setItem(REMEMBERED, muted ? "1" : "");
    } catch {
      // nothing can be remembered here: it holds until the page is left
    }
  }

  /** @param {string} name */
  play(name) {
    const tune = TUNES[name];
    if (!tune || this.muted || !navigator.userActivation?.hasBeenActive) return;
    this.context ??= new AudioContext();
    for (const [pitch, after] of tune) note(this.context, pitch, this.context.currentTime + after);
  }
}

/** @param {AudioContext} context @param {number} pitch [Hz] @param {number} at [s] */
function note(context, pitch, at) {
  const [tone, volume] = [context.createOscillator(), context.createGain()];
  tone.type = "triangle";
  tone.frequency.value = pitch;
  volume.gain.setValueAtTime(0, at);
  volume.gain.linearRampToValueAtTime(0.08, at + 0.01);
  volume.gain.exponentialRampToValueAtTime(0.0005, at + 0.16);
  tone.connect(volume).connect(context.destination);
  tone.start(at);
  tone.stop(at + 0.18);
}

function read() {
  try {
    return Boolean(localStorage.getItem(REMEMBERED));
  } catch {
    return false;
  }
}
