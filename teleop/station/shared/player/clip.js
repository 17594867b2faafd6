// @ts-check
/**
 * A clip that can be stepped frame by frame, from any camera. The station draws it from states when it is first asked
 * for, part by part, and it plays as soon as its first part is there; until then single frames are shown in its place,
 * so that scrubbing and rotating respond at once. What cameras recorded is played out of their files.
 */

import { mediaAddress } from "./media-address.js";
import { Parts } from "./parts.js";

const SEGMENT = 600; // frames of one video; longer episodes are several, one after the other
const TRY_AGAIN = 1500; // [ms]
const PAINTED = 250; // [ms] after which a frame that was sought and not painted is sought again, and then taken as it is

/**
 * @typedef {object} Source what is shown
 * @property {string} dataset
 * @property {string} episode
 * @property {string} [v] changes with the file
 * @property {number} frames
 * @property {number} fps
 * @property {boolean} [states] false: its frames are not drawn from states
 * @property {Recorded[]} [videos] what cameras recorded
 */
/**
 * @typedef {object} Recorded
 * @property {string} name of the camera
 * @property {number} start [s into its file]
 * @property {number} fps of the file
 * @property {number} frames of the file that belong to the episode
 */
/**
 * @typedef {object} Shown
 * @property {number} frame
 * @property {boolean} playing
 * @property {boolean} loading
 * @property {string} trouble
 * @property {boolean} [low] the trouble is written under the picture, which can be seen
 * @property {number} [share] of the meshes of the scene that are loaded
 */

/** One clip in one place of the page. Frame i is shown from i / fps on; `frame` is what is, or soon will be, shown. */
export class Clip {
  /**
   * @param {HTMLElement} stage gets the video and the still
   * @param {(shown: Shown) => void} changed is called whenever something is shown anew
   */
  constructor(stage, changed) {
    this.changed = changed;
    this.video = document.createElement("video");
    this.video.muted = true;
    this.video.playsInline = true;
    this.video.preload = "auto";
    this.video.disablePictureInPicture = true;
    this.video.setAttribute("aria-hidden", "true");
    this.still = document.createElement("img");
    this.still.alt = "";
    this.still.decoding = "async";
    stage.append(this.video, this.still);
    /** @type {Source | null} */
    this.source = null;
    this.camera = "front";
    this.width = 640;
    this.frame = 0;
    this.first = 0; // playing goes from here ...
    this.last = 0; // ... to here
    this.rate = 1;
    this.loop = false;
    this.playing = false;
    this.trouble = "";
    this.segment = -1; // of the video; -1: none
    /** @type {Parts | null} */
    this.parts = null; // the video is appended to while it is drawn
    this.whole = !Parts.possible; // it comes in whole segments instead
    this.stalled = false; // it plays, and waits for what is drawn next
    this.ready = false; // the video shows `frame`
    /** @type {string} */
    this.wantedStill = "";
    this.stillBusy = false;
    this.retry = 0;
    this.painted = -1; // the frame that the browser has painted last
    this.late = 0;
    this.again = false; // it was sought a second time
    for (const kind of ["loadedmetadata", "loadeddata"]) this.video.addEventListener(kind, () => this.seekVideo());
    this.video.addEventListener("seeked", () => this.arrived());
    this.video.addEventListener("ended", () => this.ended());
    this.video.addEventListener("error", () => this.failed());
    this.video.addEventListener("waiting", () => this.stall(true));
    this.video.addEventListener("playing", () => this.stall(false));
    this.still.addEventListener("load", () => this.stillDone());
    this.still.addEventListener("error", () => this.stillDone());
    const tick = () => {
      if (this.playing) this.follow();
      this.ticking = requestAnimationFrame(tick);
    };
    this.ticking = requestAnimationFrame(tick);
  }

  /** Release all resources. */
  close() {
    cancelAnimationFrame(this.ticking);
    clearTimeout(this.retry);
    clearTimeout(this.late);
    this.playing = false;
    this.source = null;
    this.leaveParts();
    this.video.removeAttribute("src");
    this.video.load();
    this.video.remove();
    this.still.remove();
  }

  /**
   * Show an episode.
   * @param {Source} source
   * @param {number} [frame]
   */
  open(source, frame = 0) {
    if (!this.source) this.watch();
    this.source = source;
    this.whole = !Parts.possible;
    this.first = 0;
    this.last = source.frames - 1;
    this.trouble = "";
    this.segment = -1;
    this.ready = false;
    this.goTo(frame);
  }

  /**
   * Look from another camera.
   * @param {string} camera
   * @param {{still?: boolean}} [how] `still`: only the frame that is shown; the clip follows with the next call without it
   */
  look(camera, how = {}) {
    this.camera = camera;
    this.segment = -1;
    this.ready = false;
    this.trouble = "";
    this.showStill();
    if (how.still) this.video.pause();
    else this.load();
    this.tell();
  }

