// @ts-check
/** The details of an episode beside the player: outcome, tags, note and origin, editable in place. */

import { get, send, tellRefusals } from "../shared/api.js";
import { askText } from "../shared/dialog.js";
import { button, date, duration, element, size, SOURCES } from "../shared/made.js";
import { episodeAddress } from "../shared/player/media-address.js";
import { tell } from "../shared/toast.js";

const SAVE = 1200; // [ms] after the last letter of a note

export class Details {
  /**
   * @param {{mayEdit: boolean, outcomes: string[], bulk: import("./bulk.js").Bulk, download: () => void, remove: () => void, drawn: () => void}} page
   */
  constructor(page) {
    this.page = page;
    this.place = element("aside", { class: "details", "aria-label": "About this episode" });
    /** @type {any} */
    this.item = null;
    this.saving = 0;
    this.note = element("textarea", { id: "note", rows: 3, maxlength: 4000, placeholder: "What should be known about it?" });
    this.note.addEventListener("input", () => {
      clearTimeout(this.saving);
      this.saved.textContent = "";
      this.saving = setTimeout(() => this.saveNote(), SAVE);
    });
    this.note.addEventListener("blur", () => this.saveNote());
    this.note.addEventListener("keydown", (event) => {
      if (event.key === "Escape" || (event.key === "Enter" && (event.ctrlKey || event.metaKey))) this.note.blur();
    });
    this.saved = element("span", { class: "soft small", role: "status" });
  }

  /** @param {any} item */
  draw(item) {
    if (this.item && (this.item.episode !== item.episode || this.item.dataset !== item.dataset)) this.saveNote();
    this.item = item;
    const may = this.page.mayEdit && !item.ships;
    const typing = document.activeElement === this.note;
    if (!typing) this.note.value = item.note;
    this.note.readOnly = !may;
    this.saved.textContent = "";
    this.place.replaceChildren(
      item.ships ? element("p", { class: "notice small" }, "A sample that comes with the program. It can be played and continued from, not changed.") : "",
      this.outcomes(may),
      this.tags(may),
      element("div", { class: "field" }, element("span", { class: "row apart" }, element("label", { for: "note" }, "Note ", may ? element("kbd", { "data-key": "note" }) : ""), this.saved), this.note),
      this.facts(),
      this.preferences(may),
      this.actions(may),
    );
    if (typing) this.note.focus(); // it was in the page's old place
    this.page.drawn();
  }

  /** @param {boolean} may */
  outcomes(may) {
    const made = this.page.outcomes.map((outcome) => {
      const one = button(outcome[0].toUpperCase() + outcome.slice(1), { success: "good", failure: "danger" }[outcome] || "", () => this.setOutcome(outcome), may ? outcome : "");
      one.setAttribute("aria-pressed", String(outcome === this.item.outcome));
      one.disabled = !may && outcome !== this.item.outcome;
      return one;
    });
    return element("div", { class: "field" }, element("span", { class: "label", id: "outcome-label" }, "Outcome"), element("div", { class: "segments", role: "group", "aria-labelledby": "outcome-label" }, ...made));
  }

  /** @param {boolean} may */
  tags(may) {
    const chips = this.item.tags.map((/** @type {string} */ tag) =>
      may
        ? element("button", { type: "button", class: "button small chip", "aria-label": `Take away the tag ${tag}`, onclick: () => this.untag(tag) }, element("span", { class: "clip" }, tag), element("span", { "aria-hidden": "true" }, "×"))
        : element("span", { class: "badge" }, element("span", { class: "clip" }, tag)),
    );
    if (may) chips.push(button("Add a tag", "quiet small", () => this.askTag(), "tag"));
    return element("div", { class: "field" }, element("span", { class: "label" }, "Tags"), element("div", { class: "row tight tag-list" }, ...chips));
  }

  facts() {
    const { item } = this;
    const from = item.parent ? element("a", { href: this.hrefOf(item.parent) }, item.parent) : "";
    /** @type {[string, Node | string][]} */
    const rows = [
      ["Task", item.task],
      ["Dataset", item.dataset],
      ["Length", `${duration(item.seconds)}, ${item.steps} steps of ${(item.dt * 1000).toFixed(0)} ms`],
      ["Recorded", date(item.started, true)],
      ["Operator", item.operator || "not known"],
      ["Device", item.device || "not known"],
      ["Chosen by", item.timeline.sources.map((/** @type {any[]} */ [who]) => SOURCES[who] || who).filter((/** @type {string} */ who, /** @type {number} */ index, /** @type {string[]} */ all) => all.indexOf(who) === index).join(", ") || "nobody"],
      ["Seed", String(item.seed)],
      ["File", size(item.size)],
    ];
    if (from) rows.push([item.trimmed ? "Cut out of" : "Branched from", element("span", {}, from, `, frame ${item.parentStep}`)]);
    return element("dl", { class: "facts" }, ...rows.flatMap(([name, value]) => [element("dt", {}, name), element("dd", { class: "wrap" }, value)]));
  }

