// @ts-check
/**
 * The library page. Its state is in the address, so that back, reload and a link always show the same.
 * The query string holds filters, order and page; the path holds the episode that is open.
 */

import { get, pageData, Refused } from "../shared/api.js";
import { bindKeys } from "../shared/keys.js";
import { Bulk } from "./bulk.js";
import { withInstants } from "./days.js";
import { Filters } from "./filters.js";
import { Grid } from "./grid.js";
import { Player } from "./player.js";
import { element, printKeys } from "../shared/made.js";

const SOON = 250; // [ms] until the next request while the index is still being read
const READ = ["page", "frame", "camera"]; // of the query string, that are no filters

/** @typedef {{dataset: string, episode: string}} Key */

const data = pageData();
const grid = new Grid(found("episodes"), { open: openEpisode, changed: selectionChanged });
const filters = new Filters(found("filters-form"), found("chosen"), (query) => go(address(null, query)));
const bulk = new Bulk(found("bulk"), {
  mayEdit: data.mayEdit,
  changed: refresh,
  selected: () => grid.selected(),
  all: everything,
  select: (keys) => grid.selectMore(keys),
  clear: () => grid.clear(),
  drawn: () => keys && printKeys(keys.table),
});
/** @type {Player | null} */
let player = null;
/** @type {import("../shared/keys.js").Keys | null} */
let keys = null;
/** @type {AbortController | null} */
let asking = null;
let total = 0;
let scrolled = 0; // where the grid was when an episode was opened

