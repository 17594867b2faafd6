// @ts-check
/** The cameras of the player: those of the scene, and a free one that is rotated by dragging. */

import { get, tellRefusals } from "../shared/api.js";
import { element } from "../shared/made.js";
import { Orbit } from "./orbit.js";
import { tell } from "../shared/toast.js";

const FREE = "free";
const BESIDE = 3; // other cameras that are shown beside the large one

/** @type {Map<string, Record<string, number[]>>} */
const knownCameras = new Map();

export class Cameras {
  /** @param {import("./player.js").Player} player @param {HTMLElement} stage  is dragged */
  constructor(player, stage) {
    this.player = player;
    /** @type {Record<string, number[] | null>} */
    this.poses = {};
    this.menu = element("select", { "aria-label": "Camera", onchange: () => this.choose(this.menu.value) });
    this.strip = element("div", { class: "strip", hidden: true });
    this.orbit = new Orbit(stage, {
      begin: () => this.pose(),
      fine: () => player.clip.here,
      turn: (camera) => this.look(camera, true),
      end: (camera) => this.look(camera, false),
    });
  }

  /**
   * Offer the cameras of an episode: of its scene, of its recorded frames, or the only one of its environment.
   * @param {any} item
   */
  start(item) {
    const { show, cameras } = item.timeline;
    if (show !== "state") this.poses = Object.fromEntries(cameras.map((/** @type {string} */ name) => [name, null]));
    this.menu.disabled = show !== "state" && cameras.length < 2;
    this.draw();
    if (show === "state") this.ask(item.task);
  }

  /** @param {string} task */
  async ask(task) {
    if (!knownCameras.has(task)) {
      const answer = await tellRefusals(() => get(`/api/library/cameras?${new URLSearchParams({ task })}`));
      if (!answer) return;
      knownCameras.set(task, answer.cameras);
    }
    this.poses = knownCameras.get(task) || {};
    if (this.player.item?.task === task) this.draw();
  }

  draw() {
    const drawn = this.player.item?.timeline.show === "state";
    const names = Object.keys(this.poses);
    const camera = this.player.clip.camera;
    this.drawStrip(drawn && this.player.clip.here ? names.filter((name) => name !== camera).slice(0, BESIDE) : []);
    if (!drawn) {
      const recorded = names.map((name) => element("option", { value: name, selected: name === camera }, name));
      return this.menu.replaceChildren(...(recorded.length ? recorded : [element("option", {}, "its own camera")]));
    }
    const free = camera.includes(",");
    if (!free && !names.includes(camera)) names.unshift(camera);
    const options = names.map((name) => element("option", { value: name, selected: name === camera }, name));
    options.push(element("option", { value: FREE, selected: free }, "free: drag the picture"));
    this.menu.replaceChildren(...options);
  }

  /** Show other cameras beside the large one, all at the same moment. @param {string[]} names */
  drawStrip(names) {
    this.strip.hidden = !names.length;
    if (this.strip.dataset.names === names.join() && names.length) return;
    this.strip.dataset.names = names.join();
    const others = names.map((camera) => ({ camera, canvas: element("canvas", { "aria-hidden": "true" }) }));
    this.strip.replaceChildren(...others.map(({ camera, canvas }) => element("button", { type: "button", class: "pane", "aria-label": `Look from ${camera}`, onclick: () => this.choose(camera) }, canvas, element("span", {}, camera))));
    this.player.clip.lookToo(others);
  }

  /** @param {string} camera */
  choose(camera) {
    if (camera === FREE) {
      const pose = this.pose();
      if (pose) this.look(pose.join(","), false);
      return tell("Drag the picture to turn it; the wheel goes nearer.");
    }
    this.look(camera, false);
  }

  next() {
    const names = Object.keys(this.poses);
    if (!names.length) return;
    this.look(names[(names.indexOf(this.player.clip.camera) + 1) % names.length], false);
  }

  /**
   * @param {string} camera
   * @param {boolean} still only the present frame: it is being turned
   */
  look(camera, still) {
    if (!this.player.item || (this.player.item.timeline.show !== "state" && camera.includes(","))) return;
    this.player.clip.look(camera, { still });
    this.draw();
    if (!still) this.player.note();
  }

  /** The camera's position, as numbers. @returns {number[] | null} */
  pose() {
    const camera = this.player.clip.camera;
    if (camera.includes(",")) return camera.split(",").map(Number);
    return this.poses[camera] || null;
  }
}
