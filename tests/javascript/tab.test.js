import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { claimTab, newId, openTabs, ROOM, storage } from "../../app/card/tab.js";
import { browser, duplicate, openBrowser, openSession, wait } from "./browser.js";

beforeEach(openBrowser);

/** What a page that is loaded in this session calls itself. */
function load() {
  ROOM.tab = null;
  return claimTab();
}

test("a tab has one name, whoever asks for it", async () => {
  assert.equal(await load(), await claimTab());
});

test("two tabs have two names, a duplicated one too while its twin is open", async () => {
  const first = await load();
  const session = sessionStorage;
  openSession();
  const second = await load();
  duplicate(session);
  const third = await load();
  assert.equal(new Set([first, second, third]).size, 3);
  assert.deepEqual((await openTabs()).sort(), [first, second, third].sort());
});

test("a tab that is closed and comes back has its name again", async () => {
  const page = openBrowser();
  const first = await load();
  page.dispatchEvent(new Event("pagehide"));
  assert.deepEqual(await openTabs(), []);
  assert.equal(await load(), first);
});

test("a tab that was killed counts as closed when its heart has stopped", async () => {
  const first = await load();
  const left = localStorage[`rondo:beat:${first}`];
  openBrowser();
  localStorage.setItem(`rondo:beat:${first}`, left);
  assert.deepEqual(await openTabs(), [first]);
  await wait(7000);
  assert.deepEqual(await openTabs(), []);
});

test("a living tab's heart goes on beating", async () => {
  const first = await load();
  await wait(20_000);
  assert.deepEqual(await openTabs(), [first]);
});

test("a storage that is full, forbidden or absent is no error", () => {
  browser.full = true;
  assert.equal(storage.set("localStorage", "a", 1), false);
  assert.equal(storage.get("localStorage", "a"), null);
  assert.deepEqual(storage.keys("noSuchStorage", ""), []);
  storage.drop("noSuchStorage", "a");
});

test("ids are UUIDs, also where the browser cannot make them", () => {
  const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
  assert.match(newId(), uuid);
  const own = Object.getOwnPropertyDescriptor(globalThis, "crypto");
  Object.defineProperty(globalThis, "crypto", { value: { getRandomValues: (bytes) => bytes.fill(255) }, configurable: true });
  try {
    assert.match(newId(), uuid);
  } finally {
    Object.defineProperty(globalThis, "crypto", own);
  }
});
