// One person's visit in one tab: the records at hand, what was answered, and how to go back. Knows no network, no page.

import { reservedLetters } from "./keys.js";
import { Past } from "./past.js";
import { newId, storage } from "./tab.js";
import { TASKS } from "./tasks.js";

const RESERVE = 8; // stay at hand while better records are on their way
const PAUSE_MS = 60_000;

export class Visit {
  /**
   * scope: source, project and annotator. source: as `labelling.js` describes it. keys: that the person has chosen, as the
   * server has them; null where nobody signs in, and they are this browser's.
   */
  constructor(scope, tab, source, setup, outbox, keys = null) {
    this.source = source;
    this.keysName = `rondo:keys:${scope}`;
    const here = storage.get("localStorage", this.keysName); // beside a server's: what it has not stored yet
    this.unsavedKeys = keys && here;
    this.ownOnServer = keys !== null;
    this.keys = here ?? keys ?? {};
    this.quality = null; // as the server measured it last
    this.news = null; // what the last round brought, once
    this.outbox = outbox;
    this.queue = [];
    this.use(setup);
    this.giveBack = new Set();
    this.version = null;
    this.latest = null; // the newest reply of the server
    this.suggested = false; // whether a suggestion has come in this visit
    this.saving = null; // the answer that was given last, until all is saved
    this.refused = [];
    this.stamps = [];
    this.shown = { at: 0, because: "arrival" };
    this.past = new Past(`${scope}:${tab}`);
    this.hidden = storage.get("localStorage", "rondo:hide-suggestions") === true;
    this.counterKey = `rondo:counter:${scope}:${tab}`;
    this.counter = storage.get("sessionStorage", this.counterKey) ?? 0;
    this.changed = () => {};
    this.send = () => {};
  }

  get card() {
    return this.queue[0] ?? null;
  }

  /** The project's settings, when they are new. What is switched on or typed on the record stays. */
  use(setup) {
    const sameTask = this.setup?.task === setup.task;
    this.setup = setup;
    const { source } = this;
    this.task = new TASKS[setup.task](setup, { review: source.review, reserved: reservedLetters(source), keys: this.keys });
    if (!sameTask) this.draft = this.task.start(this.card, null);
  }

  /** What holds for a key that was pressed at this time; `tasks.js` says what is in it. */
  moment(at = Infinity) {
    const early = at < this.shown.at;
    const record = early ? (this.past.last?.card ?? null) : this.card;
    const suggestion = this.hidden ? null : (record?.suggestion ?? null);
    const { draft, hidden, suggested, saving } = this;
    return { record, draft, suggestion, hidden, suggested, saving, early };
  }

  /** A number that grows through reloads: it orders events and requests of this tab. */
  count() {
    this.counter += 1;
    storage.set("sessionStorage", this.counterKey, this.counter);
    return this.counter;
  }

  // ---- what a person does ----

  /** Does a step of the task. pressedAt: time stamp of the key press. Returns the words to read out, "" for none. */
  take(step, pressedAt = Infinity, note = null) {
    if (step.draft) {
      this.draft = step.draft;
      this.changed();
      return step.words ?? "";
    }
    if (!step.answer || !this.answer("submit", step.answer, { note, pressedAt })) return "";
    return this.task.describe(step.answer);
  }

  /** Answers the record on the screen and goes on to the next at once. answer: null where the action has none. */
  answer(action, answer = null, { note = null, pressedAt = Infinity } = {}) {
    const moment = this.moment(pressedAt);
    if (moment.early) return this.answerTooEarly(action, answer, moment);
    const { card } = this;
    if (!card) return false;
    this.respond(card, action, answer, note, moment.suggestion);
    this.queue.shift();
    this.stamps.push(Date.now());
    this.show("answer");
    return true;
  }

  /** The key was pressed before this record came up: it speaks of the one before, or, where there was none, of nothing. */
  answerTooEarly(action, answer, { suggestion }) {
    const last = this.past.last;
    if (this.shown.because !== "answer" || !last) return false;
    this.draft = this.task.start(this.card, null);
    if (last.action === action && JSON.stringify(last.answer) === JSON.stringify(answer)) return true;
    this.past.remove(last.eid);
    this.emit({ record: last.card.id, action: "undo", undoes: last.eid });
    this.respond(last.card, action, answer, last.note, suggestion);
    this.changed();
    return true;
  }

