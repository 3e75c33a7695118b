import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

import { TASKS } from "../../app/card/tasks.js";
import { NumberTask } from "./number_task.js";

const CARD = new URL("../../app/card/", import.meta.url);
const CONTRACT = ["missing", "start", "key", "draw", "resize", "describe", "parts", "help", "glossary"];

test("no part of the frame names a task or what belongs to one", () => {
  const files = readdirSync(CARD).filter((name) => /\.(js|html|css)$/.test(name) && name !== "tasks.js");
  assert.ok(files.length > 10);
  const offenders = files.flatMap((name) => {
    const text = readFileSync(new URL(name, CARD), "utf8").replaceAll("api/label/", "");
    return [...text.matchAll(/(?<!aria-)\b(labels?|multi|taxonomy|extract|pairs)\b/gi)].map(([word]) => `${name}: ${word}`);
  });
  assert.deepEqual(offenders, []);
});

test("every task has all that the frame asks for, and the table's comment names it", () => {
  const comment = readFileSync(new URL("tasks.js", CARD), "utf8");
  for (const task of [...Object.values(TASKS), NumberTask]) {
    for (const name of CONTRACT) assert.equal(typeof task.prototype[name], "function", `${task.name}.${name}`);
  }
  for (const name of CONTRACT) assert.match(comment, new RegExp(`\\* {3}${name}\\(`));
});
