// @ts-check
/** The policy probe page: a policy's action at a frame of an episode, a what-if rollout from it, and corrections. */

import { get, pageData, Refused, send, tellRefusals } from "../shared/api.js";
import { drawBars } from "./bars.js";
import { Duo } from "./duo.js";
import { withCode, WorthChart } from "./worth.js";
import { Film } from "../shared/player/film.js";
import { measured, writeDrawer } from "../shared/scene/choice.js";
import { Insets, insetSwitch, swapInsets } from "../shared/player/insets.js";
import { bindKeys } from "../shared/keys.js";
import { button, date, duration, element } from "../shared/made.js";
import { mediaAddress } from "../shared/player/media-address.js";
import { camerasOf } from "../shared/questions.js";
import { byId } from "../shared/player/transport.js";
import { newKey } from "../shared/outbox.js";
import { Timeline } from "../shared/player/timeline.js";
import { tell } from "../shared/toast.js";

const LISTED = 100; // episodes to choose from, the newest
const REMEMBER = 300; // [ms] after the last change until the address says what is shown
const STALE = 300; // [ms] that arrows of another frame stay while new ones come
const SLOW = 2000; // [ms] after which the page says what it waits for
const SECONDS = [1, 2, 3, 4, 5];
const WIDTH = 640; // [pixels] of pictures

const data = pageData();
const page = newKey().slice(0, 16); // tells this page from others of the same person

class Ask {
  constructor() {
    const asked = new URLSearchParams(location.search);
    this.wanted = { dataset: asked.get("dataset") || "", episode: asked.get("episode") || "", frame: Number(asked.get("frame") || 0) };
    this.root = byId("ask", HTMLElement);
    this.task = byId("task", HTMLSelectElement);
    this.episode = byId("episode", HTMLSelectElement);
    this.policy = byId("policy", HTMLSelectElement);
    this.reward = byId("reward", HTMLSelectElement);
    this.camera = byId("camera", HTMLSelectElement);
    this.other = byId("other", HTMLSelectElement);
    this.seconds = byId("seconds", HTMLSelectElement);
    this.stage = byId("stage", HTMLElement);
    this.shown = byId("shown", HTMLImageElement);
    this.note = byId("note", HTMLParagraphElement);
    this.about = byId("future-about", HTMLParagraphElement);
    this.correct = byId("correct", HTMLAnchorElement);
    this.clock = byId("clock", HTMLElement);
    /** @type {any} */
    this.item = null;
    /** @type {any[]} */
    this.items = [];
    this.loads = 0;
    this.remembering = 0;
    this.looking = false; // a request is under way
    this.lookAgain = false; // and another one is needed after it
    this.since = 0; // [ms] when the frame changed that is looked at
    this.predicting = new AbortController();
    this.busy = false;
    this.insets = new Insets(this.stage);
    this.insetSwitch = insetSwitch("insets");
    byId("clock", HTMLElement).before(this.insetSwitch);
    this.drawer = byId("drawer", HTMLButtonElement);
    this.clip = new Film(this.stage, (shown) => this.showing(shown), () => this.swapped());
    this.clip.width = WIDTH;
    this.timeline = new Timeline(byId("timeline", HTMLElement), element("span"), { seek: (frame) => this.seek(frame), cut: () => {}, mayCut: false });
    this.worth = new WorthChart(byId("worth", HTMLElement));
    this.duo = new Duo((step) => this.item && this.worth.at(this.ahead + step));
    this.ahead = 0; // frame at which the what-if rollout begins
    this.cleared = false; // nothing of what the policy would do is drawn
    this.listen();
    this.choose(asked);
  }

