// @ts-check
/** The playback controls: play, scrub, speed, loop, camera; the choices are remembered. */

import { camerasOf } from "../questions.js";

const RATES = [0.25, 0.5, 0.75, 1, 1.5, 2, 4];

/** @typedef {import("./clock.js").Clock} Clock */

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} kind
 * @returns {T}
 */
export function byId(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${kind.name} ${id}`);
  return found;
}

/** @param {string} name */
export function remembered(name) {
  try {
    return localStorage.getItem(`review:${name}`) || "";
  } catch {
    return ""; // nothing can be remembered here
  }
}

/**
 * @param {string} name
 * @param {string} value
 */
export function remember(name, value) {
  try {
    localStorage.setItem(`review:${name}`, value);
  } catch {
    // it holds until the page is left
  }
}

export class Transport {
  /**
   * @param {Clock} clock
   * @param {(camera: string) => void} look is called with the camera that was chosen
   */
  constructor(clock, look) {
    this.clock = clock;
    this.look = look;
    this.play = byId("play", HTMLButtonElement);
    this.playWord = byId("play-word", HTMLSpanElement);
    this.scrub = byId("scrub", HTMLInputElement);
    this.time = byId("time", HTMLSpanElement);
    this.rate = byId("rate", HTMLSelectElement);
    this.loop = byId("loop", HTMLButtonElement);
    this.camera = byId("camera", HTMLSelectElement);
    this.marks = byId("marks", HTMLDivElement);
    this.task = "";
    this.drawn = "";
    this.rate.append(...RATES.map((rate) => new Option(`${rate}×`, String(rate))));
    this.setRate(Number(remembered("rate")) || 1);
    clock.loop = remembered("loop") !== "off";
    this.loop.setAttribute("aria-pressed", String(clock.loop));
    this.play.addEventListener("click", () => clock.toggle());
    this.loop.addEventListener("click", () => this.toggleLoop());
    this.scrub.addEventListener("input", () => {
      clock.playing = false;
      clock.goTo(Number(this.scrub.value));
    });
    this.rate.addEventListener("change", () => (this.setRate(Number(this.rate.value)), this.rate.blur()));
    this.camera.addEventListener("change", () => (this.choose(this.camera.value), this.camera.blur()));
    for (const [id, frames] of /** @type {[string, number][]} */ ([["step-back", -1], ["step-on", 1]])) {
      byId(id, HTMLButtonElement).addEventListener("click", () => clock.step(frames));
    }
  }

  /** What keys do. @returns {Record<string, (pressed: boolean) => void>} */
  get handlers() {
    const { clock } = this;
    const once = (/** @type {() => void} */ run) => (/** @type {boolean} */ pressed) => void (pressed && run());
    return {
      play: once(() => clock.toggle()),
      again: once(() => (clock.again(), clock.play())),
      step_back: once(() => clock.step(-1)),
      step_on: once(() => clock.step(1)),
      second_back: once(() => clock.step(-Math.round(clock.fps))),
      second_on: once(() => clock.step(Math.round(clock.fps))),
      slower: once(() => this.faster(-1)),
      faster: once(() => this.faster(1)),
      loop: once(() => this.toggleLoop()),
      camera: once(() => this.nextCamera()),
    };
  }

  /**
   * Offer the cameras of a task, or those that recorded its clips; return the one to look from.
   * @param {string} task
   * @param {string[]} [recorded]
   * @returns {string}
   */
  of(task, recorded = []) {
    if (recorded.length) {
      this.task = task;
      this.camera.replaceChildren(...recorded.map((name) => new Option(name === "*" ? "all" : name.replaceAll("_", " "), name)));
      this.camera.value = Transport.cameraOf(task, recorded);
    } else if (task !== this.task) {
      this.task = task;
      this.offer([remembered(`camera:${task}`) || "front"]);
      camerasOf(task).then((cameras) => task === this.task && this.offer(cameras));
    }
    return this.camera.value || "front";
  }

  /** @param {string} task @param {string[]} [recorded] cameras that recorded its clips */
  static cameraOf(task, recorded = []) {
    const chosen = remembered(`camera:${task}`);
    if (recorded.length) return recorded.includes(chosen) ? chosen : recorded[0];
    return chosen || "front";
  }

  /** @param {string[]} cameras */
  offer(cameras) {
    const now = this.camera.value || remembered(`camera:${this.task}`) || "front";
    this.camera.replaceChildren(...cameras.map((name) => new Option(name.replaceAll("_", " "), name)));
    this.camera.value = cameras.includes(now) ? now : cameras.includes("front") ? "front" : cameras[0];
    if (this.camera.value !== now) this.choose(this.camera.value);
  }

  /** @param {string} camera */
  choose(camera) {
    this.camera.value = camera;
    remember(`camera:${this.task}`, camera);
    this.look(camera);
  }

  nextCamera() {
    const { options, selectedIndex } = this.camera;
    if (options.length > 1) this.choose(options[(selectedIndex + 1) % options.length].value);
  }

  /** @param {number} rate */
  setRate(rate) {
    this.rate.value = String(RATES.includes(rate) ? rate : 1);
    this.clock.setRate(Number(this.rate.value));
    remember("rate", this.rate.value);
  }

  /** @param {number} by */
  faster(by) {
    const at = RATES.indexOf(this.clock.rate) + by;
    if (RATES[at]) this.setRate(RATES[at]);
  }

  toggleLoop() {
    this.clock.loop = !this.clock.loop;
    this.loop.setAttribute("aria-pressed", String(this.clock.loop));
    remember("loop", this.clock.loop ? "on" : "off");
  }

  /**
   * Show where the clock is; called at every frame, so it writes only what has changed.
   * @param {{at: number, good: boolean}[]} marks [frames]
   */
  draw(marks) {
    const { clock } = this;
    const text = `${(clock.frame / clock.fps).toFixed(1)} s`;
    const drawn = `${text} ${clock.duration} ${clock.frames} ${clock.frame} ${clock.playing} ${marks.length}`;
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    this.scrub.max = String(clock.frames - 1);
    this.scrub.value = String(clock.frame);
    this.scrub.setAttribute("aria-valuetext", text);
    this.time.textContent = text;
    this.playWord.textContent = clock.playing ? "Pause" : "Play";
    this.marks.replaceChildren(
      ...marks.map(({ at, good }) => {
        const mark = document.createElement("span");
        mark.className = good ? "good" : "bad";
        mark.textContent = good ? "+" : "−";
        mark.style.setProperty("left", `${(100 * at) / Math.max(clock.frames - 1, 1)}%`);
        return mark;
      }),
    );
  }
}
