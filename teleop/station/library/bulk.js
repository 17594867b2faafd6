// @ts-check
/** Bulk actions on selected episodes, with undo: tag, outcome, delete, download. */

import { get, pageData, Refused, send, tellRefusals } from "../shared/api.js";
import { withInstants } from "./days.js";
import { ask, askText } from "../shared/dialog.js";
import { askExport } from "./export-form.js";
import { button, element } from "../shared/made.js";
import { tell } from "../shared/toast.js";

const AT_ONCE = 100; // episodes of one request, so that progress shows
const UNDOS = 20;

/** @typedef {{dataset: string, episode: string}} Key */
/** @typedef {{text: string, run: () => Promise<unknown>}} Undo */

export class Bulk {
  /**
   * @param {HTMLElement} bar
   * @param {{mayEdit: boolean, changed: () => void, selected: () => Key[], all: () => Promise<Key[]>, select: (keys: Key[]) => void, clear: () => void, drawn: () => void}} page
   */
  constructor(bar, page) {
    this.bar = bar;
    this.page = page;
    /** @type {Undo[]} */
    this.undos = [];
    this.busy = false;
    this.total = 0;
  }

  /**
   * Show the actions for the selection.
   * @param {Key[]} selected
   * @param {number} total episodes that fit the filters
   */
  draw(selected, total) {
    this.total = total;
    this.bar.hidden = !selected.length;
    if (!selected.length || this.busy) return;
    const count = selected.length.toLocaleString("en");
    const edits = this.page.mayEdit
      ? [
          button("Tag", "", () => this.tag(), "tag"),
          button("Success", "", () => this.outcome("success"), "success"),
          button("Failure", "", () => this.outcome("failure"), "failure"),
          button("Delete", "danger", () => this.remove(), "delete"),
        ]
      : [];
    this.bar.replaceChildren(
      element("strong", { class: "number", role: "status" }, `${count} selected`),
      selected.length < total ? button(`Select all ${total.toLocaleString("en")}`, "quiet small", () => this.selectEverything()) : "",
      element("span", { class: "spring" }),
      ...edits,
      ...(this.page.mayEdit ? [button("Compare", "", () => this.compare(), "compare"), button("Export", "", () => this.export(), "export")] : []),
      button("Download", "", () => this.download()),
      button("Select nothing", "quiet", this.page.clear, "close"),
    );
    this.page.drawn();
  }

  selectEverything() {
    return tellRefusals(async () => this.page.select(await this.page.all()));
  }

  async tag() {
    const keys = this.page.selected();
    if (!keys.length) return tell("Select episodes first: X selects the one under the focus.");
    const text = await askText(`Tag ${many(keys)}`, { label: "Tags, with commas between them", yes: "Add", most: 400 });
    const tags = (text || "").split(",").map((tag) => tag.trim()).filter(Boolean);
    if (!tags.length) return;
    const done = await this.change({ act: "tag", tags }, keys, "Tagged");
    if (done.length) this.offer(`Tagged ${many(done)} “${tags.join("”, “")}”.`, () => this.change({ act: "untag", tags }, done, "Untagged"));
  }

  /** @param {string} outcome */
  async outcome(outcome) {
    const keys = this.page.selected();
    if (!keys.length) return tell("Select episodes first: X selects the one under the focus.");
    const done = await this.change({ act: "outcome", outcome }, keys, "Changed");
    if (done.length) tell(`${many(done)}: ${outcome}.`, "good");
  }

  /** @param {Key[]} [keys] */
  async remove(keys = this.page.selected()) {
    if (!keys.length) return tell("Select episodes first: X selects the one under the focus.");
    const done = await this.change({ act: "delete" }, keys, "Deleted");
    this.page.clear();
    if (done.length) this.offer(`Moved ${many(done)} to the trash.`, () => this.change({ act: "restore" }, done, "Restored"));
  }

  /** @param {Key[]} [keys] */
  download(keys = this.page.selected()) {
    return tellRefusals(async () => {
      if (keys.length === 1) return follow(`/library/download?${new URLSearchParams({ ...keys[0] })}`);
      const { address } = await send("/api/library/zip", { episodes: keys });
      follow(address);
      tell(`A ZIP file of ${many(keys)} is on its way.`);
    });
  }

