// Painting a record, its fields and what is known about it. Texts go in as text: whatever they hold, they have no elements.

import { element } from "./elements.js";
import { drawFolder, folderOf } from "./folder_tree.js";

const LONG_TEXT = 1500;

/** task: may draw the body itself, and say what stands below it. A folder is drawn as a tree. */
export function paintRecord(root, card, task) {
  const record = root.querySelector(".record");
  const folder = card && !task.drawRecord ? folderOf(card) : null;
  record.classList.toggle("folder", Boolean(folder));
  if (card && task.drawRecord) task.drawRecord(record, card);
  else if (folder) drawFolder(record, folder);
  else record.textContent = card?.text ?? "";
  record.dataset.recordId = card?.id ?? "";
  record.scrollTop = 0;
  const own = card && task.about ? task.about(card) : folder ? { fields: [], facts: folder.facts, remark: lengthInWords(card) } : null;
  const fields = (own ? (own.fields ?? []) : (card?.fields ?? [])).filter((field) => field.value !== card.text);
  const list = root.querySelector(".fields");
  list.hidden = !fields.length;
  list.replaceChildren(
    ...fields.flatMap(({ name, value }) => [element("dt", { dir: "auto" }, name), element("dd", { dir: "auto" }, value)]),
  );
  root.querySelector(".meta").replaceChildren(
    ...(own?.facts ?? card?.meta ?? []).map(({ name, value }) => element("li", {}, element("span", {}, name), " ", element("bdi", {}, value.slice(0, 300)))),
  );
  root.querySelector(".length").textContent = own ? own.remark : card ? lengthInWords(card) : "";
}

/** How much of the text the encoder reads; where that is not known, how long a long text is. */
function lengthInWords({ text, read }) {
  const count = (number) => number.toLocaleString("en");
  if (read === null || read === undefined) return text.length > LONG_TEXT ? `${count(text.length)} characters` : "";
  if (read >= text.length) return "the model reads all of it";
  return `the model reads the first ${count(read)} of ${count(text.length)} characters`;
}
