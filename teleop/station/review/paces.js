// @ts-check
/** How clips of different length go beside each other: in step by time, by share of the clip, or each by itself. */

import { Clock } from "../shared/player/clock.js";
import { byId, remember, remembered } from "../shared/player/transport.js";
import { TimedVideo } from "./recorded.js";

/** @typedef {import("./stage.js").Stage} Stage */
/** @typedef {import("../shared/player/clock.js").Part} Part */

const WAYS = { time: "in step by time", share: "in step by share", each: "each by itself" };

export class Paces {
  /** @param {Clock} clock the one that the player's controls move */
  constructor(clock) {
    this.clock = clock;
    /** @type {Clock[]} of the clips that go by themselves, and are not the chosen one */
    this.others = [];
    /** @type {Stage | null} */
    this.stage = null;
    this.chosen = 0; // the clip that the controls move, where each goes by itself
    /** @type {number[]} where each clip was when it was last chosen [s] */
    this.times = [];
    this.select = byId("pace-by", HTMLSelectElement);
    this.field = byId("pace-field", HTMLElement);
    this.which = byId("pace-clip", HTMLButtonElement);
    this.select.append(...Object.entries(WAYS).map(([value, text]) => new Option(text, value)));
    this.select.value = remembered("pace") in WAYS ? remembered("pace") : "time";
    this.select.addEventListener("change", () => (this.use(this.select.value), this.select.blur()));
    this.which.addEventListener("click", () => this.choose());
  }

  /** How the clips of the question go, where there is a choice. */
  get way() {
    return this.field.hidden ? "time" : this.select.value;
  }

  /**
   * Play the clips of a question; where they were playing already, from where they are.
   * @param {Stage} stage
   */
  take(stage) {
    const { time } = this.clock;
    const goesOn = stage === this.stage;
    this.stage = stage;
    this.field.hidden = !stage.uneven;
    if (!goesOn) {
      this.chosen = 0;
      this.times = stage.screens.map(() => 0);
    }
    this.arrange(goesOn ? time : 0);
  }

  /** @param {number} time [s] where the clock continues */
  arrange(time) {
    const { stage, clock } = this;
    if (!stage) return;
    const { playing } = clock;
    this.stop();
    const lanes = stage.screens.map((screen) => screen.parts);
    const each = this.way === "each";
    if (this.way === "share") clock.take(finestFirst(shares(lanes).flat()));
    else clock.take(finestFirst(each ? lanes[this.chosen] : lanes.flat()));
    if (time) clock.goTo(Math.floor(time * clock.fps + 1e-3));
    if (each) this.others = lanes.flatMap((parts, i) => (i === this.chosen ? [] : [this.beside(parts, this.times[i])]));
    this.which.hidden = !each;
    const word = this.which.firstElementChild;
    if (word) word.textContent = `Clip ${stage.screens[this.chosen].clip.label}`;
    stage.screens.forEach(({ figure }, i) => figure.classList.toggle("steered", each && i === this.chosen));
    if (playing) clock.play();
  }

  /**
   * @param {Part[]} parts
   * @param {number} time [s]
   */
  beside(parts, time) {
    const other = new Clock(() => {
      other.loop = this.clock.loop;
      if (other.rate !== this.clock.rate) other.setRate(this.clock.rate);
    });
    other.rate = this.clock.rate;
    other.take(parts);
    other.time = time;
    other.play();
    return other;
  }

  stop() {
    for (const other of this.others) other.close();
    this.others = [];
  }

  /** @param {string} way */
  use(way) {
    if (this.field.hidden) return;
    this.select.value = way;
    remember("pace", way);
    this.arrange(0);
  }

  next() {
    const ways = Object.keys(WAYS);
    this.use(ways[(ways.indexOf(this.select.value) + 1) % ways.length]);
  }

  /** Have the controls move the next clip. */
  choose() {
    if (this.way !== "each" || !this.stage) return;
    this.times[this.chosen] = this.clock.time;
    this.chosen = (this.chosen + 1) % this.stage.screens.length;
    this.arrange(this.times[this.chosen]);
  }

  /**
   * Return which frame of a clip is shown.
   * @param {number} place of the clip on the screen
   */
  frameOf(place) {
    const stage = this.stage;
    if (!stage) return 0;
    const { frames, fps } = stage.screens[place].clip;
    const longest = Math.max(...stage.screens.map(({ clip }) => clip.frames / clip.fps));
    const scale = this.way === "share" ? frames / fps / longest : 1;
    const others = stage.screens.map((_, i) => i).filter((i) => i !== this.chosen);
    const clock = this.way === "each" && place !== this.chosen ? this.others[others.indexOf(place)] : this.clock;
    return Math.min(Math.max(Math.floor(clock.time * scale * fps + 1e-3), 0), frames - 1);
  }
}

/** The clock counts the frames of its first video. @param {Part[]} parts */
function finestFirst(parts) {
  return [...parts].sort((one, other) => other.fps - one.fps);
}

/**
 * Return the clips stretched to the length of the longest.
 * @param {Part[][]} lanes
 * @returns {Part[][]}
 */
function shares(lanes) {
  const lengths = lanes.map((parts) => Math.max(...parts.map(({ frames, fps }) => frames / fps)));
  const longest = Math.max(...lengths);
  return lanes.map((parts, i) => {
    const scale = lengths[i] / longest;
    return parts.map(({ video, frames, fps }) => ({ video: /** @type {any} */ (new TimedVideo(video, 0, scale)), frames, fps: fps * scale }));
  });
}