  listen() {
    const on = (/** @type {string} */ id, /** @type {() => void} */ run) => byId(id, HTMLElement).addEventListener("click", run);
    on("play", () => this.clip.toggle());
    on("step-back", () => this.clip.step(-1));
    on("step-on", () => this.clip.step(1));
    on("before", () => this.beside(-1));
    on("after", () => this.beside(1));
    on("rollout", () => this.predict());
    on("compare", () => this.compare());
    on("duo-close", () => this.closeFuture());
    on("drawer", () => this.clip.swap());
    this.task.addEventListener("change", () => this.changeTask());
    this.episode.addEventListener("change", () => this.open());
    this.policy.addEventListener("change", () => (this.fillOther(), this.closeFuture(), this.moved(), this.remember()));
    this.reward.addEventListener("change", () => (this.judge(), this.remember()));
    this.camera.addEventListener("change", () => (this.clip.look(this.camera.value), this.moved()));
    this.seconds.append(...SECONDS.map((value) => new Option(`${value} s`, String(value), value === 3, value === 3)));
    const skip = (/** @type {number} */ seconds) => this.item && this.clip.goTo(this.clip.frame + Math.round(seconds / this.item.dt));
    bindKeys(data.keys, {
      play: () => this.clip.toggle(),
      step_back: () => this.clip.step(-1),
      step_on: () => this.clip.step(1),
      second_back: () => skip(-1),
      second_on: () => skip(1),
      rollout: () => this.predict(),
      compare: () => this.compare(),
      before: () => this.beside(-1),
      after: () => this.beside(1),
      camera: () => this.nextCamera(),
      drawer: () => this.clip.swap(),
      insets: () => swapInsets(),
      ...(data.mayDrive && { correct: () => this.item && location.assign(this.correct.href) }),
    });
    byId("correct-not", HTMLElement).hidden = data.mayDrive;
  }

  /**
   * Fill in the choices.
   * @param {URLSearchParams} asked
   */
  async choose(asked) {
    const trainedFor = data.policies.map((/** @type {any} */ policy) => policy.task); // outside environments too
    const names = [...new Set([...data.tasks.map((/** @type {any} */ task) => task.name), ...trainedFor])];
    this.task.append(...names.map((/** @type {string} */ name) => new Option(name, name)));
    const trained = data.policies[0]?.task;
    this.task.value = [asked.get("task"), trained, "pick_place", names[0]].find((name) => names.includes(name)) || "";
    if (this.wanted.episode) {
      const found = await this.details(this.wanted);
      if (found) this.task.value = found.task;
    }
    this.fillModels(asked.get("policy") || "", asked.get("reward") || "");
    await this.changeTask(true);
  }

  /**
   * @param {string} policy
   * @param {string} reward
   */
  fillModels(policy, reward) {
    const fitting = (/** @type {any[]} */ all) => all.filter((one) => one.task === this.task.value);
    const policies = fitting(data.policies);
    const rewards = fitting(data.rewards);
    const option = (/** @type {any} */ one) => new Option(nameOf(one.path), one.path);
    this.policy.replaceChildren(...(policies.length ? policies.map(option) : [new Option("none trained for this task yet", "")]));
    this.reward.replaceChildren(...(rewards.length ? [...rewards.map(option), new Option("none", "")] : [new Option("none trained for this task yet", "")]));
    if (policies.some((one) => one.path === policy)) this.policy.value = policy;
    if (rewards.some((one) => one.path === reward)) this.reward.value = reward;
    this.policy.disabled = !policies.length;
    this.reward.disabled = !rewards.length;
    this.fillOther();
  }

  /** The policies that the chosen one can be compared with. */
  fillOther() {
    const before = this.other.value;
    const others = data.policies.filter((/** @type {any} */ one) => one.task === this.task.value && one.path !== this.policy.value);
    this.other.replaceChildren(...(others.length ? others.map((/** @type {any} */ one) => new Option(nameOf(one.path), one.path)) : [new Option("there is no other policy", "")]));
    if (others.some((/** @type {any} */ one) => one.path === before)) this.other.value = before;
    this.other.disabled = !others.length;
    byId("compare", HTMLButtonElement).disabled = !others.length;
    byId("rollout", HTMLButtonElement).disabled = !this.policy.value;
  }

  /** @param {boolean} [first] whether the address says what is shown */
  async changeTask(first = false) {
    const number = ++this.loads;
    if (!first) this.fillModels("", "");
    const query = new URLSearchParams({ task: this.task.value, limit: String(LISTED), sort: "newest" });
    const found = await tellRefusals(() => get(`/api/library/episodes?${query}`));
    if (!found || number !== this.loads) return;
    this.items = found.items;
    const wanted = first ? this.wanted : null;
    if (wanted?.episode && !this.items.some((item) => same(item, wanted))) {
      const item = await this.details(wanted);
      if (item) this.items = [item, ...this.items];
    }
    this.episode.replaceChildren(...this.items.map((item, i) => new Option([date(item.started, true), item.outcome, duration(item.seconds), `${item.dataset}/${item.episode}`].join(" · "), String(i))));
    this.root.dataset.state = this.items.length ? "ready" : "empty";
    this.drawNothing();
    if (!this.items.length) return;
    const at = wanted?.episode ? this.items.findIndex((item) => same(item, wanted)) : 0;
    this.episode.value = String(Math.max(at, 0));
    await this.open(wanted?.frame || 0);
  }

