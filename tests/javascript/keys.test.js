import assert from "node:assert/strict";
import { test } from "node:test";

import { ADJUDICATION } from "../../app/card/adjudication.js";
import { digitValue, isComposing, readKey } from "../../app/card/keyboard.js";
import { actionOf, helpRows, keyName, reservedLetters, scrollOf, ACTIONS } from "../../app/card/keys.js";
import { LABELLING } from "../../app/card/labelling.js";

const SOURCES = [LABELLING, ADJUDICATION];
const press = (key, { altGraph = false, ...rest } = {}) => readKey({ key, getModifierState: () => altGraph, ...rest });
const task = (takesLetters) => ({ takesLetters, help: () => [["1", "something"]] });

test("a digit is one on every keyboard, and a shifted sign is none", () => {
  const digit = (key, options) => press(key, options).digit;
  assert.equal(digit("&", { code: "Digit1" }), 1, "French");
  assert.equal(digit("1", { code: "Digit1", shiftKey: true }), 1, "French with Shift");
  assert.equal(digit("۳", { code: "Digit3" }), 3, "Persian");
  assert.equal(digit("१", { code: "Digit1" }), 1, "Hindi");
  assert.equal(digit("!", { code: "Digit1", shiftKey: true }), null);
  assert.equal(digit("End", { code: "Numpad1" }), null);
  assert.equal(digit("1", { code: "Digit1", altGraph: true }), null);
  assert.deepEqual([..."०१२३४५६७८९"].map(digitValue), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("a letter is one in every alphabet", () => {
  const letter = (key, options) => press(key, options).letter;
  assert.equal(letter("F"), "f");
  assert.equal(letter("а", { code: "KeyF" }), "f", "Russian");
  assert.equal(letter("q", { code: "KeyA" }), "q", "French");
  assert.equal(letter("f", { altGraph: true }), "");
  assert.equal(letter("Enter"), "");
});

test("an input method at work is known, Safari's last Enter too", () => {
  assert.ok(isComposing({ isComposing: true }));
  assert.ok(isComposing({ isComposing: false, keyCode: 229 }));
  assert.ok(!isComposing({ isComposing: false, keyCode: 13 }));
});

test("every action of a source has a key of its own, and gives its letters up to a task that takes them", () => {
  for (const source of SOURCES) {
    for (const name of source.actions) {
      const { key } = ACTIONS[name];
      assert.equal(actionOf(press(key), source, task(false)), name);
      const isLetter = reservedLetters(source).includes(key);
      assert.equal(actionOf(press(key), source, task(true)), isLetter ? null : name);
      assert.equal(keyName({ key }, task(true)) === "", isLetter);
    }
    assert.equal(actionOf(press("f", { altGraph: true }), source, task(false)), null);
    assert.equal(actionOf(press("z"), source, task(false)), null);
  }
});

test("the help names the task's keys first and every action of the frame", () => {
  const rows = helpRows(LABELLING, task(true));
  assert.deepEqual(rows[0], ["1", "something"]);
  assert.equal(rows.length, 1 + LABELLING.actions.length + 1);
  assert.deepEqual(rows.find(([key]) => key === "Flag"), ["Flag", `${ACTIONS.flag.help} (button)`]);
  assert.deepEqual(helpRows(LABELLING, task(false)).find(([key]) => key === "f"), ["f", ACTIONS.flag.help]);
});

test("arrows scroll a long record where the page around it does not", () => {
  assert.equal(scrollOf(press("ArrowDown"), LABELLING), 48);
  assert.equal(scrollOf(press("ArrowDown"), ADJUDICATION), 0);
  assert.equal(scrollOf(press("x"), LABELLING), 0);
});
