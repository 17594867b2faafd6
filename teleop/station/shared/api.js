// @ts-check
/** Requests to the station: `get` and `send` JSON, and `pageData`, what the server put into the page. */

import { tell } from "./toast.js";

/** An error response of the station. */
export class Refused extends Error {
  /**
   * @param {number} status of the answer; 0 where none came
   * @param {string} code a short word for scripts, such as "signed_out"
   * @param {string} text a sentence for people
   */
  constructor(status, code, text) {
    super(text);
    this.status = status;
    this.code = code;
  }
}

/**
 * Return what the server put into the page for its scripts.
 * @returns {any}
 */
export function pageData() {
  return JSON.parse(document.getElementById("data")?.textContent || "{}");
}

/** @returns {HTMLMetaElement} */
function csrfMeta() {
  const found = document.querySelector('meta[name="csrf"]');
  if (!(found instanceof HTMLMetaElement)) throw new Error("the page has no CSRF token");
  return found;
}

/**
 * Ask for JSON.
 * @param {string} path
 * @param {{signal?: AbortSignal}} [options]
 * @returns {Promise<any>}
 * @throws {Refused}
 */
export function get(path, options = {}) {
  return ask(path, { method: "GET", signal: options.signal });
}

/**
 * Change something: send JSON, and return the JSON that comes back.
 * @param {string} path
 * @param {unknown} [body]
 * @param {{method?: string, headers?: Record<string, string>, signal?: AbortSignal, keepalive?: boolean}} [options]
 * @returns {Promise<any>}
 * @throws {Refused}
 */
export async function send(path, body = {}, options = {}) {
  const request = () =>
    ask(path, {
      method: options.method || "POST",
      body: JSON.stringify(body),
      headers: { "Content-Type": "application/json", "X-CSRF-Token": csrfMeta().content, ...options.headers },
      signal: options.signal,
      keepalive: options.keepalive,
    });
  try {
    return await request();
  } catch (error) {
    // Another tab may have signed in again since this page was loaded: take the token of that session, and try once more.
    if (!(error instanceof Refused) || error.code !== "refused" || !(await renewed())) throw error;
    return request();
  }
}

/**
 * Take the CSRF token of today's session; return whether it is another than the page had.
 * @returns {Promise<boolean>}
 */
async function renewed() {
  const before = csrfMeta().content;
  const session = await get("/session");
  csrfMeta().content = session.csrf;
  return session.csrf !== before;
}

/**
 * @param {string} path
 * @param {RequestInit} options
 * @returns {Promise<any>}
 */
async function ask(path, options) {
  const headers = { Accept: "application/json", ...options.headers };
  /** @type {Response} */
  let response;
  try {
    response = await fetch(path, { ...options, headers, credentials: "same-origin" });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Refused(0, "offline", "The station cannot be reached. Nothing was changed; try again.");
  }
  const text = await response.text();
  /** @type {any} */
  let content = {};
  try {
    content = text ? JSON.parse(text) : {};
  } catch {
    content = { error: "The station answered something that this page does not understand." };
  }
  if (response.ok) return content;
  if (response.status === 401 && content.code === "signed_out") offerSignIn();
  if (content.code === "consentneeded") location.assign(`/consent?next=${encodeURIComponent(location.pathname + location.search)}`);
  throw new Refused(response.status, content.code || "", content.error || `The station answered ${response.status}.`);
}

/** Show that the session has ended, without leaving the page: what was entered is not lost. */
function offerSignIn() {
  tell("Your session has ended. Sign in again in a new tab; this page stays as it is.", "bad", {
    label: "Sign in",
    run: () => window.open("/sign-in", "_blank"),
    once: "signed_out",
  });
}

/**
 * Run a request that may be refused, and show the user why where it is.
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<T | undefined>}
 */
export async function tellRefusals(work) {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (error.code !== "signed_out") tell(error.message, "bad");
    return undefined;
  }
}

/**
 * Return the address of a WebSocket of the station.
 * @param {string} path
 * @returns {string}
 */
export function socketAddress(path) {
  return `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}${path}`;
}
