// @ts-check
/** The player of the library: one episode from any camera, frame by frame, with all that can be done to it. */

import { get, Refused, tellRefusals } from "./api.js";
import { Clip, mediaAddress } from "./clip.js";
import { ask } from "./dialog.js";
import { Details } from "./player-details.js";
import { button, duration, element } from "./made.js";
import { episodeOf, follow } from "./library-bulk.js";
import { Orbit } from "./orbit.js";
import { Timeline } from "./timeline.js";
import { tell } from "./toast.js";

const RATES = [0.25, 0.5, 1, 2, 4];
const REMEMBER = 300; // [ms] after the last change until the address says what is shown
const FREE = "free";

/** @typedef {{dataset: string, episode: string}} Key */

/**
 * @param {HTMLButtonElement} made
 * @param {string} name for those who do not see its sign
 */
function named(made, name) {
  made.setAttribute("aria-label", name);
  made.title = name;
  return made;
}

/** @type {Map<string, Record<string, number[]>>} */
const knownCameras = new Map();

export class Player {
  /**
   * @param {HTMLElement} place
   * @param {{mayEdit: boolean, outcomes: string[], widths: number[], go: (key: Key | null) => void, back: () => void, remember: (values: Record<string, string>) => void, bulk: import("./library-bulk.js").Bulk, drawn: () => void}} page
   */
  constructor(place, page) {
    this.page = page;
    this.place_ = place;
    /** @type {Key | null} */
    this.key = null;
    /** @type {any} */
    this.item = null;
    /** @type {any} */
    this.place = null;
    this.filters = new URLSearchParams();
    /** @type {Record<string, number[]>} */
    this.cameras = {};
    this.remembering = 0;
    this.asked = 0;
    /** @type {"before" | "after" | ""} */
    this.later = "";
    this.title = element("h2", { class: "clip", tabindex: -1 });
    this.number = element("span", { class: "soft number" });
    this.before = button("Before", "", () => this.beside("before"), "before");
    this.after = button("After", "", () => this.beside("after"), "after");
    const head = element("div", { class: "player-head" }, button("All episodes", "quiet back", page.back, "close"), this.title, this.number, element("div", { class: "row beside" }, this.before, this.after));
    this.stage = element("div", { class: "stage", "aria-label": "Picture", role: "img" });
    this.veil = element("div", { class: "stage-note", role: "status", hidden: true });
    this.trouble = element("div", { class: "stage-trouble", hidden: true });
    this.stage.append(this.veil, this.trouble);
    this.clip = new Clip(this.stage, (shown) => this.showing(shown));
    this.orbit = new Orbit(this.stage, {
      begin: () => this.pose(),
      turn: (camera) => this.look(camera, true),
      end: (camera) => this.look(camera, false),
    });
    const line = element("div");
    this.clock = element("span", { class: "number clock" });
    this.timeline = new Timeline(line, this.clock, { seek: (frame) => this.seek(frame), cut: () => this.cutting(), mayCut: page.mayEdit });
    this.playButton = button("Play", "primary", () => this.clip.toggle(), "play");
    this.rates = element("select", { "aria-label": "Speed", onchange: () => this.clip.setRate(Number(this.rates.value)) }, ...RATES.map((rate) => element("option", { value: rate, selected: rate === 1 }, `${rate}×`)));
    this.cameraMenu = element("select", { "aria-label": "Camera", onchange: () => this.chooseCamera(this.cameraMenu.value) });
    const controls = element("div", { class: "row controls" },
      this.playButton,
      element("span", { class: "row tight" }, named(button("‹", "", () => this.clip.step(-1), "step_back"), "One frame back"), named(button("›", "", () => this.clip.step(1), "step_on"), "One frame on")),
      element("span", { class: "spring" }),
      this.rates,
      element("label", { class: "row tight" }, this.cameraMenu, element("kbd", { "data-key": "camera" })),
    );
    this.cutBar = element("div", { class: "row cut-bar", hidden: true });
    this.here = element("div", { class: "row here" });
    this.details = new Details({ mayEdit: page.mayEdit, outcomes: page.outcomes, bulk: page.bulk, download: () => this.download(), remove: () => this.remove(), drawn: page.drawn });
    this.broken = element("div", { class: "empty", hidden: true });
    this.body = element("div", { class: "player-body" }, element("div", { class: "screen" }, this.stage, line, this.cutBar, controls, this.here), this.details.place);
    this.place_.replaceChildren(head, this.broken, this.body);
  }

