// @ts-check
/** The presses of the current episode on the timeline: shown at once, paler until the station has them. */

import { element } from "../shared/made.js";

/** @typedef {{key: string, sign: 1 | -1, step: number, saved: boolean}} Mark */

export class Marks {
  /**
   * @param {HTMLElement} place
   * @param {HTMLElement} counts
   * @param {HTMLElement} saved
   */
  constructor(place, counts, saved) {
    this.place = place;
    this.counts = counts;
    this.saved = saved;
    /** @type {Mark[]} in the order in which they were pressed */
    this.all = [];
    this.frames = 1; // that the line represents
  }

  /**
   * Show those of another episode.
   * @param {Mark[]} all
   */
  take(all) {
    this.all = all;
    this.draw();
  }

  /** @param {Mark} mark */
  add(mark) {
    this.all.push(mark);
    this.draw();
  }

  /** @param {string} key */
  remove(key) {
    this.all = this.all.filter((mark) => mark.key !== key);
    this.draw();
  }

  /** @param {string} key */
  save(key) {
    const mark = this.all.find((mark) => mark.key === key);
    if (mark) mark.saved = true;
    this.draw();
  }

  /** @param {number} frames */
  stretch(frames) {
    if (frames === this.frames) return;
    this.frames = frames;
    this.draw();
  }

  draw() {
    const last = Math.max(this.frames - 1, 1);
    this.place.replaceChildren(
      ...this.all.map(({ sign, step, saved, key }) => {
        const mark = element("span", { class: `${sign > 0 ? "good" : "bad"}${saved ? "" : " waiting"}`, "data-key-of": key, "data-saved": String(saved) }, sign > 0 ? "+" : "−");
        mark.style.left = `${Math.min((100 * step) / last, 100)}%`;
        return mark;
      }),
    );
    const good = this.all.filter((mark) => mark.sign > 0).length;
    const bad = this.all.length - good;
    this.counts.textContent = `${good} good, ${bad} bad`;
    this.place.setAttribute("aria-label", this.all.length ? `Presses along the episode: ${good} good, ${bad} bad` : "No presses yet");
  }

  /**
   * Show how many presses are not sent yet.
   * @param {number} waiting
   * @param {boolean} offline
   */
  tell(waiting, offline) {
    this.saved.hidden = !waiting && !this.all.length;
    this.saved.className = `badge ${offline ? "warn" : waiting ? "" : "good"}`;
    this.saved.textContent = offline ? `${waiting} kept here until the station can be reached` : waiting ? `${waiting} on their way` : "All saved";
  }
}