  /**
   * What rewinds and takeovers of this episode, or of others that went on from it, say.
   * @param {boolean} may
   */
  preferences(may) {
    const found = this.item.preferences || [];
    if (!found.length) return "";
    const rows = found.map((/** @type {any} */ one) => {
      const { value } = one;
      const other = value.episode === this.item.episode ? one.left : value.episode;
      const [better, worse] = value.episode === this.item.episode ? ["this one", other] : [other, "this one"];
      const pair = other === this.item.episode ? `the takeover at frame ${value.start} over what came before it` : `${better} over ${worse}, from frame ${value.start}`;
      const sure = value.sure >= 1 ? "clear" : value.sure >= 0.5 ? "fairly clear" : "says little";
      const judged = { person: "", task: "; how it ended is the task’s own measure" }[/** @type {string} */ (value.judged)] ?? "; nobody marked how it ended";
      const text = element("span", { class: one.taken_back ? "soft" : "" }, `${one.annotator}, ${value.how || "correction"}: ${pair} (${sure}${judged})`, one.taken_back ? `. ${one.taken_back[0].toUpperCase()}${one.taken_back.slice(1)}.` : "");
      const act = one.taken_back ? "restore" : "take_back";
      return element("li", { class: "row apart small wrap" }, text, may ? button(one.taken_back ? "Restore" : "Take back", "quiet small", () => this.changePreference(one.question, act)) : "");
    });
    return element("div", { class: "field" }, element("span", { class: "label" }, `Preferences from what was done (${found.filter((/** @type {any} */ one) => !one.taken_back).length})`), element("ul", { class: "stack tight" }, ...rows));
  }

  /**
   * @param {string} question
   * @param {"take_back" | "restore"} act
   */
  async changePreference(question, act) {
    const done = await tellRefusals(() => send("/api/library/preference", { question, act }));
    if (done === undefined) return;
    tell(act === "restore" ? "It counts again." : "Taken back: it trains nothing.");
    const { dataset, episode } = this.item;
    this.item.preferences = (await get(`/api/library/episode?${new URLSearchParams({ dataset, episode })}`)).preferences;
    this.draw(this.item);
  }

  /** @param {boolean} may */
  actions(may) {
    const made = [button("Download", "", () => this.page.download())];
    if (may) made.push(button("Delete", "danger", () => this.page.remove(), "delete"));
    return element("div", { class: "row" }, ...made);
  }

  /** @param {string} episode of the same dataset */
  hrefOf(episode) {
    return episodeAddress({ dataset: this.item.dataset, episode });
  }

  key() {
    return { dataset: this.item.dataset, episode: this.item.episode };
  }

  /** @param {string} outcome */
  async setOutcome(outcome) {
    if (!this.mayChange()) return;
    const before = this.item.outcome;
    if (before === outcome) return;
    const key = this.key();
    const done = await this.page.bulk.change({ act: "outcome", outcome }, [key], "Changed");
    if (done.length) this.page.bulk.offer(`Its outcome is “${outcome}” now.`, () => this.page.bulk.change({ act: "outcome", outcome: before }, [key], "Changed"));
  }

  async askTag() {
    if (!this.mayChange()) return;
    const key = this.key();
    const text = await askText("Add tags", { label: "Tags, with commas between them", yes: "Add", most: 400 });
    const tags = (text || "").split(",").map((tag) => tag.trim()).filter(Boolean);
    if (tags.length) await this.page.bulk.change({ act: "tag", tags }, [key], "Tagged");
  }

  /** @param {string} tag */
  async untag(tag) {
    const key = this.key();
    const done = await this.page.bulk.change({ act: "untag", tags: [tag] }, [key], "Untagged");
    if (done.length) this.page.bulk.offer(`Took away the tag “${tag}”.`, () => this.page.bulk.change({ act: "tag", tags: [tag] }, [key], "Tagged"));
  }

  editNote() {
    if (this.mayChange()) this.note.focus();
  }

  async saveNote() {
    clearTimeout(this.saving);
    const { item } = this;
    const note = this.note.value;
    if (!item || this.note.readOnly || note === item.note) return;
    const was = item.note;
    item.note = note;
    const done = await this.page.bulk.change({ act: "note", note, was }, [{ dataset: item.dataset, episode: item.episode }], "Noted", true);
    if (done.length) this.saved.textContent = "saved";
    else item.note = was;
  }

  /** Whether it may be changed; says why where not. */
  mayChange() {
    if (!this.item) return false;
    if (this.item.ships) tell("A sample that comes with the program stays as it is.");
    return !this.item.ships;
  }
}
