// @ts-check
/** Two synchronised clips: the recorded episode, and the policy's what-if rollout. */

import { Clock } from "../shared/player/clock.js";
import { ClipError, Screen, frameAlike } from "../shared/player/screen.js";
import { byId } from "../shared/player/transport.js";

const WIDTH = 480; // [pixels] of the station's pictures

/** @typedef {import("../shared/player/screen.js").Shot} Shot */

export class Duo {
  /**
   * @param {(step: number) => void} shown receives how many steps after the frame both clips are
   */
  constructor(shown) {
    this.place = byId("duo", HTMLElement);
    this.places = [byId("duo-recorded", HTMLElement), byId("duo-rollout", HTMLElement)];
    this.button = byId("duo-play", HTMLButtonElement);
    this.text = byId("duo-clock", HTMLElement);
    /** @type {Screen[]} */
    this.screens = [];
    this.stop = new AbortController();
    this.open = false;
    this.clock = new Clock(() => {
      this.text.textContent = `${(this.clock.frame / this.clock.fps).toFixed(2)} s`;
      this.button.textContent = this.clock.playing ? "Pause" : "Play";
      if (this.open) shown(this.clock.frame);
    });
    this.button.addEventListener("click", () => this.clock.toggle());
  }

  /**
   * Load both clips and play them.
   * @param {Shot | null} recorded null: the episode ends there
   * @param {Shot} predicted
   * @param {string} camera
   * @returns {Promise<boolean>} whether they came
   */
  async show(recorded, predicted, camera) {
    this.stop.abort();
    const stop = (this.stop = new AbortController());
    this.leave();
    this.place.hidden = false;
    this.place.scrollIntoView({ block: "nearest" });
    const again = () => void this.show(recorded, predicted, camera);
    this.screens = [new Screen(recorded || { ...predicted, poses: "" }, "What was recorded", again), new Screen(predicted, "What the policy would do", again)];
    this.screens.forEach(({ frame }, i) => this.places[i].replaceChildren(frame));
    if (!recorded) this.screens[0].note.textContent = "The episode ends here.";
    const loading = this.screens.map((screen, i) => (i || recorded ? this.load(screen, camera, stop.signal) : Promise.resolve(false)));
    const came = await Promise.all(loading);
    if (stop.signal.aborted || !came.some(Boolean)) return false;
    this.haunt();
    frameAlike(this.screens);
    this.clock.take(this.screens.flatMap((screen, i) => (came[i] ? screen.parts : [])));
    this.open = true;
    this.clock.play();
    return true;
  }

  /** Show the rollout in what was recorded too, where this browser draws both. */
  haunt() {
    const [recorded, predicted] = this.screens.map(({ drawn }) => drawn);
    const can = Boolean(recorded && predicted && recorded.scene === predicted.scene);
    byId("duo-ghost", HTMLElement).hidden = !can;
    if (!can || !recorded || !predicted) return;
    recorded.ghost = predicted.poses;
    recorded.refresh();
  }

  /**
   * @param {Screen} screen
   * @param {string} camera
   * @param {AbortSignal} signal
   */
  async load(screen, camera, signal) {
    try {
      await screen.load(camera, WIDTH, signal);
      return true;
    } catch (error) {
      if (!signal.aborted) screen.note.textContent = error instanceof ClipError ? error.message : "The station cannot be reached.";
      return false;
    }
  }

  leave() {
    this.clock.pause();
    this.open = false;
    for (const screen of this.screens) screen.close();
    this.screens = [];
  }

  close() {
    this.stop.abort();
    this.leave();
    this.place.hidden = true;
  }
}
