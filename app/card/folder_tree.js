// A folder as a record: where it stands, what is beside it and what it holds, drawn as a small tree. Knows no page.

import { element } from "./elements.js";

const BETWEEN = " / "; // no name of a folder or file holds the separator
const SIBLINGS = 8;
const CHILDREN = 12;
const LEVELS = 4; // above the folder: a narrow screen has no room for more
const SHOWN_FACTS = ["tree", "state", "moved_from"];

/**
 * What the tree shows of a record that was made of a folder, null where it was not. parents, siblings, children, files:
 * names, the parents from the root on. facts: what stands below the tree, as {name, value}.
 */
export function folderOf(card) {
  const meta = new Map((card.meta ?? []).map(({ name, value }) => [name, value]));
  const fields = new Map((card.fields ?? []).map(({ name, value }) => [name, value]));
  if (!meta.has("tree") || !meta.has("path") || !fields.has("name") || !fields.has("depth")) return null;
  const names = (field) => (fields.get(field) || null)?.split(BETWEEN) ?? [];
  return {
    name: fields.get("name"),
    parents: names("parents"),
    siblings: names("siblings"),
    children: names("children"),
    files: names("files"),
    extensions: fields.get("extensions") ?? "",
    facts: [
      ...SHOWN_FACTS.filter((name) => meta.has(name)).map((name) => ({ name: name.replace("_", " "), value: meta.get(name) })),
      { name: "depth", value: fields.get("depth") },
    ],
  };
}

/** Parents down to the folder, what it holds below it, and those beside it. */
export function drawFolder(box, folder) {
  const inside = [...shortened(folder.children, CHILDREN).map((name) => line("child", name)), ...folder.files.map((name) => line("file", name))];
  const here = line("here", folder.name, inside);
  here.setAttribute("aria-current", "true");
  if (folder.extensions) here.querySelector(".name").after(" ", element("span", { class: "extensions" }, folder.extensions));
  const beside = shortened(folder.siblings, SIBLINGS).map((name) => line("sibling", name));
  const tree = levels(folder.parents).reverse().reduce((below, name) => [line("parent", name, below)], [here, ...beside]);
  box.replaceChildren(element("ul", { class: "tree" }, ...tree));
}

/** Of many parents those next to the root share a line. */
function levels(parents) {
  const above = parents.length - LEVELS;
  return above > 0 ? [parents.slice(0, above + 1).join(BETWEEN), ...parents.slice(above + 1)] : [...parents];
}

function line(kind, name, below = []) {
  const item = element("li", { class: kind }, element("bdi", { class: "name" }, name));
  if (below.length) item.append(element("ul", {}, ...below));
  return item;
}

/** The first names, and how many more there are. The last of the names may say that some are left out already. */
function shortened(names, most) {
  if (names.length <= most) return names;
  const [, further] = /^\u2026 ([\d,]+) more$/.exec(names.at(-1)) ?? [];
  const more = names.length - most + (further ? Number(further.replaceAll(",", "")) - 1 : 0);
  return [...names.slice(0, most), `\u2026 ${more.toLocaleString("en")} more`];
}
