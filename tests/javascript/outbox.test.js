import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Outbox } from "../../app/card/outbox.js";
import { browser, openBrowser } from "./browser.js";

const event = (eid, record = "r1", action = "submit") => ({ eid, record, action });
const ids = (outbox) => outbox.events.map(({ eid }) => eid);

beforeEach(openBrowser);

test("what was not saved before a reload is there again, in order", () => {
  const outbox = new Outbox("p:ann", "tab");
  for (const eid of ["a", "b", "c"]) outbox.push(event(eid));
  assert.deepEqual(ids(new Outbox("p:ann", "tab")), ["a", "b", "c"]);
  assert.deepEqual(ids(new Outbox("p:bob", "tab")), []);
});

test("only what the server has answered for is dropped, and a refusal comes with its reason", () => {
  const outbox = new Outbox("p:ann", "tab");
  for (const eid of ["a", "b", "c", "d"]) outbox.push(event(eid));
  const refused = outbox.settle({ a: "stored", b: "known", c: "No such record." });
  assert.deepEqual(refused, [[event("c"), "No such record."]]);
  assert.deepEqual(ids(outbox), ["d"]);
  assert.deepEqual(ids(new Outbox("p:ann", "tab")), ["d"]);
});

test("a record has an answer on its way until an undo follows", () => {
  const outbox = new Outbox("p:ann", "tab");
  outbox.push(event("a", "r1"));
  outbox.push(event("b", "r2"));
  outbox.push(event("c", "r1", "undo"));
  assert.deepEqual([...outbox.pendingRecords()], ["r2"]);
});

test("what a closed tab left is taken over once and goes first; an open tab keeps its own", async () => {
  new Outbox("p:ann", "closed").push(event("a"));
  new Outbox("p:ann", "open").push(event("b"));
  localStorage.setItem("rondo:beat:open", JSON.stringify(browser.now));
  const outbox = new Outbox("p:ann", "tab");
  outbox.push(event("c"));
  await outbox.adopt();
  await outbox.adopt();
  assert.deepEqual(ids(outbox), ["a", "c"]);
  assert.deepEqual(ids(new Outbox("p:ann", "closed")), []);
  assert.deepEqual(ids(new Outbox("p:ann", "open")), ["b"]);
});

test("in a full browser events stay in memory, and an orphan where it lies", async () => {
  new Outbox("p:ann", "closed").push(event("a"));
  const outbox = new Outbox("p:ann", "tab");
  browser.full = true;
  outbox.push(event("b"));
  assert.equal(outbox.stored, false);
  await outbox.adopt();
  assert.deepEqual(ids(outbox), ["a", "b"]);
  assert.deepEqual(ids(new Outbox("p:ann", "closed")), ["a"]);
});
