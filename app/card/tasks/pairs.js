// The task whose records have two sides: are they the same? Both stand in a table, with what is different between them.

import { element, keyButton, percent, setText } from "../elements.js";
import { compareTexts } from "./pair_diff.js";
import { differenceOf, differingCodes, MOST_COMPARED, numberIn, rowsOf } from "./pair_fields.js";

const SIDES = ["left", "right"];
const IF_SAME = "If they are the same";

/** A task as `tasks.js` describes it. Answer: {same: whether they are}. Draft: nothing, a key answers at once. */
export class Pairs {
  constructor(settings, { review }) {
    this.fields = settings.fields;
    this.review = review;
    this.submits = false;
    this.takesLetters = false;
    this.heading = "Pairs";
    this.lone = true;
    this.skips = true;
  }

  missing() {
    return null;
  }

  start() {
    return {};
  }

  key({ digit, letter }, { record }) {
    if (digit === null && letter !== "s" && letter !== "d") return null;
    if (digit === 3) return record ? { skip: true } : {};
    if (digit !== null && digit !== 1 && digit !== 2) return {};
    return record ? { answer: { same: digit === 1 || letter === "s" } } : {};
  }

  describe({ same }) {
    return same ? "same" : "different";
  }

  parts(answer) {
    return [answer];
  }

  help() {
    const unsure = this.review ? "unsure: pass, it comes again" : "unsure: skip, somebody else may know";
    return [["1 or s", "they are the same: merge them"], ["2 or d", "they are different: keep them apart"], ["3", unsure]];
  }

  glossary() {
    return [];
  }

  resize() {}

  // ---- the record ----

  drawRecord(box, record) {
    const head = element("tr", {}, element("td", {}), ...SIDES.map((side) => element("th", { scope: "col", dir: "auto" }, titleOf(record, side))));
    const table = element("table", { class: "sides" }, element("thead", {}, head));
    table.append(element("tbody", {}, ...this.comparedRows(record).map((row) => this.tableRow(row, record))));
    table.classList.toggle("unnamed", !this.comparedRows(record).some(({ name }) => name));
    box.replaceChildren(table, element("section", { class: "outcome", "aria-label": IF_SAME }, ...outcomeOf(record)));
  }

  /** The rows with what differs in each: pieces as `compareTexts` has them, difference of numbers in words. */
  comparedRows(record) {
    if (this.compared?.record !== record) this.compared = { record, rows: rowsOf(record, this.fields).map(comparedRow) };
    return this.compared.rows;
  }

  tableRow(row, record) {
    const cells = SIDES.map((side) => {
      const cell = element("td", { dir: "auto", "data-side": titleOf(record, side) });
      if (!row[side]) cell.append(element("span", { class: "missing" }, "missing"));
      for (const [text, mark] of row.pieces[side]) cell.append(mark ? element("mark", { class: mark }, text) : text);
      if (side === "right" && row.difference) cell.append(" ", element("span", { class: "difference", dir: "ltr" }, row.difference));
      return cell;
    });
    return element("tr", {}, element("th", { scope: "row", dir: "auto" }, row.name), ...cells);
  }

  about(record) {
    const rows = this.comparedRows(record);
    const codes = differingCodes(...SIDES.map((side) => rows.map((row) => row[side]).join("\n")));
    const facts = (record.meta ?? []).filter(({ name }) => !SIDES.includes(name));
    if (codes.left.length && codes.right.length) facts.unshift({ name: "codes", value: `${codes.left.join(", ")} ≠ ${codes.right.join(", ")}` });
    const [apart] = record.context?.apart ?? []; // the warning itself may be out of sight on a small screen
    if (apart) facts.unshift({ name: "said apart", value: `${apart.one}, ${apart.other}` });
    const cut = rows.some((row) => row.cut);
    return { facts, remark: cut ? `differences are marked in the first ${MOST_COMPARED.toLocaleString("en")} characters` : "" };
  }

  drawBeside(box, record) {
    box.setAttribute("aria-label", IF_SAME);
    box.replaceChildren(...outcomeOf(record));
  }

  // ---- the buttons ----

  draw(root, moment, act) {
    if (this.root !== root) this.build(root, act);
    const { record, suggestion, saving } = moment;
    const votes = (same) => (record?.answers ?? []).filter((one) => one.action === "submit" && one.same === same).length;
    for (const [name, button] of Object.entries(this.buttons)) {
      button.disabled = !record;
      if (name === "unsure") continue;
      const same = name === "same";
      const chance = suggestion?.same === same ? suggestion.probability : null;
      const count = this.review ? votes(same) : 0;
      setText(button.querySelector(".chance"), chance === null ? (count ? `${count}×` : "") : percent(chance));
      button.style.setProperty("--chance", `${Math.round(100 * (chance ?? 0))}`);
      button.classList.toggle("suggested", chance !== null);
      button.classList.toggle("flash", saving?.same === same); // shows which answer was given, until it is saved
    }
  }

  build(root, act) {
    this.root = root;
    const answer = (same) => () => act(({ record }) => (record ? { answer: { same } } : {}));
    this.buttons = {
      same: keyButton({ name: "same", text: "Same", shown: "1", key: "1 s" }, answer(true)),
      different: keyButton({ name: "different", text: "Different", shown: "2", key: "2 d" }, answer(false)),
      unsure: keyButton({ name: "unsure", text: "Unsure", shown: "3", key: "3" }, () => act(({ record }) => (record ? { skip: true } : {}))),
    };
    for (const button of Object.values(this.buttons)) button.append(element("span", { class: "chance" }));
    root.replaceChildren(element("div", { class: "verdicts", role: "group", "aria-label": "Are they the same?" }, ...Object.values(this.buttons)));
  }
}

function titleOf(record, side) {
  return (record.meta ?? []).find(({ name }) => name === side)?.value ?? side;
}

function comparedRow(row) {
  const { name, role, left, right } = row;
  const whole = { left: left ? [[left, ""]] : [], right: right ? [[right, ""]] : [] };
  if (!left || !right) return { ...row, pieces: whole, difference: "", cut: false };
  const [one, other] = role === "number" ? [numberIn(left), numberIn(right)] : [null, null];
  if (one !== null && one === other) return { ...row, pieces: whole, difference: "", cut: false };
  const { cut, ...pieces } = compareTexts(left, right);
  return { name, left, right, pieces, difference: one === null || other === null ? "" : differenceOf(one, other), cut };
}

/** What would come of it: the cluster that they would be in, and who has said some of it apart. */
function outcomeOf({ context }) {
  const title = element("p", { class: "heading" }, IF_SAME);
  if (!context) return [title, element("p", {}, "They become a cluster of two.")];
  const members = context.members.flatMap(({ title, here }, index) => [index ? " · " : "", element(here ? "u" : "bdi", { dir: "auto" }, title)]);
  if (context.more) members.push(` and ${context.more.toLocaleString("en")} more`);
  const cluster = element("p", { class: "cluster" }, "cluster ", element("b", { dir: "auto" }, context.cluster), element("br", {}), ...members);
  const joined = context.joined ? [element("p", {}, "Other decisions have joined them already.")] : [];
  return [title, cluster, ...joined, ...context.apart.map(warning)];
}

function warning({ one, other, by }) {
  const people = by.length ? [" by ", element("bdi", {}, by.join(", "))] : [];
  return element("p", { class: "warning" }, element("bdi", {}, one), " and ", element("bdi", {}, other), " were said apart", ...people, ": this merge would be held for a decision.");
}
