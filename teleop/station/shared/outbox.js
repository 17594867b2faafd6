// @ts-check
/**
 * The outbox of answers: stored in the browser until the station has them, in the order in which they were given, also
 * over a reload. Each has an idempotency key, so that the station takes it once however often it is sent.
 */

import { Refused, send } from "./api.js";

const NAME = "robo-rlhf-review";
const TABLE = "outbox";
const SOON = 1000; // [ms] until the first retry
const LATE = 15_000; // [ms] between retries at most

/** @typedef {{n?: number, person: string, path: string, body: Record<string, any>}} Letter */

/**
 * @param {string} name
 * @returns {Promise<IDBDatabase>}
 */
function open(name) {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(TABLE, { keyPath: "n", autoIncrement: true });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
function result(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

export class Outbox {
  /**
   * @param {string} person whose answers are sent; those of others wait for them
   * @param {{sent: (letter: Letter, reply: any) => void, refused: (letter: Letter, why: Refused) => void,
   *   changed: (waiting: number, offline: boolean) => void}} listener
   * @param {string} [name] of the list: pages that send other things have others
   */
  constructor(person, listener, name = NAME) {
    this.name = name;
    this.person = person;
    this.listener = listener;
    /** @type {IDBDatabase | null} */
    this.database = null;
    /** @type {Letter[]} in memory, in order; the database holds the same */
    this.letters = [];
    this.sending = false;
    this.offline = false;
    this.until = "can be reached"; // what the station has to be able to do again
    this.wait = SOON;
    this.timer = 0;
    this.opened = this.load();
    window.addEventListener("online", () => this.flush());
    document.addEventListener("visibilitychange", () => document.hidden || this.flush());
  }

  async load() {
    try {
      this.database = await open(this.name);
      const all = await result(this.database.transaction(TABLE).objectStore(TABLE).getAll());
      const earlier = /** @type {Letter[]} */ (all).filter((letter) => letter.person === this.person);
      this.letters = [...earlier, ...this.letters];
    } catch {
      this.database = null; // a private window: what is not sent is lost when it is closed
    }
    this.tell();
    this.flush();
  }

  /**
   * Send something, now or when the station can be reached.
   * @param {string} path
   * @param {Record<string, any>} body holds its `key`
   * @returns {Promise<void>} it is kept
   */
  async put(path, body) {
    /** @type {Letter} */
    const letter = { person: this.person, path, body: { ...body, person: this.person } };
    this.letters.push(letter); // at once: the request for the next question lists the answers that are on their way
    this.tell();
    await this.opened;
    if (this.database) {
      const table = this.database.transaction(TABLE, "readwrite", { durability: "strict" }).objectStore(TABLE);
      letter.n = Number(await result(table.add({ ...letter })));
    }
    this.flush();
  }

  /** Send the waiting answers, one after the other; two tabs take turns. */
  async flush() {
    if (this.sending) return;
    await this.opened;
    this.sending = true;
    clearTimeout(this.timer);
    try {
      if (navigator.locks) await navigator.locks.request(this.name, () => this.sendAll());
      else await this.sendAll();
    } finally {
      this.sending = false;
    }
    if (this.letters.length) {
      this.timer = setTimeout(() => this.flush(), this.wait);
      this.wait = Math.min(this.wait * 2, LATE);
    }
  }

  async sendAll() {
    while (this.letters.length) {
      const letter = this.letters[0];
      if (this.database && letter.n === undefined) return; // it is being written down
      try {
        const reply = await send(letter.path, letter.body);
        await this.remove(letter);
        this.listener.sent(letter, reply);
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        const again = error.status === 0 || error.status >= 500 || [401, 403, 408, 429].includes(error.status);
        if (again) return this.keep(error);
        await this.remove(letter);
        this.listener.refused(letter, error);
      }
      this.offline = false;
      this.wait = SOON;
      this.tell();
    }
  }

  /** @param {Refused} error */
  keep(error) {
    this.offline = error.status === 0 || error.status >= 500; // not there, or without its database or room on its disk
    this.until = error.status === 0 ? "can be reached" : error.status === 507 ? "has room again" : "can take them";
    this.tell();
  }

  /** @param {Letter} letter */
  async remove(letter) {
    this.letters = this.letters.filter((other) => other !== letter);
    if (this.database && letter.n !== undefined) {
      await result(this.database.transaction(TABLE, "readwrite").objectStore(TABLE).delete(letter.n));
    }
  }

  tell() {
    this.listener.changed(this.letters.length, this.offline);
  }
}

/** Return a key that no other answer has. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16)); // randomUUID is not there without HTTPS
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
