import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { ADJUDICATION } from "../../app/card/adjudication.js";
import { LABELLING } from "../../app/card/labelling.js";
import { Outbox } from "../../app/card/outbox.js";
import { TASKS } from "../../app/card/tasks.js";
import { Visit } from "../../app/card/visit.js";
import { browser, openBrowser } from "./browser.js";
import { NumberTask } from "./number_task.js";

TASKS.number = NumberTask;
const SETUP = { task: "number", most: 100, key: "k1", guidelines: "", lease_seconds: 60 };
const card = (number, rest = {}) => ({ id: `r${number}`, text: `text ${number}`, suggestion: null, ...rest });
const reply = (rest = {}) => ({ statuses: {}, cards: [], taken: [], return_request: 0, version: 1, progress: {}, setup: null, ...rest });
const queue = (visit) => visit.queue.map(({ id }) => id);
const events = (visit) => visit.outbox.events.map(({ action, record, number }) => [action, record, number].filter((one) => one !== undefined).join(" "));

/** A visit with so many records at hand. */
function open(count, { source = LABELLING, setup = SETUP, answers } = {}) {
  const visit = new Visit("p:ann", "tab", source, setup, new Outbox("p:ann", "tab"));
  visit.receive(reply({ cards: Array.from({ length: count }, (_, number) => card(number, answers && { answers })) }), []);
  browser.now += 10;
  return visit;
}

/** Presses keys as the page does; the time stands still unless a key says otherwise. */
function press(visit, keys, at = browser.now) {
  for (const key of keys) {
    const step = visit.task.key({ key, digit: /^\d$/.test(key) ? Number(key) : null, letter: "" }, visit.moment(at));
    if (step) visit.take(step, at);
    browser.now += 10;
    at = Math.max(at, browser.now);
  }
}

beforeEach(openBrowser);

test("a task that the frame has never seen is answered, described and counted", () => {
  const visit = open(3);
  press(visit, ["1", "2"]);
  assert.deepEqual(visit.draft, { typed: "12" });
  assert.deepEqual(queue(visit), ["r0", "r1", "r2"]);
  press(visit, ["Enter", "7", "Enter"]);
  assert.deepEqual(events(visit), ["submit r0 12", "submit r1 7"]);
  assert.deepEqual(visit.draft, { typed: "" });
  assert.deepEqual(visit.past.tally, [['{"number":12}', 1], ['{"number":7}', 1]]);
  assert.equal(visit.take({ answer: { number: 5 } }), "number 5", "the words to read out");
  assert.equal(visit.take({ answer: { number: 5 } }), "", "there is no record left");
});

test("each event has an id and a number that grows through reloads", () => {
  const visit = open(9);
  press(visit, ["1", "Enter", "2", "Enter"]);
  const again = open(9);
  press(again, ["3", "Enter"]);
  const sent = again.outbox.events;
  assert.deepEqual(sent.map(({ record }) => record), ["r0", "r1", "r2"], "what is on its way is not handed out again");
  assert.equal(new Set(sent.map(({ eid }) => eid)).size, 3);
  assert.ok(sent[0].seq < sent[1].seq && sent[1].seq < sent[2].seq);
});

test("undo goes all the way back, past a reload, and puts the answer into the draft", () => {
  press(open(5), ["1", "Enter", "2", "Enter"]);
  const visit = open(5);
  visit.answer("skip");
  visit.undo();
  assert.equal(visit.card.id, "r2");
  visit.undo();
  assert.equal(visit.card.id, "r1");
  assert.deepEqual(visit.draft, { typed: "2" });
  visit.undo();
  assert.equal(visit.card.id, "r0");
  assert.equal(visit.undo(), null);
  const undone = visit.outbox.events.filter(({ action }) => action === "undo").map(({ undoes }) => undoes);
  const given = visit.outbox.events.filter(({ action }) => action !== "undo").map(({ eid }) => eid);
  assert.deepEqual(undone, given.reverse());
  assert.deepEqual(visit.past.tally, []);
});

test("a key that was pressed before the record came up corrects the answer before, once", () => {
  const visit = open(4);
  press(visit, ["5", "Enter"]);
  const early = visit.shown.at - 1;
  visit.take({ answer: { number: 6 } }, early);
  assert.equal(visit.take({ answer: { number: 6 } }, early), "number 6", "it stands already");
  assert.deepEqual(events(visit), ["submit r0 5", "undo r0", "submit r0 6"]);
  assert.equal(visit.card.id, "r1");
  visit.undo();
  const before = events(visit).length;
  assert.equal(visit.take({ answer: { number: 9 } }, visit.shown.at - 1), "", "after an undo it speaks of nothing");
  assert.equal(events(visit).length, before);
});