  /**
   * Show a frame.
   * @param {number} frame
   */
  goTo(frame) {
    if (!this.source) return;
    this.frame = Math.min(Math.max(Math.round(frame), 0), this.source.frames - 1);
    this.ready = false;
    if (this.segment !== this.segmentOf(this.frame)) this.load();
    else this.seekVideo();
    this.tell();
  }

  /**
   * Pause, and step by some frames.
   * @param {number} frames
   */
  step(frames) {
    this.pause();
    this.goTo(this.frame + frames);
  }

  play() {
    if (!this.source || this.playing || this.source.frames < 2) return;
    this.playing = true;
    if (this.frame >= this.last || this.frame < this.first) this.goTo(this.first);
    else if (this.ready) this.startVideo();
    this.tell();
  }

  pause() {
    if (!this.playing) return;
    this.playing = false;
    this.video.pause();
    if (this.ready) this.seekVideo(); // to the middle of the frame: what is shown is what is counted
    this.tell();
  }

  toggle() {
    return this.playing ? this.pause() : this.play();
  }

  /** @param {number} rate */
  setRate(rate) {
    this.rate = rate;
    this.video.playbackRate = rate;
    this.tell();
  }

  /** What the camera recorded; undefined where frames are drawn. @returns {Recorded | undefined} */
  get recorded() {
    const videos = this.source?.videos || [];
    return videos.find((video) => video.name === this.camera) || videos[0];
  }

  /** @param {number} frame */
  segmentOf(frame) {
    return this.parts || this.recorded ? 0 : Math.floor(frame / SEGMENT);
  }

  /** Where in the video a frame is sought. @param {number} frame @returns {number} [s] */
  timeOf(frame) {
    const { source, recorded, segment, again } = this;
    const time = (frame - segment * SEGMENT + (again ? 0.7 : 0.5)) / (source ? source.fps : 1);
    return recorded ? recorded.start + Math.min(time, (recorded.frames - 0.5) / recorded.fps) : time;
  }

  /** @param {boolean} waits */
  stall(waits) {
    this.stalled = waits && this.playing;
    this.tell();
  }

  leaveParts() {
    this.parts?.close();
    this.parts = null;
  }

  /** Ask for the video that holds the frame. */
  load() {
    if (!this.source) return;
    clearTimeout(this.retry);
    clearTimeout(this.late);
    this.painted = -1;
    this.leaveParts();
    const { recorded } = this;
    if (!this.whole && !recorded) return this.loadParts(this.source);
    this.segment = this.segmentOf(this.frame);
    const start = this.segment * SEGMENT;
    const stop = Math.min(start + SEGMENT, this.source.frames);
    this.video.src = recorded
      ? mediaAddress("recording", this.source, { camera: recorded.name })
      : mediaAddress("clip", this.source, { camera: this.camera, width: this.width, start, stop });
    this.video.defaultPlaybackRate = this.rate;
    this.video.load();
    this.showStill();
  }

  /**
   * Have the video show what is drawn, part by part, from the frame that is shown on.
   * @param {Source} source
   */
  loadParts(source) {
    const { camera, width } = this;
    this.segment = 0;
    this.parts = new Parts(this.video, {
      frames: source.frames,
      fps: source.fps,
      address: (frame) => mediaAddress("part", source, { camera, width, frame }),
      failed: (text, code, again) => this.partFailed(text, code, again),
    });
    this.video.defaultPlaybackRate = this.rate;
    this.parts.want(this.frame);
    this.showStill();
  }

  /**
   * A part did not come.
   * @param {string} text
   * @param {string} code
   * @param {boolean} again whether it may come later
   */
  partFailed(text, code, again) {
    this.ready = false;
    this.segment = -1;
    this.leaveParts();
    if (code === "whole") return (this.whole = true), this.load();
    this.trouble = text;
    if (again) this.retry = setTimeout(() => this.load(), TRY_AGAIN);
    this.showStill();
    this.tell();
  }

  /**
   * Have the video show the frame, where it holds it.
   * @returns {void}
   */
  seekVideo() {
    this.parts?.want(this.frame);
    if (!this.source || this.segment < 0 || this.video.readyState < 1) return this.showStill();
    if (this.parts && !this.parts.has(this.frame)) this.showStill();
    const wanted = this.timeOf(this.frame);
    if (this.video.seeking && !this.parts) return; // the newest is sought when it arrives
    if (this.video.seeking && Math.abs(this.video.currentTime - wanted) < 1e-4) return;
    if (Math.abs(this.video.currentTime - wanted) < 1e-4 && this.video.readyState >= 2) return this.arrived();
    this.video.currentTime = wanted;
  }

  /**
   * The video shows where it was sent.
   * @returns {void}
   */
  arrived() {
    if (!this.source || this.segment < 0 || this.video.readyState < 2) return;
    const runs = this.playing && !this.video.paused;
    if (this.frameOfVideo() !== this.frame && Math.abs(this.video.currentTime - this.timeOf(this.frame)) > 1e-3 && !runs) return this.seekVideo();
    if (this.painted !== this.frame && !runs && !this.late && "requestVideoFrameCallback" in this.video) {
      this.late = setTimeout(() => this.notPainted(), PAINTED);
      return;
    }
    if (this.late && this.painted !== this.frame && !runs) return;
    this.accept();
  }

