// @ts-check
/**
 * One clock for several videos. The clock counts media time from animation frames; each video is held to it by its
 * playback rate, and by seeking where it is far off. No video plays while another one waits.
 */

const HOLD = 400; // [ms] for which the end is shown before a loop begins anew
const CORRECT_IN = 0.1; // [s] in which a video that is off comes back to the clock
const SLOWEST = 0.1; // of the rate, while a video waits for the others
const FASTEST = 2;
const CALM = 0.15; // frames by which a video may be off without being corrected
const FAR = 4; // frames from which it is sought anew
const BACK_UP = 1200; // [ms] that a start may take before it is tried again
const AGAIN_IN = BACK_UP - 100; // [ms] of these that have passed where the browser refused

/** @typedef {{video: HTMLVideoElement | import("../scene/drawn-video.js").DrawnVideo, frames: number, fps: number}} Part a video: frame i is shown from i / fps on */
/** @typedef {"idle" | "seeking" | "starting" | "running" | "holding"} Phase */

/**
 * Return the rate at which a video comes back to the clock.
 * @param {number} rate of the clock
 * @param {number} error by which the video is ahead [s of media]
 * @param {number} frame [s of media]
 * @returns {number}
 */
export function correctedRate(rate, error, frame) {
  if (Math.abs(error) < CALM * frame) return rate;
  const wanted = rate - error / CORRECT_IN;
  return Math.min(Math.max(wanted, rate * SLOWEST), rate * FASTEST);
}

/**
 * Return how many frames the first and the last of several times are apart; in a loop the end lies beside the start.
 * @param {number[]} times [s of media]
 * @param {number} fps
 * @param {number} duration [s of media] of the loop
 * @returns {number}
 */
export function framesApart(times, fps, duration) {
  let most = 0;
  for (const one of times) {
    for (const other of times) {
      const apart = Math.abs(one - other);
      most = Math.max(most, Math.min(apart, Math.max(duration - apart, 0)) * fps);
    }
  }
  return most;
}

export class Clock {
  /** @param {() => void} [changed] is called at every animation frame in which something is shown anew */
  constructor(changed = () => {}) {
    this.changed = changed;
    /** @type {Part[]} */
    this.parts = [];
    this.time = 0; // [s of media]
    this.rate = 1;
    this.loop = true;
    this.playing = false;
    /** @type {Phase} */
    this.phase = "idle";
    this.since = 0; // when the phase began [ms]
    this.last = 0; // the animation frame before [ms]
    this.ticking = 0;
  }

  get fps() {
    return this.parts.length ? this.parts[0].fps : 20;
  }

  get duration() {
    return Math.max(0, ...this.parts.map((part) => part.frames / part.fps));
  }

  get frames() {
    return Math.max(1, Math.round(this.duration * this.fps));
  }

  get frame() {
    return Math.min(Math.max(Math.floor(this.time * this.fps + 1e-3), 0), this.frames - 1);
  }

  /**
   * Show other videos, from their start.
   * @param {Part[]} parts
   */
  take(parts) {
    for (const part of this.parts) part.video.pause();
    this.parts = parts;
    this.time = 0;
    this.seek();
    if (!this.ticking) this.ticking = requestAnimationFrame((now) => this.tick(now));
  }

  close() {
    cancelAnimationFrame(this.ticking);
    this.ticking = 0;
    for (const part of this.parts) part.video.pause();
    this.parts = [];
  }

  play() {
    if (this.playing) return;
    this.playing = true;
    if (this.time >= this.duration - 0.5 / this.fps) this.time = 0;
    this.seek();
  }

