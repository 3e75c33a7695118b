import assert from "node:assert/strict";
import { test } from "node:test";

import {
  differences,
  fieldsOf,
  inWords,
  occurrences,
  sentAnswer,
  targetIn,
  tooMuch,
  wholeAnswer,
  withMentions,
  withoutItem,
  withoutMention,
  withPiece,
  withValue,
} from "../../app/card/tasks/extract_answer.js";
import { completed, emptyOf, problemsOf, shapeOf, trimmed, valueOf } from "../../app/card/tasks/extract_schema.js";
import { markedPieces, mentionsIn, Places } from "../../app/card/tasks/extract_spans.js";
import { Extract } from "../../app/card/tasks/extract.js";

const TEXT = "Mara lent Pim a kite. Pim, and Pimple, let it go 👩‍👩‍👧 to Pim.";
const LIST = { type: "array", items: { type: "string" } };
const field = (step, name, schema, grounded = [], required = true) => ({ path: name === null ? step : `${step}.${name}`, name: name ?? step, description: "", schema, required, grounded });
const STEPS = [
  { name: "people", optional: false, needs: [], fields: [field("people", "doers", LIST, ["people.doers"]), field("people", "receivers", LIST, ["people.receivers"])] },
  { name: "tool", optional: true, needs: [], fields: [field("tool", "name", { type: ["string", "null"] }, ["tool.name"]), field("tool", "count", { type: "integer", minimum: 1 })] },
  {
    name: "ties",
    optional: false,
    needs: ["people"],
    fields: [field("ties", null, { type: "array", items: { type: "object", properties: { agent: { type: "string" }, target: { type: "string" }, mood: { enum: ["good", "bad"] } }, required: ["agent"] } }, ["ties.agent", "ties.target"])],
  },
];
const FIELDS = fieldsOf(STEPS);
const [DOERS, , TOOL, COUNT, TIES] = FIELDS;
const SUGGESTED = {
  values: { people: { doers: ["Mara"], receivers: ["Pim"] }, ties: [] },
  spans: { "people.doers": { Mara: [[0, 4]] }, "people.receivers": { Pim: [[10, 13]] } },
};
const press = (key) => ({ key, digit: /^\d$/.test(key) ? Number(key) : null, letter: /^[a-z]$/i.test(key) ? key.toLowerCase() : "" });

/** A task with a text selected, as if it were on a page. */
function make({ selected = null, review = false, steps = STEPS } = {}) {
  const task = new Extract({ steps }, { review, reserved: ["f", "h"] });
  const selection = { now: selected };
  const start = () => TEXT.indexOf(selection.now);
  task.passage.places = new Places(TEXT);
  task.passage.selection = () => selection.now && { start: start(), end: start() + selection.now.length };
  task.passage.unselect = () => (selection.now = null);
  return { task, select: (text) => (selection.now = text) };
}

const moment = (task, suggestion = null, record = { id: "r", text: TEXT }) => ({ record, draft: task.start(record, null), suggestion, hidden: false, early: false });

test("select, key, select, key, Enter: plain entities take as many presses as there are entities, and one more", () => {
  const { task, select } = make();
  let now = moment(task);
  for (const [text, key] of [["Mara", "1"], ["Pim", "2"]]) {
    select(text);
    now = { ...now, draft: task.key(press(key), now).draft };
  }
  const { answer } = task.key(press("Enter"), now);
  assert.deepEqual(answer.values.people, { doers: ["Mara"], receivers: ["Pim"] });
  assert.deepEqual(answer.spans, { "people.doers": { Mara: [[0, 4]] }, "people.receivers": { Pim: [[10, 13]] } });
  assert.equal("tool" in answer.values, false, "an optional step that nobody answered is missing");
  assert.deepEqual(answer.values.ties, []);
});

