// One person's visit in one tab: the records at hand, what was answered, and how to go back. Knows no network, no page.

const AHEAD = 40; // records at hand: ten seconds without a server at four keys a second
const TOP_UP_BELOW = 33;
const RESERVE = 8; // stay at hand while better records are on their way
const PAUSE_MS = 60_000;

class Visit {
  constructor(scope, tab, setup, outbox) {
    this.outbox = outbox;
    this.use(setup);
    this.queue = [];
    this.chosen = new Set(); // labels switched on for the record on the screen, where several may hold
    this.giveBack = new Set();
    this.version = null;
    this.progress = null; // null until the server has answered once
    this.learning = false;
    this.suggested = false; // whether a suggestion has come in this visit
    this.refused = [];
    this.stamps = [];
    this.shown = { at: 0, because: "arrival" };
    this.past = new Past(`${scope}:${tab}`);
    this.hidden = kept.get("localStorage", "rondo:hide-suggestions") === true;
    this.counterKey = `rondo:counter:${scope}:${tab}`;
    this.counter = kept.get("sessionStorage", this.counterKey) ?? 0;
    this.changed = () => {};
    this.send = () => {};
  }

  get card() {
    return this.queue[0] ?? null;
  }

  /**
   * Labels and what follows from them. typing: labels are found by their letters, as there are more of them than keys.
   * digitsFind: digits are such letters, and no keys. likeliest: number keys can go to the likeliest labels.
   */
  use(setup) {
    this.setup = setup;
    this.typing = setup.labels.length > 9 && !areDigits(setup.labels);
    this.digitsFind = this.typing && setup.labels.some(beginsWithDigit);
    this.likeliest = this.typing && setup.likeliest_keys && setup.suggestions && !this.digitsFind;
    this.fixed = this.digitsFind ? new Map() : fixedKeys(setup.labels, DIGITS);
  }

  /** Whether the number keys go to the likeliest labels now: they differ from record to record. */
  get keysFollowModel() {
    return this.likeliest && this.suggested && !this.hidden;
  }

  /** Key to label id on this record; the likeliest ones have no key where no suggestion may be shown. */
  keysOf(card) {
    if (!this.keysFollowModel) return this.fixed;
    return new Map((card?.suggestion?.labels ?? []).slice(0, 9).map((one, place) => [String(place + 1), one.id]));
  }

  get suggestion() {
    return this.hidden ? null : (this.card?.suggestion ?? null);
  }

  /** A number that grows through reloads: it orders events and requests of this tab. */
  count() {
    this.counter += 1;
    kept.set("sessionStorage", this.counterKey, this.counter);
    return this.counter;
  }

  // ---- what a person does ----

  /** Answers the record on the screen and goes on to the next at once. pressedAt: time stamp of the key press. */
  answer(action, labels = [], { note = null, pressedAt = Infinity } = {}) {
    if (pressedAt < this.shown.at) return this.answerTooEarly(action, labels);
    const card = this.card;
    if (!card) return false;
    const event = this.emit({ record: card.id, action, labels, note, model: this.suggestion?.model ?? null });
    this.queue.shift();
    this.past.push({ card, eid: event.eid, action, labels, number: event.seq });
    this.stamps.push(Date.now());
    this.show("answer");
    return true;
  }

  /** The key was pressed before this record came up: it speaks of the one before, or, where there was none, of nothing. */
  answerTooEarly(action, labels) {
    const last = this.past.last;
    if (this.shown.because !== "answer" || !last) return false;
    if (last.action === action && String(last.labels) === String(labels)) return true;
    this.past.remove(last);
    this.emit({ record: last.card.id, action: "undo", undoes: last.eid });
    const model = this.hidden ? null : (last.card.suggestion?.model ?? null);
    const event = this.emit({ record: last.card.id, action, labels, model });
    this.past.push({ ...last, eid: event.eid, action, labels, number: event.seq });
    this.changed();
    return true;
  }

