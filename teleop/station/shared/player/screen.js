// @ts-check
/** One of several clips that a clock holds: drawn by this browser from poses, or a video of the station's. */

import { element } from "../made.js";
import { drawer } from "../scene/choice.js";
import { DrawnVideo } from "../scene/drawn-video.js";
import { NoPosesError, fetchPoses } from "../scene/poses.js";
import { CannotDrawError, loadScene } from "../scene/scene.js";
import { union } from "../scene/views.js";
import { tell } from "../toast.js";

/** @typedef {{address: string, poses: string, frames: number, fps: number}} Shot  poses: their address; empty where only the station draws it */

/** That a clip did not come. */
export class ClipError extends Error {
  /**
   * @param {number} status of the answer
   * @param {string} text
   */
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

export class Screen {
  /**
   * @param {Shot} shot
   * @param {string} label for those who do not see it
   * @param {() => void} again is called when this browser cannot draw it any more
   */
  constructor(shot, label, again) {
    this.shot = shot;
    this.label = label;
    this.again = again;
    this.refused = !shot.poses; // this browser cannot draw it
    /** @type {DrawnVideo | null} */
    this.drawn = null;
    this.element = element("video", { muted: true, playsinline: true, preload: "auto", disablepictureinpicture: true, tabindex: "-1" });
    this.element.muted = true;
    this.element.setAttribute("aria-label", label);
    this.note = element("p", { class: "screen-note" }, "Drawing the clip");
    this.frame = element("div", { class: "screen" }, this.element, this.note);
    this.address = "";
  }

  /** What the clock holds. @returns {import("./clock.js").Part[]} */
  get parts() {
    return [{ video: this.drawn || this.element, frames: this.shot.frames, fps: this.shot.fps }];
  }

  /**
   * @param {string} camera
   * @param {number} width of the station's pictures
   * @param {AbortSignal} signal
   * @returns {Promise<void>} its first frame can be shown
   */
  async load(camera, width, signal) {
    if (drawer() === "here" && !this.refused) {
      try {
        return await this.draw(camera, signal);
      } catch (error) {
        if (signal.aborted) throw error;
        if (!(error instanceof CannotDrawError) && !(error instanceof NoPosesError)) throw error;
        this.refused = true; // the station says why, where it cannot either
      }
    }
    this.leave();
    await this.play(`${this.shot.address}&camera=${encodeURIComponent(camera)}&width=${width}`, signal);
  }

  /**
   * @param {string} camera
   * @param {AbortSignal} signal
   */
  async draw(camera, signal) {
    this.note.textContent = "Loading the clip";
    const poses = await fetchPoses(this.shot.poses, signal);
    const share = (/** @type {number} */ value) => (this.note.textContent = `Loading the scene, ${Math.round(100 * value)} %`);
    const scene = await loadScene(poses.about, share);
    if (signal.aborted) return;
    this.leave();
    const canvas = element("canvas", { role: "img", "aria-label": this.label });
    this.frame.prepend(canvas);
    this.element.hidden = true;
    this.drawn = new DrawnVideo(canvas);
    this.drawn.panes[0].camera = camera;
    await this.drawn.open(poses, scene, (why) => {
      this.refused = true;
      tell(why, "plain");
      this.again();
    });
    this.note.hidden = true;
  }

  /** The station's video is shown. */
  leave() {
    this.drawn?.panes[0].canvas.remove();
    this.drawn?.close();
    this.drawn = null;
    this.element.hidden = false;
  }

  /**
   * @param {string} address
   * @param {AbortSignal} signal
   * @returns {Promise<void>} its first frame can be shown
   */
  async play(address, signal) {
    const answer = await fetch(address, { signal, headers: { Accept: "application/json" } });
    if (!answer.ok) throw new ClipError(answer.status, (await answer.json().catch(() => ({}))).error || "The clip could not be loaded.");
    const content = await answer.blob();
    if (signal.aborted) return;
    this.free();
    this.address = URL.createObjectURL(content);
    const loaded = new Promise((resolve, reject) => {
      this.element.onloadeddata = resolve;
      this.element.onerror = () => reject(new ClipError(410, "The browser cannot play this clip."));
    });
    this.element.src = this.address;
    await loaded;
    this.note.hidden = true;
  }

  free() {
    if (this.address) URL.revokeObjectURL(this.address);
    this.address = "";
  }

  close() {
    this.leave();
    this.element.onerror = null;
    this.element.removeAttribute("src");
    this.element.load();
    this.free();
  }
}

/** Show equal parts of the scene in all clips: what one would cut off is kept in all. @param {{drawn: DrawnVideo | null}[]} screens */
export function frameAlike(screens) {
  const panes = screens.flatMap(({ drawn }) => (drawn ? [drawn.panes[0]] : []));
  const kept = union(panes.map((pane) => pane.kept));
  for (const pane of panes) pane.kept = kept;
  for (const { drawn } of screens) drawn?.refresh();
}
