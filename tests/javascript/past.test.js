import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Past } from "../../app/card/past.js";
import { openBrowser } from "./browser.js";

const entry = (number, tally = ["skip"], text = "") => ({ card: { id: `r${number}`, text }, eid: `e${number}`, number, tally });
const eids = (past) => past.entries.map(({ eid }) => eid);

beforeEach(openBrowser);

test("a visit is there after a reload, in the order of its numbers", () => {
  const past = new Past("p:ann:tab");
  for (const number of [8, 9, 10, 100]) past.push(entry(number));
  past.remove("e9");
  assert.deepEqual(eids(new Past("p:ann:tab")), ["e8", "e10", "e100"]);
  assert.equal(new Past("p:ann:tab").last.eid, "e100");
  assert.equal(new Past("p:bob:tab").last, null);
});

test("the tally counts what stands, most first, and outlives a reload", () => {
  const past = new Past("p:ann:tab");
  past.push(entry(1, ["skip"]));
  past.push(entry(2, ["a", "b"]));
  past.push(entry(3, ["b"]));
  assert.deepEqual(past.tally, [["b", 2], ["skip", 1], ["a", 1]]);
  past.remove("e2");
  past.remove("unknown");
  assert.deepEqual(new Past("p:ann:tab").tally, [["skip", 1], ["b", 1]]);
  assert.equal(past.total, 2);
  assert.deepEqual(new Past("p:bob:tab").tally, []);
});

test("of very long records the newest outlive a reload, and none is forgotten before one", () => {
  const past = new Past("p:ann:tab");
  const long = "x".repeat(300_000);
  for (let number = 1; number <= 6; number += 1) past.push(entry(number, ["skip"], long));
  assert.equal(past.entries.length, 6);
  assert.deepEqual(eids(new Past("p:ann:tab")), ["e4", "e5", "e6"]);
  for (const eid of ["e1", "e6", "e5"]) past.remove(eid);
  past.push(entry(7, ["skip"], long));
  assert.deepEqual(eids(past), ["e2", "e3", "e4", "e7"]);
  assert.deepEqual(eids(new Past("p:ann:tab")), ["e4", "e7"]);
});
