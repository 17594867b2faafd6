// @ts-check
/** The panel of the operate page: status, timeline, counters, operator, latency. */

import { Legend } from "./legend.js";

const SLOW = 120; // [ms] latency above which the page says why
const CALM = 80; // [ms] between two statuses that are shown while the episode runs
const LATE = 20; // [ms] of ticks after their deadline, which is the machine's doing
const SOURCES = /** @type {Record<string, string>} */ ({
  human: "you", policy: "policy", scripted: "scripted", correction: "you, correcting",
});

const by = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** Write a text where it differs: the page is not laid out again for nothing. @param {string} id @param {string} text */
function write(id, text) {
  const place = by(id);
  if (place.textContent !== text) place.textContent = text;
}

/** @param {number} seconds */
const clock = (seconds) =>
  `${String(Math.floor(seconds / 60)).padStart(2, "0")}:${(seconds % 60).toFixed(1).padStart(4, "0")}`;

export class Panel {
  constructor() {
    /** @type {any} */
    this.scene = null;
    /** @type {any} */
    this.status = null;
    /** @type {any} */
    this.figures = null;
    this.shownAt = -Infinity; // [ms]
    this.dragging = false; // the timeline
    this.lastSuccess = false;
    this.legend = new Legend(by("legend"));
  }

  /** @param {any} scene */
  showScene(scene) {
    this.scene = scene;
    write("task", scene.task);
    write("instruction", scene.instruction);
    write("conditions", scene.conditions);
    by("conditions").hidden = !scene.conditions;
    document.title = `${scene.task} · Operate · robo-rlhf`;
  }

  /**
   * Take a status; of those that differ in nothing but where the episode is, every second one is shown.
   * @param {any} status @param {boolean} drives @param {boolean} moving  something is held, for some time
   */
  update(status, drives, moving) {
    const before = this.status;
    const alike = before && ["phase", "success", "mark", "source", "gripper", "kept", "discarded", "seed", "trouble", "episode", "undo", "branches"].every(
      (name) => before[name] === status[name],
    );
    this.status = status;
    const now = performance.now();
    if (alike && status.phase === "running" && now - this.shownAt < CALM) return;
    this.shownAt = now;
    this.showStatus(status, drives, moving);
  }

  /** @param {any} status @param {boolean} drives @param {boolean} moving  something is held, for some time */
  showStatus(status, drives, moving) {
    const dt = this.scene?.control_dt ?? 0.05;
    by("operate").dataset.phase = status.phase;
    write("seed", String(status.seed));
    write("time", clock(status.frame * dt));
    write("steps", String(status.frame));
    write("episode", status.parent ? `${status.kept + 1}, branched` : String(status.kept + 1));
    const name = this.sourceOf(status, drives);
    write("source", status.phase === "running" && status.holds && status.source !== "policy" ? `${name}, holding` : name);
    const grips = this.scene?.controls.some((/** @type {any} */ one) => one.source === "gripper");
    write("gripper", !grips ? "none" : status.gripper > 0 ? "closed" : "open");
    this.showSuccess(status);
    this.showTimeline(status, dt);
    write("start-text", status.phase === "ready" ? "Start" : status.frame < status.frames - 1 ? "Continue from here" : "Continue");
    this.showCounters(status);
    this.showOverlay(status, drives, moving);
    this.legend.show(drives, moving);
    for (const mark of ["success", "failure", "unmark"]) {
      const on = mark === (status.mark || "unmark");
      document.querySelector(`[data-act="${mark}"]`)?.setAttribute("aria-pressed", String(on));
    }
  }

  /** @param {any} status @param {boolean} drives */
  sourceOf({ source, phase, episode }, drives) {
    const recorded = phase === "paused" && !episode; // a recorded episode, which is only viewed
    if (recorded || !drives) return { human: "a person", correction: "a correction" }[String(source)] || SOURCES[source] || source;
    return SOURCES[source] || source || "–";
  }

  /** @param {any} status */
  showSuccess(status) {
    const state = status.mark || (status.success ? "success" : "not");
    const words = /** @type {Record<string, string>} */ ({
      success: status.mark ? "success, by you" : "success", failure: "failure, by you", not: "not yet",
    });
    by("light").dataset.state = state;
    write("success", words[state]);
    if (status.success !== this.lastSuccess) {
      this.lastSuccess = status.success;
      if (status.success) write("spoken", "The task says success.");
    }
  }