  /** Show what is missing, where there is no episode or policy. */
  drawNothing() {
    const nothing = byId("nothing", HTMLElement);
    const empty = !this.items.length;
    nothing.hidden = !empty;
    byId("body", HTMLElement).hidden = empty;
    if (!empty) return;
    nothing.replaceChildren(
      element("h2", {}, `No episode of ${this.task.value} yet`),
      element("p", {}, "Record one, and ask a policy at any of its frames."),
      element("a", { class: "button primary", href: `/operate?task=${encodeURIComponent(this.task.value)}` }, "Record"),
    );
  }

  /** @param {{dataset: string, episode: string}} key */
  async details({ dataset, episode }) {
    return tellRefusals(() => get(`/api/library/episode?${new URLSearchParams({ dataset, episode })}`));
  }

  /** @param {number} [by] */
  beside(by = 1) {
    const at = Number(this.episode.value) + by;
    if (!this.items[at]) return;
    this.episode.value = String(at);
    this.open();
  }

  /**
   * Show the chosen episode.
   * @param {number} [frame]
   */
  async open(frame = 0) {
    const number = ++this.loads;
    this.closeFuture();
    const item = await this.details(this.items[Number(this.episode.value)]);
    if (!item || number !== this.loads) return;
    this.item = item;
    const { frames, sources, success, show, enter, reason } = item.timeline;
    this.timeline.show({ frames, dt: item.dt, sources, success });
    this.hideSeen();
    this.drawer.hidden = show !== "state" || !measured().possible;
    const cameras = show === "state" ? await camerasOf(item.task).catch(() => ["front"]) : ["front"];
    if (number !== this.loads) return;
    const camera = cameras.includes(this.camera.value) ? this.camera.value : cameras.includes("front") ? "front" : cameras[0];
    this.camera.replaceChildren(...cameras.map((/** @type {string} */ name) => new Option(name, name)));
    this.camera.value = this.clip.camera = camera;
    this.judge();
    if (show) this.clip.open({ ...item, frames, fps: 1 / item.dt, states: show === "state" }, frame);
    this.swapped();
    if (enter !== "state") this.say(reason || "Its frames are entered by a replay of its actions: no policy can be asked here.");
  }

  /** @param {number} frame */
  seek(frame) {
    this.clip.pause();
    this.clip.goTo(frame);
  }

  /** @param {import("../shared/player/clip.js").Shown} shown */
  showing(shown) {
    if (!this.item) return;
    byId("play-word", HTMLElement).textContent = shown.playing ? "Pause" : "Play";
    if (shown.trouble) this.say(shown.trouble);
    const changed = this.frame !== shown.frame || this.of !== this.item || this.played !== shown.playing;
    this.frame = shown.frame;
    this.of = this.item;
    this.played = shown.playing;
    if (!changed) return;
    this.timeline.at(shown.frame);
    this.clock.textContent = `${(shown.frame * this.item.dt).toFixed(2)} s · frame ${shown.frame} of ${this.item.timeline.frames - 1}`;
    if (!this.duo.open) this.worth.at(shown.frame);
    this.drawLinks();
    if (shown.playing) {
      this.hideSeen();
      this.insets.node.hidden = true;
    } else this.moved();
    this.remember();
  }

  drawLinks() {
    const { item } = this;
    this.correct.hidden = !data.mayDrive || !item.timeline.enter;
    const query = new URLSearchParams({ source: item.dataset, episode: item.episode, frame: String(this.clip.frame), mode: "takeover", task: item.task, start: "1" });
    if (!item.dataset.includes("/")) query.set("dataset", item.dataset);
    this.correct.href = `/operate?${query}`;
  }

  get query() {
    const { item } = this;
    return { dataset: item.dataset, episode: item.episode, frame: String(this.clip.frame), policy: this.policy.value, camera: this.camera.value, width: String(WIDTH), picture: String(!this.clip.here), page };
  }

  /** The frame or the policy changed: query the policy, one request at a time, the newest next. */
  moved() {
    if (this.item?.timeline.enter !== "state" || this.clip.playing) return;
    this.since = performance.now();
    this.drawLinks();
    if (!this.policy.value) return this.noPolicy();
    if (this.looking) this.lookAgain = true;
    else this.look();
  }

  /** The browser draws now, or the server does. */
  swapped() {
    if (!this.clip) return;
    writeDrawer(this.drawer, this.clip.here);
    this.hideSeen();
    if (this.of === this.item) this.moved();
  }

  /** Show the frame without what the policy would do there. */
  hideSeen() {
    this.cleared = true;
    this.shown.hidden = true;
    this.clip.mark([]);
  }