test("Enter accepts what is suggested as it is, and x takes all of it away", () => {
  const { task } = make();
  const now = moment(task, { answer: SUGGESTED, probability: 0.7, model: "m1" });
  assert.deepEqual(task.key(press("Enter"), now).answer, SUGGESTED);
  const cleared = task.key(press("x"), now).draft;
  assert.deepEqual(task.key(press("Enter"), { ...now, draft: cleared }).answer, { values: { people: { doers: [], receivers: [] }, ties: [] }, spans: {} });
  assert.deepEqual(task.key(press("Enter"), { ...now, suggestion: null }).answer.values.people.doers, [], "a hidden suggestion is not accepted");
});

test("A marks every mention of the last value, in code points, and none inside a longer word", () => {
  const { task, select } = make({ selected: "Pim" });
  let now = moment(task);
  now = { ...now, draft: task.key(press("1"), now).draft };
  now = { ...now, draft: task.key(press("a"), now).draft };
  const points = [...TEXT];
  const spans = now.draft.answer.spans["people.doers"].Pim;
  assert.deepEqual(spans.map(([start, end]) => points.slice(start, end).join("")), ["Pim", "Pim", "Pim"]);
  assert.deepEqual(spans, [[10, 13], [22, 25], [58, 61]]);
  select("Mara");
  const both = task.key(press("a"), now).draft.answer;
  assert.deepEqual(both.values.people.doers, ["Pim", "Mara"], "with text selected it goes to the same field");
  assert.deepEqual(occurrences([..."東京から東京駅へ"], "東京"), [[0, 2], [4, 6]], "where no blanks stand between words");
  assert.deepEqual(occurrences([...TEXT], ""), []);
});

test("a selection loses the blanks at its edges and is counted in code points", () => {
  const places = new Places("a 👩‍👧 b\n c");
  assert.deepEqual(places.piece({ start: 1, end: 10 }), { text: "👩‍👧 b", span: [2, 7] });
  assert.deepEqual(places.piece({ start: 7, end: 12 }), { text: "b c", span: [6, 10] });
  assert.equal(places.piece({ start: 1, end: 2 }), null);
  assert.equal(places.slice(2, 5), "👩‍👧");
});

test("the keys of fields leave those of the frame alone, and do nothing without a record or too early", () => {
  const many = [{ ...STEPS[0], fields: Array.from({ length: 14 }, (_, number) => field("people", `f${number}`, LIST)) }];
  const { task } = make({ steps: many, selected: "Mara" });
  assert.deepEqual(task.fields.map((one) => one.key).join(""), "123456789bcdeg");
  const now = moment(task);
  for (const key of [" ", "Backspace", "f", "h", "?", "z", "ArrowDown"]) assert.equal(task.key(press(key), now), null, key);
  for (const key of ["1", "b", "a", "x", "Enter"]) {
    assert.deepEqual(task.key(press(key), { ...now, early: true }), {}, key);
    assert.deepEqual(task.key(press(key), { ...now, record: null }), {}, key);
  }
  assert.deepEqual(task.key(press("b"), now).draft.answer.values.people.f9, ["Mara"]);
});

test("an answer that lacks something is not sent: its field says so, and an optional step may be left out", () => {
  const { task, select } = make();
  select("kite");
  let now = moment(task);
  now = { ...now, draft: task.key(press("3"), now).draft };
  const refused = task.key(press("Enter"), now);
  assert.equal(refused.answer, undefined);
  assert.equal(refused.words, "count: missing");
  assert.equal(refused.draft.tried, true);
  const left = { ...refused.draft, leftOut: ["tool"] };
  assert.equal("tool" in task.key(press("Enter"), { ...now, draft: left }).answer.values, false);
  const alone = make({ steps: STEPS.slice(1, 2) }).task;
  assert.match(alone.key(press("Enter"), moment(alone)).words, /^Every step is left out/);
});

