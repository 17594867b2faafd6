// @ts-check
/** Addresses of what the station shows of an episode. */

/**
 * Return the address of a picture or a clip.
 * @param {"poster" | "hover" | "clip" | "frame" | "part" | "poses" | "recording" | "seen"} form
 * @param {{dataset: string, episode: string, v?: string}} episode
 * @param {Record<string, string | number>} [more]
 * @returns {string}
 */
export function mediaAddress(form, episode, more = {}) {
  const query = new URLSearchParams({ dataset: episode.dataset, episode: episode.episode });
  for (const [name, value] of Object.entries(more)) query.set(name, String(value));
  if (episode.v) query.set("v", episode.v);
  return `/media/${form}?${query}`;
}

/**
 * Return the address of an episode in the library.
 * @param {{dataset: string, episode: string}} episode
 * @returns {string}
 */
export function episodeAddress({ dataset, episode }) {
  return `/library/episode/${[...dataset.split("/"), episode].map(encodeURIComponent).join("/")}`;
}
