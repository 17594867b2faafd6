// @ts-check
/** Actions on the episode in the player: continue from a frame, cut, delete, download. */

import { mediaAddress } from "../shared/player/media-address.js";
import { ask } from "../shared/dialog.js";
import { follow } from "./bulk.js";
import { button, element } from "../shared/made.js";
import { tell } from "../shared/toast.js";

/** @typedef {import("./player.js").Key} Key */

export class Deeds {
  /** @param {import("./player.js").Player} player */
  constructor(player) {
    this.player = player;
    this.cutBar = element("div", { class: "row cut-bar", hidden: true });
    this.here = element("div", { class: "row here" });
  }

  /** The actions at the current frame. */
  drawHere() {
    const { item } = this.player;
    if (item.timeline.enter !== "state") return this.here.replaceChildren();
    const asks = element("a", { class: "button", href: this.askAddress(), "data-mode": "ask" }, "Ask a policy here ", element("kbd", { "data-key": "ask" }));
    if (!this.player.page.mayEdit || !item.timeline.enter) return this.here.replaceChildren(asks);
    const link = (/** @type {string} */ mode, /** @type {string} */ label, /** @type {string} */ key) =>
      element("a", { class: "button", href: this.operateAddress(mode), "data-mode": mode }, label, " ", element("kbd", { "data-key": key }));
    this.here.replaceChildren(link("continue", "Continue from here", "continue"), link("takeover", "Take over from here", "takeover"), asks);
  }

  /** Point the links to the current frame. */
  point() {
    for (const link of this.here.querySelectorAll("a")) link.href = link.dataset.mode === "ask" ? this.askAddress() : this.operateAddress(link.dataset.mode || "continue");
  }

  /** The address of the policy probe at this frame. */
  askAddress() {
    const { item, clip } = this.player;
    return `/ask?${new URLSearchParams({ dataset: item.dataset, episode: item.episode, frame: String(clip.frame) })}`;
  }

  ask() {
    if (this.player.item?.timeline.enter === "state") location.assign(this.askAddress());
  }

  /** @param {string} mode */
  operateAddress(mode) {
    const { item } = this.player;
    const query = new URLSearchParams({ source: item.dataset, episode: item.episode, frame: String(this.player.clip.frame), mode, task: item.task, start: "1" });
    if (!item.dataset.includes("/")) query.set("dataset", item.dataset);
    return `/operate?${query}`;
  }

  /** @param {"continue" | "takeover"} mode */
  operate(mode) {
    if (this.player.item?.timeline.enter && this.player.page.mayEdit) location.assign(this.operateAddress(mode));
  }

  /** The handles were moved: show what would be kept, and offer to cut. */
  cutting() {
    if (!this.player.item || !this.player.timeline) return;
    const { start, stop, whole } = this.player.timeline;
    this.cutBar.hidden = whole;
    if (whole) return;
    const words = `Keep ${(start * this.player.item.dt).toFixed(2)} s to ${(stop * this.player.item.dt).toFixed(2)} s: ${stop - start} of ${this.player.item.steps} steps`;
    this.cutBar.replaceChildren(
      element("span", { class: "number", role: "status" }, words),
      element("span", { class: "spring" }),
      button("Keep all", "quiet", () => this.player.timeline.setKept(0, this.player.item.steps)),
      button("Play it", "", () => this.playKept()),
      button("Trim", "primary", () => this.trim()),
    );
  }

  playKept() {
    const { start, stop } = this.player.timeline;
    this.player.clip.pause();
    this.player.clip.first = start;
    this.player.clip.last = stop;
    this.player.clip.goTo(start);
    this.player.clip.play();
  }

  async trim() {
    const { start, stop } = this.player.timeline;
    const key = /** @type {Key} */ (this.player.key);
    const [done] = await this.player.page.bulk.change({ act: "trim", start, stop }, [key], "Trimmed", true);
    if (!done) return this.player.reload();
    const made = { dataset: key.dataset, episode: done.new };
    this.player.page.go(made);
    this.player.page.bulk.offer("Trimmed. The whole episode is in the trash.", async () => {
      const back = await this.player.page.bulk.change({ act: "restore" }, [key], "Restored", true);
      if (back.length) await this.player.page.bulk.change({ act: "delete" }, [made], "Deleted", true);
      this.player.page.go(key);
    });
  }

  async remove() {
    const key = /** @type {Key} */ (this.player.key);
    const next = this.player.place?.after || this.player.place?.before;
    const done = await this.player.page.bulk.change({ act: "delete" }, [key], "Deleted", true);
    if (!done.length) return this.player.reload();
    if (next) this.player.page.go({ dataset: next[0], episode: next[1] });
    else this.player.page.back();
    this.player.page.bulk.offer("Moved the episode to the trash.", async () => {
      const back = await this.player.page.bulk.change({ act: "restore" }, [key], "Restored", true);
      if (back.length) this.player.page.go(key);
    });
  }

  async download() {
    const { item } = this.player;
    const choice = await ask({
      title: "Download",
      text: "The clip is drawn from the camera that you see now. The data hold everything: states, actions, observations.",
      choices: [
        { label: "Cancel", value: "" },
        { label: "Data (Parquet)", value: "data" },
        { label: "Clip (MP4)", value: "clip", tone: /** @type {const} */ ("primary") },
      ],
    });
    if (choice === "data") follow(`/library/download?${new URLSearchParams({ dataset: item.dataset, episode: item.episode })}`);
    if (choice === "clip") {
      tell("The clip is being drawn; your browser saves it when it is done.");
      follow(mediaAddress("clip", item, { camera: this.player.clip.camera, width: 640, download: "true" }));
    }
  }
}
