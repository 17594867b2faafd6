// @ts-check
/** The grid of episodes: thumbnails that play on hover, with keyboard navigation. */

import { episodeAddress, mediaAddress } from "../shared/player/media-address.js";
import { date, duration, element, outcomeBadge } from "../shared/made.js";

const DWELL = 180; // [ms] that the pointer rests on a card before it plays
const TAGS = 3; // that a card shows

/** @typedef {{dataset: string, episode: string}} Key */
/** @typedef {"left" | "right" | "up" | "down"} Way */

export class Grid {
  /**
   * @param {HTMLElement} list
   * @param {{open: (key: Key) => void, changed: () => void}} page
   */
  constructor(list, page) {
    this.list = list;
    this.page = page;
    /** @type {any[]} */
    this.items = [];
    /** @type {Map<string, Key>} */
    this.chosen = new Map();
    this.current = 0;
    this.anchor = 0; // where a selection with Shift begins
    /** @type {{card: HTMLElement, video: HTMLVideoElement} | null} */
    this.preview = null;
    this.dwell = 0;
    list.addEventListener("pointerover", (event) => this.pointed(event));
    list.addEventListener("pointerleave", () => this.stopPreview());
    list.addEventListener("focusin", (event) => this.focused(event));
    list.addEventListener("click", (event) => this.clicked(event));
    list.addEventListener("keydown", (event) => this.pressed(event));
  }

  /**
   * Show a loading state, unless episodes are shown already.
   * @param {number} count
   */
  waits(count) {
    this.list.setAttribute("aria-busy", "true");
    if (this.items.length) return;
    this.list.hidden = false;
    const shapes = Array.from({ length: Math.min(count, 12) }, () =>
      element("li", { class: "episode", "aria-hidden": "true" }, element("span", { class: "shot skeleton" }), element("span", { class: "skeleton line" }), element("span", { class: "skeleton line short" })),
    );
    this.list.replaceChildren(...shapes);
  }

  /**
   * Show these episodes.
   * @param {any[]} items
   */
  draw(items) {
    const had = document.activeElement instanceof HTMLElement && this.list.contains(document.activeElement);
    this.list.removeAttribute("aria-busy");
    if (items.length && items.map(nameOf).join() === this.items.map(nameOf).join()) return this.redraw(items, had);
    this.stopPreview();
    const before = this.items[this.current];
    this.items = items;
    const kept = items.findIndex((item) => before && nameOf(item) === nameOf(before));
    this.current = kept >= 0 ? kept : Math.min(this.current, Math.max(items.length - 1, 0));
    this.list.replaceChildren(...items.map((item, index) => this.card(item, index)));
    if (had) this.link(this.current)?.focus();
    this.page.changed();
  }

  /**
   * Redraw the cards whose content changed; the others keep playing.
   * @param {any[]} items the same ones in the same order
   * @param {boolean} had the focus is in the grid
   */
  redraw(items, had) {
    const before = this.items;
    this.items = items;
    items.forEach((item, index) => {
      if (JSON.stringify({ ...item, sources: 0 }) === JSON.stringify({ ...before[index], sources: 0 })) return;
      if (this.preview?.card === this.list.children[index]) this.stopPreview();
      this.list.children[index].replaceWith(this.card(item, index));
    });
    if (had && !this.list.contains(document.activeElement)) this.link(this.current)?.focus();
    this.page.changed();
  }

  /**
   * @param {any} item
   * @param {number} index
   */
  card(item, index) {
    const shot = element("span", { class: "shot" }, element("img", {
      src: mediaAddress("poster", item, { width: 320 }), alt: "", width: 320, height: 240, loading: index < 24 ? null : "lazy", decoding: "async", draggable: "false",
    }), element("span", { class: "length number" }, duration(item.seconds)));
    const tags = item.tags.slice(0, TAGS).map((/** @type {string} */ tag) => element("span", { class: "badge tag" }, element("span", { class: "clip" }, tag)));
    if (item.tags.length > TAGS) tags.push(element("span", { class: "badge" }, `+${item.tags.length - TAGS}`));
    const who = [item.operator || item.device, date(item.started)].filter(Boolean).join(" · ");
    const label = `${item.task}, ${item.outcome}, ${duration(item.seconds)}, ${who}, ${item.episode}`;
    const link = element("a", { class: "open", href: hrefOf(item), tabindex: index === this.current ? 0 : -1, "aria-label": label, draggable: "false" },
      shot,
      element("span", { class: "row apart about" }, element("span", { class: "clip task" }, item.task), outcomeBadge(item.outcome)),
      element("span", { class: "clip soft small" }, who),
      element("span", { class: "clip soft small name", title: item.episode }, item.note ? `“${item.note}”` : item.episode),
      ...(tags.length ? [element("span", { class: "tags" }, ...tags)] : []),
    );
    const pick = element("input", { type: "checkbox", tabindex: -1, "aria-label": `Select ${item.episode}` });
    pick.checked = this.chosen.has(nameOf(item));
    return element("li", { class: "episode" + (pick.checked ? " chosen" : ""), "data-index": index }, link, element("label", { class: "pick" }, pick));
  }

  /** @param {number} index @returns {HTMLAnchorElement | null} */
  link(index) {
    return this.list.children[index]?.querySelector("a.open") || null;
  }

  /** @param {Key} key whether it is shown here and has the focus now */
  focus(key) {
    const index = this.items.findIndex((item) => nameOf(item) === nameOf(key));
    if (index < 0) return false;
    this.setCurrent(index);
    return true;
  }

  /** @param {number} index */
  setCurrent(index) {
    this.link(this.current)?.setAttribute("tabindex", "-1");
    this.current = index;
    const link = this.link(index);
    link?.setAttribute("tabindex", "0");
    link?.focus();
    link?.scrollIntoView({ block: "nearest" });
  }