  /** Takes an answer back, the last one or the one with this event's id, and puts its record on the screen again. Returns
   * it, or null where there is none. */
  undo(eid = null) {
    const last = eid === null ? this.past.last : this.past.find(eid);
    if (!last) return null;
    this.past.remove(last.eid);
    this.saving = null;
    this.emit({ record: last.card.id, action: "undo", undoes: last.eid });
    this.giveBack.delete(last.card.id);
    this.queue = [last.card, ...this.queue.filter((card) => card.id !== last.card.id)];
    this.stamps.pop();
    this.show("undo", last.answer);
    return last;
  }

  /** Leaves the record for later without an answer: it comes again when all others were seen. */
  pass(pressedAt = Infinity) {
    if (this.queue.length < 2 || pressedAt < this.shown.at) return false;
    this.card.seen = false;
    this.queue.push(this.queue.shift());
    this.show("pass");
    return true;
  }

  hideSuggestions(hidden) {
    this.hidden = hidden;
    storage.set("localStorage", "rondo:hide-suggestions", hidden);
    this.changed();
  }

  /** Stores an answer, and remembers it so that it can be taken back. */
  respond(card, action, answer, note, suggestion) {
    this.saving = answer;
    const suggested = suggestion?.answer ? { suggested: suggestion.answer } : {}; // whole answers: what was changed is stored
    const event = { record: card.id, action, ...answer, note, model: suggestion?.model ?? null, ...suggested };
    const { eid, seq } = this.emit(event);
    const tally = action === "submit" ? this.task.parts(answer).map((part) => JSON.stringify(part)) : [action];
    this.past.push({ card, eid, action, answer, note, number: seq, tally });
  }

  emit(event) {
    const whole = { eid: newId(), seq: this.count(), ts: Date.now() / 1000, ...event };
    this.outbox.push(whole);
    this.send();
    return whole;
  }

  /** Another record is on the screen now: painted at once, so that the next key press is about what is seen. */
  show(because, answer = null) {
    this.draft = this.task.start(this.card, answer);
    if (this.card) this.card.seen = true;
    this.changed();
    this.shown = { at: performance.now(), because };
  }

  /** The keys that this person has chosen for what the task offers; {} for the usual ones. */
  chooseKeys(keys) {
    this.keys = keys;
    storage.set("localStorage", this.keysName, keys);
    this.use(this.setup);
    this.changed();
    if (!this.ownOnServer) return;
    this.unsavedKeys = keys;
    this.send();
  }

  /** The server has stored these keys. */
  keysSaved(keys) {
    if (!keys || keys !== this.unsavedKeys) return; // others were chosen meanwhile
    this.unsavedKeys = null;
    storage.drop("localStorage", this.keysName);
  }

  // ---- what the server says ----

  /** How good the model is now; where it was measured before, what the round between brought. */
  learn(quality) {
    if (this.quality && this.quality.key !== quality.key && quality.points !== null) this.news = quality;
    this.quality = quality;
  }

  /** How many more records to ask for. */
  shortage() {
    const { ahead, refill } = this.source;
    return !this.task.missing() && this.queue.length < refill ? ahead - this.queue.length : 0;
  }

  /** Answers per minute since the last pause, 0 while there are too few to tell. */
  pace() {
    const stamps = this.stamps.slice(-20);
    const start = stamps.findLastIndex((stamp, i) => i > 0 && stamp - stamps[i - 1] > PAUSE_MS);
    const recent = stamps.slice(Math.max(start, 0));
    const span = recent.at(-1) - recent[0];
    return recent.length < 3 ? 0 : (60_000 * (recent.length - 1)) / Math.max(span, 5000);
  }

  /** Takes a reply in. returned: the ids that the request gave back. */
  receive(reply, returned) {
    for (const id of returned) this.giveBack.delete(id);
    for (const [event, reason] of this.outbox.settle(reply.statuses)) {
      this.refused.push(reason);
      this.past.remove(event.eid);
    }
    if (!this.outbox.size) this.saving = null;
    if (reply.setup) this.use(reply.setup);
    if (reply.quality) this.learn(reply.quality);
    this.latest = reply;
    const taken = new Set(reply.taken);
    this.queue = this.queue.filter((card) => card.seen || !taken.has(card.id));
    if (this.version !== null && this.version !== reply.version) this.dropPrefetched();
    this.version = reply.version ?? null;
    this.add(reply.cards);
    this.giveUp(reply.return_request ?? 0);
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
    const going = new Set(this.queue.filter((card) => !card.seen).slice(-count));
    for (const card of going) this.giveBack.add(card.id);
    this.queue = this.queue.filter((card) => !going.has(card));
  }

  add(cards) {
    this.suggested ||= cards.some((card) => card.suggestion && !card.suggestion.was); // what was answered before is no model's
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
}
