import assert from "node:assert/strict";
import { test } from "node:test";

import { Labels } from "../../app/card/tasks/labels.js";
import { areDigits, fixedKeys, plain } from "../../app/card/tasks/label_keys.js";

const named = (names) => names.map((name, index) => ({ id: `id${index}`, name, description: "" }));
const make = (names, { review = false, ...settings } = {}) =>
  new Labels({ labels: named(names), multi: false, suggestions: true, likeliest_keys: true, ...settings }, { review, reserved: review ? ["n"] : ["f", "h"] });
const press = (key) => ({ key, digit: /^\d$/.test(key) ? Number(key) : null, letter: /^[a-z]$/.test(key) ? key : "" });
const RECORD = { id: "r1", text: "a record" };
const now = (task, rest = {}) => ({ record: RECORD, draft: task.start(RECORD, null), suggestion: null, hidden: false, suggested: false, early: false, ...rest });

/** Presses keys one after the other, each on the draft that the one before left; returns the last step. */
function type(task, keys, moment = now(task)) {
  let step = null;
  for (const key of keys) {
    step = task.key(press(key), moment);
    if (step?.draft) moment = { ...moment, draft: step.draft };
  }
  return step;
}

const FOUR = ["delivery", "praise", "question", "bug"];
const TWELVE = ["card arrival", "card stolen", "cash", "change pin", "exchange", "fees", "refund", "top up", "transfer", "verify", "lost phone", "éclair"];
const guess = (...ids) => ({ model: "m1", labels: ids.map((id, index) => ({ id, probability: 0.5 / (index + 1) })) });

test("a digit gives its label, Enter the suggestion, other keys are left to the frame", () => {
  const task = make(FOUR);
  assert.deepEqual(type(task, ["3"]), { answer: { labels: ["id2"] } });
  assert.deepEqual(type(task, ["9"]), {}, "a digit without a label is taken and does nothing");
  assert.deepEqual(type(task, ["Enter"], now(task, { suggestion: guess("id1") })), { answer: { labels: ["id1"] } });
  assert.deepEqual(type(task, ["Enter"]), {});
  for (const key of [" ", "Backspace", "f", "?", "/", "Escape"]) assert.equal(type(task, [key]), null, key);
  assert.deepEqual(task.key(press("1"), now(task, { record: null })), {});
});

test("where several may hold, keys switch labels and Enter sends them in the taxonomy's order", () => {
  const task = make(FOUR, { multi: true });
  const step = type(task, ["3", "1", "2", "2"]);
  assert.deepEqual(step, { draft: { on: ["id2", "id0"], typed: "" }, words: "praise off" });
  assert.deepEqual(type(task, ["3", "1", "Enter"]), { answer: { labels: ["id0", "id2"] } });
  assert.deepEqual(type(task, ["Enter"]), { answer: { labels: [] } });
  assert.deepEqual(type(task, ["1"], now(task, { early: true })), {}, "what is pressed too early switches nothing");
  assert.deepEqual(type(task, ["Enter"], now(task, { early: true })), {});
  assert.deepEqual(task.start(RECORD, { labels: ["id3"] }), { on: ["id3"], typed: "" });
});

test("a label under another is found by its own name first, and shown with its path", () => {
  const labels = named([...TWELVE, "cash"]).map((label, index) => (index === 12 ? { ...label, path: "refund / cash" } : label));
  const task = new Labels({ labels, multi: false, suggestions: false, likeliest_keys: false }, { review: false, reserved: ["f"] });
  assert.equal(task.describe({ labels: ["id12"] }), "refund / cash");
  assert.deepEqual(task.matches("cash").map((label) => label.id), ["id2", "id12"]);
  assert.deepEqual(task.matches("refund").map((label) => label.id), ["id6", "id12"]);
});

test("what a record was before its label was split is no answer that Enter gives, unless it can be one thing only", () => {
  const task = make(FOUR);
  const was = (...ids) => now(task, { suggestion: { ...guess(...ids), was: "old" } });
  assert.deepEqual(type(task, ["Enter"], was("id1", "id2")), {});
  assert.deepEqual(type(task, ["Enter"], was("id1")), { answer: { labels: ["id1"] } });
});

test("guidance has what a label means, and texts that have it or only look so", () => {
  const [first, ...rest] = named(["a", "b"]);
  const labels = [{ ...first, description: "Means a", examples: ["x", "y"], counter_examples: ["z"] }, ...rest];
  const task = new Labels({ labels, multi: false, suggestions: true, likeliest_keys: false }, { review: false, reserved: [] });
  assert.deepEqual(task.glossary(), [["a", "Means a. Such as “x”, “y”. But not “z”."]]);
});

test("letters find one of many labels: by its name, its beginning, a word, anything in it", () => {
  const task = make(TWELVE);
  const found = (...keys) => task.names.get(type(task, [...keys, "Enter"]).answer?.labels[0]);
  assert.equal(found("r", "e", "f"), "refund");
  assert.equal(found("c", "a", "r", "d", " ", "s"), "card stolen");
  assert.equal(found("e", "c", "l"), "éclair");
  assert.equal(found("x", "Backspace", "c", "a"), "card arrival");
  assert.equal(task.names.get(type(task, ["c", "a", "2"]).answer.labels[0]), "card stolen", "a digit takes one of those left");
  assert.deepEqual(type(task, ["x", "q", "Enter"]), {});
  assert.deepEqual(type(task, ["x", "Escape"]), { draft: { on: [], typed: "" } });
  assert.deepEqual(type(task, ["/"]), { focus: ".search input" });
  assert.equal(type(task, [" "]), null, "nothing is typed: the frame skips");
  assert.deepEqual(task.matches("ph").map((label) => label.name), ["lost phone"]);
});