  /** Ask which of the episodes is better, and go where that is answered. */
  async compare() {
    const keys = this.page.selected();
    const most = pageData().mostCompared;
    if (keys.length < 2 || keys.length > most) return tell(`Select two to ${most} episodes to compare: every two of them are asked about.`);
    const dataset = alone(keys);
    if (!dataset) return tell("Select episodes of one dataset to compare.");
    const count = (keys.length * (keys.length - 1)) / 2;
    const axes = await ask({
      title: `Compare ${many(keys)}`,
      text: `${count === 1 ? "One question" : `${count} questions`}, for you and all who review.`,
      choices: [
        { label: "Which is better", value: "whole", key: "1", tone: "primary" },
        { label: "Along the axes of the task", value: "axes", key: "2" },
      ],
    });
    if (!axes) return;
    await tellRefusals(async () => {
      const { run } = await send("/api/library/compare", { dataset, episodes: keys.map(({ episode }) => episode), axes: axes === "axes" });
      location.assign(`/review?run=${encodeURIComponent(run)}`);
    });
  }

  /** Have the episodes written in a format of the field, in the background. */
  async export() {
    const keys = this.page.selected();
    if (!keys.length) return tell("Select episodes first: X selects the one under the focus.");
    const dataset = alone(keys);
    if (!dataset) return tell("Select episodes of one dataset to export.");
    const wanted = await askExport(many(keys), keys[0]);
    if (!wanted) return;
    await tellRefusals(async () => {
      await send("/api/exports", { dataset, episodes: keys.map(({ episode }) => episode), ...wanted });
      tell(`${many(keys)} are written in the background.`, "good", { label: "Exports", run: async () => location.assign("/exports") });
    });
  }

  /**
   * Apply an action to episodes in batches, and report failures; return the changed episodes.
   * @param {Record<string, unknown>} what
   * @param {Key[]} keys
   * @param {string} word
   * @param {boolean} [still] do not reload the grid: another view follows
   * @returns {Promise<(Key & {new: string})[]>}
   */
  async change(what, keys, word, still = false) {
    if (this.busy) return [];
    this.busy = true;
    /** @type {(Key & {new: string})[]} */
    const done = [];
    /** @type {(Key & {error: string})[]} */
    const failed = [];
    try {
      for (let at = 0; at < keys.length; at += AT_ONCE) {
        if (keys.length > AT_ONCE) this.bar.replaceChildren(element("strong", { class: "number", role: "status" }, `${word} ${at.toLocaleString("en")} of ${keys.length.toLocaleString("en")}`));
        const episodes = keys.slice(at, at + AT_ONCE).map(({ dataset, episode }) => ({ dataset, episode }));
        const answer = await send("/api/library/change", { ...what, episodes });
        done.push(...answer.done);
        failed.push(...answer.failed);
      }
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (error.code !== "signed_out") tell(done.length ? `${error.message} ${word} before that: ${many(done)}.` : error.message, "bad");
    } finally {
      this.busy = false;
    }
    if (failed.length) tell(failed.length === 1 ? failed[0].error : `${failed.length} of ${keys.length} stayed as they were. The first: ${failed[0].error}`, "bad");
    this.draw(this.page.selected(), this.total);
    if (!still) this.page.changed();
    return done;
  }

  /**
   * Show what was done, with an undo button.
   * @param {string} text
   * @param {() => Promise<unknown>} run
   */
  offer(text, run) {
    const undo = { text, run };
    this.undos.push(undo);
    if (this.undos.length > UNDOS) this.undos.shift();
    tell(text, "good", { label: "Undo", run: () => this.undo(undo) });
  }

  /** @param {Undo | undefined} [undo] the newest where it is left out */
  async undo(undo = this.undos[this.undos.length - 1]) {
    if (!undo || !this.undos.includes(undo)) return tell("There is nothing to undo.");
    this.undos = this.undos.filter((other) => other !== undo);
    for (const toast of document.querySelectorAll(".toast")) if (toast.textContent?.startsWith(undo.text)) toast.remove();
    await undo.run();
    tell("Undone.", "good");
  }
}

/** Return the one dataset of the episodes; empty where there are several. @param {Key[]} keys */
function alone(keys) {
  const names = new Set(keys.map(({ dataset }) => dataset));
  return names.size === 1 ? keys[0].dataset : "";
}

/** @param {Key[]} keys */
function many(keys) {
  return keys.length === 1 ? "1 episode" : `${keys.length.toLocaleString("en")} episodes`;
}

/**
 * Download a file from an address.
 * @param {string} address
 */
export function follow(address) {
  const link = element("a", { href: address, download: "", hidden: true });
  document.body.append(link);
  link.click();
  link.remove();
}

/**
 * Ask for an episode again, for those who want to see what another person changed.
 * @param {Key} key
 * @param {URLSearchParams} filters
 */
export function episodeOf(key, filters) {
  const query = new URLSearchParams({ ...key });
  for (const [name, value] of withInstants(filters)) query.append(`in_${name}`, value);
  return get(`/api/library/episode?${query}`);
}