  noPolicy() {
    this.hideSeen();
    byId("bars", HTMLElement).replaceChildren();
    byId("bars-about", HTMLElement).replaceChildren(...withCode(`No policy is trained for ${this.task.value} yet. \`robo-rlhf train bc --task ${this.task.value}\` imitates what was recorded.`));
  }

  async look() {
    this.looking = true;
    this.lookAgain = false;
    const { since, item } = this;
    const asked = this.query;
    const stale = setTimeout(() => this.hideSeen(), STALE);
    const slow = setTimeout(() => this.say("The policy is being loaded ..."), SLOW);
    try {
      const seen = await get(`/api/ask/look?${new URLSearchParams(asked)}`);
      if (this.item === item && !this.clip.playing) await this.drawSeen(seen, asked, since);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (error.code !== "notnow" || !this.lookAgain) this.refused(error.message);
    } finally {
      clearTimeout(stale);
      clearTimeout(slow);
      this.looking = false;
      if (this.lookAgain) this.look();
    }
  }

  /**
   * Say why there is no answer, and offer to ask again.
   * @param {string} reason
   */
  refused(reason) {
    this.say(reason);
    const again = () => {
      this.say("");
      this.moved();
      if (!this.worth.worth) this.judge();
    };
    byId("bars", HTMLElement).replaceChildren();
    byId("bars-about", HTMLElement).replaceChildren(button("Ask again", "small", again));
  }

  /**
   * @param {any} seen
   * @param {{frame: string, policy: string}} asked
   * @param {number} since [ms]
   */
  async drawSeen(seen, asked, since) {
    if (asked.policy !== this.policy.value) return;
    drawBars(byId("bars", HTMLElement), byId("bars-about", HTMLElement), seen);
    const warning = byId("warning", HTMLElement);
    warning.textContent = seen.warning;
    warning.hidden = !seen.warning;
    if (!this.cleared && !this.duo.place.hidden && Number(asked.frame) === this.ahead) return; // the paths stay
    await Promise.all([this.picture(seen), this.drawInsets(seen)]);
    this.note.hidden = true;
    this.stage.dataset.frame = asked.frame;
    this.stage.dataset.ms = (performance.now() - since).toFixed(1);
    this.stage.setAttribute("aria-label", `Frame ${asked.frame}, with an arrow where the policy would go`);
  }

  /** Show what the policy saw, where it has cameras. @param {{cameras: string[], seen: string}} answer */
  async drawInsets({ cameras, seen }) {
    this.insetSwitch.hidden = !cameras.length;
    if (!cameras.length) return this.insets.open(null);
    const bitmap = await createImageBitmap(new Blob([Uint8Array.from(atob(seen), (sign) => sign.charCodeAt(0))]));
    if (this.insets.sight?.cameras.join() !== cameras.join() || this.insets.sight?.size !== bitmap.height) this.insets.open({ cameras, size: bitmap.height });
    this.insets.take(bitmap);
  }

  /** @param {{picture: string, marks: import("../shared/scene/marks.js").Mark[]}} answer  picture: a JPEG in base 64; empty where this browser draws */
  async picture({ picture, marks }) {
    this.cleared = false;
    if (!picture) return this.clip.mark(this.clip.playing ? [] : marks);
    this.shown.src = `data:image/jpeg;base64,${picture}`;
    await this.shown.decode().catch(() => {});
    this.shown.hidden = this.clip.playing || this.clip.here;
  }

  /** Request the reward model's values of the episode. */
  async judge() {
    const { item } = this;
    if (!item) return;
    if (!this.reward.value) {
      const none = `No reward model is trained for ${this.task.value} yet. \`robo-rlhf train reward --task ${this.task.value} --follow\` learns one from answers.`;
      return this.worth.tell(data.rewards.some((/** @type {any} */ one) => one.task === item.task) ? "No reward model is chosen." : none);
    }
    const query = { dataset: item.dataset, episode: item.episode, reward: this.reward.value, page };
    try {
      const { worth, looks, where } = await get(`/api/ask/judge?${new URLSearchParams(query)}`);
      if (this.item !== item || query.reward !== this.reward.value) return;
      this.worth.show(worth, item.timeline.frames);
      this.worth.looks(looks, where);
      this.worth.at(this.clip.frame);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (this.item === item && query.reward === this.reward.value) this.worth.tell(error.message);
    }
  }

