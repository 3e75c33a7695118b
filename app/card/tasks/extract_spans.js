// The record's text with the places of an answer's values in it, and what a person selects there. Places are counted in
// code points; the page counts in UTF-16.

import { element } from "../elements.js";
import { fieldOf } from "./extract_answer.js";

const COLOURS = 10;
const MOST_LAYERS = 4; // fields that can be told apart over one piece of text

/** Colour of a field, by its number. */
export function colourOf(index) {
  return `var(--field-${index % COLOURS})`;
}

/** {start, end, index, path, value}: every place of an answer's values, index: of the field. */
export function mentionsIn(answer, fields) {
  const rows = Object.entries(answer.spans).flatMap(([path, values]) => {
    const index = fields.indexOf(fieldOf(fields, path));
    if (index < 0) return [];
    return Object.entries(values).flatMap(([value, spans]) => spans.map(([start, end]) => ({ start, end, index, path, value })));
  });
  return rows.sort((a, b) => a.start - b.start || b.end - a.end || a.index - b.index);
}

/** The text in pieces that have the same mentions: [{start, end, mentions}]. Places beyond its end are cut. */
export function markedPieces(length, mentions) {
  const cuts = new Set([0, length]);
  for (const { start, end } of mentions) for (const at of [start, end]) if (at > 0 && at < length) cuts.add(at);
  const edges = [...cuts].sort((a, b) => a - b);
  let next = 0;
  let open = [];
  return edges.slice(0, -1).map((start, index) => {
    open = open.filter((mention) => mention.end > start);
    while (next < mentions.length && mentions[next].start <= start) {
      if (mentions[next].end > start) open.push(mentions[next]);
      next += 1;
    }
    return { start, end: edges[index + 1], mentions: [...open] };
  });
}

/** From UTF-16 to code points and back, for one text. */
export class Places {
  constructor(text) {
    this.text = text;
    this.points = [...text];
    this.units = null; // where each code point begins, for texts in which that is not its own number
    if (this.points.length !== text.length) {
      this.units = new Uint32Array(this.points.length + 1);
      for (let index = 0; index < this.points.length; index += 1) this.units[index + 1] = this.units[index] + this.points[index].length;
    }
  }

  get length() {
    return this.points.length;
  }

  /** The first code point that does not begin before this unit. */
  pointAt(unit) {
    if (!this.units) return unit;
    let [low, high] = [0, this.points.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.units[middle] < unit) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  slice(start, end) {
    return this.units ? this.text.slice(this.units[start], this.units[end]) : this.text.slice(start, end);
  }

  /** {text, span} of a selection in units, without blanks at its edges; null where nothing else is in it. */
  piece({ start, end }) {
    let [first, last] = [this.pointAt(start), this.pointAt(end)];
    while (first < last && /\s/.test(this.points[first])) first += 1;
    while (last > first && /\s/.test(this.points[last - 1])) last -= 1;
    return first < last ? { text: this.slice(first, last).replace(/\s+/g, " "), span: [first, last] } : null;
  }
}

/** The text on the page. Its pieces are repainted with every change; only a new record is read out. */
export class Passage {
  /** open(mentions, rectangle): a person pressed a piece of the text. */
  constructor(open) {
    this.open = open;
    this.places = new Places("");
    this.box = null;
  }

  draw(record, text) {
    this.places = new Places(text);
    this.painted = null;
    this.box = element("div", { class: "passage", "aria-live": "off", dir: "auto" });
    record.replaceChildren(this.box);
  }

  /** fields: their titles say what a mark is. pointed: [path, value] that stand out. */
  paint(mentions, fields, pointed) {
    const key = JSON.stringify([mentions, pointed]);
    if (!this.box || this.painted === key) return;
    this.painted = key;
    const { places } = this;
    const selected = this.selection();
    this.box.replaceChildren(...markedPieces(places.length, mentions).map((piece) => this.piece(piece, places, fields, pointed)));
    if (selected) this.select(selected);
  }

  piece({ start, end, mentions }, places, fields, pointed) {
    const text = places.slice(start, end);
    if (!mentions.length) return document.createTextNode(text);
    const colours = [...new Set(mentions.map(({ index }) => colourOf(index)))].slice(0, MOST_LAYERS);
    const titles = [...new Set(mentions.map(({ index }) => fields[index].title))];
    const mark = element("mark", { title: titles.join(", "), dir: "auto" }, text);
    mark.style.setProperty("--tint", colours.at(-1));
    if (colours.length > 1) mark.style.backgroundImage = `linear-gradient(${colours.map((colour, layer) => band(colour, layer, colours.length)).join(", ")})`;
    mark.style.boxShadow = colours.map((colour, layer) => `0 ${2 * layer + 2}px 0 ${colour}`).join(", ");
    if (mentions.some((one) => one.start === start)) mark.classList.add("begins");
    if (mentions.some((one) => one.end === end)) mark.classList.add("ends");
    if (pointed && mentions.some(({ path, value }) => path === pointed.path && value === pointed.value)) mark.classList.add("pointed");
    mark.onclick = () => this.selection() || this.open(mentions, mark.getBoundingClientRect());
    return mark;
  }

  /** What is selected in the text, in UTF-16 {start, end}, or null. */
  selection() {
    if (!this.box?.isConnected) return null;
    const range = selectedRange(this.box.getRootNode());
    if (!range || !this.holds(range.startContainer) || !this.holds(range.endContainer)) return null;
    const [start, end] = [this.offsetOf(range.startContainer, range.startOffset), this.offsetOf(range.endContainer, range.endOffset)];
    return start < end ? { start, end } : null;
  }

  holds(node) {
    return this.box.contains(node) || node === this.box.parentNode;
  }

  offsetOf(node, offset) {
    if (node === this.box.parentNode) return offset ? this.box.textContent.length : 0;
    const before = document.createRange();
    before.setStart(this.box, 0);
    before.setEnd(node, offset);
    return before.toString().length;
  }

  select({ start, end }) {
    const range = document.createRange();
    for (const [edge, at] of [["setStart", start], ["setEnd", end]]) {
      const walker = document.createTreeWalker(this.box, NodeFilter.SHOW_TEXT);
      let rest = at;
      while (walker.nextNode()) {
        if (rest <= walker.currentNode.length) {
          range[edge](walker.currentNode, rest);
          break;
        }
        rest -= walker.currentNode.length;
      }
    }
    const selection = document.getSelection();
    selection.setBaseAndExtent(range.startContainer, range.startOffset, range.endContainer, range.endOffset);
  }

  unselect() {
    if (this.box) document.getSelection()?.removeAllRanges();
  }

  /** Brings the first of the places that stand out into view. */
  show() {
    this.box?.querySelector(".pointed")?.scrollIntoView({ block: "center" });
  }
}

/** One of several fields' bands behind a piece of text. */
function band(colour, layer, count) {
  const at = (part) => `${Math.round((100 * part) / count)}%`;
  return `color-mix(in srgb, ${colour} 24%, var(--st-background-color)) ${at(layer)} ${at(layer + 1)}`;
}

/** A selection is seen through the edge of a component only by those who name its root. */
function selectedRange(root) {
  const selection = document.getSelection();
  if (!selection) return null;
  const inside = root instanceof ShadowRoot;
  if (inside && selection.getComposedRanges) return selection.getComposedRanges({ shadowRoots: [root] })[0] ?? null;
  const own = inside ? root.getSelection?.() : selection;
  return own?.rangeCount ? own.getRangeAt(0) : null;
}