test("an answer says under which suggestion it was given, and under none where they are hidden", () => {
  const visit = open(0);
  const suggestion = { model: "m1" };
  visit.receive(reply({ cards: [card(0, { suggestion }), card(1), card(2, { suggestion })] }), []);
  browser.now += 10;
  for (const hidden of [false, false, true]) {
    visit.hideSuggestions(hidden);
    visit.answer("submit", { number: 1 });
  }
  assert.deepEqual(visit.outbox.events.map(({ model }) => model), ["m1", null, null]);
  assert.equal(open(1).hidden, true, "it is remembered");
});

test("it asks for more in time, and for nothing while something has to be set up", () => {
  const visit = open(LABELLING.refill);
  assert.equal(visit.shortage(), 0);
  visit.answer("skip");
  assert.equal(visit.shortage(), LABELLING.ahead - LABELLING.refill + 1);
  visit.use({ ...SETUP, most: 0, key: "k2" });
  assert.equal(visit.shortage(), 0);
  assert.equal(visit.task.missing()[0], "There is no limit yet");
});

test("new settings keep what was typed; another task begins anew", () => {
  const visit = open(2);
  press(visit, ["4"]);
  visit.receive(reply({ setup: { ...SETUP, most: 3, key: "k2" } }), []);
  assert.deepEqual(visit.draft, { typed: "4" });
  press(visit, ["Enter"]);
  assert.deepEqual(events(visit), [], "the new limit holds");
  visit.use({ task: "labels", labels: [{ id: "a", name: "A" }], multi: true, key: "k3" });
  assert.deepEqual(visit.draft, { on: [], typed: "" });
});

test("a refused event is said, and cannot be taken back", () => {
  const visit = open(2);
  press(visit, ["4", "Enter"]);
  const [{ eid }] = visit.outbox.events;
  assert.deepEqual(visit.moment().saving, { number: 4 });
  visit.receive(reply({ statuses: { [eid]: "No such record." } }), []);
  assert.deepEqual(visit.refused, ["No such record."]);
  assert.equal(visit.moment().saving, null);
  assert.equal(visit.undo(), null);
});

test("when the order changes, what nobody has seen gives way to better records and the screen never empties", () => {
  const visit = open(20);
  visit.receive(reply({ version: 2, cards: [card(50), card(51)] }), []);
  assert.equal(visit.card.id, "r0");
  assert.deepEqual(queue(visit).slice(0, 4), ["r0", "r50", "r51", "r1"]);
  assert.equal(visit.queue.length, 1 + 8 + 2);
  const better = Array.from({ length: 8 }, (_, number) => card(60 + number));
  visit.receive(reply({ version: 2, cards: better }), [...visit.giveBack]);
  assert.deepEqual(queue(visit), ["r0", "r50", "r51", ...better.map(({ id }) => id)]);
  assert.deepEqual([...visit.giveBack].sort(), ["r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8"]);
});

test("what others have taken goes, but for the record on the screen; what is called back is given back", () => {
  const visit = open(5);
  visit.receive(reply({ taken: ["r0", "r2"], return_request: 1 }), []);
  assert.deepEqual(queue(visit), ["r0", "r1", "r3"]);
  assert.deepEqual([...visit.giveBack], ["r4"]);
  visit.receive(reply(), ["r4"]);
  assert.deepEqual([...visit.giveBack], []);
});

test("an adjudicator passes a conflict, decides the next with a note, and takes it back", () => {
  const visit = open(3, { source: ADJUDICATION, answers: [{ user: "ann", action: "submit", number: 3 }] });
  assert.equal(visit.task.review, true);
  assert.equal(visit.pass(visit.shown.at - 1), false, "pressed before it came up");
  assert.ok(visit.pass());
  assert.deepEqual(queue(visit), ["r1", "r2", "r0"]);
  assert.equal(visit.take({ answer: { number: 3 } }, Infinity, "it is odd"), "number 3");
  assert.equal(visit.outbox.events[0].note, "it is odd");
  visit.receive(reply({ taken: ["r0"] }), []);
  assert.deepEqual(queue(visit), ["r2"], "a passed one that somebody else has decided");
  visit.undo();
  assert.deepEqual(queue(visit), ["r1", "r2"]);
  assert.ok(visit.pass());
  assert.ok(visit.pass());
  assert.equal(visit.card.id, "r1");
});

