// Events that are not yet durable on the server, stored in this browser until they are. Knows no records and no page.

import { openTabs, storage } from "./tab.js";

export class Outbox {
  /** scope: project and annotator. What this tab left behind before a reload is there again. */
  constructor(scope, tab) {
    this.prefix = `rondo:outbox:${scope}:`;
    this.tab = tab;
    this.events = storage.get("localStorage", this.prefix + tab) ?? [];
    this.stored = true;
  }

  get size() {
    return this.events.length;
  }

  push(event) {
    this.events.push(event);
    this.save();
  }

  /** Drops what the server has answered for, by eid. Returns [event, reason] of those that it refused. */
  settle(statuses) {
    const refused = this.events.filter((event) => !["stored", "known", undefined].includes(statuses[event.eid]));
    this.events = this.events.filter((event) => !(event.eid in statuses));
    this.save();
    return refused.map((event) => [event, statuses[event.eid]]);
  }

  /** Records that have an answer on its way; an undo that follows takes it away again. */
  pendingRecords() {
    const records = new Set();
    for (const event of this.events) {
      if (event.action === "undo") records.delete(event.record);
      else records.add(event.record);
    }
    return records;
  }

  /** Takes over what tabs of this person left that are no longer open; sending an event twice does no harm. */
  async adopt() {
    const open = await openTabs();
    for (const key of storage.keys("localStorage", this.prefix)) {
      const tab = key.slice(this.prefix.length);
      if (tab === this.tab || open.includes(tab)) continue;
      const known = new Set(this.events.map((event) => event.eid));
      const orphans = (storage.get("localStorage", key) ?? []).filter((event) => !known.has(event.eid));
      this.events.unshift(...orphans);
      this.save();
      if (this.stored) storage.drop("localStorage", key);
    }
  }

  save() {
    const key = this.prefix + this.tab;
    if (this.events.length) this.stored = storage.set("localStorage", key, this.events);
    else storage.drop("localStorage", key);
  }
}