test("a selection fills the rows of a list of objects one after the other, or the part that a person is at", () => {
  let answer = wholeAnswer(FIELDS, null);
  for (const [text, start] of [["Mara", 0], ["Pim", 10], ["Pim", 22]]) {
    const location = targetIn(TIES, answer, null);
    ({ answer } = withPiece(answer, TIES, location, { text, span: [start, start + text.length] }));
  }
  assert.deepEqual(answer.values.ties, [{ agent: "Mara", target: "Pim", mood: null }, { agent: "Pim", target: null, mood: null }]);
  assert.deepEqual(targetIn(TIES, answer, ["ties", 0, "agent"]), ["ties", 0, "agent"]);
  assert.deepEqual(answer.spans, { "ties.agent": { Mara: [[0, 4]], Pim: [[22, 25]] }, "ties.target": { Pim: [[10, 13]] } });
});

test("what is no number or choice grounds the value that stands there, and is refused where none does", () => {
  const dated = fieldsOf([{ name: "s", fields: [field("s", "on", { type: "string", format: "date" }, ["s.on"]), field("s", "mood", { enum: ["Good", "bad"] }, ["s.mood"])] }]);
  const blank = wholeAnswer(dated, null);
  const piece = { text: "a day in May", span: [3, 15] };
  assert.match(withPiece(blank, dated[0], ["s", "on"], piece).refusal, /does not fit on/);
  const filled = { ...blank, values: withValue(blank.values, ["s", "on"], "1847-05-03") };
  assert.deepEqual(withPiece(filled, dated[0], ["s", "on"], piece).answer.spans, { "s.on": { "1847-05-03": [[3, 15]] } });
  assert.equal(withPiece(blank, dated[1], ["s", "mood"], { text: "good", span: [0, 4] }).answer.values.s.mood, "Good");
});

test("a value that goes takes its places along, and the last place takes the value", () => {
  const whole = wholeAnswer(FIELDS, SUGGESTED);
  assert.deepEqual(withoutItem(whole, DOERS.location, 0).spans, { "people.receivers": SUGGESTED.spans["people.receivers"] });
  const twice = withMentions(whole, "people.receivers", "Pim", [[22, 25], [10, 13]]);
  assert.deepEqual(twice.spans["people.receivers"].Pim, [[10, 13], [22, 25]]);
  const once = withoutMention(twice, "people.receivers", "Pim", [10, 13]);
  assert.deepEqual(once.values.people.receivers, ["Pim"]);
  assert.deepEqual(withoutMention(once, "people.receivers", "Pim", [22, 25]).values.people.receivers, []);
  assert.deepEqual(sentAnswer(whole, ["tool"], FIELDS), SUGGESTED);
});

test("differences to the suggestion are counted by value, and one in other places is one", () => {
  const whole = wholeAnswer(FIELDS, SUGGESTED);
  assert.equal(differences(DOERS, whole, whole), 0);
  const edited = { ...whole, values: withValue(whole.values, DOERS.location, ["Mara", "Pim"]) };
  assert.equal(differences(DOERS, whole, edited), 1);
  assert.equal(differences(DOERS, whole, { ...whole, values: withValue(whole.values, DOERS.location, ["Pim"]) }), 1);
  assert.equal(differences(DOERS, whole, withMentions(whole, "people.doers", "Mara", [[5, 9]])), 1);
  assert.equal(differences(COUNT, whole, { ...whole, values: withValue(whole.values, COUNT.location, 3) }), 1);
});

test("pieces of a marked text are the text, also where places overlap, nest or lie beyond its end", () => {
  const spans = { "people.doers": { "Mara lent": [[0, 9]], "lent Pim": [[5, 13]] }, "people.receivers": { Pim: [[10, 13], [60, 99]] }, "gone.path": { x: [[0, 1]] } };
  const mentions = mentionsIn({ values: {}, spans }, FIELDS);
  const places = new Places(TEXT);
  const pieces = markedPieces(places.length, mentions);
  assert.equal(pieces.map(({ start, end }) => places.slice(start, end)).join(""), TEXT);
  assert.deepEqual(pieces.map((piece) => piece.mentions.length).slice(0, 5), [1, 2, 1, 2, 0]);
  assert.equal(pieces.at(-1).mentions.length, 1);
  assert.deepEqual(markedPieces(0, []), []);
});

