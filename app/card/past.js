// What was answered in this visit, newest last, so that a person can go all the way back, also after a reload.

const PAST_BYTES = 2_000_000;

class Past {
  /** place: names this person's visit in this tab's storage. Only the newest PAST_BYTES outlive a reload. */
  constructor(place) {
    this.prefix = `rondo:past:${place}:`;
    this.countsKey = `rondo:counts:${place}`;
    this.counts = kept.get("sessionStorage", this.countsKey) ?? {};
    this.entries = kept.keys("sessionStorage", this.prefix).map((key) => kept.get("sessionStorage", key));
    this.entries = this.entries.filter((entry) => entry !== null);
    this.bytes = this.entries.reduce((sum, entry) => sum + sizeOf(entry), 0);
    this.oldest = 0; // index of the oldest entry that storage still has
  }

  get last() {
    return this.entries.at(-1) ?? null;
  }

  /** entry: {card, eid, action, labels, number}; numbers grow. */
  push(entry) {
    this.entries.push(entry);
    this.count(entry, 1);
    this.bytes += sizeOf(entry);
    kept.set("sessionStorage", this.keyOf(entry), entry);
    while (this.bytes > PAST_BYTES && this.oldest < this.entries.length - 1) {
      const dropped = this.entries[this.oldest++];
      this.bytes -= sizeOf(dropped);
      kept.drop("sessionStorage", this.keyOf(dropped));
    }
  }

  remove(entry) {
    const place = this.entries.indexOf(entry);
    if (place < 0) return;
    this.entries.splice(place, 1);
    this.count(entry, -1);
    if (place >= this.oldest) this.bytes -= sizeOf(entry);
    else this.oldest -= 1;
    kept.drop("sessionStorage", this.keyOf(entry));
  }

  find(eid) {
    return this.entries.find((entry) => entry.eid === eid);
  }

  count(entry, step) {
    const labels = entry.labels.length ? entry.labels : ["none"];
    for (const name of entry.action === "submit" ? labels : [entry.action]) {
      const key = entry.action === "submit" ? `label:${name}` : name;
      this.counts[key] = (this.counts[key] ?? 0) + step;
    }
    kept.set("sessionStorage", this.countsKey, this.counts);
  }

  keyOf(entry) {
    return this.prefix + String(entry.number).padStart(9, "0");
  }
}

function sizeOf(entry) {
  return 2 * JSON.stringify(entry).length;
}
