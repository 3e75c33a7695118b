import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { entriesOf, matching, moved, opensPalette } from "../../app/palette/entries.js";

const DATA = {
  pages: [{ name: "records", title: "Records", group: "Work" }, { name: "rounds", title: "Rounds", group: "Quality" }],
  verbs: [{ name: "map", title: "Bring the map up to date" }],
  labels: [{ name: "Éclair", title: "Éclair", colour: "#0072b2" }, { name: "lost card", title: "lost card", colour: "#e69f00" }],
};
const titles = (query, data = DATA) => matching(entriesOf(data), query).map(({ title }) => title);

test("an empty query shows pages and verbs, a query what fits, whatever its case and accents", () => {
  assert.deepEqual(titles(" "), ["Records", "Rounds", "Bring the map up to date"]);
  assert.deepEqual(titles("ECL"), ["Éclair"]);
  assert.deepEqual(titles("card lost"), ["lost card"]);
  assert.deepEqual(titles("nothing like it"), []);
});

test("a name that begins with the query comes before one that holds it", () => {
  assert.deepEqual(titles("r"), ["Records", "Rounds", "Bring the map up to date", "Éclair", "lost card"]);
  assert.deepEqual(titles("map"), ["Bring the map up to date"]);
});

test("labels lead to records, so whoever may not see the records is not offered any", () => {
  assert.deepEqual(titles("card", { ...DATA, pages: [] }), []);
});

test("arrows go round the ends", () => {
  assert.equal(moved(0, "ArrowUp", 3), 2);
  assert.equal(moved(2, "ArrowDown", 3), 0);
  assert.equal(moved(0, "a", 3), null);
  assert.equal(moved(0, "ArrowDown", 0), null);
});

test("Ctrl K and Cmd K open it on a keyboard of any alphabet, and nothing else does", () => {
  const press = (options) => opensPalette({ key: "k", code: "KeyK", ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...options });
  assert.ok(press({ ctrlKey: true }));
  assert.ok(press({ metaKey: true, key: "л" }));
  assert.ok(!press({}));
  assert.ok(!press({ ctrlKey: true, altKey: true }));
  assert.ok(!press({ ctrlKey: true, key: "t" }), "where the letter is another, it is that letter");
});

test("no text of a record or a label can become HTML", () => {
  const source = readFileSync(new URL("../../app/palette/palette.js", import.meta.url), "utf8");
  assert.doesNotMatch(source, /innerHTML|insertAdjacentHTML|outerHTML|document\.write/);
});