test("a correction of a decision keeps its note", () => {
  const visit = open(3, { source: ADJUDICATION });
  visit.take({ answer: { number: 3 } }, Infinity, "it is odd");
  visit.take({ answer: { number: 4 } }, visit.shown.at - 1);
  assert.deepEqual(visit.outbox.events.map(({ note }) => note ?? null), ["it is odd", null, "it is odd"]);
});

test("the pace counts from the last pause", () => {
  const visit = open(40);
  const answer = (milliseconds) => {
    browser.now += milliseconds;
    visit.answer("skip");
  };
  answer(0);
  answer(1000);
  assert.equal(visit.pace(), 0, "too few to tell");
  answer(120_000);
  for (let number = 0; number < 5; number += 1) answer(2000);
  assert.equal(visit.pace(), 30);
});

test("above the record stands what the source says, and on an empty screen why", () => {
  const visit = open(1);
  visit.latest = reply({ progress: { batch: 2, size: 20, answered: 25, records: 40, waiting: 1 } });
  visit.answer("skip");
  assert.deepEqual(LABELLING.headline(visit), ["Batch 2 · 20 of 20", "1 in this visit"]);
  const title = (latest) => LABELLING.nothing({ latest })[0];
  assert.equal(title(null), "Fetching records…");
  assert.equal(title({ progress: { records: 0 } }), "There are no records yet");
  assert.equal(title({ progress: { records: 5, waiting: 2 }, learning: true }), "The model is learning from your answers");
  assert.match(LABELLING.nothing(visit)[1], /^One record waits, but it is with/);
  assert.equal(title({ progress: { records: 5, waiting: 0 } }), "All done");
  const conflict = { latest: { left: 1 }, card: { reason: "flagged", sure: 0.51 } };
  assert.deepEqual(ADJUDICATION.headline(conflict), ["1 conflict", "flagged · likeliest answer 51 %"]);
  assert.equal(ADJUDICATION.nothing({ latest: { left: 0 } })[0], "No conflicts");
});

test("an earlier answer than the last can be revised, and its record comes up again", () => {
  const visit = open(3);
  press(visit, ["1", "Enter", "2", "Enter"]);
  const [first] = visit.past.entries;
  assert.equal(visit.undo(first.eid).card.id, "r0");
  assert.deepEqual(queue(visit), ["r0", "r2"]);
  assert.equal(visit.undo("unknown"), null);
  press(visit, ["3", "Enter"]);
  assert.deepEqual(events(visit), ["submit r0 1", "submit r1 2", "undo r0", "submit r0 13"]);
});

test("what a round brought is news once, and not when the page has just come up", () => {
  const visit = open(1);
  const quality = (key, points) => ({ key, points, right: 0, curve: [] });
  visit.receive(reply({ quality: quality("m1", 6) }), []);
  assert.equal(visit.news, null);
  visit.receive(reply({ quality: quality("m2", 2) }), []);
  assert.equal(visit.news.points, 2);
  assert.equal(visit.quality.key, "m2");
});

test("chosen keys go to the server until it has them, and stay in the browser where nobody signs in", () => {
  const made = (keys) => new Visit("p:ann", "tab", LABELLING, SETUP, new Outbox("p:ann", "tab"), keys);
  const visit = made({ 5: "spam" });
  assert.deepEqual([visit.keys, visit.unsavedKeys], [{ 5: "spam" }, null]);
  visit.chooseKeys({ w: "spam" });
  const sent = visit.unsavedKeys;
  assert.deepEqual(made({ 5: "spam" }).keys, { w: "spam" }, "a reload before they are stored");
  visit.chooseKeys({ x: "spam" });
  visit.keysSaved(sent);
  assert.deepEqual(visit.unsavedKeys, { x: "spam" }, "newer ones are still to be sent");
  visit.keysSaved(visit.unsavedKeys);
  assert.deepEqual([visit.unsavedKeys, made({ x: "spam" }).unsavedKeys], [null, null]);
  const alone = made(null);
  alone.chooseKeys({ y: "ham" });
  assert.deepEqual([alone.unsavedKeys, made(null).keys], [null, { y: "ham" }]);
});
