// @ts-check
/** Who draws: this browser or the server, by what is measured when the page starts, and by a switch that is remembered. */

/** @typedef {"here" | "server"} Drawer */

const PLACE = "drawn";
const SOFTWARE = /swiftshader|llvmpipe|softpipe|software|basic render/i;

/** @type {{possible: boolean, quick: boolean} | null} */
let found = null;

/** Return whether this browser can draw, and by a GPU. */
export function measured() {
  if (found) return found;
  found = { possible: false, quick: false };
  try {
    const gl = document.createElement("canvas").getContext("webgl2");
    if (gl) {
      const info = gl.getExtension("WEBGL_debug_renderer_info");
      const name = String(gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
      found = { possible: true, quick: !SOFTWARE.test(name) };
      gl.getExtension("WEBGL_lose_context")?.loseContext();
    }
  } catch {
    // a browser that has none at all
  }
  return found;
}

/** Who was chosen; empty: nobody, what is measured decides. @returns {Drawer | ""} */
export function chosen() {
  try {
    const value = localStorage.getItem(PLACE);
    return value === "here" || value === "server" ? value : "";
  } catch {
    return "";
  }
}

/** @param {Drawer} drawer */
export function choose(drawer) {
  try {
    localStorage.setItem(PLACE, drawer);
  } catch {
    // a browser that remembers nothing measures each time
  }
}

/** Return who draws. @returns {Drawer} */
export function drawer() {
  const { possible, quick } = measured();
  const wanted = chosen() || (quick ? "here" : "server");
  return possible ? wanted : "server";
}

/**
 * Write on a button who draws.
 * @param {HTMLElement} button with its word first
 * @param {boolean} here
 */
export function writeDrawer(button, here) {
  button.firstChild?.replaceWith(here ? "Drawn here " : "Drawn by the server ");
  button.title = here ? "This browser draws from poses. Have the server draw." : "The server draws. Have this browser draw from poses.";
}
