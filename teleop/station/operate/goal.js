// @ts-check
/** Goals that may be moved before an episode begins: by a click into the main view, or a step at a time. */

import { button, element } from "../shared/made.js";

/** @typedef {import("../shared/player/session-views.js").CameraInfo} CameraInfo */
/** @typedef {[number, number, number]} Point */
/** @typedef {{name: string, position: Point}} Goal */

const STEP = 0.01; // [m]

/**
 * The point of the plane at height `z` [m] that a pixel of a free camera's picture shows; null where it shows none.
 * @param {CameraInfo} camera
 * @param {number} fovy [deg] angle of view, up and down
 * @param {number} aspect width of the picture over its height
 * @param {number} right -1 the left edge of the picture, 1 the right one
 * @param {number} up -1 the lower edge, 1 the upper one
 * @param {number} z [m]
 * @returns {Point | null}
 */
export function pointAt({ azimuth, elevation, distance, lookat }, fovy, aspect, right, up, z) {
  const [a, e] = [(azimuth * Math.PI) / 180, (elevation * Math.PI) / 180];
  const ahead = [Math.cos(e) * Math.cos(a), Math.cos(e) * Math.sin(a), Math.sin(e)];
  const aside = [Math.sin(a), -Math.cos(a), 0];
  const above = [-Math.sin(e) * Math.cos(a), -Math.sin(e) * Math.sin(a), Math.cos(e)];
  const half = Math.tan((fovy * Math.PI) / 360);
  const ray = ahead.map((value, axis) => value + half * (aspect * right * aside[axis] + up * above[axis]));
  const eye = lookat.map((value, axis) => value - distance * ahead[axis]);
  const far = (z - eye[2]) / ray[2];
  if (!Number.isFinite(far) || far <= 0) return null;
  return [eye[0] + far * ray[0], eye[1] + far * ray[1], z];
}

export class Goals {
  /**
   * @param {HTMLDetailsElement} menu
   * @param {HTMLElement} view the figure with the large picture
   * @param {{camera: () => CameraInfo | undefined, loosen: () => void, fovy: () => number,
   *   move: (goal: Goal) => Promise<any>, seed: () => void}} page `loosen` makes the large view's camera a free one,
   *   so that it is known what each pixel shows; `seed` puts everything back
   */
  constructor(menu, view, page) {
    this.menu = menu;
    this.view = view;
    this.page = page;
    /** @type {Goal[]} */
    this.goals = [];
    this.placing = ""; // name of the goal that the next click moves
    this.moving = false;
    this.canvas = /** @type {HTMLCanvasElement} */ (view.querySelector("canvas"));
    for (const kind of ["pointerdown", "click"]) view.addEventListener(kind, (event) => this.click(event), { capture: true });
    document.addEventListener("keydown", (event) => event.key === "Escape" && this.place(""));
  }

  /**
   * Show what may be moved now.
   * @param {Goal[]} goals
   * @param {boolean} drives
   */
  show(goals, drives) {
    const now = drives ? goals : [];
    const same = now.map(({ name }) => name).join() === this.goals.map(({ name }) => name).join();
    this.goals = now;
    if (same) return this.tell();
    this.menu.hidden = !now.length;
    this.menu.open = this.menu.open && !this.menu.hidden;
    this.place("");
    const sheet = /** @type {HTMLElement} */ (this.menu.querySelector(".sheet"));
    sheet.replaceChildren(
      ...now.map(({ name }) => this.rows(name)),
      button("As the seed has it", "", () => this.page.seed()),
    );
    this.tell();
  }

  /** Say where the goals are. */
  tell() {
    this.goals.forEach(({ position }, index) => {
      const place = this.menu.querySelectorAll("output")[index];
      const text = `${position.map((value) => (100 * value).toFixed(1)).join(", ")} cm`;
      if (place.textContent !== text) place.textContent = text;
    });
  }

  /** @param {string} name */
  rows(name) {
    const step = (/** @type {string} */ label, /** @type {string} */ words, /** @type {number} */ ahead, /** @type {number} */ left, /** @type {number} */ up) => {
      const made = button(label, "small", () => this.step(name, ahead, left, up));
      made.setAttribute("aria-label", `${name}: ${words} by 1 cm`);
      return made;
    };
    const into = button("Place it in the picture", "", () => this.place(this.placing === name ? "" : name));
    into.dataset.place = name;
    into.setAttribute("aria-pressed", "false");
    return element(
      "div",
      { class: "field", role: "group", "aria-label": `Move the ${name}` },
      element("div", { class: "row" }, element("strong", {}, name), element("output", { class: "number small soft" })),
      into,
      element(
        "div",
        { class: "row" },
        step("←", "to the left", 0, 1, 0), step("→", "to the right", 0, -1, 0), step("↑", "away", 1, 0, 0),
        step("↓", "nearer", -1, 0, 0), step("+", "higher", 0, 0, 1), step("−", "lower", 0, 0, -1),
      ),
    );
  }

  /** Let the next click into the picture move a goal; none where empty. @param {string} name */
  place(name) {
    this.placing = name;
    if (name) this.page.loosen();
    this.view.dataset.placing = name;
    for (const made of this.menu.querySelectorAll("[data-place]")) {
      made.setAttribute("aria-pressed", String(/** @type {HTMLElement} */ (made).dataset.place === name && name !== ""));
    }
  }

  /** @param {Event} event */
  click(event) {
    const camera = this.page.camera();
    if (!this.placing || !camera || !(event instanceof PointerEvent) || event.target !== this.canvas) return;
    event.stopPropagation();
    event.preventDefault();
    if (event.type !== "click") return; // the robot does not follow this one
    const [box, { width, height }] = [this.canvas.getBoundingClientRect(), this.canvas];
    const scale = Math.min(box.width / width, box.height / height); // the picture is as large as fits
    const right = (2 * (event.clientX - box.left) - box.width) / (scale * width);
    const up = (box.height - 2 * (event.clientY - box.top)) / (scale * height);
    const goal = this.goals.find(({ name }) => name === this.placing);
    const point = goal && pointAt(camera, this.page.fovy(), width / height, right, up, goal.position[2]);
    if (goal && point) this.move({ name: goal.name, position: point });
  }

  /**
   * Move a goal by a step, as seen in the large view.
   * @param {string} name
   * @param {number} ahead @param {number} left @param {number} up steps
   */
  step(name, ahead, left, up) {
    const [camera, goal] = [this.page.camera(), this.goals.find((one) => one.name === name)];
    if (!camera || !goal) return;
    const [cos, sin] = [Math.cos((camera.azimuth * Math.PI) / 180), Math.sin((camera.azimuth * Math.PI) / 180)];
    const [x, y, z] = goal.position;
    this.move({ name, position: [x + STEP * (ahead * cos - left * sin), y + STEP * (ahead * sin + left * cos), z + STEP * up] });
  }

  /** @param {Goal} goal */
  async move(goal) {
    if (this.moving) return;
    this.moving = true;
    await this.page.move(goal);
    this.moving = false;
  }
}
