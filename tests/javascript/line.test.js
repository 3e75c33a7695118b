import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { LABELLING } from "../../app/card/labelling.js";
import { Line } from "../../app/card/line.js";
import { Outbox } from "../../app/card/outbox.js";
import { TASKS } from "../../app/card/tasks.js";
import { Visit } from "../../app/card/visit.js";
import { openBrowser, wait } from "./browser.js";
import { NumberTask } from "./number_task.js";

TASKS.number = NumberTask;
const SETUP = { task: "number", most: 100, key: "k1", guidelines: "", lease_seconds: 60 };

/** The far end of the wire: what it stores and hands out, and how it can fail. */
class Server {
  stored = new Map();
  requests = [];
  next = 0;
  records = 1000;
  failure = null; // (request) => a response, or an error that is thrown; null: all is well
  losesReplies = false;

  fetch = async (path, { body, headers, keepalive = false }) => {
    const request = { path, headers, keepalive, ...JSON.parse(body) };
    this.requests.push(request);
    const failure = this.failure?.(request);
    if (failure instanceof Error) throw failure;
    if (failure) return failure;
    if (path === "api/label/token") return Response.json({ token: "new" });
    for (const event of request.events) this.stored.set(event.eid, this.stored.get(event.eid) ?? event);
    if (this.losesReplies) throw new TypeError("connection reset");
    const cards = [];
    while (cards.length < request.want && this.next < this.records) cards.push({ id: `r${this.next++}`, text: "" });
    const statuses = Object.fromEntries(request.events.map(({ eid }) => [eid, "stored"]));
    return Response.json({ statuses, cards, taken: [], return_request: 0, version: 1, progress: {}, setup: null });
  };

  get answers() {
    return [...this.stored.values()].map(({ record, number }) => `${record} ${number}`);
  }
}

let page, server;

beforeEach(() => {
  page = openBrowser();
  server = new Server();
  globalThis.fetch = server.fetch;
});

/** A visit in a tab whose line runs; records are there. */
async function open(tab = "tab") {
  const visit = new Visit("p:ann", tab, LABELLING, SETUP, new Outbox("p:ann", tab));
  const line = new Line(visit, tab, "ann");
  line.token = "token";
  visit.send = () => line.pump();
  line.start();
  await wait(50);
  return { visit, line };
}

const answer = (visit, ...numbers) => numbers.map((number) => (visit.answer("submit", { number }), `${visit.past.last.card.id} ${number}`));

test("records are fetched at once, and answers are sent in order within a moment", async () => {
  const { visit, line } = await open();
  assert.equal(visit.queue.length, LABELLING.ahead);
  const given = answer(visit, 1, 2, 3);
  await wait(300);
  assert.deepEqual(server.answers, given);
  assert.equal(visit.outbox.size, 0);
  assert.equal(line.failure, "");
  assert.equal(server.requests[0].headers["X-Rondo-Tab"], "tab");
  assert.ok(server.requests.every(({ path }) => path === LABELLING.path));
  const turns = server.requests.map(({ turn }) => turn);
  assert.deepEqual(turns, [...turns].sort((a, b) => a - b));
});

test("quick answers share requests, one request at a time", async () => {
  const { visit } = await open();
  let busy = 0;
  globalThis.fetch = async (...request) => {
    assert.equal((busy += 1), 1);
    const response = await server.fetch(...request);
    busy -= 1;
    return response;
  };
  const before = server.requests.length;
  for (let number = 0; number < 20; number += 1) {
    answer(visit, number);
    await wait(50);
  }
  await wait(300);
  assert.equal(server.answers.length, 20);
  assert.ok(server.requests.length - before <= 11);
});

test("what a dead server did not get is sent when it is back, in order and once", async () => {
  const { visit, line } = await open();
  server.failure = () => new TypeError("fetch failed");
  const given = answer(visit, 1, 2, 3);
  await wait(30_000);
  assert.equal(line.failure, "offline");
  assert.equal(visit.outbox.size, 3);
  assert.equal(server.requests.length, 1 + 5, "after 0.1, 3, 8, 18 and 28 seconds");
  server.failure = null;
  await wait(10_000);
  assert.deepEqual(server.answers, given);
  assert.equal(line.failure, "");
});

test("an answer whose receipt was lost is sent again under the same id and stands once", async () => {
  const { visit } = await open();
  server.losesReplies = true;
  const given = answer(visit, 1, 2);
  await wait(4000);
  assert.ok(server.requests.filter(({ events }) => events.length).length > 1);
  server.losesReplies = false;
  await wait(6000);
  assert.deepEqual(server.answers, given);
  assert.equal(visit.outbox.size, 0);
});