  close() {
    clearTimeout(this.remembering);
    this.asked++;
    this.clip.close();
    this.place_.replaceChildren();
    this.key = null;
  }

  /**
   * Show an episode.
   * @param {Key} key
   * @param {URLSearchParams} filters among which it stands
   * @param {{frame: number, camera: string}} at
   */
  async open(key, filters, at) {
    const same = this.key && key.dataset === this.key.dataset && key.episode === this.key.episode;
    this.key = key;
    this.filters = filters;
    this.title.textContent = key.episode;
    this.title.title = key.episode;
    document.title = `${key.episode} · Library · robo-rlhf`;
    if (same && this.item) return;
    this.item = null;
    this.broken.hidden = true;
    this.body.hidden = false;
    this.body.classList.add("waits");
    if (at.camera) this.clip.camera = at.camera;
    await this.ask(at.frame);
    this.title.focus({ preventScroll: true });
  }

  /** Ask for the episode again, after something was changed. */
  async reload() {
    if (this.key) await this.ask(this.clip.frame, true);
  }

  /**
   * @param {number} frame
   * @param {boolean} [again] whether it is shown already
   */
  async ask(frame, again = false) {
    const number = ++this.asked;
    const key = /** @type {Key} */ (this.key);
    try {
      const item = await episodeOf(key, this.filters);
      if (number !== this.asked) return;
      this.draw(item, frame, again);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (number === this.asked) this.gone(error);
    }
  }

  /**
   * @param {any} item
   * @param {number} frame
   * @param {boolean} again
   */
  draw(item, frame, again) {
    const same = again && this.item && item.v === this.item.v;
    const sameStates = again && this.item && item.timeline.frames === this.item.timeline.frames;
    this.item = item;
    this.place = item.place;
    const way = this.later;
    this.later = "";
    if (way && item.place[way]) return this.beside(way);
    this.body.classList.remove("waits");
    this.number.textContent = item.place.number ? `${item.place.number.toLocaleString("en")} of ${item.place.total.toLocaleString("en")}` : "not among the filtered";
    this.before.disabled = !item.place.before;
    this.after.disabled = !item.place.after;
    this.details.draw(item);
    this.drawHere();
    if (!sameStates) this.start(item, frame);
    if (!same) this.page.drawn();
  }

  /**
   * @param {any} item
   * @param {number} frame
   */
  start(item, frame) {
    const { frames, sources, success, drawable } = item.timeline;
    this.timeline.show({ frames, dt: item.dt, sources, success });
    this.clip.width = this.width();
    this.drawCameras();
    if (drawable) this.clip.open({ ...item, frames, fps: 1 / item.dt }, frame);
    else this.showing({ frame: 0, playing: false, loading: false, trouble: "Recorded in an outside environment: there are no states to draw from." });
    if (drawable) this.askCameras(item.task);
  }

  /** The smallest size that fills the stage. */
  width() {
    const wanted = this.stage.clientWidth * Math.min(window.devicePixelRatio || 1, 1.5);
    return this.page.widths.find((width) => width >= wanted && width >= 320) || this.page.widths[this.page.widths.length - 1];
  }

  /** @param {string} task */
  async askCameras(task) {
    if (!knownCameras.has(task)) {
      const answer = await tellRefusals(() => get(`/api/library/cameras?${new URLSearchParams({ task })}`));
      if (!answer) return;
      knownCameras.set(task, answer.cameras);
    }
    this.cameras = knownCameras.get(task) || {};
    if (this.item?.task === task) this.drawCameras();
  }

  drawCameras() {
    const names = Object.keys(this.cameras);
    const camera = this.clip.camera;
    const free = camera.includes(",");
    if (!free && !names.includes(camera)) names.unshift(camera);
    const options = names.map((name) => element("option", { value: name, selected: name === camera }, name));
    options.push(element("option", { value: FREE, selected: free }, "free: drag the picture"));
    this.cameraMenu.replaceChildren(...options);
  }

  /** @param {string} camera */
  chooseCamera(camera) {
    if (camera === FREE) {
      const pose = this.pose();
      if (pose) this.look(pose.join(","), false);
      return tell("Drag the picture to turn it; the wheel goes nearer.");
    }
    this.look(camera, false);
  }

