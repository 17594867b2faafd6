// @ts-check
/** What an export is to be: its format, and the cameras and size of its pictures. */

import { get, pageData } from "../shared/api.js";
import { ask } from "../shared/dialog.js";
import { element } from "../shared/made.js";

const SIZES = [96, 128, 224, 256, 480, 640]; // [pixels]

/**
 * Ask for it; null where the dialog was closed without an answer.
 * @param {string} many how many episodes
 * @param {{dataset: string, episode: string}} first of them, whose cameras all have
 * @returns {Promise<{format: string, cameras: string[], size: number | null} | null>}
 */
export async function askExport(many, first) {
  const { task } = await get(`/api/library/episode?${new URLSearchParams({ ...first })}`);
  const cameras = Object.keys((await get(`/api/library/cameras?${new URLSearchParams({ task })}`).catch(() => ({ cameras: {} }))).cameras);
  const formats = Object.entries(/** @type {Record<string, string>} */ (pageData().formats));
  const format = element("select", { id: "export-format" }, ...formats.map(([name, title]) => element("option", { value: name }, title)));
  const size = element("select", { id: "export-size" }, element("option", { value: "" }, "as usual"), ...SIZES.map((side) => element("option", { value: side }, `${side} × ${side}`)));
  const boxes = cameras.map((name) => element("input", { type: "checkbox", value: name }));
  const pictures = element(
    "fieldset",
    { class: "stack tight" },
    element("legend", { class: "label" }, "Pictures from"),
    ...boxes.map((box, i) => element("label", { class: "check" }, box, ` ${cameras[i].replaceAll("_", " ")}`)),
  );
  const field = (/** @type {string} */ label, /** @type {HTMLElement} */ input) => element("div", { class: "field" }, element("label", { for: input.id }, label), input);
  const body = element("div", { class: "stack tight" }, field("Format", format), ...(cameras.length ? [pictures, field("Size of the pictures", size)] : []));
  const choices = [{ label: "Cancel", value: "" }, { label: "Export", value: "yes", tone: /** @type {const} */ ("primary") }];
  if ((await ask({ title: `Export ${many}`, body, choices })) !== "yes") return null;
  const chosen = boxes.filter((box) => box.checked).map((box) => box.value);
  return { format: format.value, cameras: chosen, size: chosen.length && size.value ? Number(size.value) : null };
}