test("a server in trouble is no refusal; a refusal is shown in its own words", async () => {
  const { line } = await open();
  server.failure = () => new Response("", { status: 502 });
  line.retryNow();
  await wait(50);
  assert.equal(line.failure, "offline");
  server.failure = () => Response.json({ error: "Only annotators may label." }, { status: 403 });
  page.dispatchEvent(new Event("online"));
  await wait(50);
  assert.equal(line.failure, "Only annotators may label.");
});

test("a token that ran out is renewed in passing, and once only", async () => {
  const { visit, line } = await open();
  server.failure = ({ path, headers }) =>
    path === LABELLING.path && headers["X-Rondo-Token"] !== "new" ? new Response("", { status: 401 }) : null;
  const given = answer(visit, 1);
  await wait(300);
  assert.deepEqual(server.answers, given);
  server.failure = ({ path }) => new Response(JSON.stringify({ error: "no" }), { status: path === LABELLING.path ? 401 : 403 });
  answer(visit, 2);
  await wait(300);
  assert.match(line.failure, /^This visit has ended/);
  assert.equal(visit.outbox.size, 1);
});

test("a request that is too long is sent in halves until it passes", async () => {
  const { visit } = await open();
  server.failure = ({ events }) => (events?.length > 8 ? Response.json({ error: "too long" }, { status: 413 }) : null);
  const given = answer(visit, ...Array.from({ length: 30 }, (_, number) => number));
  await wait(200_000);
  assert.deepEqual(server.answers, given);
});

test("a page that goes gives its records back and sends what fits into its last request", async () => {
  const { visit } = await open();
  const held = visit.queue.length;
  const note = "x".repeat(1000);
  for (let number = 0; number < 30; number += 1) visit.answer("submit", { number }, { note });
  page.dispatchEvent(new Event("pagehide"));
  const last = server.requests.at(-1);
  assert.equal(last.keepalive, true);
  assert.equal(last.give_back.length, held - 30);
  assert.equal(last.want, 0);
  assert.ok(last.events.length > 5 && last.events.length < 30);
  assert.equal(visit.outbox.size, 30, "they stay until the server has answered");
});

test("a page that is only put aside keeps its records", async () => {
  await open();
  const before = server.requests.length;
  page.dispatchEvent(Object.assign(new Event("pagehide"), { persisted: true }));
  assert.equal(server.requests.length, before);
});

test("who leaves the keys alone for as long as a lease gives the unseen records back, and gets others on return", async () => {
  const { visit, line } = await open();
  await wait(SETUP.lease_seconds * 1000 + 5000);
  assert.deepEqual(visit.queue.map(({ id }) => id), ["r0"], "what is on the screen stays");
  assert.equal(server.requests.flatMap((request) => request.give_back ?? []).length, LABELLING.ahead - 1);
  line.noteUse();
  await wait(300);
  assert.equal(visit.queue.length, LABELLING.ahead);
});

test("an empty screen that nobody is at gets one record, and holds no others from people", async () => {
  server.records = 0;
  const { visit, line } = await open();
  await wait(SETUP.lease_seconds * 1000 + 5000);
  server.records = 1000;
  await wait(20_000);
  assert.deepEqual(visit.queue.map(({ id }) => id), ["r0"]);
  line.noteUse();
  await wait(300);
  assert.equal(visit.queue.length, LABELLING.ahead);
});

test("where there is no record the server is asked again, in its own time", async () => {
  server.records = 0;
  const { visit } = await open();
  await wait(3000);
  const asked = server.requests.length;
  assert.ok(asked >= 3 && asked <= 5, `${asked} requests`);
  server.records = 5;
  await wait(1500);
  assert.equal(visit.card.id, "r0");
});

test("what a closed tab of this person left is sent by the next one", async () => {
  const { visit } = await open("first");
  server.failure = () => new TypeError("fetch failed");
  const given = answer(visit, 1, 2);
  visit.send = () => {};
  openBrowserAgain();
  server.failure = null;
  await open("second");
  await wait(300);
  assert.deepEqual(server.answers, given);
});

/** The same storage, with no timer of the first page left. */
function openBrowserAgain() {
  const left = { ...localStorage };
  page = openBrowser();
  for (const [key, value] of Object.entries(left)) localStorage.setItem(key, value);
}