  nextCamera() {
    const names = Object.keys(this.cameras);
    if (!names.length) return;
    this.look(names[(names.indexOf(this.clip.camera) + 1) % names.length], false);
  }

  /**
   * @param {string} camera
   * @param {boolean} still only the present frame: it is being turned
   */
  look(camera, still) {
    if (!this.item?.timeline.drawable) return;
    this.clip.look(camera, { still });
    this.drawCameras();
    if (!still) this.note();
  }

  /** Where the camera stands, as numbers. @returns {number[] | null} */
  pose() {
    const camera = this.clip.camera;
    if (camera.includes(",")) return camera.split(",").map(Number);
    return this.cameras[camera] || null;
  }

  /** @param {number} frame */
  seek(frame) {
    this.clip.pause();
    this.clip.goTo(frame);
  }

  /** @param {number} seconds */
  skip(seconds) {
    if (this.item) this.clip.goTo(this.clip.frame + Math.round(seconds / this.item.dt));
  }

  /** @param {number} step */
  faster(step) {
    const at = Math.min(Math.max(RATES.indexOf(this.clip.rate) + step, 0), RATES.length - 1);
    this.rates.value = String(RATES[at]);
    this.clip.setRate(RATES[at]);
  }

  /** @param {"before" | "after"} way */
  beside(way) {
    if (!this.item) {
      this.later = way; // its neighbours are not known yet
      return;
    }
    const key = this.place?.[way];
    if (key) this.page.go({ dataset: key[0], episode: key[1] });
  }

  /** @param {import("./clip.js").Shown} shown */
  showing(shown) {
    this.timeline?.at(shown.frame);
    if (!this.item) return;
    this.playButton.firstChild?.replaceWith(shown.playing ? "Pause" : "Play");
    this.clock.textContent = `${duration(shown.frame * this.item.dt)} / ${duration(this.item.seconds)}  ·  frame ${shown.frame} of ${this.item.steps}`;
    this.stage.setAttribute("aria-label", `Frame ${shown.frame} from the camera ${this.clip.camera}`);
    this.veil.hidden = !shown.loading || Boolean(shown.trouble);
    this.veil.textContent = "Drawing the clip …";
    this.trouble.hidden = !shown.trouble;
    this.trouble.textContent = shown.trouble;
    for (const link of this.here.querySelectorAll("a")) link.href = this.operateAddress(link.dataset.mode || "continue");
    if (!shown.playing) this.note();
  }

  /** Soon, put what is shown into the address. */
  note() {
    clearTimeout(this.remembering);
    this.remembering = setTimeout(() => {
      this.page.remember({ frame: this.clip.frame ? String(this.clip.frame) : "", camera: this.clip.camera === "front" ? "" : this.clip.camera });
    }, REMEMBER);
  }

  /** What can be done at the frame that is shown. */
  drawHere() {
    const { item } = this;
    if (!this.page.mayEdit || !item.timeline.drawable) return this.here.replaceChildren();
    const link = (/** @type {string} */ mode, /** @type {string} */ label, /** @type {string} */ key) =>
      element("a", { class: "button", href: this.operateAddress(mode), "data-mode": mode }, label, " ", element("kbd", { "data-key": key }));
    this.here.replaceChildren(link("continue", "Continue from here", "continue"), link("takeover", "Take over from here", "takeover"));
  }

  /** @param {string} mode */
  operateAddress(mode) {
    const { item } = this;
    const query = new URLSearchParams({ source: item.dataset, episode: item.episode, frame: String(this.clip.frame), mode, task: item.task, start: "1" });
    if (!item.dataset.startsWith("samples/")) query.set("dataset", item.dataset);
    return `/operate?${query}`;
  }

  /** @param {"continue" | "takeover"} mode */
  operate(mode) {
    if (this.item?.timeline.drawable && this.page.mayEdit) location.assign(this.operateAddress(mode));
  }

  /** The handles were moved: say what would stay, and offer to cut. */
  cutting() {
    if (!this.item || !this.timeline) return;
    const { start, stop, whole } = this.timeline;
    this.cutBar.hidden = whole;
    if (whole) return;
    const words = `Keep ${(start * this.item.dt).toFixed(2)} s to ${(stop * this.item.dt).toFixed(2)} s: ${stop - start} of ${this.item.steps} steps`;
    this.cutBar.replaceChildren(
      element("span", { class: "number", role: "status" }, words),
      element("span", { class: "spring" }),
      button("Keep all", "quiet", () => this.timeline.setKept(0, this.item.steps)),
      button("Play it", "", () => this.playKept()),
      button("Trim", "primary", () => this.trim()),
    );
  }

