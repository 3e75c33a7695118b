// What was answered in this visit, newest last, so that a person can go all the way back, also after a reload.

import { storage } from "./tab.js";

const PAST_BYTES = 2_000_000;

export class Past {
  /** visit: names this person's visit in this tab's storage. Only the newest PAST_BYTES outlive a reload. */
  constructor(visit) {
    this.prefix = `rondo:answers:${visit}:`;
    this.countsKey = `rondo:tally:${visit}`;
    this.counts = storage.get("sessionStorage", this.countsKey) ?? {};
    this.entries = storage.keys("sessionStorage", this.prefix).map((key) => storage.get("sessionStorage", key));
    this.entries = this.entries.filter((entry) => entry !== null);
    this.bytes = this.entries.reduce((sum, entry) => sum + sizeOf(entry), 0);
    this.oldest = 0; // index of the oldest entry that storage still has
  }

  get last() {
    return this.entries.at(-1) ?? null;
  }

  /** The entry of an event, or null. */
  find(eid) {
    return this.entries.find((entry) => entry.eid === eid) ?? null;
  }

  /** [key, count] of what was given in this visit, most first. */
  get tally() {
    return Object.entries(this.counts).filter(([, count]) => count > 0).sort(([, a], [, b]) => b - a);
  }

  get total() {
    return this.tally.reduce((sum, [, count]) => sum + count, 0);
  }

  /** entry: {card, eid, action, answer, note, number, tally}. Numbers grow; tally: the keys that it counts for. */
  push(entry) {
    this.entries.push(entry);
    this.count(entry, 1);
    this.bytes += sizeOf(entry);
    storage.set("sessionStorage", this.keyOf(entry), entry);
    while (this.bytes > PAST_BYTES && this.oldest < this.entries.length - 1) {
      const dropped = this.entries[this.oldest++];
      this.bytes -= sizeOf(dropped);
      storage.drop("sessionStorage", this.keyOf(dropped));
    }
  }

  /** Takes out the answer of an event, where it stands here. */
  remove(eid) {
    const index = this.entries.findLastIndex((entry) => entry.eid === eid);
    if (index < 0) return;
    const [entry] = this.entries.splice(index, 1);
    this.count(entry, -1);
    if (index >= this.oldest) this.bytes -= sizeOf(entry);
    else this.oldest -= 1;
    storage.drop("sessionStorage", this.keyOf(entry));
  }

  count(entry, step) {
    for (const key of entry.tally) this.counts[key] = (this.counts[key] ?? 0) + step;
    storage.set("sessionStorage", this.countsKey, this.counts);
  }

  keyOf(entry) {
    return this.prefix + String(entry.number).padStart(9, "0");
  }
}

function sizeOf(entry) {
  return 2 * JSON.stringify(entry).length;
}