  /** Takes the last answer back and puts its record on the screen again. Returns it, or null at the beginning. */
  undo() {
    const last = this.past.last;
    if (!last) return null;
    this.past.remove(last);
    this.emit({ record: last.card.id, action: "undo", undoes: last.eid });
    this.giveBack.delete(last.card.id);
    this.queue.unshift(last.card);
    this.stamps.pop();
    this.show("undo", this.setup.multi ? last.labels : []);
    return last;
  }

  /** Switches a label on or off, where several may hold. */
  toggle(label) {
    if (!this.chosen.delete(label)) this.chosen.add(label);
    this.changed();
  }

  hideSuggestions(hidden) {
    this.hidden = hidden;
    kept.set("localStorage", "rondo:hide-suggestions", hidden);
    this.changed();
  }

  emit(event) {
    const whole = { eid: newId(), seq: this.count(), ts: Date.now() / 1000, ...event };
    this.outbox.push(whole);
    this.send();
    return whole;
  }

  /** Another record is on the screen now: painted at once, so that the next key press is about what is seen. */
  show(because, chosen = []) {
    this.chosen = new Set(chosen);
    if (this.card) this.card.seen = true;
    this.changed();
    this.shown = { at: performance.now(), because };
  }

  // ---- what the server says ----

  /** How many more records to ask for. */
  wanted() {
    return this.setup.labels.length && this.queue.length < TOP_UP_BELOW ? AHEAD - this.queue.length : 0;
  }

  /** Answers per minute since the last pause, 0 while there are too few to tell. */
  pace() {
    const stamps = this.stamps.slice(-20);
    const start = stamps.findLastIndex((stamp, i) => i > 0 && stamp - stamps[i - 1] > PAUSE_MS);
    const recent = stamps.slice(Math.max(start, 0));
    const span = recent.at(-1) - recent[0];
    return recent.length < 3 ? 0 : (60_000 * (recent.length - 1)) / Math.max(span, 5000);
  }

  /** Takes a reply in. given: the ids that the request gave back. */
  take(reply, given) {
    for (const id of given) this.giveBack.delete(id);
    for (const [event, reason] of this.outbox.settle(reply.statuses)) this.dropRefused(event, reason);
    if (reply.setup) this.use(reply.setup);
    this.progress = reply.progress;
    this.learning = reply.learning;
    const taken = new Set(reply.taken);
    this.keepOnly((card) => card.seen || !taken.has(card.id));
    if (this.version !== null && this.version !== reply.version) this.dropPrefetched();
    this.version = reply.version;
    this.add(reply.cards);
    this.giveUp(reply.recall);
  }

  /** The order changed: what nobody has seen yet is out of order, and goes back as soon as better records are there. */
  dropPrefetched() {
    const fresh = this.queue.filter((card) => !card.seen);
    for (const card of fresh) card.stale = true;
    this.giveUp(fresh.length - RESERVE);
  }

  /** Gives back up to so many records that nobody has seen yet, the last ones first. */
  giveUp(count) {
    if (count <= 0) return;
    const fresh = this.queue.filter((card) => !card.seen);
    const going = new Set(fresh.slice(-count));
    for (const card of going) this.giveBack.add(card.id);
    this.keepOnly((card) => !going.has(card));
  }

  keepOnly(wanted) {
    this.queue = this.queue.filter(wanted);
  }

  add(cards) {
    this.suggested ||= cards.some((card) => card.suggestion);
    const known = new Set([...this.queue.map((card) => card.id), ...this.outbox.pendingRecords()]);
    const empty = !this.card;
    const fresh = cards.filter((card) => !known.has(card.id));
    for (const card of cards) this.giveBack.delete(card.id);
    const stale = this.queue.findIndex((card) => card.stale && !card.seen);
    this.queue.splice(stale < 0 ? this.queue.length : stale, 0, ...fresh);
    const ahead = this.queue.filter((card) => !card.stale && !card.seen).length;
    if (stale >= 0 && ahead >= RESERVE) this.giveUp(this.queue.filter((card) => card.stale && !card.seen).length);
    if (empty && this.card) this.show("arrival");
    else this.changed();
  }

  dropRefused(event, reason) {
    this.refused.push(reason);
    const entry = this.past.find(event.eid);
    if (entry) this.past.remove(entry);
  }
}
