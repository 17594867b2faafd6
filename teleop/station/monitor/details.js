// @ts-check
/** What a run was asked for and what is known of it: configuration, report, clips of its evaluations, notes. */

import { send, tellRefusals } from "../shared/api.js";
import { element } from "../shared/made.js";
import { tell } from "../shared/toast.js";

/** @typedef {import("./data.js").Run} Run */
/** @typedef {{name: string, dataset: string, episodes: {episode: string, outcome: string}[]}} Clips of an evaluation */

export class Details {
  /** @param {boolean} mayNote */
  constructor(mayNote) {
    this.mayNote = mayNote;
    this.place = /** @type {HTMLElement} */ (document.getElementById("details"));
    this.drawn = "";
    this.open = new Set(); // parts that are open, by their names
  }

  /** @param {Run[]} runs */
  draw(runs) {
    const drawn = JSON.stringify(runs.map(({ name, info }) => [name, info.config, info.notes, info.report, info.videos, info.clips]));
    if (drawn === this.drawn || (this.place.contains(document.activeElement) && document.activeElement instanceof HTMLTextAreaElement)) return;
    this.drawn = drawn;
    const parts = runs.map((run) => this.of(run));
    if (runs.length) parts.unshift(this.part(runs.length > 1 ? "Difference of the configurations" : "Configuration", [settings(runs)]));
    this.place.replaceChildren(...parts.filter((part) => part !== null));
  }

  /**
   * @param {string} name
   * @param {Node[]} content
   */
  part(name, content) {
    const node = element("details", { class: "card", ontoggle: () => (node.open ? this.open.add(name) : this.open.delete(name)) }, element("summary", {}, name), ...content);
    node.open = this.open.has(name);
    return node;
  }

  /** @param {Run} run */
  of({ name, info }) {
    const title = info.title || name;
    /** @type {Node[]} */
    const content = [];
    const links = element("p", { class: "row" });
    if (info.report) links.append(element("a", { class: "button small", href: `/monitor/report/${encodeURIComponent(name)}`, target: "_blank" }, "Report"));
    if (links.children.length) content.push(links);
    if (info.videos.length) content.push(videos(name, info.videos));
    content.push(...info.clips.map((/** @type {Clips} */ clips) => this.clips(name, clips)));
    if (this.mayNote) content.push(this.notes(name, info.notes));
    else if (info.notes) content.push(element("p", { class: "wrap notes" }, info.notes));
    return content.length ? this.part(`${title}: ${info.videos.length || info.clips.length ? "clips, " : ""}notes`, content) : null;
  }

  /**
   * Return a part that shows some episodes of an evaluation when it is opened; each is drawn when it is played.
   * @param {string} run
   * @param {Clips} clips
   */
  clips(run, { name, dataset, episodes }) {
    const [place, key] = [element("div", { class: "evaluation-clips" }), `${run}: ${name}`];
    const good = episodes.filter(({ outcome }) => outcome === "success").length;
    const show = () => {
      if (part.open) this.open.add(key);
      else this.open.delete(key);
      if (part.open && !place.childElementCount) place.append(...episodes.map((one) => film(`/monitor/clip/${[run, dataset, one.episode].map(encodeURIComponent).join("/")}`, one, name)));
    };
    const part = element("details", { class: "more", ontoggle: show }, element("summary", {}, `${name[0].toUpperCase()}${name.slice(1)} `, element("span", { class: "small soft" }, `${good} of ${episodes.length} shown succeeded`)), place);
    part.open = this.open.has(key);
    return part;
  }

  /**
   * @param {string} run
   * @param {string} text
   */
  notes(run, text) {
    const field = element("textarea", { id: `notes-${run}`, rows: "3", maxlength: "10000" });
    field.value = text;
    const save = async () => {
      if ((await tellRefusals(() => send("/api/monitor/notes", { run, text: field.value }))) !== undefined) tell("The notes are written.", "good");
    };
    const form = element("form", { class: "field", onsubmit: (/** @type {Event} */ event) => (event.preventDefault(), save()) }, element("label", { for: `notes-${run}` }, "Notes"), field);
    form.append(element("div", {}, element("button", { class: "button small", type: "submit" }, "Save the notes")));
    return form;
  }
}

/**
 * @param {string} address
 * @param {{episode: string, outcome: string}} episode
 * @param {string} name of the evaluation
 */
function film(address, { episode, outcome }, name) {
  const words = `seed ${episode.replace(/^.*-/, "")}: ${outcome || "its file cannot be read"}`;
  const video = element("video", { src: address, poster: `${address}?poster=true`, width: 320, height: 240, controls: true, muted: true, loop: true, playsinline: true, preload: "none", "aria-label": `${name}, ${words}` });
  return element("figure", {}, video, element("figcaption", { class: "small soft" }, words));
}

/**
 * @param {string} run
 * @param {string[]} names
 */
function videos(run, names) {
  const shown = names.map((name) => {
    const seed = name.replace(/^seed-|\.mp4$/g, "");
    const film = element("video", { src: `/monitor/video/${encodeURIComponent(run)}/${encodeURIComponent(name)}`, controls: true, muted: true, loop: true, playsinline: true, preload: "metadata", "aria-label": `Seed ${seed}: cloned on the left, fine-tuned on the right` });
    return element("figure", {}, film, element("figcaption", { class: "small soft" }, `seed ${seed}: cloned, fine-tuned`));
  });
  return element("div", { class: "evaluation-clips" }, ...shown);
}

/**
 * Return the settings of a run, or those in which several differ.
 * @param {Run[]} runs
 */
function settings(runs) {
  const names = [...new Set(runs.flatMap((run) => Object.keys(run.info.config)))].sort();
  const shown = names.filter((name) => runs.length < 2 || new Set(runs.map((run) => run.info.config[name])).size > 1);
  if (!shown.length) return element("p", { class: "soft" }, "They have the same settings.");
  const head = element("tr", {}, element("th", { scope: "col" }, "Setting"), ...runs.map((run) => element("th", { scope: "col" }, run.info.title || run.name)));
  const rows = shown.map((name) => element("tr", {}, element("th", { scope: "row" }, name), ...runs.map((run) => element("td", { class: "wrap" }, run.info.config[name] ?? "–"))));
  return element("div", { class: "table configuration", role: "region", "aria-label": "Settings", tabindex: "0" }, element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows)));
}
