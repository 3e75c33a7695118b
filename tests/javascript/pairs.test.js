import assert from "node:assert/strict";
import { test } from "node:test";

import { compareTexts, keyOf } from "../../app/card/tasks/pair_diff.js";
import { differenceOf, differingCodes, numberIn, rowsOf, valuesOf } from "../../app/card/tasks/pair_fields.js";
import { Pairs } from "../../app/card/tasks/pairs.js";

const FIELDS = [{ name: "name", role: "name" }, { name: "price", role: "number" }, { name: "brand", role: "name" }];
const record = (left, right) => ({ id: "r", text: "", fields: [{ name: "left", value: left }, { name: "right", value: right }], meta: [] });
const make = (review = false) => new Pairs({ fields: FIELDS }, { review, reserved: ["f", "h"] });
const press = (key) => ({ key, digit: /^\d$/.test(key) ? Number(key) : null, letter: /^[a-z]$/i.test(key) ? key.toLowerCase() : "" });

/** Both sides in one line each: what is marked stands in [ ] when it changed, in ( ) when it moved. */
function marked(left, right) {
  const shown = (pieces) => pieces.map(([text, mark]) => ({ changed: `[${text}]`, moved: `(${text})` })[mark] ?? text).join("");
  const result = compareTexts(left, right);
  return [shown(result.left), shown(result.right)];
}

test("one and s say same, two and d different, three skips; other digits do nothing, other keys are the frame's", () => {
  const task = make();
  const now = { record: record("a", "b"), draft: {} };
  for (const key of ["1", "s", "S"]) assert.deepEqual(task.key(press(key), now), { answer: { same: true } }, key);
  for (const key of ["2", "d"]) assert.deepEqual(task.key(press(key), now), { answer: { same: false } }, key);
  assert.deepEqual(task.key(press("3"), now), { skip: true });
  assert.deepEqual(task.key(press("7"), now), {});
  for (const key of [" ", "Backspace", "Enter", "f", "h", "?"]) assert.equal(task.key(press(key), now), null, key);
  for (const key of ["1", "2", "3", "s"]) assert.deepEqual(task.key(press(key), { record: null }), {}, key);
});

test("a side is read field by field, and nothing of it is lost", () => {
  const rows = rowsOf(record("name: Lumo: 24\nprice: 129\nbrand: ", "name: Lumo\nprice: \nbrand: "), FIELDS);
  assert.deepEqual(rows, [
    { name: "name", role: "name", left: "Lumo: 24", right: "Lumo" },
    { name: "price", role: "number", left: "129", right: "" },
  ]);
  assert.deepEqual([...valuesOf("first\nname: Lumo\nsecond: line\nname: again", FIELDS)], [["", "first"], ["name", "Lumo\nsecond: line\nname: again"]]);
  assert.deepEqual(rowsOf(record("price: 5", "other"), []), [{ name: "", role: "text", left: "price: 5", right: "other" }]);
  assert.deepEqual([...valuesOf("name: 5", FIELDS.slice(0, 1))], [["name", "name: 5"]], "a single field stands without its name");
  assert.deepEqual(rowsOf({ id: "r", text: "", fields: [] }, FIELDS), []);
});

test("words that differ are marked, and of words that are alike only the characters", () => {
  assert.deepEqual(marked("Lumo LM24Q-B monitor", "LUMO LM24G-B display"), ["Lumo LM24[Q]-B [monitor]", "LUMO LM24[G]-B [display]"]);
  assert.deepEqual(marked("VGA and HDMI", "two HDMI, stand"), ["[VGA and] HDMI", "[two] HDMI[, stand]"]);
  assert.deepEqual(marked("Team A beat team B", "Team B beat team A"), ["Team (A) beat team (B)", "Team (B) beat team (A)"]);
  assert.deepEqual(marked("a a b", "a b"), ["a [a] b", "a b"], "of what stands twice the last is too many");
  assert.deepEqual(marked("same", "same"), ["same", "same"]);
});

test("letter case, width and the way a number is written are no difference", () => {
  assert.deepEqual(marked("ＬＵＭＯ 129.00 1,299", "lumo 129 1299.0"), ["ＬＵＭＯ 129.00 1,299", "lumo 129 1299.0"]);
  assert.deepEqual(marked("129", "134"), ["[129]", "[134]"]);
  assert.equal(keyOf("1.2.3"), "1.2.3");
});