test("a schema says what a form shows, whatever its way of allowing nothing", () => {
  const kinds = [
    [{ type: "string" }, "text"], [{ type: ["string", "null"] }, "text"], [{ anyOf: [{ type: "integer" }, { type: "null" }] }, "number"],
    [{ enum: ["a", null] }, "choice"], [{ type: "boolean" }, "choice"], [{ type: "string", format: "date" }, "date"], [LIST, "list"],
    [{ type: "array", items: { enum: ["a"] } }, "choices"], [{ type: "array", items: { type: "object", properties: {} } }, "rows"],
    [{ type: "object", properties: { a: {} } }, "object"], [{ type: "object" }, "json"], [{ anyOf: [{ type: "string" }, { type: "number" }] }, "json"],
    [{ type: "array", items: LIST }, "json"], [{ $ref: "#/$defs/x" }, "json"],
  ];
  for (const [schema, kind] of kinds) assert.equal(shapeOf(schema).kind, kind, JSON.stringify(schema));
  assert.deepEqual([{ type: ["string", "null"] }, { enum: ["a", null] }, { type: "string" }].map((one) => shapeOf(one).nullable), [true, true, false]);
  assert.deepEqual(emptyOf(TIES.shape.item), { agent: null, target: null, mood: null });
  assert.deepEqual(completed(TIES.shape, [{ agent: "Mara", more: 1 }]), [{ agent: "Mara", target: null, mood: null, more: 1 }]);
});

test("what does not fit the schema is said where it stands", () => {
  const faults = (schema, value, required = true) => problemsOf(shapeOf(schema), value, required).map((one) => [one.location.join("."), one.text].filter(Boolean).join(" "));
  const number = { type: "integer", minimum: 1, maximum: 9 };
  assert.deepEqual(faults(number, null), ["missing"]);
  assert.deepEqual(faults(number, null, false), []);
  assert.deepEqual([valueOf(shapeOf(number), "1,5"), valueOf(shapeOf(number), "x"), valueOf(shapeOf(number), " ")], [1.5, "x", null]);
  assert.deepEqual([1.5, "x", 0, 10, 9].map((value) => faults(number, value)[0]), ["write a whole number", "write a whole number", "at least 1", "at most 9", undefined]);
  assert.deepEqual(faults({ type: "string", format: "date" }, "May"), ["write a date as 2026-11-30"]);
  assert.deepEqual(faults({ type: "string", pattern: "^[A-Z]+$" }, "ab"), ["must match ^[A-Z]+$"]);
  assert.deepEqual(faults({ ...LIST, minItems: 1 }, []), ["missing"]);
  assert.deepEqual(faults({ ...LIST, uniqueItems: true }, ["a", "a"]), ["one stands twice"]);
  assert.deepEqual(faults(TIES.schema, [{ agent: null, mood: "sad" }]), ["0.agent missing", "0.mood sad is not one of the choices"]);
  const inner = { type: "object", properties: { a: { type: "string" } }, required: ["a"] };
  assert.deepEqual([faults(inner, { a: null }, false), faults(inner, { a: null })], [[], ["a missing"]]);
  assert.deepEqual([trimmed(shapeOf(inner), { a: null }, false), trimmed(shapeOf(inner), { a: null }, true)], [null, { a: null }]);
  assert.deepEqual(faults({ type: "object" }, valueOf(shapeOf({ type: "object" }), "{")), ["this is no JSON"]);
});

test("in review the fields on which all agree are filled in, and the others show who gave what", () => {
  const { task } = make({ review: true });
  const other = { ...SUGGESTED, values: { ...SUGGESTED.values, people: { doers: ["Mara", "Pim"], receivers: ["Pim"] } } };
  const answers = [{ user: "ann", action: "submit", ...SUGGESTED }, { user: "bob", action: "submit", ...other }, { user: "cy", action: "skip" }];
  const record = { id: "r", text: TEXT, answers };
  const now = moment(task, null, record);
  assert.deepEqual(now.draft.answer.values.people, { doers: [], receivers: ["Pim"] });
  assert.deepEqual(task.votesOn(task.fields[0], record).map(({ users }) => users), [["ann"], ["bob"]]);
  assert.deepEqual(task.votesOn(task.fields[1], record), []);
});