/** @param {string} id */
function found(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/** The state that the address holds. */
function state() {
  const query = new URLSearchParams(location.search);
  const path = location.pathname.match(/^\/library\/episode\/(.+)\/([^/]+)$/);
  /** @type {Key | null} */
  const open = path && { dataset: decodeURIComponent(path[1]), episode: decodeURIComponent(path[2]) };
  const filters = new URLSearchParams([...query].filter(([name]) => !READ.includes(name)));
  return { query, open, filters, page: Math.max(1, Number(query.get("page")) || 1) };
}

/**
 * Return the address of an episode, or of the grid.
 * @param {Key | null} open
 * @param {URLSearchParams} query
 */
function address(open, query) {
  const path = open ? `/library/episode/${open.dataset.split("/").map(encodeURIComponent).join("/")}/${encodeURIComponent(open.episode)}` : "/library";
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

/**
 * Show another address.
 * @param {string} where
 * @param {boolean} [instead] of the present one, in the history
 */
function go(where, instead = false) {
  if (where === location.pathname + location.search) return;
  history[instead ? "replaceState" : "pushState"]({}, "", where);
  show();
}

/** Show the state that the address holds. */
function show() {
  const { open, filters: asked } = state();
  filters.show(asked);
  const statistics = found("to-statistics");
  if (statistics instanceof HTMLAnchorElement) statistics.href = asked.size ? `/library/statistics?${asked}` : "/library/statistics";
  if (open) showEpisode(open);
  else showGrid();
}

function showGrid() {
  const back = player?.key;
  player?.close();
  player = null;
  found("player").hidden = true;
  found("library").classList.remove("playing");
  document.title = "Library · robo-rlhf";
  bind(gridKeys());
  load().then(() => {
    if (back && grid.focus(back)) window.scrollTo(0, scrolled);
  });
}

/** @param {Key} key */
function showEpisode(key) {
  const { query, filters: asked } = state();
  if (!player) {
    scrolled = window.scrollY;
    player = new Player(found("player"), {
      ...data,
      go: (/** @type {Key | null} */ other) => go(address(other, state().filters)),
      back: toGrid,
      remember: (/** @type {Record<string, string>} */ values) => remember(values),
      bulk,
      drawn: () => keys && printKeys(keys.table),
    });
  }
  found("player").hidden = false;
  found("library").classList.add("playing");
  grid.stopPreview();
  bind(player.keys());
  player.open(key, asked, { frame: Number(query.get("frame")) || 0, camera: query.get("camera") || "" });
  window.scrollTo(0, 0);
}

/** Leave the player for the page of the grid that holds the episode. */
function toGrid() {
  const query = state().filters;
  const number = player?.place?.number;
  const at = number ? Math.floor((number - 1) / data.onAPage) + 1 : 1;
  if (at > 1) query.set("page", String(at));
  go(address(null, query));
}

/**
 * Write the player's state into the address, without a history entry.
 * @param {Record<string, string>} values
 */
function remember(values) {
  const { query, open } = state();
  if (!open) return;
  for (const [name, value] of Object.entries(values)) {
    if (value) query.set(name, value);
    else query.delete(name);
  }
  history.replaceState({}, "", address(open, query));
}

/** @param {Key} key */
function openEpisode(key) {
  go(address(key, state().filters));
}

/** Load the episodes for the address and draw them. */
async function load() {
  const { filters: asked, page: number } = state();
  asking?.abort();
  const mine = (asking = new AbortController());
  grid.waits(data.onAPage);
  const query = withInstants(asked);
  query.set("offset", String((number - 1) * data.onAPage));
  query.set("limit", String(data.onAPage));
  try {
    const answer = await get(`/api/library/episodes?${query}`, { signal: mine.signal });
    draw(answer, number);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") return;
    if (!(error instanceof Refused)) throw error;
    trouble(error);
  }
}

/** Reload the current view after a change. */
function refresh() {
  if (state().open) player?.reload();
  else load();
}

/**
 * @param {any} answer
 * @param {number} number of the page
 */
function draw(answer, number) {
  const pages = Math.max(1, Math.ceil(answer.total / data.onAPage));
  if (number > pages && answer.total) {
    const query = state().filters;
    if (pages > 1) query.set("page", String(pages));
    return go(address(null, query), true);
  }
  total = answer.total;
  grid.draw(answer.items);
  filters.draw(answer.facets);
  const some = state().filters.size > (state().filters.has("sort") ? 1 : 0);
  const counted = `${answer.total.toLocaleString("en")} ${answer.total === 1 ? "episode" : "episodes"}`;
  let text = some ? `${counted} of ${answer.all.toLocaleString("en")}` : counted;
  if (answer.reading) text = `${counted}; reading ${answer.reading.done.toLocaleString("en")} of ${answer.reading.total.toLocaleString("en")}`;
  found("count").textContent = text;
  found("trash-count").textContent = answer.trash ? answer.trash.toLocaleString("en") : "";
  const pager = found("pager");
  pager.hidden = pages < 2;
  found("page-number").textContent = `Page ${number} of ${pages}`;
  setEnabled("page-before", number > 1);
  setEnabled("page-after", number < pages);
  nothing(answer, some);
  if (answer.reading) setTimeout(() => !state().open && quietly(), SOON);
}

/** Reload while the index is being read, without emptying the grid. */
function quietly() {
  load();
}

/**
 * @param {string} id
 * @param {boolean} enabled
 */
function setEnabled(id, enabled) {
  /** @type {HTMLButtonElement} */ (found(id)).disabled = !enabled;
}

/**
 * Explain why nothing is shown, and what to do about it.
 * @param {any} answer
 * @param {boolean} some filters are set
 */
function nothing(answer, some) {
  const place = found("nothing");
  place.hidden = answer.total > 0 || Boolean(answer.reading);
  found("episodes").hidden = !place.hidden;
  if (place.hidden) return;
  if (some && answer.all) {
    place.replaceChildren(
      element("h2", {}, "No episode fits"),
      element("p", {}, `None of the ${answer.all.toLocaleString("en")} episodes fits all filters. Take one away, or all of them.`),
      element("button", { type: "button", class: "button", onclick: () => go("/library") }, "Take all filters away"),
    );
    return;
  }
  place.replaceChildren(
    element("h2", {}, "Nothing is recorded yet"),
    element("p", {}, "Drive a robot and keep an episode: it appears here, to be played, cut and corrected."),
    data.mayEdit ? element("a", { class: "button primary", href: "/operate" }, "Record the first episode") : "",
  );
}

/** @param {Refused} error */
function trouble(error) {
  const place = found("nothing");
  place.hidden = false;
  found("episodes").hidden = true;
  found("count").textContent = "";
  place.replaceChildren(
    element("h2", {}, error.status === 422 ? "This address asks for something that is none" : "The episodes cannot be shown now"),
    element("p", { class: "wrap" }, error.message),
    error.status === 422
      ? element("button", { type: "button", class: "button", onclick: () => go("/library") }, "Show all episodes")
      : element("button", { type: "button", class: "button", onclick: load }, "Try again"),
  );
}

/** All episodes that match the filters. */
async function everything() {
  const query = withInstants(state().filters);
  const answer = await get(`/api/library/keys?${query}`);
  return answer.episodes.map((/** @type {[string, string]} */ [dataset, episode]) => ({ dataset, episode }));
}

function selectionChanged() {
  bulk.draw(grid.selected(), total);
}

/** @param {number} step */
function turnPage(step) {
  const query = state().filters;
  const number = state().page + step;
  if (number < 1 || number > Math.ceil(total / data.onAPage)) return;
  if (number > 1) query.set("page", String(number));
  go(address(null, query));
  window.scrollTo(0, 0);
}

/** @param {Record<string, import("../shared/keys.js").Handler>} handlers */
function bind(handlers) {
  keys?.stop();
  keys = bindKeys(data.keys, handlers, { scope: "library" });
}

/** @returns {Record<string, import("../shared/keys.js").Handler>} */
function gridKeys() {
  return {
    left: () => grid.move("left") || turnPage(-1),
    right: () => grid.move("right") || turnPage(1),
    up: () => grid.move("up"),
    down: () => grid.move("down"),
    card_open: () => grid.openCurrent(),
    preview: () => grid.togglePreview(),
    page_before: () => turnPage(-1),
    page_after: () => turnPage(1),
    search: () => found("search").focus(),
    close: () => grid.clear(),
    ...(data.mayEdit && {
      tag: () => bulk.tag(),
      compare: () => bulk.compare(),
      export: () => bulk.export(),
      delete: () => bulk.remove(),
      undo: () => bulk.undo(),
      success: () => bulk.outcome("success"),
      failure: () => bulk.outcome("failure"),
      aborted: () => bulk.outcome("aborted"),
    }),
    select: () => grid.toggleCurrent(),
    select_all: () => grid.selectAll(),
  };
}

found("page-before").addEventListener("click", () => turnPage(-1));
found("page-after").addEventListener("click", () => turnPage(1));
window.addEventListener("popstate", show);
document.addEventListener("visibilitychange", () => !document.hidden && !state().open && load());
const wide = matchMedia("(min-width: 901px)");
const foldFilters = () => (/** @type {HTMLDetailsElement} */ (found("filters")).open = wide.matches);
wide.addEventListener("change", foldFilters);
foldFilters();
show();
