// @ts-check
/** The filters of the library: facets and values are read from the episodes, each value with its count. */

import { element, SOURCES } from "../shared/made.js";

const TYPING = 250; // [ms] after the last letter
const SHOWN = 8; // values of a facet that are shown at first
/** @type {[string, string][]} */
const FACETS = [["task", "Task"], ["outcome", "Outcome"], ["source", "Chosen by"], ["operator", "Operator"], ["tag", "Tag"], ["dataset", "Dataset"], ["device", "Device"]];
/** @type {Record<string, string>} */
const PLAIN = { q: "words", since: "from", until: "to", shortest: "at least", longest: "at most" };

export class Filters {
  /**
   * @param {HTMLElement} form
   * @param {HTMLElement} chosen where the filters in use are listed
   * @param {(query: URLSearchParams) => void} changed
   */
  constructor(form, chosen, changed) {
    this.form = form;
    this.chosen = chosen;
    this.changed = changed;
    this.query = new URLSearchParams();
    /** @type {Record<string, [string, number][]>} */
    this.facets = {};
    /** @type {Set<string>} */
    this.whole = new Set(); // facets of which all values are shown
    this.typing = 0;
    /** @type {Record<string, HTMLElement>} */
    this.places = {};
    for (const [name, title] of FACETS) {
      this.places[name] = element("div", { class: "values" });
      form.append(element("fieldset", { class: "facet" }, element("legend", {}, title), this.places[name]));
    }
    form.append(
      element("fieldset", { class: "facet" }, element("legend", {}, "Recorded"), this.field("since", "From", "date"), this.field("until", "To", "date")),
      element("fieldset", { class: "facet" }, element("legend", {}, "Length in seconds"), this.field("shortest", "At least", "number"), this.field("longest", "At most", "number")),
    );
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("change", (event) => this.ticked(event));
    const search = /** @type {HTMLInputElement} */ (document.getElementById("search"));
    search.addEventListener("input", () => {
      clearTimeout(this.typing);
      this.typing = setTimeout(() => this.set("q", search.value.trim()), TYPING);
    });
    search.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && search.value) {
        search.value = "";
        this.set("q", "");
      } else if (event.key === "Escape" || event.key === "ArrowDown") {
        search.blur();
        document.querySelector(".episode a.open[tabindex='0']")?.dispatchEvent(new FocusEvent("focus"));
        /** @type {HTMLElement | null} */ (document.querySelector(".episode a.open[tabindex='0']"))?.focus();
        event.preventDefault();
      }
    });
    const sort = /** @type {HTMLSelectElement} */ (document.getElementById("sort"));
    sort.addEventListener("change", () => this.set("sort", sort.value === "newest" ? "" : sort.value));
    this.search = search;
    this.sort = sort;
  }

  /**
   * @param {string} name
   * @param {string} label
   * @param {string} type
   */
  field(name, label, type) {
    const input = element("input", { type, id: `filter-${name}`, name, min: type === "number" ? 0 : null, step: type === "number" ? "any" : null });
    return element("div", { class: "field inline" }, element("label", { for: `filter-${name}` }, label), input);
  }

  /**
   * Show the filters in the page's address.
   * @param {URLSearchParams} query
   */
  show(query) {
    this.query = new URLSearchParams(query);
    if (document.activeElement !== this.search) this.search.value = query.get("q") || "";
    this.sort.value = query.get("sort") || "newest";
    for (const name of ["since", "until", "shortest", "longest"]) {
      const input = this.form.querySelector(`[name="${name}"]`);
      if (input instanceof HTMLInputElement && document.activeElement !== input) input.value = query.get(name) || "";
    }
    this.drawChosen();
    this.draw(this.facets);
  }

  /**
   * Show the facets and their values.
   * @param {Record<string, [string, number][]>} facets
   */
  draw(facets) {
    this.facets = facets;
    for (const [name] of FACETS) {
      const values = facets[name] || [];
      const place = this.places[name];
      const asked = this.query.getAll(name);
      const worth = values.length > 1 || asked.length > 0;
      /** @type {HTMLElement} */ (place.parentElement).hidden = !worth;
      const focus = document.activeElement instanceof HTMLInputElement && place.contains(document.activeElement) ? document.activeElement.value : null;
      const all = this.whole.has(name) || values.length <= SHOWN + 1;
      const shown = all ? values : values.filter(([value], index) => index < SHOWN || asked.includes(value));
      place.replaceChildren(...shown.map(([value, count]) => this.value(name, value, count, asked.includes(value))));
      if (!all) place.append(element("button", { type: "button", class: "button quiet small more", onclick: () => (this.whole.add(name), this.draw(this.facets)) }, `${values.length - shown.length} more`));
      if (focus !== null) /** @type {HTMLElement | null} */ ([...place.querySelectorAll("input")].find((input) => input.value === focus) || null)?.focus();
    }
  }

  /**
   * @param {string} name
   * @param {string} value
   * @param {number} count
   * @param {boolean} on
   */
  value(name, value, count, on) {
    const box = element("input", { type: "checkbox", name, value });
    box.checked = on;
    return element("label", { class: "check" + (count ? "" : " soft"), title: wordOf(name, value) }, box, element("span", { class: "clip" }, wordOf(name, value)), element("span", { class: "soft number count" }, count.toLocaleString("en")));
  }

  /** @param {Event} event */
  ticked(event) {
    const input = event.target;
    if (!(input instanceof HTMLInputElement)) return;
    if (input.type !== "checkbox") return input.validity.valid ? this.set(input.name, input.value) : undefined;
    const query = new URLSearchParams(this.query);
    query.delete(input.name, input.value);
    if (input.checked) query.append(input.name, input.value);
    this.changed(query);
  }

  /**
   * @param {string} name
   * @param {string} value
   */
  set(name, value) {
    const query = new URLSearchParams(this.query);
    if (value) query.set(name, value);
    else query.delete(name);
    if (query.toString() !== this.query.toString()) this.changed(query);
  }

  /** List the active filters, each with a button to remove it. */
  drawChosen() {
    const rows = [...this.query].filter(([name]) => name !== "sort");
    const count = document.getElementById("filters-count");
    if (count) {
      count.hidden = !rows.length;
      count.textContent = String(rows.length);
    }
    const chips = rows.map(([name, value]) => {
      const facet = FACETS.find(([known]) => known === name);
      const unit = name === "shortest" || name === "longest" ? " s" : "";
      const text = facet ? `${facet[1]}: ${wordOf(name, value)}` : `${PLAIN[name] || name}: ${value}${unit}`;
      const away = () => {
        const query = new URLSearchParams(this.query);
        query.delete(name, value);
        if (name === "q") this.search.value = "";
        this.changed(query);
      };
      return element("button", { type: "button", class: "button small chip", onclick: away, "aria-label": `Take away the filter ${text}` }, element("span", { class: "clip" }, text), element("span", { "aria-hidden": "true" }, "×"));
    });
    if (chips.length > 1) {
      const none = () => {
        this.search.value = "";
        this.changed(new URLSearchParams(this.query.has("sort") ? { sort: this.query.get("sort") || "" } : {}));
      };
      chips.push(element("button", { type: "button", class: "button quiet small", onclick: none }, "Take all away"));
    }
    this.chosen.replaceChildren(...chips);
    this.chosen.hidden = !chips.length;
  }
}

/**
 * @param {string} name
 * @param {string} value
 */
function wordOf(name, value) {
  if (value === "(none)") return name === "tag" ? "no tag" : "not known";
  if (name === "source") return SOURCES[value] || value;
  return value;
}