  /**
   * Move to the card beside; return whether there is one.
   * @param {Way} way
   */
  move(way) {
    if (!this.items.length) return true;
    if (!this.list.contains(document.activeElement)) {
      this.setCurrent(this.current);
      return true;
    }
    const rows = this.columns();
    const next = this.current + { left: -1, right: 1, up: -rows, down: rows }[way];
    if (next < 0 || next >= this.items.length) return way === "up" || way === "down";
    this.setCurrent(next);
    return true;
  }

  columns() {
    const top = /** @type {HTMLElement} */ (this.list.firstElementChild).offsetTop;
    const index = [...this.list.children].findIndex((card) => card instanceof HTMLElement && card.offsetTop > top);
    return index < 0 ? this.items.length : index;
  }

  openCurrent() {
    const item = this.items[this.current];
    if (item) this.page.open(item);
  }

  /** @param {Event} event */
  indexOf(event) {
    const card = event.target instanceof Element ? event.target.closest("li.episode") : null;
    return card instanceof HTMLElement && card.dataset.index ? Number(card.dataset.index) : -1;
  }

  /** @param {MouseEvent} event */
  clicked(event) {
    const index = this.indexOf(event);
    if (index < 0 || !(event.target instanceof Element)) return;
    if (event.target.closest(".pick")) {
      if (!(event.target instanceof HTMLInputElement)) return; // the click on the label comes again as one on its box
      if (event.shiftKey) this.selectTo(index, event.target.checked);
      else this.select(index, event.target.checked);
      this.anchor = index;
      return;
    }
    if (event.ctrlKey || event.metaKey || event.button !== 0) return; // a new tab, as with every link
    event.preventDefault();
    if (event.shiftKey) return this.selectTo(index, true);
    this.current = index;
    this.page.open(this.items[index]);
  }

  /** @param {KeyboardEvent} event */
  pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.code === "Space" && event.target instanceof Element && event.target.matches("a.open")) {
      event.preventDefault();
      this.togglePreview();
    }
  }

  /** @param {FocusEvent} event */
  focused(event) {
    const index = this.indexOf(event);
    if (index < 0 || index === this.current) return;
    this.link(this.current)?.setAttribute("tabindex", "-1");
    this.current = index;
    this.link(index)?.setAttribute("tabindex", "0");
  }

  /** @param {PointerEvent} event */
  pointed(event) {
    const card = event.target instanceof Element ? event.target.closest("li.episode") : null;
    if (event.pointerType === "touch" || !(card instanceof HTMLElement) || card === this.preview?.card) return;
    this.stopPreview();
    this.dwell = setTimeout(() => this.startPreview(card), DWELL);
  }

  togglePreview() {
    const card = this.list.children[this.current];
    if (this.preview?.card === card) this.stopPreview();
    else if (card instanceof HTMLElement) this.startPreview(card);
  }

  /** @param {HTMLElement} card */
  startPreview(card) {
    this.stopPreview();
    const item = this.items[Number(card.dataset.index)];
    if (!item || document.hidden) return;
    const video = document.createElement("video");
    video.muted = video.loop = video.playsInline = video.autoplay = true;
    video.setAttribute("aria-hidden", "true");
    video.addEventListener("playing", () => card.classList.add("plays"), { once: true });
    video.src = mediaAddress("hover", item, { width: 320 });
    card.querySelector(".shot")?.append(video);
    this.preview = { card, video };
  }

  stopPreview() {
    clearTimeout(this.dwell);
    if (!this.preview) return;
    const { card, video } = this.preview;
    this.preview = null;
    card.classList.remove("plays");
    video.removeAttribute("src");
    video.load(); // closes the connection at once, so that the station stops rendering
    video.remove();
  }

  selected() {
    return [...this.chosen.values()];
  }

  /**
   * @param {number} index
   * @param {boolean} on
   */
  select(index, on) {
    const item = this.items[index];
    if (!item) return;
    if (on) this.chosen.set(nameOf(item), { dataset: item.dataset, episode: item.episode });
    else this.chosen.delete(nameOf(item));
    this.mark();
  }

  /**
   * Select from the last one that was selected up to this one.
   * @param {number} index
   * @param {boolean} on
   */
  selectTo(index, on) {
    for (let at = Math.min(this.anchor, index); at <= Math.max(this.anchor, index); at++) this.select(at, on);
  }

  toggleCurrent() {
    const item = this.items[this.current];
    if (!item) return;
    this.select(this.current, !this.chosen.has(nameOf(item)));
    this.anchor = this.current;
  }

  selectAll() {
    const on = !this.items.every((item) => this.chosen.has(nameOf(item)));
    this.items.forEach((_, index) => this.select(index, on));
  }

  /** @param {Key[]} keys */
  selectMore(keys) {
    for (const key of keys) this.chosen.set(nameOf(key), key);
    this.mark();
  }

  clear() {
    this.chosen.clear();
    this.mark();
  }

  /** Show on the cards what is selected. */
  mark() {
    this.items.forEach((item, index) => {
      const card = this.list.children[index];
      const box = card?.querySelector(".pick input");
      const on = this.chosen.has(nameOf(item));
      card?.classList.toggle("chosen", on);
      if (box instanceof HTMLInputElement) box.checked = on;
    });
    this.page.changed();
  }
}

/** @param {Key} item */
function nameOf(item) {
  return `${item.dataset}\n${item.episode}`;
}

/** @param {Key} item */
function hrefOf(item) {
  const query = new URLSearchParams(location.search);
  query.delete("page");
  return `${episodeAddress(item)}${query.size ? `?${query}` : ""}`;
}