test("below the text stand the step, which chunk of which text it is, and what else is short", () => {
  const meta = [["story", "12"], ["chunk", "1 of 3"], ["start", "800"], ["summary", "long ".repeat(30)]].map(([name, value]) => ({ name, value }));
  const { facts, fields } = make().task.about({ id: "r", text: TEXT, fields: [], meta });
  assert.deepEqual(facts, [{ name: "step", value: "people, tool, ties" }, { name: "story", value: "12 · chunk 1 of 3" }]);
  assert.deepEqual(fields.map(({ name }) => name), ["summary"]);
  assert.deepEqual(make().task.about({ id: "r", text: TEXT, meta: [{ name: "chunk", value: "2" }] }).facts.at(-1), { name: "chunk", value: "2" });
});

test("an answer in a line of words, and its tally by field", () => {
  const { task } = make();
  assert.equal(task.describe(SUGGESTED), "doers: Mara · receivers: Pim");
  assert.deepEqual(task.parts(SUGGESTED).map((one) => task.describe(one)), ["doers", "receivers"]);
  assert.equal(task.describe({ values: {}, spans: {} }), "nothing");
  assert.equal(inWords([{ agent: "Mara", target: null, sure: true }]), "agent: Mara; sure: yes");
  assert.equal(TOOL.title, "name");
});

test("fields, steps and values may be called as what every object has in JavaScript", () => {
  for (const step of ["constructor", "length"]) {
    const fields = fieldsOf([
      { name: step, fields: [field(step, "constructor", LIST, [`${step}.constructor`]), field(step, "length", { type: "string" }), field(step, "value_of", LIST)] },
      { name: "name", fields: [field("name", null, { type: "array", items: { type: "object", properties: { constructor: { type: "string" }, length: { type: "string" } } } })] },
    ]);
    let answer = wholeAnswer(fields, null);
    assert.deepEqual(answer.values, { [step]: { constructor: [], length: null, value_of: [] }, name: [] });
    for (const text of ["constructor", "__proto__"]) answer = withPiece(answer, fields[0], fields[0].location, { text, span: [0, text.length] }).answer;
    assert.deepEqual(answer.values[step].constructor, ["constructor", "__proto__"]);
    answer = withPiece(answer, fields[3], targetIn(fields[3], answer, null), { text: "x", span: [0, 1] }).answer;
    assert.deepEqual(answer.values.name, [{ constructor: "x", length: null }]);
    assert.deepEqual(mentionsIn(answer, fields).map(({ value }) => value), ["constructor", "__proto__"]);
    assert.equal(Object.keys(JSON.parse(JSON.stringify(sentAnswer(answer, [], fields).spans))[`${step}.constructor`]).length, 2);
  }
});

test("an answer that is too much to be saved is not sent: the first mentions are marked, and it is said", () => {
  const { task } = make({ selected: "Pim" });
  task.passage.places = new Places(TEXT + " Pim".repeat(6000));
  let now = moment(task);
  now = { ...now, draft: task.key(press("1"), now).draft };
  now = { ...now, draft: task.key(press("a"), now).draft };
  assert.equal(now.draft.answer.spans["people.doers"].Pim.length, 5000);
  assert.match(now.draft.refusal, /not all 6003/);
  assert.ok(task.key(press("Enter"), now).answer);
  const sent = (text, count) => tooMuch({ values: { people: { doers: [text] } }, spans: { "people.doers": { Pim: Array(count).fill([0, 3]) } } });
  assert.deepEqual([sent("Pim", 5000), sent("Pim", 5001) !== "", sent("老".repeat(140_000), 1) !== ""], ["", true, true]);
});
