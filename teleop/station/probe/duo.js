// @ts-check
/** Two synchronised clips: the recorded episode, and the policy's what-if rollout. */

import { Clock } from "../shared/player/clock.js";
import { byId } from "../shared/player/transport.js";

export class Duo {
  /**
   * @param {(step: number) => void} shown receives how many steps after the frame both clips are
   */
  constructor(shown) {
    this.place = byId("duo", HTMLElement);
    this.videos = [byId("duo-recorded", HTMLVideoElement), byId("duo-rollout", HTMLVideoElement)];
    this.notes = [byId("duo-recorded-note", HTMLParagraphElement), byId("duo-rollout-note", HTMLParagraphElement)];
    this.button = byId("duo-play", HTMLButtonElement);
    this.text = byId("duo-clock", HTMLElement);
    /** @type {string[]} */
    this.addresses = [];
    this.stop = new AbortController();
    this.open = false;
    this.clock = new Clock(() => {
      this.text.textContent = `${(this.clock.frame / this.clock.fps).toFixed(2)} s`;
      this.button.textContent = this.clock.playing ? "Pause" : "Play";
      if (this.open) shown(this.clock.frame);
    });
    for (const video of this.videos) video.muted = true;
    this.button.addEventListener("click", () => this.clock.toggle());
  }

  /**
   * Load both clips and play them.
   * @param {{recorded: string | null, predicted: string, recordedFrames: number, predictedFrames: number, fps: number}} clips
   * @returns {Promise<boolean>} whether they came
   */
  async show(clips) {
    this.stop.abort();
    const stop = (this.stop = new AbortController());
    this.clock.pause();
    this.open = false;
    this.place.hidden = false;
    this.place.scrollIntoView({ block: "nearest" });
    this.notes.forEach((note) => ((note.hidden = false), (note.textContent = "Drawing the clip")));
    if (!clips.recorded) this.notes[0].textContent = "The episode ends here.";
    const predicted = this.load(1, clips.predicted, stop.signal);
    const recorded = clips.recorded ? this.load(0, clips.recorded, stop.signal) : Promise.resolve(false);
    const came = [await recorded, await predicted];
    if (stop.signal.aborted || !came.some(Boolean)) return false;
    const frames = [clips.recordedFrames, clips.predictedFrames];
    this.clock.take(this.videos.map((video, i) => ({ video, frames: frames[i], fps: clips.fps })).filter((_, i) => came[i]));
    this.open = true;
    this.clock.play();
    return true;
  }

  /**
   * @param {number} which
   * @param {string} address
   * @param {AbortSignal} signal
   */
  async load(which, address, signal) {
    const video = this.videos[which];
    try {
      const answer = await fetch(address, { signal, headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error((await answer.json()).error);
      const content = URL.createObjectURL(await answer.blob());
      if (signal.aborted) return URL.revokeObjectURL(content), false;
      if (this.addresses[which]) URL.revokeObjectURL(this.addresses[which]);
      this.addresses[which] = content;
      const loaded = new Promise((resolve, reject) => {
        video.onloadeddata = resolve;
        video.onerror = () => reject(new Error("The browser cannot play this clip."));
      });
      video.src = content;
      await loaded;
      this.notes[which].hidden = true;
      return true;
    } catch (error) {
      if (!signal.aborted) this.notes[which].textContent = error instanceof TypeError ? "The station cannot be reached." : String(/** @type {Error} */ (error).message);
      return false;
    }
  }

  close() {
    this.stop.abort();
    this.clock.pause();
    this.open = false;
    this.place.hidden = true;
  }
}