test("where a name begins with a digit, digits are letters", () => {
  const task = make(["11", "1", "24/7 help", ...TWELVE]);
  const found = (...keys) => task.names.get(type(task, [...keys, "Enter"]).answer?.labels[0]);
  assert.equal(found("1", "1"), "11");
  assert.equal(found("1"), "1");
  assert.equal(found("2", "4", "/", "7"), "24/7 help");
  assert.deepEqual([...task.keys(now(task))], []);
});

test("a letter in the digits' row of a Czech keyboard is one where a name begins with it, else a digit", () => {
  const key = { key: "š", digit: 3, letter: "" };
  const names = [...TWELVE.slice(0, 11), "škoda"];
  const task = make(names);
  assert.equal(task.key(key, now(task)).draft.typed, "š");
  const other = make(TWELVE);
  assert.deepEqual(other.key(key, now(other)), { answer: { labels: ["id2"] } });
});

test("number keys go to the likeliest labels, to none on a blind record, and stay where suggestions are hidden", () => {
  const task = make(TWELVE);
  const suggestion = guess("id9", "id4");
  assert.deepEqual([...task.keys(now(task, { suggestion, suggested: true }))], [["1", "id9"], ["2", "id4"]]);
  assert.deepEqual([...task.keys(now(task, { suggested: true }))], []);
  assert.equal(task.keys(now(task, { suggestion, suggested: true, hidden: true })).get("1"), "id0");
  assert.equal(task.keys(now(task)).get("9"), "id8", "before the first suggestion");
  for (const off of [{ likeliest_keys: false }, { suggestions: false }]) {
    const fixed = make(TWELVE, off);
    assert.equal(fixed.keys(now(fixed, { suggestion, suggested: true })).get("1"), "id0");
  }
  const typed = { on: [], typed: "fe" };
  assert.equal(task.keys(now(task, { suggested: true, draft: typed })).get("1"), "id5");
  const early = now(task, { suggestion, suggested: true, draft: typed, early: true });
  assert.equal(task.keys(early).get("1"), "id9", "too early: what it meant on the record before");
});

test("in review letters give labels, and those on which all agree are on", () => {
  const names = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZ"].map((letter) => `label ${letter}`);
  const task = make(names, { review: true, multi: true });
  const keys = task.keys(now(task));
  assert.equal(keys.get("a"), "id9");
  assert.equal(keys.has("n"), false, "the frame's own");
  const answers = [
    { user: "ann", action: "submit", labels: ["id1", "id2"] },
    { user: "bob", action: "submit", labels: ["id2", "id3"] },
    { user: "eve", action: "skip", labels: [] },
  ];
  assert.deepEqual(task.start({ ...RECORD, answers }, null), { on: ["id2"], typed: "" });
  assert.deepEqual(task.start({ ...RECORD, answers }, { labels: [] }), { on: [], typed: "" });
  assert.deepEqual(make(names, { review: true }).start({ ...RECORD, answers }, null).on, []);
});

test("an answer is described by the names of its labels and counted by each", () => {
  const task = make(FOUR, { multi: true });
  assert.equal(task.describe({ labels: ["id0", "id3"] }), "delivery, bug");
  assert.equal(task.describe({ labels: [] }), "none of them");
  assert.equal(task.describe({ labels: ["retired"] }), "retired");
  assert.deepEqual(task.parts({ labels: ["id0", "id3"] }), [{ labels: ["id0"] }, { labels: ["id3"] }]);
  assert.equal(task.parts({ labels: [] }).map((part) => task.describe(part)).join(), "none of them");
  assert.deepEqual(make([]).missing()[0], "There are no labels yet");
});

test("the help has a row for every kind of key", () => {
  const keys = (task) => task.help().map(([key]) => key);
  assert.deepEqual(keys(make(FOUR)), ["1 … 9", "Enter"]);
  assert.deepEqual(keys(make(TWELVE)), ["1 … 9", "letters", "/", "Enter"]);
  assert.deepEqual(keys(make(["11", ...TWELVE])), ["letters, digits", "/", "Enter"]);
  assert.deepEqual(keys(make(TWELVE, { review: true })), ["1 … 9", "a … z"]);
});

test("a label that is called by a digit has that key, and no digit gives a label called by another", () => {
  const keys = (names) => Object.fromEntries([...fixedKeys(named(names), "123456789")].map(([key, id]) => [key, names[Number(id.slice(2))]]));
  assert.deepEqual(keys(FOUR), { 1: "delivery", 2: "praise", 3: "question", 4: "bug" });
  assert.deepEqual(keys(["3", "1", "2 stars", "other"]), { 1: "1", 2: "2 stars", 3: "3", 4: "other" });
  assert.deepEqual(keys(["5 stars", "5 apples", "x"]), { 1: "5 stars", 2: "5 apples", 3: "x" });
  assert.deepEqual(keys(["0", "1"]), { 0: "0", 1: "1" });
  assert.deepEqual(keys(["٢", "one"]), { 1: "one", 2: "٢" });
  assert.ok(areDigits(named([..."0123456789"])));
  assert.ok(!areDigits(named(["1", "12"])));
  assert.equal(plain("Éclair ٣"), "eclair 3");
});
