// @ts-check
/** The list of trainings: what each does, how far it is, and what can be done with it. */

import { get, Refused, send, tellRefusals } from "../shared/api.js";
import { askText, confirm } from "../shared/dialog.js";
import { element } from "../shared/made.js";
import { byId } from "../shared/player/transport.js";
import { percent } from "../shared/runs.js";
import { tell } from "../shared/toast.js";

const SOON = 2000; // [ms] between requests while something is at work
const LATE = 15_000;
/** @type {Record<string, [string, string]>} state → the badge's class and its word */
const STATES = {
  queued: ["", "queued"],
  starting: ["accent", "starting"],
  working: ["accent", "at work"],
  waiting: ["warn", "waits for answers"],
  stopping: ["", "stopping"],
  stopped: ["", "stopped"],
  failed: ["bad", "failed"],
  finished: ["good", "finished"],
};

/**
 * Return a time in words: 20 s, 4 min, 1 h 20 min.
 * @param {number} seconds
 */
export function howLong(seconds) {
  if (seconds < 50) return `${Math.max(Math.round(seconds / 5) * 5, 5)} s`;
  const minutes = Math.round(seconds / 60) || 1;
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export class Trainings {
  constructor() {
    this.place = byId("runs", HTMLUListElement);
    /** @type {Map<string, {node: HTMLElement, drawn: string}>} */
    this.rows = new Map();
    /** @type {Set<string>} */
    this.chosen = new Set();
    this.later = 0;
  }

  /** Look again and again, more often while something is at work. */
  async watch() {
    const busy = await this.look();
    clearTimeout(this.later);
    this.later = setTimeout(() => this.watch(), (document.hidden ? 4 : 1) * (busy ? SOON : LATE));
  }

  /** Return whether something is at work. */
  async look() {
    try {
      const found = await get("/api/train");
      this.draw(found.runs);
      this.drawTrash(found.trash);
      this.drawWaiting(found.runs);
      const queued = found.runs.filter((/** @type {any} */ one) => one.state === "queued").length;
      byId("slots", HTMLParagraphElement).textContent = queued ? `${queued} in the queue; this machine trains ${found.slots} at a time` : "";
      return found.runs.some((/** @type {any} */ one) => !["finished", "stopped", "failed"].includes(one.state));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (!this.rows.size) this.place.replaceChildren(element("li", { class: "card" }, error.message));
      return true;
    }
  }

  /** @param {string} name */
  show(name) {
    this.rows.get(name)?.node.scrollIntoView({ block: "nearest" });
  }

  /** @param {any[]} runs */
  draw(runs) {
    this.place.removeAttribute("aria-busy");
    byId("nothing", HTMLDivElement).hidden = runs.length > 0;
    const names = new Set(runs.map((run) => run.name));
    for (const [name, row] of this.rows) {
      if (names.has(name)) continue;
      row.node.remove();
      this.rows.delete(name);
      this.chosen.delete(name);
    }
    for (const node of [...this.place.children]) if (![...this.rows.values()].some((row) => row.node === node)) node.remove();
    runs.forEach((run, index) => {
      const row = this.rows.get(run.name) || { node: element("li", { class: "card", "data-run": run.name }), drawn: "" };
      this.rows.set(run.name, row);
      const drawn = JSON.stringify(run);
      if (drawn !== row.drawn) {
        const focus = row.node.contains(document.activeElement) ? document.activeElement?.getAttribute("data-do") : null;
        row.node.replaceChildren(...this.content(run));
        row.drawn = drawn;
        const again = focus && row.node.querySelector(`[data-do="${focus}"]`);
        if (again instanceof HTMLElement) again.focus();
      }
      if (this.place.children[index] !== row.node) this.place.insertBefore(row.node, this.place.children[index] || null);
    });
    this.compare();
  }

  /** @param {any} run */
  content(run) {
    const title = run.title || run.name;
    const box = element("input", { type: "checkbox", "data-do": "choose", "aria-label": `Compare ${title}`, onchange: () => this.choose(run.name, box.checked) });
    box.checked = this.chosen.has(run.name);
    box.disabled = run.state === "queued" || run.state === "starting";
    const [kind, word] = STATES[run.state] || ["", run.state];
    const hollow = ["stopped", "queued"].includes(run.state) ? " hollow" : "";
    const name = element("h3", { class: "training-name" }, element("a", { class: "clip", href: `/monitor?run=${encodeURIComponent(run.name)}`, title: run.name }, title), element("span", { class: `badge ${kind}` }, element("span", { class: `dot${hollow}` }), word));
    return [box, name, this.about(run), this.deeds(run)];
  }

  /** @param {any} run */
  about(run) {
    const now = ["working", "waiting", "starting", "stopping"].includes(run.state);
    const words = [run.title ? run.name : "", run.task, run.person, now || run.state === "stopped" ? run.words : "", now && run.left !== null && run.share > 0 ? `${howLong(run.left)} of work left` : ""];
    const line = element("p", { class: "small soft" }, words.filter(Boolean).join(" · "));
    const node = element("div", { class: "training-about stack tight" }, line);
    if (now || run.state === "stopped") node.append(element("progress", { max: "1", value: String(run.share), "aria-label": `Progress of ${run.title || run.name}` }));
    if (run.before) line.append(" · success ", element("span", { class: "success-change" }, run.after ? `${percent(run.before.value)} → ${percent(run.after.value)}` : `cloned ${percent(run.before.value)}`));
    if (run.state === "failed" && run.why) node.append(element("p", { class: "small bad-words wrap" }, run.why));
    return node;
  }

  /** @param {any} run */
  deeds(run) {
    const place = element("div", { class: "training-do" });
    const title = run.title || run.name;
    const deed = (/** @type {string} */ word, /** @type {string} */ act, /** @type {() => void} */ work) => place.append(element("button", { type: "button", class: "button small", "data-do": act, "aria-label": `${word} ${title}`, onclick: work }, word));
    if (run.state === "waiting" && run.questions) place.append(element("a", { class: "button small primary", "data-do": "review", href: `/review?run=${encodeURIComponent(run.name)}` }, `Review ${run.questions}`));
    if (run.report) place.append(element("a", { class: "button small", "data-do": "report", "aria-label": `Report of ${title}`, href: `/monitor/report/${encodeURIComponent(run.name)}`, target: "_blank" }, "Report"));
    if (!run.mayChange) return place;
    if (run.state === "queued") deed("Cancel", "stop", () => this.act(run, "stop"));
    else if (["starting", "working", "waiting"].includes(run.state)) deed("Stop", "stop", () => this.act(run, "stop"));
    else if (["stopped", "failed"].includes(run.state) && run.command) deed("Continue", "resume", () => this.act(run, "resume"));
    if (!["queued", "starting"].includes(run.state)) deed("Rename", "rename", () => this.rename(run));
    if (["stopped", "failed", "finished"].includes(run.state)) deed("Delete", "delete", () => this.remove(run));
    return place;
  }

  /**
   * @param {any} run
   * @param {string} act
   * @param {Record<string, any>} [more]
   */
  async act(run, act, more = {}) {
    const done = await tellRefusals(() => send(`/api/train/runs/${encodeURIComponent(run.name)}`, { act, ...more }));
    await this.look();
    return Boolean(done);
  }

  /** @param {any} run */
  async rename(run) {
    const title = await askText("Rename", { label: `What ${run.name} is called on the pages; its folder keeps its name`, value: run.title, most: 100 });
    if (title !== null) await this.act(run, "rename", { title });
  }

  /** @param {any} run */
  async remove(run) {
    if (await this.act(run, "delete")) tell(`${run.title || run.name} is in the trash.`, "plain", { label: "Undo", run: () => this.act(run, "restore") });
  }

  /**
   * @param {string} name
   * @param {boolean} wanted
   */
  choose(name, wanted) {
    if (wanted) this.chosen.add(name);
    else this.chosen.delete(name);
    this.compare();
  }

  /** Lead to the monitor, where the chosen runs are laid over each other. */
  compare() {
    const link = byId("compare", HTMLAnchorElement);
    link.hidden = this.chosen.size < 2;
    link.href = `/monitor?${[...this.chosen].map((name) => `run=${encodeURIComponent(name)}`).join("&")}`;
  }

  /**
   * Say on top what waits for this person.
   * @param {any[]} runs
   */
  drawWaiting(runs) {
    const waits = runs.filter((run) => run.state === "waiting" && run.questions);
    const place = byId("waiting", HTMLDivElement);
    const drawn = waits.map((run) => `${run.questions} ${run.name}`).join();
    if (place.dataset.drawn === drawn) return;
    place.dataset.drawn = drawn;
    place.replaceChildren(
      ...waits.slice(0, 1).map((run) =>
        element("p", { class: "notice warn row apart" }, `${run.questions} ${run.questions === 1 ? "question waits" : "questions wait"} for you in ${run.title || run.name}.`, element("a", { class: "button primary", id: "review-now", href: `/review?run=${encodeURIComponent(run.name)}` }, "Review ", element("kbd", {}, "V"))),
      ),
    );
  }

  /** @param {any[]} trash */
  drawTrash(trash) {
    const place = byId("trash", HTMLDetailsElement);
    place.hidden = !trash.length;
    /** @type {HTMLElement} */ (place.querySelector("summary")).textContent = `Trash (${trash.length})`;
    const drawn = JSON.stringify(trash);
    if (place.dataset.drawn === drawn) return;
    place.dataset.drawn = drawn;
    byId("trashed", HTMLUListElement).replaceChildren(
      ...trash.map((one) => {
        const deeds = element("div", { class: "training-do" });
        if (one.mayChange) {
          deeds.append(element("button", { type: "button", class: "button small", "aria-label": `Restore ${one.name}`, onclick: () => this.act(one, "restore") }, "Restore"));
          deeds.append(element("button", { type: "button", class: "button small danger", "aria-label": `Delete ${one.name} for good`, onclick: () => this.purge(one) }, "Delete for good"));
        }
        return element("li", { class: "card" }, element("span", {}), element("span", { class: "clip" }, one.name), deeds);
      }),
    );
  }

  /** @param {any} run */
  async purge(run) {
    const sure = await confirm(`Delete ${run.name} for good?`, "Its policies, episodes and curves are gone then; answers to its questions stay.", { yes: "Delete for good", tone: "danger" });
    if (sure) await this.act(run, "purge");
  }
}