test("other scripts are compared by their own words and characters, an emoji is one of them", () => {
  assert.deepEqual(marked("日本語の文章です", "日本語の文書です"), ["日本語の[文章]です", "日本語の[文書]です"]);
  assert.deepEqual(marked("한국어 문장의 유사도", "한국어 문장 유사도를"), ["한국어 문장[의] 유사도", "한국어 문장 유사도[를]"]);
  assert.deepEqual(marked("سماعات سوداء", "سماعة سوداء"), ["سماع[ات] سوداء", "سماع[ة] سوداء"]);
  assert.deepEqual(marked("👩‍👩‍👧 family", "👨‍👩‍👧 family"), ["[👩‍👩‍👧] family", "[👨‍👩‍👧] family"]);
});

test("the pieces of a text are the text, whatever it is", () => {
  const texts = ["", " ", "a\n\tb  c", "<b>x</b>", "e\u0301 é", "1,2,3 ,, 4", "x ".repeat(3000), "\ud83d half", "לום 24 אינץ'"];
  for (const left of texts) {
    for (const right of texts) {
      const result = compareTexts(left, right);
      assert.equal(result.left.map(([text]) => text).join(""), left);
      assert.equal(result.right.map(([text]) => text).join(""), right);
    }
  }
});

test("of a very long text the beginning is compared, all of it is shown, and that is said", () => {
  const [left, right] = ["left", "right"].map((word) => Array.from({ length: 15_000 }, (_, n) => `${word}${n}`).join(" "));
  assert.ok(left.length > 100_000);
  const result = compareTexts(left, right);
  assert.equal(result.cut, true);
  assert.equal(result.left.map(([text]) => text).join(""), left);
  assert.deepEqual(result.left.at(-1)[1], "");
  const long = record(left, "x");
  assert.match(make().about(long).remark, /^differences are marked in the first 10,000 characters$/);
  assert.equal(make().about(record("a", "b")).remark, "");
});

test("a number is read as people write it, and only where there is just one", () => {
  const numbers = { "129.00": 129, "$1,299.00": 1299, "1.299,00 €": 1299, "1.234.567": 1234567, "0,125": 0.125, "1.299": 1.299, "−4": -4, "about 12": 12 };
  for (const [text, number] of Object.entries(numbers)) assert.equal(numberIn(text), number, text);
  for (const text of ["", "none", "12 x 4", "1.2.3", "12.03.2024"]) assert.equal(numberIn(text), null, text);
  assert.equal(differenceOf(129, 134.9), "+5.9 (4.6 %)");
  assert.equal(differenceOf(2000, 1999), "\u22121 (0.1 %)");
  assert.equal(differenceOf(0, 5), "+5");
  assert.equal(differenceOf(0.3, 0.1 + 0.2), "");
});

test("codes that only one side has are named as they are written; measures are none", () => {
  assert.deepEqual(differingCodes("24-inch LM24Q-B, K500", "75Hz lm24g-b K-500"), { left: ["LM24Q-B"], right: ["lm24g-b"] });
  const facts = (left, right) => make().about(record(left, right)).facts;
  assert.deepEqual(facts("name: LM24Q", "name: LM24G"), [{ name: "codes", value: "LM24Q ≠ LM24G" }]);
  assert.deepEqual(facts("name: LM24Q", "name: none"), []);
  const context = { apart: [{ one: "9020", other: "k-98", by: ["ben"] }] };
  assert.deepEqual(make().about({ ...record("a", "b"), context }).facts, [{ name: "said apart", value: "9020, k-98" }]);
});

test("numbers that are equal have no mark, others say how far they are apart", () => {
  const rows = make().comparedRows(record("name: a\nprice: 129.00", "name: a\nprice: 129"));
  assert.deepEqual(rows[1].pieces, { left: [["129.00", ""]], right: [["129", ""]] });
  const [, far] = make().comparedRows(record("name: a\nprice: 129.00", "name: a\nprice: 134.90"));
  assert.equal(far.difference, "+5.9 (4.6 %)");
  const [plain] = make().comparedRows(record("name: 129", "name: 134"));
  assert.equal(plain.difference, "", "only fields of numbers say so");
});
