// @ts-check
/** The clips of a question, drawn when a user opens them. */

import { element } from "../shared/made.js";

/**
 * Return a part that shows clips when it is opened.
 * @param {string[]} clips their ids
 */
export function clipsOf(clips) {
  const place = element("div", { class: "looked" });
  const part = element("details", {}, element("summary", { class: "small soft" }, "Look at the clips"), place);
  part.addEventListener("toggle", () => {
    if (!part.open || place.childElementCount) return;
    place.append(...clips.map((clip, i) => {
      const name = clips.length > 1 ? "ABCDEF"[i] : "the clip";
      return element("figure", {}, element("video", { src: `/review/clip/${clip}`, controls: true, loop: true, muted: true, playsinline: true, autoplay: true, "aria-label": `Clip ${name}` }), element("figcaption", { class: "small soft" }, name));
    }));
  });
  return part;
}
