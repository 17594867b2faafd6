// @ts-check
/** A running session, watched live: which step of which episode the page shows, and how old that is. */

import { Connection } from "../shared/player/session-socket.js";
import { Views } from "../shared/player/session-views.js";
import { byId } from "../shared/player/transport.js";

const IDLE_EVERY = 300; // [ms] that a page which drives says that it is there
const REMEMBERED = 200; // control steps, of which is known which frame they were

/** @typedef {{dataset: string, episode: string, step: number, rate: number, delay: number, source: "live" | "replay", session: string, policy: string}} Now */

export class Live {
  /**
   * @param {string} session
   * @param {string} wanted the policy that it was begun with
   * @param {{changed: () => void, say: (text: string, tone?: "good" | "bad" | "plain") => void}} page
   */
  constructor(session, wanted, page) {
    this.session = session;
    this.wanted = wanted;
    this.page = page;
    /** @type {any} */
    this.scene = null;
    /** @type {any} */
    this.status = null;
    /** @type {any} */
    this.controls = null;
    /** @type {Map<number, {frame: number, episode: string}>} tick → what it was */
    this.ticks = new Map();
    /** @type {{frame: number, episode: string} | null} that the page shows */
    this.shown = null;
    this.shownTick = -1;
    this.shownAt = 0; // [ms]
    this.ids = 0;
    this.sequence = 0;
    this.views = new Views([byId("view", HTMLElement)], {
      changed: () => this.link.send(this.views.wanted),
      drawn: ({ tick }) => this.drawn(tick),
      done: (frame) => this.link.send({ type: "drawn", frame, latency: null }),
    });
    this.link = new Connection(session, {
      message: (message) => this.receive(message),
      picture: (picture) => this.views.draw(picture),
      state: (state) => this.linked(state),
    });
    this.views.writeDrawer();
    setInterval(() => this.sayHere(), IDLE_EVERY);
  }

  /** @param {any} message */
  receive(message) {
    if (message.type === "scene") {
      this.scene = message;
      this.views.setScene(message.cameras, message.task);
      this.link.send(this.views.wanted);
    }
    if (message.type === "status") {
      this.status = message;
      this.ticks.set(message.tick, { frame: message.frame, episode: message.episode });
      if (message.tick === this.shownTick) this.shown = this.ticks.get(message.tick) || this.shown;
      if (this.ticks.size > REMEMBERED) this.ticks.delete(this.ticks.keys().next().value ?? 0);
    }
    if (message.type === "controls") this.controls = message;
    if (message.type === "reply" && message.text) this.page.say(message.text, message.ok ? "plain" : "bad");
    if (message.type === "notice") this.page.say(message.text, message.tone);
    this.page.changed();
  }

  /** @param {number} tick that the picture shows */
  drawn(tick) {
    this.shownTick = tick;
    this.shown = this.ticks.get(tick) || this.shown; // where a picture comes before its status, that says it in a moment
    this.shownAt = performance.now();
    this.page.changed();
  }

  /** @param {string} state */
  linked(state) {
    byId("signal", HTMLElement).dataset.link = state;
    if (state === "open") {
      this.views.reconnected();
      this.link.send(this.views.wanted);
    }
    const words = /** @type {Record<string, string>} */ ({ lost: "The connection is lost; it comes back by itself.", over: "The session has ended. What was kept is in the library.", superseded: "This session is watched in another tab." });
    this.trouble = words[state] || "";
    this.page.changed();
  }

  get task() {
    return this.scene?.task || "";
  }

  /** Whether the policy is still being loaded: no policy runs until then. */
  get loading() {
    return Boolean(this.wanted) && this.status !== null && !this.status.policy && this.status.phase === "ready";
  }

  get who() {
    if (this.loading) return "the policy is being loaded";
    const policy = this.status?.policy;
    return policy ? `${policy.replace(/^runs\//, "").replace(/\/checkpoints\/.*$/, "")} drives` : "a person drives";
  }

  get frames() {
    return Math.max(this.scene ? this.scene.horizon + 1 : 2, this.status?.frames || 0);
  }

  get frame() {
    return this.shown?.frame || 0;
  }

  /** The episode that is shown; "" where none is open. */
  get episode() {
    return this.shown?.episode || "";
  }

  get dataset() {
    return this.scene?.dataset || "";
  }

  get drives() {
    return Boolean(this.controls?.holder) && this.controls.holder.id === this.controls.you;
  }

  get running() {
    return this.status?.phase === "running";
  }

  /** The step that a press refers to; an explanation where there is none. @returns {Now | string} */
  now() {
    if (!this.shown || !this.scene || !this.status) return "Nothing is shown yet.";
    if (!this.episode) return "No episode runs; presses count while one does.";
    const dt = this.scene.control_dt;
    const behind = this.status.episode === this.episode ? Math.max(0, this.status.frame - this.shown.frame) * dt : 0;
    const still = this.running ? (performance.now() - this.shownAt) / 1000 : 0;
    return {
      dataset: this.dataset, episode: this.episode, step: this.shown.frame, rate: 1 / dt,
      delay: Math.min(behind + still, 60), source: "live", session: this.session, policy: this.status.policy,
    };
  }

  /** @param {string} act @param {unknown} [value] */
  do(act, value = null) {
    if (this.drives) this.link.send({ type: "do", fence: this.controls.fence, id: (this.ids += 1), act, value });
  }

  toggle() {
    if (!this.loading) this.do(this.running ? "pause" : "start");
  }

  swap() {
    this.views.swap();
  }

  nextCamera() {
    this.views.next();
  }

  /** Heartbeat of a page that drives without input: the session pauses where no operator is present. */
  sayHere() {
    if (!this.drives || !this.status) return;
    this.sequence += 1;
    this.link.send({ type: "input", fence: this.controls.fence, sequence: this.sequence, at: performance.now(), twist: [0, 0, 0, 0, 0, 0], gripper: Math.max(-1, Math.min(1, this.status.gripper)), takeover: false, idle: true });
  }
}
