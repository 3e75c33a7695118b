// The conflicts at hand and what was decided in this tab. The line to the server works on it as on a visit.

const DECISIONS_AHEAD = 20;
const REFILL_BELOW = 10;

class Bench {
  constructor(scope, tab, setup, outbox) {
    this.outbox = outbox;
    this.setup = setup;
    this.queue = [];
    this.chosen = new Set(); // labels switched on for the conflict on the screen, where several may hold
    this.giveBack = new Set(); // nothing is lent here
    this.version = null;
    this.left = null; // conflicts in all, null until the server has answered once
    this.refused = [];
    this.shownAt = 0;
    this.past = new Past(`${scope}:${tab}`);
    this.counterKey = `rondo:counter:${scope}:${tab}`;
    this.counter = kept.get("sessionStorage", this.counterKey) ?? 0;
    this.changed = () => {};
    this.send = () => {};
  }

  get card() {
    return this.queue[0] ?? null;
  }

  count() {
    this.counter += 1;
    kept.set("sessionStorage", this.counterKey, this.counter);
    return this.counter;
  }

  // ---- what a person does ----

  /** Decides the conflict on the screen. pressedAt: a key that was pressed before it came up does not speak of it. */
  decide(labels, note, pressedAt = Infinity) {
    const card = this.card;
    if (!card || pressedAt < this.shownAt) return false;
    const event = this.emit({ record: card.id, action: "submit", labels, note: note || null });
    this.queue.shift();
    this.past.push({ card, eid: event.eid, action: "submit", labels, number: event.seq });
    this.show();
    return true;
  }

  /** Leaves it for later: it comes again when all others were seen. */
  pass(pressedAt = Infinity) {
    if (this.queue.length < 2 || pressedAt < this.shownAt) return false;
    this.queue.push(this.queue.shift());
    this.show();
    return true;
  }

  /** Takes the last decision back and puts its conflict on the screen again. */
  undo() {
    const last = this.past.last;
    if (!last) return null;
    this.past.remove(last);
    this.emit({ record: last.card.id, action: "undo", labels: [], undoes: last.eid });
    this.queue = [last.card, ...this.queue.filter((card) => card.id !== last.card.id)];
    this.show(this.setup.multi ? last.labels : null);
    return last;
  }

  toggle(label) {
    if (!this.chosen.delete(label)) this.chosen.add(label);
    this.changed();
  }

  emit(event) {
    const whole = { eid: newId(), seq: this.count(), ts: Date.now() / 1000, ...event };
    this.outbox.push(whole);
    this.send();
    return whole;
  }

  /** Another conflict is on the screen now; where several labels may hold, those on which all agree are on. */
  show(chosen = null) {
    const said = (this.card?.answers ?? []).filter((one) => one.action === "submit");
    const common = said.length ? said[0].labels.filter((id) => said.every((one) => one.labels.includes(id))) : [];
    this.chosen = new Set(this.setup.multi ? (chosen ?? common) : []);
    this.changed();
    this.shownAt = performance.now();
  }

  // ---- what the server says ----

  wanted() {
    return this.setup.labels.length && this.queue.length < REFILL_BELOW ? DECISIONS_AHEAD - this.queue.length : 0;
  }

  take(reply) {
    for (const [event, reason] of this.outbox.settle(reply.statuses)) this.dropRefused(event, reason);
    if (reply.setup) this.setup = reply.setup;
    this.left = reply.left;
    const pending = this.outbox.pendingRecords();
    const [before, taken] = [this.card, new Set(reply.taken)];
    this.queue = this.queue.filter((card) => card === before || !taken.has(card.id));
    const known = new Set([...this.queue.map((card) => card.id), ...pending]);
    this.queue.push(...reply.cards.filter((card) => !known.has(card.id)));
    if (before) this.changed();
    else this.show();
  }

  giveUp() {
    // nothing is lent here
  }

  dropRefused(event, reason) {
    this.refused.push(reason);
    const entry = this.past.find(event.eid);
    if (entry) this.past.remove(entry);
  }
}
