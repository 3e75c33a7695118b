// What a person answered stays in the browser until the server has it, whatever becomes of the tab.

import assert from "node:assert/strict";
import test from "node:test";

import { load, storage } from "./browser.mjs";

const SCOPE = "project:ann";

/** A tab's outbox over this storage. open: the tabs that hold their lock. */
function outbox(localStorage, tab = "one", open = [tab]) {
  const navigator = { locks: { query: async () => ({ held: open.map((name) => ({ name: `rondo:tab:${name}` })) }) } };
  const { Outbox } = load(["card/tab.js", "card/outbox.js"], ["Outbox"], { localStorage, navigator });
  return new Outbox(SCOPE, tab);
}

const submit = (eid, record) => ({ eid, record, action: "submit" });
const plain = (value) => JSON.parse(JSON.stringify(value)); // objects of another scope are never deeply equal to ours

test("what was answered is there again after a reload", () => {
  const kept = storage();
  outbox(kept).push(submit("e1", "r1"));
  assert.deepEqual(plain(outbox(kept).events), [submit("e1", "r1")]);
});

test("what the server has goes, what it has not stays, and what it refuses is handed back with the reason", () => {
  const kept = storage();
  const box = outbox(kept);
  for (const number of [1, 2, 3, 4]) box.push(submit(`e${number}`, `r${number}`));
  const refused = box.settle({ e1: "stored", e2: "known", e3: "no such record" });
  assert.deepEqual(plain(refused), [[submit("e3", "r3"), "no such record"]]);
  assert.deepEqual(plain(outbox(kept).events), [submit("e4", "r4")]);
  box.settle({ e4: "stored" });
  assert.deepEqual(Object.keys(kept), [], "an empty outbox leaves nothing behind");
});

test("a record waits for its answer until an undo follows", () => {
  const box = outbox(storage());
  box.push(submit("e1", "r1"));
  box.push(submit("e2", "r2"));
  box.push({ eid: "e3", record: "r1", action: "undo" });
  assert.deepEqual([...box.pendingRecords()], ["r2"]);
});

test("what a closed tab left is taken over once, before our own, and an open tab's is left alone", async () => {
  const kept = storage();
  outbox(kept, "closed").push(submit("e1", "r1"));
  outbox(kept, "open").push(submit("e2", "r2"));
  const box = outbox(kept, "mine", ["mine", "open"]);
  box.push(submit("e3", "r3"));
  await box.adopt();
  await box.adopt();
  assert.deepEqual(plain(box.events), [submit("e1", "r1"), submit("e3", "r3")]);
  assert.deepEqual(Object.keys(kept).sort(), [`rondo:outbox:${SCOPE}:mine`, `rondo:outbox:${SCOPE}:open`]);
});

test("where the browser keeps nothing, answers are in memory, it is known, and nobody's are taken away", async () => {
  const kept = storage();
  outbox(kept, "closed").push(submit("e1", "r1"));
  const full = Object.assign(storage({ full: true }), { [`rondo:outbox:${SCOPE}:closed`]: JSON.stringify([submit("e1", "r1")]) });
  const box = outbox(full, "mine");
  box.push(submit("e2", "r2"));
  assert.equal(box.kept, false);
  await box.adopt();
  assert.deepEqual(plain(box.events), [submit("e1", "r1"), submit("e2", "r2")]);
  assert.ok(full.getItem(`rondo:outbox:${SCOPE}:closed`));
});
