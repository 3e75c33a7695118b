// The command palette and the help on keys: one of each on every page. Texts go in as text, never as HTML.

import { element } from "../card/elements.js";
import { entriesOf, matching, moved, opensPalette } from "./entries.js";

const WAIT_MS = 150; // after the last letter, before the server is asked
const SHORTEST = 2;
const FIELDS = "input, textarea, select, [contenteditable='true'], dialog, [role='dialog']";

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const palette = (parentElement.palette ??= new Palette(parentElement));
  palette.use(data, (choice) => setTriggerValue("choice", choice));
  return () => palette.release();
}

/** Streamlit 1.67 puts the divs of sections between a list and its items: here each section is the list of its own. */
function mendMenu() {
  const menu = document.querySelector("[data-testid=stSidebarNavItems]");
  if (!menu) return;
  menu.setAttribute("role", "presentation");
  for (const section of menu.querySelectorAll(":scope > div")) section.setAttribute("role", "list");
}

class Palette {
  constructor(root) {
    this.root = root;
    this.records = [];
    this.asked = 0;
    this.onKey = (event) => this.key(event);
    this.onHelp = (event) => this.help(event);
    const find = (selector) => root.querySelector(selector);
    Object.assign(this, { finder: find(".finder"), field: find("input"), list: find("ul"), note: find(".note"), keys: find(".keys") });
    find(".open").onclick = () => this.open();
    find(".close").onclick = () => this.keys.close();
    if (/Mac|iPhone|iPad/.test(navigator.platform)) find("kbd").textContent = "⌘ K";
    this.field.oninput = () => this.type();
    this.finder.onkeydown = (event) => this.move(event);
    for (const dialog of [this.finder, this.keys]) dialog.onclick = (event) => event.target === dialog && dialog.close(); // beside it
  }

  /** Streamlit calls again with every run of a page. */
  use(data, choose) {
    Object.assign(this, { data, choose, entries: entriesOf(data) });
    mendMenu();
    this.release();
    document.addEventListener("keydown", this.onKey, true); // before the browser's own meaning of Ctrl K
    document.addEventListener("keydown", this.onHelp); // after the card, which has a help of its own
    this.root.querySelector(".open").disabled = false; // keys are heard from now on
  }

  release() {
    document.removeEventListener("keydown", this.onKey, true);
    document.removeEventListener("keydown", this.onHelp);
  }

  key(event) {
    if (!opensPalette(event)) return;
    event.preventDefault();
    event.stopPropagation();
    if (this.finder.open) this.finder.close();
    else this.open();
  }

  help(event) {
    if (event.key !== "?" || event.defaultPrevented || event.composedPath()[0].closest?.(FIELDS)) return;
    event.preventDefault();
    const rows = [...this.data.keys, ["Ctrl K", "find a page, a record, a label, or what can be done"], ["?", "this help"]];
    const cells = rows.flatMap(([key, text]) => [element("dt", {}, key), element("dd", {}, text)]);
    this.keys.querySelector("dl").replaceChildren(...cells);
    this.keys.showModal();
  }

  open() {
    this.field.value = "";
    this.records = [];
    this.note.textContent = "";
    this.position = 0;
    if (!this.finder.open) this.finder.showModal();
    this.field.focus();
    this.paint();
  }

  type() {
    this.position = 0;
    this.records = [];
    clearTimeout(this.timer);
    const query = this.field.value.trim();
    const asks = this.data.searches && query.length >= SHORTEST;
    this.note.textContent = asks ? "Looking for records …" : "";
    this.asked += 1;
    if (asks) this.timer = setTimeout(() => this.ask(query, this.asked), WAIT_MS);
    this.paint();
  }

  async ask(query, number) {
    let note = "";
    let records = [];
    try {
      const body = JSON.stringify({ words: query });
      const response = await fetch("api/find", { method: "POST", headers: { "Content-Type": "application/json" }, body, credentials: "same-origin" });
      const reply = await response.json();
      records = reply.records ?? [];
      note = reply.error ?? (records.length ? "" : "No record has these words.");
    } catch {
      note = "The server cannot be reached.";
    }
    if (number !== this.asked) return; // something else was typed meanwhile
    this.records = records.map(({ id, text }) => ({ kind: "record", name: id, title: text, group: "Record" }));
    this.note.textContent = note;
    this.paint();
  }

  move(event) {
    const next = moved(this.position, event.key, this.shown.length);
    if (next !== null) {
      event.preventDefault();
      this.position = next;
      this.mark();
    } else if (event.key === "Enter" && !event.isComposing && this.shown.length) {
      event.preventDefault();
      this.take(this.shown[this.position]);
    }
    event.stopPropagation();
  }

  take({ kind, name }) {
    this.finder.close();
    this.choose({ kind, name });
  }

  paint() {
    this.shown = [...matching(this.entries, this.field.value), ...this.records];
    this.list.replaceChildren(...this.shown.map((entry, index) => this.row(entry, index)));
    this.mark();
  }

  row(entry, index) {
    const row = element("li", { role: "option", id: `option-${index}`, "data-kind": entry.kind });
    if (entry.colour) {
      const swatch = element("i", {});
      swatch.style.background = entry.colour;
      row.append(swatch);
    }
    row.append(element("span", { class: "title", dir: "auto" }, entry.title), element("span", { class: "group" }, entry.group ?? ""));
    row.onclick = () => this.take(entry);
    return row;
  }

  mark() {
    [...this.list.children].forEach((row, index) => row.setAttribute("aria-selected", String(index === this.position)));
    const row = this.list.children[this.position];
    row?.scrollIntoView({ block: "nearest" });
    if (row) this.field.setAttribute("aria-activedescendant", row.id);
    else this.field.removeAttribute("aria-activedescendant");
  }
}
