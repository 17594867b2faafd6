// @ts-check
/** The banner that shows which operator drives, where it is not this page, and what can be done about it. */

import { banner } from "./panel.js";

const LABELS = /** @type {Record<string, string>} */ ({ take: "Drive here", ask: "Ask for the controls" });

/**
 * Show it in the line at the top.
 * @param {any} controls  as the station sent them
 * @param {boolean} mayDrive
 * @param {(act: "take" | "ask" | "give" | "release", to?: string) => void} lease
 */
export function sayWho(controls, mayDrive, lease) {
  const { you, holder, away, spectators } = controls;
  const offer = (/** @type {"take" | "ask"} */ act) => [{ label: LABELS[act], run: () => lease(act) }];
  if (holder?.id === you) {
    const asker = spectators.find((/** @type {any} */ one) => one.asks);
    if (!asker) return banner("");
    const give = { label: `Hand them to ${asker.name}`, run: () => lease("give", asker.id) };
    return banner(`${asker.name} asks for the controls.`, "plain", [give]);
  }
  const me = spectators.find((/** @type {any} */ one) => one.id === you);
  if (!holder) return banner("No operator drives.", "plain", mayDrive ? offer("take") : []);
  if (me?.name === holder.name) return banner("You drive in another tab.", "plain", offer("take"));
  const words = `${holder.name} drives${away ? ", and is away" : ""}.`;
  if (!mayDrive) return banner(words);
  if (me?.asks) return banner(`${words} You asked for the controls.`);
  return banner(words, "plain", offer(away ? "take" : "ask"));
}