  /** What was sought is not on the screen yet: seek once more, then take it that the browser does not tell. */
  notPainted() {
    this.late = 0;
    if (!this.source || this.segment < 0 || this.ready) return;
    if (this.again) return this.accept();
    this.again = true;
    this.seekVideo();
  }

  /** Observe every frame that is painted. */
  watch() {
    if (!("requestVideoFrameCallback" in this.video)) return;
    this.video.requestVideoFrameCallback((_, { mediaTime }) => {
      if (!this.source) return;
      this.painted = this.frameAt(mediaTime);
      if (!this.ready && this.video.paused) this.arrived();
      this.watch();
    });
  }

  /** The video shows the frame: the still has served. */
  accept() {
    clearTimeout(this.late);
    this.late = 0;
    this.again = false;
    this.ready = true;
    this.trouble = "";
    this.still.hidden = true;
    if (this.playing && this.video.paused) this.startVideo();
    this.tell();
  }

  startVideo() {
    this.video.playbackRate = this.rate;
    this.video.play().catch(() => {
      if (this.playing && this.ready) this.playing = false;
      this.tell();
    });
  }

  /** Return the frame that a painted picture is of; `frame` where it is of several. @param {number} mediaTime [s] */
  frameAt(mediaTime) {
    const { source, recorded, frame } = this;
    if (!source) return 0;
    if (!recorded) return this.segment * SEGMENT + Math.round(mediaTime * source.fps);
    const shown = Math.round((mediaTime - recorded.start) * recorded.fps);
    const wanted = Math.min(Math.floor(((frame + 0.5) / source.fps) * recorded.fps), recorded.frames - 1);
    return shown === wanted ? frame : -1;
  }

  frameOfVideo() {
    if (!this.source) return 0;
    const time = this.video.currentTime - (this.recorded ? this.recorded.start : 0);
    return this.segment * SEGMENT + Math.floor(time * this.source.fps + 1e-3);
  }

  /** While it plays: count along, and stop or begin anew at the end of what is to be played. */
  follow() {
    if (!this.source || !this.ready || this.video.paused) return;
    const frame = Math.min(this.frameOfVideo(), this.source.frames - 1);
    if (frame !== this.frame) {
      this.frame = frame;
      this.tell();
    }
    if (frame >= this.last && (this.recorded || this.last < this.source.frames - 1)) this.ended();
  }

  /** The end of the video, or of what is to be played. */
  ended() {
    if (!this.source || !this.playing) return;
    const next = (this.segment + 1) * SEGMENT;
    if (next <= this.last && this.segmentOf(next) !== this.segment) return this.goTo(next);
    if (this.loop) return this.goTo(this.first);
    this.playing = false;
    this.video.pause();
    this.goTo(this.last);
  }

  /** The video did not come: say why, and try again where that may help. @returns {Promise<void>} */
  async failed() {
    const address = this.video.getAttribute("src");
    if (!this.source || !address) return;
    if (this.parts) return this.partFailed("", "whole", false); // this browser appends no such parts
    this.ready = false;
    this.segment = -1;
    let text = "The station cannot be reached. The clip comes when it is back.";
    let again = true;
    try {
      const answer = await fetch(address, { headers: { Range: "bytes=0-0", Accept: "application/json" } });
      again = answer.status >= 500;
      const stills = this.recorded ? "" : "; single frames are shown";
      text = answer.ok ? `The browser cannot play this clip${stills}.` : (await answer.json()).error;
    } catch {
      // the shown message already fits
    }
    if (this.video.getAttribute("src") !== address) return; // something else is shown by now
    this.trouble = text || "This clip cannot be shown.";
    if (again) this.retry = setTimeout(() => this.load(), TRY_AGAIN);
    this.showStill();
    this.tell();
  }

  /** Show the frame as a picture, the newest only: one is on its way at a time. */
  showStill() {
    if (!this.source) return;
    if (this.recorded) return void (this.still.hidden = true); // its file is sought as fast
    const more = { camera: this.camera, width: this.width, frame: this.frame };
    this.wantedStill = mediaAddress("frame", this.source, more);
    if (!this.stillBusy) this.loadStill();
  }

  loadStill() {
    this.stillBusy = true;
    this.still.src = this.wantedStill;
  }

  stillDone() {
    this.stillBusy = false;
    if (this.recorded) return;
    if (this.source && !this.ready) this.still.hidden = false;
    if (!this.ready && this.wantedStill !== this.still.getAttribute("src")) this.loadStill();
  }

  tell() {
    const loading = Boolean(this.source) && (!this.ready || (this.stalled && this.playing));
    this.changed({ frame: this.frame, playing: this.playing, loading, trouble: this.trouble });
  }
}