  /** @param {any} status @param {number} dt [s] */
  showTimeline(status, dt) {
    const line = /** @type {HTMLInputElement} */ (by("timeline"));
    const most = Math.max(status.frames - 1, 0);
    if (Number(line.max) !== most) line.max = String(most);
    line.disabled = most === 0;
    if (!this.dragging && Number(line.value) !== status.frame) line.value = String(status.frame);
    const at = this.dragging ? Number(line.value) : status.frame;
    const text = at < most ? `${(at * dt).toFixed(1)} of ${(most * dt).toFixed(1)} s` : `${(most * dt).toFixed(1)} s`;
    write("timeline-text", text);
    line.setAttribute("aria-valuetext", text);
  }

  /** @param {any} status */
  showCounters(status) {
    write("kept", String(status.kept));
    const count = (/** @type {string} */ id, /** @type {number} */ number, /** @type {string} */ one, /** @type {string} */ many) => (write(id, String(number)), write(`${id}-word`, number === 1 ? one : many));
    count("successes", status.successes, "success", "successes");
    count("failed", status.kept - status.successes, "failure", "failures");
    write("branches", String(status.branches));
    by("branches-words").hidden = !status.branches;
    write("undo-word", status.undo ? `Undo ${status.undo}` : "Undo");
    by("undo").setAttribute("aria-disabled", String(!status.undo));
    write("discarded", String(status.discarded));
    write("rate", status.minutes > 0.5 ? String(Math.round((status.kept / status.minutes) * 60)) : "–");
  }

  /**
   * Show over the picture why nothing moves.
   * @param {any} status @param {boolean} drives @param {boolean} moving  keys held
   */
  showOverlay(status, drives, moving) {
    let text = "";
    if (status.trouble) text = status.trouble;
    else if (!drives) text = "";
    else if (status.phase !== "running" && moving) text = "Let go, then move again";
    else if (status.phase === "ready") text = status.policy ? "Start lets the policy drive" : "Move to begin";
    else if (status.phase === "paused" && status.frame < status.frames - 1) text = "Looking back. Move to continue from here";
    else if (status.phase === "paused") text = "Paused. Move to continue";
    by("overlay").hidden = !text;
    write("overlay-text", text);
  }

  /** @param {number | null} usual [ms] */
  showLatency(usual) {
    const rate = this.scene ? `${Math.round(1 / this.scene.control_dt)} Hz` : "";
    const place = by("latency");
    if (usual === null) {
      place.dataset.state = "none";
      write("latency-text", rate || "–");
      return;
    }
    const slow = usual > SLOW;
    place.dataset.state = slow ? "slow" : "good";
    write("latency-text", `${rate} · ${Math.round(usual)} ms${slow ? `, ${this.reason()}` : ""}`);
  }

  reason() {
    const { render = 0, link = 0 } = this.figures || {};
    if ((this.status?.late ?? 0) > LATE) return "machine is slow";
    return render > link ? "drawing is slow" : "network is slow";
  }

  /** Show which operator drives. @param {any} controls */
  showControls(controls) {
    const others = controls.spectators.filter((/** @type {any} */ one) => one.id !== controls.you);
    const names = [...new Set(others.map((/** @type {any} */ one) => one.name))].join(", ");
    const mine = controls.holder?.id === controls.you;
    const parts = [];
    if (!mine) parts.push(controls.holder ? `${controls.holder.name} drives${controls.away ? " (away)" : ""}` : "No operator drives");
    if (names) parts.push(`${names} ${others.length > 1 ? "watch" : "watches"}`);
    write("people", parts.join(" · "));
    by("operate").dataset.drives = String(mine);
  }
}

/**
 * The line at the top that shows unusual conditions, and what can be done about them.
 * @param {string} text  empty: nothing
 * @param {"plain" | "warn" | "bad"} [tone]
 * @param {{label: string, run: () => void}[]} [actions]
 */
export function banner(text, tone = "plain", actions = []) {
  const place = by("banner");
  place.hidden = !text;
  place.className = `banner ${tone}`;
  write("banner-text", text);
  const buttons = actions.map(({ label, run }) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button small";
    button.textContent = label;
    button.addEventListener("click", run);
    return button;
  });
  by("banner-actions").replaceChildren(...buttons);
}