  pause() {
    if (!this.playing) return;
    this.playing = false;
    this.goTo(this.frame);
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  /** Begin anew. */
  again() {
    this.time = 0;
    this.seek();
  }

  /** @param {number} rate */
  setRate(rate) {
    this.rate = rate;
    for (const { video } of this.parts) video.playbackRate = rate;
    this.changed();
  }

  /**
   * Show a frame; a clip that is shorter shows its last one.
   * @param {number} frame
   */
  goTo(frame) {
    this.time = (Math.min(Math.max(frame, 0), this.frames - 1) + 0.5) / this.fps;
    this.seek();
    this.changed();
  }

  /** @param {number} frames */
  step(frames) {
    const frame = this.frame + frames;
    this.playing = false;
    this.goTo(frame);
  }

  /** Return how many frames the videos are apart just now. */
  apart() {
    const times = this.parts.map(({ video, frames, fps }) => Math.min(video.currentTime, (frames - 0.5) / fps));
    return framesApart(times, this.fps, this.duration);
  }

  /** Have every video go where the clock is; they continue together when all are there. */
  seek() {
    for (const part of this.parts) {
      part.video.pause();
      const to = Math.min(this.time, (part.frames - 0.5) / part.fps);
      if (Math.abs(part.video.currentTime - to) > 1e-4 && part.video.readyState > 0) part.video.currentTime = to;
    }
    this.enter("seeking");
    if (this.playing && this.parts.length) this.arrive(true);
  }

  /** @param {Phase} phase */
  enter(phase) {
    this.phase = phase;
    this.since = performance.now();
  }

  /** @param {number} now [ms] */
  tick(now) {
    this.ticking = requestAnimationFrame((next) => this.tick(next));
    const passed = Math.min((now - this.last) / 1000, 0.25);
    this.last = now;
    if (!this.parts.length) return;
    if (this.phase === "seeking") this.arrive();
    else if (this.phase === "starting") this.begin();
    else if (this.phase === "running") this.run(passed);
    else if (this.phase === "holding" && performance.now() - this.since > HOLD) this.again();
    else return;
    this.changed();
  }

  /**
   * All videos go where they were sent: when the last one is there, they start.
   * @param {boolean} [look] only look whether they are there already
   */
  arrive(look = false) {
    if (this.parts.some(({ video }) => video.seeking || video.readyState < 2)) {
      if (look) return;
      const lost = this.parts.some((part) => part.video.readyState > 0 && !part.video.seeking && this.astray(part));
      if (lost) this.seek();
      return;
    }
    if (this.parts.some((part) => this.astray(part))) return look ? undefined : this.seek();
    if (!this.playing) return this.enter("idle");
    this.enter("starting");
    const started = this.parts.filter((part) => !this.over(part)).map(({ video }) => {
      video.playbackRate = 0; // it begins to move when all can
      return video.play();
    });
    Promise.all(started).then(
      () => this.phase === "starting" && this.begin(),
      () => this.phase === "starting" && (this.since = Math.min(this.since, performance.now() - AGAIN_IN)),
    );
  }

  /** @param {Part} part */
  astray(part) {
    return Math.abs(part.video.currentTime - Math.min(this.time, (part.frames - 0.5) / part.fps)) > 0.5 / part.fps;
  }

  /** @param {Part} part */
  over(part) {
    return this.time >= (part.frames - 0.5) / part.fps;
  }

  /** The videos stand ready: when the last one does, all move at once. */
  begin() {
    const going = this.parts.filter((part) => !this.over(part));
    if (going.every(({ video }) => !video.paused && video.readyState >= 3)) {
      for (const { video } of going) video.playbackRate = this.rate;
      return this.enter("running");
    }
    if (performance.now() - this.since > BACK_UP) this.seek();
  }

  /** @param {number} passed [s] since the animation frame before */
  run(passed) {
    this.time += passed * this.rate;
    if (this.time >= this.duration) return this.end();
    const going = this.parts.filter((part) => !this.over(part) && !part.video.ended);
    for (const part of this.parts) if (this.over(part) && !part.video.paused) part.video.pause(); // its file may go on
    if (!going.length) return;
    if (going.some(({ video }) => video.paused || video.readyState < 2)) return this.seek();
    const errors = going.map(({ video }) => video.currentTime - this.time);
    const shared = errors.reduce((sum, error) => sum + error, 0) / errors.length;
    this.time += shared; // the clock follows what all have in common; each is corrected by its own deviation
    going.forEach(({ video, fps }, i) => {
      const error = errors[i] - shared;
      const rate = correctedRate(this.rate, error, 1 / fps);
      if (video.playbackRate !== rate) video.playbackRate = rate;
    });
    if (errors.some((error, i) => Math.abs(error - shared) * going[i].fps > FAR)) this.seek();
  }

  end() {
    for (const { video } of this.parts) video.pause();
    this.time = this.duration - 0.5 / this.fps;
    if (this.loop) return this.enter("holding");
    this.playing = false;
    this.seek();
  }
}
