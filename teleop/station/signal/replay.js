// @ts-check
/** A recorded episode, played at a speed: which step the page shows. */

import { Film } from "../shared/player/film.js";
import { measured, writeDrawer } from "../shared/scene/choice.js";
import { date } from "../shared/made.js";
import { camerasOf } from "../shared/questions.js";
import { byId } from "../shared/player/transport.js";

const RATES = [0.25, 0.5, 1, 2, 4];

export class Replay {
  /**
   * @param {any} item as the library describes it
   * @param {{changed: () => void}} page
   */
  constructor(item, page) {
    this.item = item;
    this.page = page;
    this.status = null;
    this.drives = false;
    this.loading = false;
    this.trouble = "";
    /** @type {string[]} */
    this.cameras = ["front"];
    this.shownFrame = 0;
    this.drawer = byId("drawer", HTMLButtonElement);
    this.clip = new Film(byId("stage", HTMLElement), (shown) => this.showing(shown), () => this.swapped());
    this.drawer.hidden = item.timeline.show !== "state" || !measured().possible;
    this.rates = byId("rate", HTMLSelectElement);
    this.rates.append(...RATES.map((rate) => new Option(`${rate}×`, String(rate), rate === 1, rate === 1)));
    this.rates.addEventListener("change", () => this.clip.setRate(Number(this.rates.value)));
    this.begin();
  }

  async begin() {
    const { item } = this;
    const { show, cameras, reason } = item.timeline;
    if (!show) {
      this.trouble = reason;
      return this.page.changed();
    }
    this.cameras = show === "state" ? await camerasOf(item.task) : cameras.length ? cameras : ["front"];
    this.clip.camera = this.cameras.includes("front") ? "front" : this.cameras[0];
    this.clip.open({ ...item, frames: item.timeline.frames, fps: 1 / item.dt, states: show === "state" }, 0);
    this.swapped();
  }

  /** The browser draws now, or the server does. */
  swapped() {
    if (this.clip) writeDrawer(this.drawer, this.clip.here);
  }

  swap() {
    this.clip.swap();
  }

  /** @param {import("../shared/player/clip.js").Shown} shown */
  showing(shown) {
    this.shownFrame = shown.frame;
    this.trouble = shown.trouble || (shown.loading ? "Drawing the clip …" : "");
    this.page.changed();
  }

  get task() {
    return this.item.task;
  }

  get who() {
    return `${date(this.item.started, true)} · ${this.item.operator || "operator unknown"}`;
  }

  get frames() {
    return this.item.timeline.frames;
  }

  get frame() {
    return this.shownFrame;
  }

  get episode() {
    return this.item.episode;
  }

  get dataset() {
    return this.item.dataset;
  }

  get running() {
    return this.clip.playing;
  }

  /** The step that a press refers to. @returns {import("./live.js").Now | string} */
  now() {
    const policy = this.item.versions.policy || "";
    return { dataset: this.dataset, episode: this.episode, step: this.frame, rate: this.clip.rate / this.item.dt, delay: 0, source: "replay", session: "", policy };
  }

  do() {}

  toggle() {
    this.clip.toggle();
  }

  again() {
    this.clip.goTo(0);
    this.clip.play();
  }

  /** @param {number} frame */
  seek(frame) {
    this.clip.pause();
    this.clip.goTo(frame);
  }

  /** @param {number} by */
  faster(by) {
    const at = Math.min(Math.max(RATES.indexOf(this.clip.rate) + by, 0), RATES.length - 1);
    this.rates.value = String(RATES[at]);
    this.clip.setRate(RATES[at]);
  }

  nextCamera() {
    this.clip.look(this.cameras[(this.cameras.indexOf(this.clip.camera) + 1) % this.cameras.length]);
  }
}
