import assert from "node:assert/strict";
import { test } from "node:test";

import { keyOf, others } from "../../app/pages/parts/switcher.js";

test("the project on the page is known by its address, also below a proxy's path", () => {
  assert.equal(keyOf("/p/mails/label", "/"), "mails");
  assert.equal(keyOf("/rondo/p/mails/", "/rondo/"), "mails");
  assert.equal(keyOf("/label", "/"), "");
});

test("the others are those with the words in their name, the last used first", () => {
  const made = (key, name, last) => ({ key, name, last });
  const projects = [made("a", "Mails", "2026-01-01"), made("b", "Old mails", ""), made("c", "Mail two", "2026-02-01"), made("d", "Tales", "2026-03-01")];
  assert.deepEqual(others(projects, "a").map(({ key }) => key), ["d", "c", "b"]);
  assert.deepEqual(others(projects, "d", " MAIL ").map(({ key }) => key), ["c", "a", "b"]);
});
