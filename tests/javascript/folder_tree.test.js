import assert from "node:assert/strict";
import { test } from "node:test";

import { folderOf } from "../../app/card/folder_tree.js";

const named = (values) => Object.entries(values).map(([name, value]) => ({ name, value }));
const FOLDER = {
  fields: named({ name: "PNG", parents: "Art / Roads", siblings: "Vector", files: "a.png / b.png", extensions: "png 2", depth: "3" }),
  meta: named({ tree: "assets", path: "Art/Roads/PNG", depth: "3", snapshot: "1", state: "moved", moved_from: "Old/PNG" }),
};

test("a folder's record says where it stands and what it holds", () => {
  const folder = folderOf(FOLDER);
  assert.deepEqual(folder.parents, ["Art", "Roads"]);
  assert.deepEqual(folder.files, ["a.png", "b.png"]);
  assert.deepEqual(folder.children, []);
  assert.deepEqual(folder.facts.map(({ name, value }) => `${name} ${value}`), ["tree assets", "state moved", "moved from Old/PNG", "depth 3"]);
});

test("a record that was made of no folder is none, whatever its fields are called", () => {
  assert.equal(folderOf({ fields: FOLDER.fields, meta: [] }), null);
  assert.equal(folderOf({ fields: [], meta: FOLDER.meta }), null);
  assert.equal(folderOf({}), null);
});
