import assert from "node:assert/strict";
import { test } from "node:test";

import { readKey } from "../../app/card/keyboard.js";
import { choosable, withOwnKey } from "../../app/card/own_keys.js";
import { newsOf, sparkOf } from "../../app/card/spark.js";
import { swipeOf } from "../../app/card/swipe.js";
import { Labels } from "../../app/card/tasks/labels.js";

const press = (key) => readKey({ key, getModifierState: () => false });
const point = (answers, value) => ({ answers, value, low: value - 0.1, high: value + 0.1 });

test("a curve fills its box, and one point stands in it", () => {
  const { line, band, last } = sparkOf([point(20, 0.4), point(120, 0.6)], 100, 50);
  assert.equal(line, "6.0,34.5 94.0,15.5");
  assert.deepEqual(band.split(" ").length, 4);
  assert.deepEqual(last.map(Math.round), [94, 16]);
  assert.ok(sparkOf([point(20, 0.4)], 100, 50).last.every(Number.isFinite));
  assert.equal(sparkOf([], 100, 50), null);
});

test("news say points and records, up and down", () => {
  assert.deepEqual(newsOf({ points: 6, right: 1214 }), ["+6 points", "about 1,214 more records right"]);
  assert.deepEqual(newsOf({ points: -1, right: -40 }), ["−1 point", "about 40 fewer records right"]);
  assert.deepEqual(newsOf({ points: 0, right: 3 }), ["as good as before", "about 3 more records right"]);
  assert.deepEqual(newsOf({ points: null, right: null }), ["", ""]);
});

test("a swipe is quick and goes across", () => {
  const to = (x, y, at = 200) => swipeOf({ x: 100, y: 100, at: 0 }, { x, y, at });
  assert.equal(to(200, 110), "right");
  assert.equal(to(10, 90), "left");
  assert.equal(to(150, 100), null);
  assert.equal(to(200, 190), null, "a scroll");
  assert.equal(to(200, 100, 1500), null, "a selection");
});

test("digits, free letters and function keys may be chosen, a key once", () => {
  assert.equal(choosable(press("7"), []), "7");
  assert.equal(choosable(press("F2"), []), "F2");
  for (const key of ["0", "F5", "F12", "Enter", "f"]) assert.equal(choosable(press(key), ["f"]), null, key);
  assert.deepEqual(withOwnKey({ a: "one", b: "two" }, "a", "two"), { a: "two" });
});

test("a key of a person's own gives its label and takes the usual key of no other", () => {
  const labels = ["spam", "ham"].map((name) => ({ id: name, name, description: "", colour: "#0072b2" }));
  const settings = { labels, multi: false, suggestions: false, likeliest_keys: false };
  const task = new Labels(settings, { review: false, reserved: ["f"], keys: { q: "spam", F2: "gone" } });
  const moment = { record: { id: "r" }, draft: task.start(null, null), suggestion: null, early: false };
  assert.deepEqual(task.key(press("q"), moment), { answer: { labels: ["spam"] } });
  assert.deepEqual(task.key(press("2"), moment), { answer: { labels: ["ham"] } });
  assert.deepEqual(task.key(press("1"), moment), {}, "spam has another key now");
  assert.equal(task.key(press("F2"), moment), null, "a label that is not there any more");
  assert.deepEqual(task.ownKeys(), [["spam", "spam", "q"], ["ham", "ham", ""]]);
});

test("with a letter of their own, more than nine labels are found by no letter", () => {
  const labels = Array.from({ length: 12 }, (_, at) => ({ id: `l${at}`, name: `label ${at}`, description: "" }));
  const settings = { labels, multi: false, suggestions: true, likeliest_keys: true };
  assert.ok(new Labels(settings, { review: false, reserved: [], keys: { F2: "l0" } }).takesLetters);
  assert.ok(!new Labels(settings, { review: false, reserved: [], keys: { q: "l0" } }).takesLetters);
});
