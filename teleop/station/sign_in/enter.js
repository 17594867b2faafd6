// @ts-check
/** The token is behind the # of the address, so that it reaches no log; it is sent once and then forgotten. */

import { Refused, pageData, send } from "../shared/api.js";

const token = location.hash.slice(1);
history.replaceState(null, "", location.pathname);
const [title, text, ways] = ["title", "text", "ways"].map((id) => /** @type {HTMLElement} */ (document.getElementById(id)));

try {
  if (!token) throw new Refused(0, "", "There is no token in this address. Open the whole link, including the part after the #.");
  await send("/enter", { token });
  location.replace(pageData().next);
} catch (error) {
  if (!(error instanceof Refused)) throw error;
  if (pageData().signed_in) location.replace(pageData().next);
  title.textContent = "This link does not work";
  text.textContent = error.message;
  ways.hidden = false;
}
