// The line to the server: one request at a time that hands events in and gets records. Knows no page.

import { openTabs } from "./tab.js";

const LEAST_PAUSE_MS = 100;
const TIMEOUT_MS = 10_000;
const RETRY_MS = [3000, 5000, 10_000];
const POLL_MS = 1000;
const IDLE_MS = 4000;
const ADOPT_MS = 30_000;
const MOST_EVENTS = 200;
const KEEPALIVE_BYTES = 60_000;

export class Line {
  constructor(visit, tab, annotator) {
    this.path = visit.source.path;
    this.visit = visit;
    this.outbox = visit.outbox;
    this.tab = tab;
    this.annotator = annotator;
    this.token = "";
    this.failure = ""; // why the last request failed, "" when it did not
    this.failures = 0;
    this.busy = false;
    this.short = false; // the server had no record to give: the tick asks again, in its own time
    this.timer = 0;
    this.ended = -Infinity;
    this.used = performance.now();
    this.batch = MOST_EVENTS;
    this.tabs = []; // the other ones that were open when this one came
  }

  start() {
    setInterval(() => this.tick(), POLL_MS);
    setInterval(() => this.outbox.adopt().then(() => this.pump()), ADOPT_MS);
    addEventListener("online", () => this.retryNow());
    addEventListener("pagehide", (event) => event.persisted || this.sendLast());
    this.busy = true; // until it is known which other tabs are open: what a closed one held comes to this one
    const looked = openTabs().then((tabs) => (this.tabs = tabs.filter((tab) => tab !== this.tab)));
    Promise.all([this.outbox.adopt(), looked]).finally(() => this.send());
  }

  /** Sends soon, if there is anything to send or to get. */
  pump() {
    if (this.busy || this.timer) return;
    const want = this.short ? 0 : this.want();
    if (!this.outbox.size && !this.visit.giveBack.size && !this.visit.unsavedKeys && !want) return;
    this.later(this.failures ? this.retryDelay() : this.ended + LEAST_PAUSE_MS - performance.now());
  }

  /** Asks when there is nothing to show; keeps the records at hand while somebody is there, else gives them back. */
  tick() {
    if (this.busy || this.timer) return;
    const present = this.isPresent();
    if (!present) this.visit.giveUp(this.visit.queue.length);
    const idle = performance.now() - this.ended > IDLE_MS;
    if (this.failures || (present && !this.visit.card) || (idle && (present || !this.visit.card))) this.later(0);
    else if (present || this.outbox.size || this.visit.giveBack.size) this.pump();
  }

  /** Whether somebody was at the keys within the time of a lease. */
  isPresent() {
    return performance.now() - this.used < this.visit.setup.lease_seconds * 1000;
  }

  /** How many more records to ask for; where nobody is at the keys, one for an empty screen. */
  want() {
    const shortage = this.visit.shortage();
    return this.isPresent() ? shortage : Math.min(shortage, this.visit.card ? 0 : 1);
  }

  /** Somebody is at the keys. */
  noteUse() {
    this.used = performance.now();
    this.pump();
  }

  retryNow() {
    this.failures = 0;
    clearTimeout(this.timer);
    this.timer = 0;
    if (!this.busy) this.later(0);
  }

  later(delay) {
    this.timer = setTimeout(() => this.send(), Math.max(0, delay));
  }

  retryDelay() {
    return RETRY_MS[Math.min(this.failures, RETRY_MS.length) - 1];
  }

  async send() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.busy = true;
    const body = this.body();
    try {
      const reply = await this.post(body);
      this.failures = 0;
      this.failure = "";
      this.short = body.want > 0 && !reply.cards.length;
      this.visit.receive(reply, body.give_back);
      this.visit.keysSaved(body.keys);
    } catch (error) {
      this.failures += 1;
      this.failure = error instanceof Refusal ? error.message : "offline";
      this.visit.changed();
    }
    this.busy = false;
    this.ended = performance.now();
    if (this.failures) this.later(this.retryDelay());
    else this.pump();
  }

  body() {
    const visit = this.visit;
    return {
      events: this.outbox.events.slice(0, this.batch),
      have: visit.queue.map((card) => card.id),
      give_back: [...visit.giveBack],
      want: this.want(),
      version: visit.version,
      turn: visit.count(),
      tabs: this.tabs,
      setup: visit.setup.key,
      quality: visit.quality?.key ?? null,
      keys: visit.unsavedKeys,
    };
  }

  /** The reply, or an error: Refusal where the server refused, TypeError or a timeout where it could not be reached. */
  post(body) {
    return this.postTo(this.path, body);
  }

  async postTo(path, body, renewed = false) {
    const response = await this.fetch(path, body, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (response.ok) return response.json();
    if (response.status === 401 && !renewed) {
      await this.renewToken();
      return this.postTo(path, body, true);
    }
    if (response.status === 413) this.batch = Math.max(1, Math.floor(this.batch / 2));
    if (response.status >= 500) throw new TypeError("the server is in trouble");
    const { error } = await response.json();
    throw new Refusal(error);
  }

  /** The records like one, or those with some words: {records: [{id, text, answer}]} or {error}. */
  async similar(query) {
    try {
      return await this.postTo("api/label/similar", query);
    } catch (error) {
      return { error: error instanceof Refusal ? error.message : "The server cannot be reached." };
    }
  }

  async renewToken() {
    const response = await this.fetch("api/label/token", { annotator: this.annotator }, {});
    if (!response.ok) throw new Refusal("This visit has ended. Reload the page; nothing is lost.");
    this.token = (await response.json()).token;
  }

  /** path: as seen from the page, which a proxy may serve under a prefix. */
  fetch(path, body, options) {
    const headers = { "Content-Type": "application/json", "X-Rondo-Token": this.token, "X-Rondo-Tab": this.tab };
    return fetch(path, { method: "POST", headers, body: JSON.stringify(body), credentials: "same-origin", ...options });
  }

  /** The page goes: its records go back to the others, and what is not durable yet gets one more chance beyond it. */
  sendLast() {
    const body = { ...this.body(), events: [], have: [], want: 0 };
    body.give_back.push(...this.visit.queue.map((card) => card.id));
    let bytes = 500 + 3 * JSON.stringify(body).length;
    for (const event of this.outbox.events) {
      bytes += 3 * JSON.stringify(event).length;
      if (bytes > KEEPALIVE_BYTES) break; // it stays in the outbox anyway
      body.events.push(event);
    }
    this.fetch(this.path, body, { keepalive: true }).catch(() => {});
  }
}

/** The server understood and said no. */
class Refusal extends Error {}
