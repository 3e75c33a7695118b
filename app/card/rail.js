// What stands beside the card: how good the model is, the last answers, similar records on request. Texts go in as text.

import { element, percent, setText } from "./elements.js";
import { newsOf, sparkOf } from "./spark.js";

const LAST = 10;
const LONGEST = 90; // characters of a text in a list
const NEWS_MS = 2000;
const WAIT_MS = 300; // before similar records are asked for: keys may go on to the next

export class Rail {
  /** revise(event id): puts an answered record on the screen again. */
  constructor(visit, line, revise) {
    Object.assign(this, { visit, line, revise, asked: 0, shownFor: null });
  }

  mount(root) {
    this.root = root;
    this.painted = {};
    this.rows = Array.from({ length: LAST }, () => this.row());
    root.querySelector(".last ol").replaceChildren(...this.rows.map(({ item }) => item));
    const field = root.querySelector(".similar input");
    field.oninput = () => this.ask();
    field.onkeydown = (event) => {
      event.stopPropagation();
      if (event.key === "Escape") field.blur();
    };
  }

  /** After every change; each part compares what it would show with what it shows. */
  paint() {
    if (this.visit.source.review) return;
    this.paintLast();
    this.paintQuality();
    if (this.visit.news) this.tellNews();
    if (!this.box.hidden && this.shownFor !== this.visit.card?.id) this.ask();
  }

  get box() {
    return this.root.querySelector(".similar");
  }

  // ---- the last answers ----

  row() {
    const [swatch, words] = [element("i", { class: "swatch" }), element("span", { dir: "auto" })];
    const button = element("button", { type: "button" }, swatch, words);
    button.onclick = (event) => {
      if (event.detail > 0) button.blur();
      this.revise(button.dataset.eid);
    };
    return { item: element("li", {}, button), button, swatch, words };
  }

  paintLast() {
    const { entries } = this.visit.past;
    const newest = entries.at(-1)?.eid ?? "";
    const key = `${newest} ${entries.length}`;
    if (this.painted.last === key) return;
    this.painted.last = key;
    this.root.querySelector(".last").hidden = !entries.length;
    const shown = entries.slice(-LAST).reverse();
    this.rows.forEach(({ item, button, swatch, words }, index) => {
      const entry = shown[index];
      item.hidden = !entry;
      if (!entry || button.dataset.eid === entry.eid) return;
      button.dataset.eid = entry.eid;
      const { task } = this.visit;
      const answer = entry.answer ? task.describe(entry.answer) : { skip: "skipped", flag: "flagged" }[entry.action];
      swatch.style.background = (entry.answer && task.colour?.(entry.answer)) || "transparent";
      setText(words, beginning(entry.card.text));
      button.title = `${answer}. Click to answer it again.`;
      button.setAttribute("aria-label", `${answer}: ${beginning(entry.card.text)}. Answer it again`);
    });
  }

  // ---- how good the model is ----

  paintQuality() {
    const { quality } = this.visit;
    if (this.painted.quality === (quality?.key ?? null)) return;
    this.painted.quality = quality?.key ?? null;
    const box = this.root.querySelector(".quality");
    box.hidden = !quality;
    if (!quality) return;
    const { value, low, high, basis, curve } = quality;
    setText(box.querySelector(".figure b"), percent(value));
    setText(box.querySelector(".figure span"), `${Math.round(100 * low)} to ${Math.round(100 * high)}`);
    box.querySelector(".figure").title = basis;
    this.drawSpark(box.querySelector(".spark"), curve);
    const [change, more] = newsOf(quality);
    const gain = box.querySelector(".gain");
    setText(gain, quality.points ? `${change} since the last batch` : change);
    gain.classList.toggle("good", quality.points > 0);
    setText(box.querySelector(".more"), more);
  }

  drawSpark(picture, curve) {
    const spark = sparkOf(curve, 216, 56);
    picture.classList.toggle("away", !spark || curve.length < 2);
    if (!spark) return;
    picture.querySelector("polygon").setAttribute("points", spark.band);
    picture.querySelector("polyline").setAttribute("points", spark.line);
    const [x, y] = spark.last;
    picture.querySelector("circle").setAttribute("cx", x);
    picture.querySelector("circle").setAttribute("cy", y);
  }

  /** For two seconds in the line above the record, where no key and no button is. */
  tellNews() {
    const words = newsOf(this.visit.news).filter(Boolean).join(", ");
    this.visit.news = null;
    const box = this.root.querySelector(".news");
    setText(box, words);
    box.hidden = false;
    clearTimeout(this.newsEnd);
    this.newsEnd = setTimeout(() => (box.hidden = true), NEWS_MS);
  }

  // ---- similar records ----

  /** Shows or hides them; returns whether they are shown now. */
  toggle() {
    this.box.hidden = !this.box.hidden;
    this.shownFor = null;
    if (!this.box.hidden) this.ask();
    return !this.box.hidden;
  }

  ask() {
    const record = this.visit.card?.id ?? "";
    const words = this.box.querySelector("input").value.trim();
    this.shownFor = this.visit.card?.id;
    this.asked += 1;
    const number = this.asked;
    clearTimeout(this.timer);
    setText(this.box.querySelector("h2"), words ? "Records with these words" : "Similar records");
    if (!record && !words) return this.show([], "");
    this.timer = setTimeout(async () => {
      const { records = [], error = "" } = await this.line.similar({ record, words });
      if (number === this.asked && this.root) this.show(records, error || (records.length ? "" : "There is none."));
    }, WAIT_MS);
  }

  show(records, remark) {
    setText(this.box.querySelector(".remark"), remark);
    const rows = records.map(({ text, answer }) => {
      const row = element("li", { dir: "auto" }, text);
      if (answer) row.append(element("span", { class: "given", dir: "auto" }, answer));
      return row;
    });
    this.box.querySelector("ol").replaceChildren(...rows);
  }
}

function beginning(text) {
  const line = text.trimStart().split("\n", 1)[0];
  return line.length > LONGEST ? `${line.slice(0, LONGEST)}…` : line;
}
