// @ts-check
/** The player of the library: one episode from any camera, frame by frame, with its actions. */

import { Refused } from "../shared/api.js";
import { Film } from "../shared/player/film.js";
import { Insets, insetSwitch, swapInsets } from "../shared/player/insets.js";
import { mediaAddress } from "../shared/player/media-address.js";
import { measured, writeDrawer } from "../shared/scene/choice.js";
import { button, date, duration, element } from "../shared/made.js";
import { episodeOf } from "./bulk.js";
import { Cameras } from "./player-cameras.js";
import { Deeds } from "./player-actions.js";
import { Details } from "./player-details.js";
import { Plots } from "./plots.js";
import { Timeline } from "../shared/player/timeline.js";

const RATES = [0.25, 0.5, 1, 2, 4];
const REMEMBER = 300; // [ms] after the last change until the address says what is shown

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

export class Player {
  /**
   * @param {HTMLElement} place
   * @param {{mayEdit: boolean, outcomes: string[], widths: number[], go: (key: Key | null) => void, back: () => void, remember: (values: Record<string, string>) => void, bulk: import("./bulk.js").Bulk, drawn: () => void}} page
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
    this.overlay = element("div", { class: "stage-note", role: "status", hidden: true });
    this.trouble = element("div", { class: "stage-trouble", hidden: true });
    this.stage.append(this.overlay, this.trouble);
    this.clip = new Film(this.stage, (shown) => this.showing(shown), () => this.swapped());
    this.pictures = element("div", { class: "pictures" }, this.stage);
    this.insets = new Insets(this.pictures, { beside: true });
    this.insetSwitch = insetSwitch("insets");
    this.cameras = new Cameras(this, this.stage);
    this.pictures.append(this.cameras.strip);
    this.deeds = new Deeds(this);
    const line = element("div");
    this.clock = element("span", { class: "number clock" });
    this.timeline = new Timeline(line, this.clock, { seek: (frame) => this.seek(frame), cut: () => this.deeds.cutting(), mayCut: page.mayEdit });
    this.plots = new Plots({ seek: (frame) => this.seek(frame) });
    this.drawer = button("Drawn here", "quiet", () => this.clip.swap(), "drawer");
    this.drawer.hidden = !measured().possible;
    this.playButton = button("Play", "primary", () => this.clip.toggle(), "play");
    this.rates = element("select", { "aria-label": "Speed", onchange: () => this.clip.setRate(Number(this.rates.value)) }, ...RATES.map((rate) => element("option", { value: rate, selected: rate === 1 }, `${rate}×`)));
    const controls = element("div", { class: "row controls" },
      this.playButton,
      element("span", { class: "row tight" }, named(button("‹", "", () => this.clip.step(-1), "step_back"), "One frame back"), named(button("›", "", () => this.clip.step(1), "step_on"), "One frame on")),
      element("span", { class: "spring" }),
      this.insetSwitch,
      this.drawer,
      this.rates,
      element("label", { class: "row tight" }, this.cameras.menu, element("kbd", { "data-key": "camera" })),
    );
    this.details = new Details({ mayEdit: page.mayEdit, outcomes: page.outcomes, bulk: page.bulk, download: () => this.deeds.download(), remove: () => this.deeds.remove(), drawn: page.drawn });
    this.broken = element("div", { class: "empty", hidden: true });
    this.body = element("div", { class: "player-body" }, element("div", { class: "screen" }, this.pictures, line, this.deeds.cutBar, controls, this.deeds.here, this.plots.place), this.details.place);
    this.place_.replaceChildren(head, this.broken, this.body);
  }

  close() {
    clearTimeout(this.remembering);
    this.asked++;
    this.clip.close();
    this.insets.close();
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
    if (same && this.item) return;
    this.item = null;
    this.broken.hidden = true;
    this.body.hidden = false;
    this.body.classList.add("waits");
    if (at.camera) this.clip.camera = at.camera;
    await this.ask(at.frame);
    this.title.focus({ preventScroll: true });
  }

  /** Reload the episode after a change. */
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
    const name = `${item.task}, ${date(item.started, true)}`;
    this.title.replaceChildren(name, " ", element("span", { class: "soft small" }, item.episode));
    document.title = `${name} · Library · robo-rlhf`;
    this.number.textContent = item.place.number ? `${item.place.number.toLocaleString("en")} of ${item.place.total.toLocaleString("en")}` : "not among the filtered";
    this.before.disabled = !item.place.before;
    this.after.disabled = !item.place.after;
    this.details.draw(item);
    this.deeds.drawHere();
    if (!sameStates) this.start(item, frame);
    if (!same) this.page.drawn();
  }

  /**
   * @param {any} item
   * @param {number} frame
   */
  start(item, frame) {
    const { frames, sources, success, show, sees, videos } = item.timeline;
    this.timeline.show({ frames, dt: item.dt, sources, success });
    this.insetSwitch.hidden = !sees;
    this.insets.open(sees, (start, stop) => mediaAddress("seen", item, { start, stop }), frames);
    this.plots.show(item, frames);
    this.clip.width = this.width();
    this.cameras.start(item);
    this.drawer.hidden = show !== "state" || !measured().possible;
    this.clip.open({ ...item, frames, fps: 1 / item.dt, states: show === "state", videos }, frame);
    this.swapped();
  }

  /** The browser draws now, or the server does. */
  swapped() {
    if (!this.drawer) return;
    writeDrawer(this.drawer, this.clip.here);
    this.cameras.strip.dataset.names = ""; // what shows them is another one
    this.cameras.draw();
  }

  /** The smallest size that fills the stage. */
  width() {
    const wanted = this.stage.clientWidth * Math.min(window.devicePixelRatio || 1, 1.5);
    return this.page.widths.find((width) => width >= wanted && width >= 320) || this.page.widths[this.page.widths.length - 1];
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

  /** @param {import("../shared/player/clip.js").Shown} shown */
  showing(shown) {
    this.timeline?.at(shown.frame);
    this.plots?.at(shown.frame);
    this.insets?.at(shown.frame);
    if (!this.item) return;
    this.playButton.firstChild?.replaceWith(shown.playing ? "Pause" : "Play");
    this.clock.textContent = `${duration(shown.frame * this.item.dt)} / ${duration(this.item.seconds)}  ·  frame ${shown.frame} of ${this.item.steps}`;
    this.stage.setAttribute("aria-label", `Frame ${shown.frame} from the camera ${this.clip.camera}`);
    this.overlay.hidden = !shown.loading || Boolean(shown.trouble);
    const share = shown.share ? `, ${Math.round(100 * shown.share)} %` : "";
    const drawing = this.clip.here ? `Loading the scene${share} …` : "Drawing the clip …";
    this.overlay.textContent = this.item.timeline.show === "replay" ? "Replaying the episode …" : drawing;
    this.trouble.hidden = !shown.trouble;
    this.trouble.classList.toggle("low", Boolean(shown.low) || this.item.timeline.show !== "state"); // the picture, or curves, are above it
    this.trouble.textContent = shown.trouble;
    this.deeds.point();
    if (!shown.playing) this.note();
  }

  /** Schedule writing the player's state into the address. */
  note() {
    clearTimeout(this.remembering);
    this.remembering = setTimeout(() => {
      this.page.remember({ frame: this.clip.frame ? String(this.clip.frame) : "", camera: this.clip.camera === "front" ? "" : this.clip.camera });
    }, REMEMBER);
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

  /** @returns {Record<string, import("../shared/keys.js").Handler>} */
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
      camera: () => this.cameras.next(),
      drawer: () => clip.swap(),
      insets: () => swapInsets(),
      before: () => this.beside("before"),
      after: () => this.beside("after"),
      ask: () => this.deeds.ask(),
      close: () => this.page.back(),
      ...(this.page.mayEdit && {
        trim_start: () => this.timeline.setKept(clip.frame, this.timeline.stop),
        trim_stop: () => this.timeline.setKept(this.timeline.start, clip.frame),
        continue: () => this.deeds.operate("continue"),
        takeover: () => this.deeds.operate("takeover"),
        success: () => details.setOutcome("success"),
        failure: () => details.setOutcome("failure"),
        aborted: () => details.setOutcome("aborted"),
        tag: () => details.askTag(),
        note: () => details.editNote(),
        delete: () => this.deeds.remove(),
        undo: () => this.page.bulk.undo(),
      }),
    };
  }
}