  /** Request a what-if rollout of the policy from this frame. */
  async predict() {
    if (!this.item || !this.policy.value || this.clip.playing) this.clip.pause();
    if (this.item?.timeline.enter !== "state" || !this.policy.value) return;
    this.predicting.abort();
    const stop = (this.predicting = new AbortController());
    const { item } = this;
    const began = performance.now();
    const asked = { ...this.query, seconds: this.seconds.value, reward: this.reward.value };
    this.ahead = Number(asked.frame);
    this.about.textContent = "Simulating the policy from this frame ...";
    try {
      const found = await get(`/api/ask/predict?${new URLSearchParams(asked)}`, { signal: stop.signal });
      if (stop.signal.aborted || this.item !== item) return;
      this.tellFuture(found, item.dt);
      this.worth.showPrediction(found.worth && { at: found.frame, worth: found.worth });
      if (this.clip.frame === found.frame) await this.picture(found);
      const left = item.timeline.frames - 1 - found.frame;
      const frames = Math.min(left, found.steps) + 1;
      const [stretch, { fps }] = [{ start: found.frame, stop: found.frame + frames }, found];
      const recorded = { address: mediaAddress("clip", item, stretch), poses: mediaAddress("poses", item, stretch), frames, fps };
      const predicted = { address: `/ask/clip/${found.id}?fps=${fps}`, poses: `/ask/poses/${found.id}`, frames: found.steps + 1, fps };
      const came = await this.duo.show(frames > 1 ? recorded : null, predicted, asked.camera);
      if (came) this.duo.place.dataset.ms = (performance.now() - began).toFixed(0);
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") return;
      if (!(error instanceof Refused)) throw error;
      this.about.textContent = error.message;
    }
  }

  /**
   * @param {any} found
   * @param {number} dt
   */
  tellFuture(found, dt) {
    const ahead = `${(found.steps * dt).toFixed(1)} s`;
    const words = [];
    if (found.samples > 1) words.push(`The task gets done in ${found.succeed} of ${found.samples} futures of ${ahead}.`);
    else words.push(found.done === null ? `The task does not get done within ${ahead}.` : `The task gets done after ${(found.done * dt).toFixed(1)} s.`);
    if (found.worth) words.push(`Reward on average ${mean(found.worth.mean).toFixed(2)} ± ${mean(found.worth.spread).toFixed(2)}.`);
    if (found.broken) words.push(found.broken);
    this.about.textContent = words.join(" ");
  }

  closeFuture() {
    this.predicting.abort();
    this.duo.close();
    this.about.textContent = "";
    this.worth.showPrediction(null);
    if (this.item) this.worth.at(this.clip.frame);
    this.moved();
  }

  /** Create a question that compares two policies from this frame. */
  async compare() {
    if (!this.item || !this.other.value || this.busy) return;
    const button = byId("compare", HTMLButtonElement);
    this.busy = button.disabled = true;
    const { dataset, episode, policy } = this.query;
    const body = { dataset, episode, frame: this.clip.frame, policy, other: this.other.value, seconds: Number(this.seconds.value), page };
    const found = await tellRefusals(() => send("/api/ask/compare", body));
    this.busy = button.disabled = false;
    if (!found) return;
    const text = found.new ? "Asked. The question waits on the review page." : "This was asked before; the question is on the review page.";
    tell(text, "good", { label: "Review it", run: () => location.assign("/review?run=ask") });
  }

  nextCamera() {
    const { options, selectedIndex } = this.camera;
    if (options.length < 2) return;
    this.camera.selectedIndex = (selectedIndex + 1) % options.length;
    this.camera.dispatchEvent(new Event("change"));
  }

  /** @param {string} text */
  say(text) {
    this.note.textContent = text;
    this.note.hidden = !text;
  }

  /** Write the page's state into the address. */
  remember() {
    clearTimeout(this.remembering);
    this.remembering = setTimeout(() => {
      const { dataset, episode, frame, policy } = this.query;
      const query = new URLSearchParams({ dataset, episode, frame, policy, reward: this.reward.value });
      history.replaceState(null, "", `/ask?${query}`);
    }, REMEMBER);
  }
}

/** @param {string} path of a checkpoint */
function nameOf(path) {
  return path.replace(/^runs\//, "").replace(/\/checkpoints\//, " · ").replace(/\.safetensors$/, "");
}

/**
 * @param {{dataset: string, episode: string}} one
 * @param {{dataset: string, episode: string}} other
 */
function same(one, other) {
  return one.dataset === other.dataset && one.episode === other.episode;
}

/** @param {number[]} values */
function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(values.length, 1);
}

new Ask();
