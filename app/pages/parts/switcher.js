// The other projects of the home that this project was opened from, asked for when the list is opened.

import { element } from "../../card/elements.js";

const MANY = 8; // from here on there is a field to find one by its name

export default function ({ data, parentElement }) {
  const switcher = (parentElement.switcher ??= new Switcher(parentElement));
  switcher.use(data.home);
}

/** The address of the project on this page, as the home calls it: its key; "" where the page is not below the home. */
export function keyOf(path, home) {
  const below = path.startsWith(`${home}p/`) ? path.slice(home.length + 2) : "";
  return decodeURIComponent(below.split("/")[0]);
}

/** Those that can be gone to, the last used first, whose name has these words in it. */
export function others(projects, key, words = "") {
  const plain = words.trim().toLowerCase();
  const fits = projects.filter((one) => one.key !== key && one.name.toLowerCase().includes(plain));
  return fits.sort((one, other) => (other.last || "").localeCompare(one.last || ""));
}

class Switcher {
  constructor(root) {
    const find = (selector) => root.querySelector(selector);
    Object.assign(this, { button: find(".open"), list: find("nav"), field: find("input"), note: find("p"), rows: find("ul"), all: find(".all") });
    this.projects = [];
    this.list.addEventListener("beforetoggle", (event) => event.newState === "open" && this.opened());
    this.list.addEventListener("keydown", (event) => this.move(event));
    this.field.addEventListener("input", () => this.paint());
  }

  /** home: the address of its page. */
  use(home) {
    this.home = home;
    this.all.href = home;
  }

  async opened() {
    const { left, bottom } = this.button.getBoundingClientRect();
    Object.assign(this.list.style, { left: `${Math.max(8, left)}px`, top: `${bottom + 4}px` });
    this.note.textContent = "Reading the list …";
    try {
      const answer = await fetch(`${this.home}api/home`, { credentials: "same-origin" });
      this.projects = answer.ok ? (await answer.json()).projects : [];
      this.note.textContent = answer.ok ? "" : "The home does not list its projects for you here.";
    } catch {
      this.note.textContent = "The home does not answer.";
    }
    if (!this.note.textContent && !others(this.projects, this.key).length) this.note.textContent = "There is no other project.";
    this.field.hidden = this.projects.length <= MANY;
    this.field.value = "";
    this.paint();
    (this.field.hidden ? (this.rows.querySelector("a") ?? this.all) : this.field).focus();
  }

  get key() {
    return keyOf(location.pathname, this.home);
  }

  paint() {
    this.rows.replaceChildren(...others(this.projects, this.key, this.field.value).map((one) => this.row(one)));
  }

  row({ key, name, records, settled, note }) {
    const words = note || `${settled.toLocaleString("en")} of ${records.toLocaleString("en")} settled`;
    const bar = element("span", { class: "bar", "aria-hidden": "true" }, element("i", {}));
    bar.firstChild.style.width = `${records ? (100 * settled) / records : 0}%`;
    const link = element("a", { href: `${this.home}p/${key}/`, target: "_self" }, element("b", { dir: "auto" }, name), bar, element("small", {}, words));
    return element("li", {}, link);
  }

  move(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const stops = [...this.list.querySelectorAll("input:not([hidden]), a")];
    const at = stops.indexOf(event.composedPath()[0]);
    event.preventDefault();
    event.stopPropagation();
    stops[(at + step + stops.length) % stops.length]?.focus();
  }
}