  playKept() {
    const { start, stop } = this.timeline;
    this.clip.pause();
    this.clip.first = start;
    this.clip.last = stop;
    this.clip.goTo(start);
    this.clip.play();
  }

  async trim() {
    const { start, stop } = this.timeline;
    const key = /** @type {Key} */ (this.key);
    const [done] = await this.page.bulk.change({ act: "trim", start, stop }, [key], "Trimmed", true);
    if (!done) return this.reload();
    const made = { dataset: key.dataset, episode: done.new };
    this.page.go(made);
    this.page.bulk.offer("Trimmed. The whole episode is in the trash.", async () => {
      const back = await this.page.bulk.change({ act: "restore" }, [key], "Restored", true);
      if (back.length) await this.page.bulk.change({ act: "delete" }, [made], "Deleted", true);
      this.page.go(key);
    });
  }

  async remove() {
    const key = /** @type {Key} */ (this.key);
    const next = this.place?.after || this.place?.before;
    const done = await this.page.bulk.change({ act: "delete" }, [key], "Deleted", true);
    if (!done.length) return this.reload();
    if (next) this.page.go({ dataset: next[0], episode: next[1] });
    else this.page.back();
    this.page.bulk.offer("Moved the episode to the trash.", async () => {
      const back = await this.page.bulk.change({ act: "restore" }, [key], "Restored", true);
      if (back.length) this.page.go(key);
    });
  }

  async download() {
    const { item } = this;
    const choice = await ask({
      title: "Download",
      text: "The clip is drawn from the camera that you see now. The data hold everything: states, actions, observations.",
      choices: [
        { label: "Cancel", value: "" },
        { label: "Data (Parquet)", value: "data" },
        ...(item.timeline.drawable ? [{ label: "Clip (MP4)", value: "clip", tone: /** @type {const} */ ("primary") }] : []),
      ],
    });
    if (choice === "data") follow(`/library/download?${new URLSearchParams({ dataset: item.dataset, episode: item.episode })}`);
    if (choice === "clip") {
      tell("The clip is being drawn; your browser saves it when it is done.");
      follow(mediaAddress("clip", item, { camera: this.clip.camera, width: 640, download: "true" }));
    }
  }

  /** @param {Refused} error */
  gone(error) {
    this.body.hidden = true;
    this.broken.hidden = false;
    this.number.textContent = "";
    this.before.disabled = this.after.disabled = true;
    const lost = error.status === 404;
    this.broken.replaceChildren(
      element("h3", {}, lost ? "This episode is not here" : "This episode cannot be shown now"),
      element("p", { class: "wrap" }, error.message),
      element("div", { class: "row" }, button("All episodes", "primary", this.page.back), lost ? element("a", { class: "button", href: "/library/trash" }, "Look in the trash") : button("Try again", "", () => this.reload())),
    );
  }

  /** @returns {Record<string, import("./keys.js").Handler>} */
  keys() {
    const { clip, details } = this;
    return {
      play: () => clip.toggle(),
      step_back: () => clip.step(-1),
      step_on: () => clip.step(1),
      second_back: () => this.skip(-1),
      second_on: () => this.skip(1),
      first_frame: () => this.seek(0),
      last_frame: () => this.seek(Infinity),
      slower: () => this.faster(-1),
      faster: () => this.faster(1),
      camera: () => this.nextCamera(),
      before: () => this.beside("before"),
      after: () => this.beside("after"),
      close: () => this.page.back(),
      ...(this.page.mayEdit && {
        trim_start: () => this.timeline.setKept(clip.frame, this.timeline.stop),
        trim_stop: () => this.timeline.setKept(this.timeline.start, clip.frame),
        continue: () => this.operate("continue"),
        takeover: () => this.operate("takeover"),
        success: () => details.setOutcome("success"),
        failure: () => details.setOutcome("failure"),
        aborted: () => details.setOutcome("aborted"),
        tag: () => details.askTag(),
        note: () => details.editNote(),
        delete: () => this.remove(),
        undo: () => this.page.bulk.undo(),
      }),
    };
  }
}
