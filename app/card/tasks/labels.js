// The task whose answers are labels, one or several of a taxonomy. What is known here of labels is known nowhere else.

import { element, keyButton, percent, setText } from "../elements.js";
import { isComposing } from "../keyboard.js";
import { choosable } from "../own_keys.js";
import { areDigits, beginsWithDigit, DIGITS, fixedKeys, plain } from "./label_keys.js";

const PATH_MARK = " / "; // the names of a path
const LEAST_SHOWN = 0.05; // chances of less say nothing on a button
const LAYOUT = `
  <p class="hint" hidden></p>
  <div class="likeliest" role="group" aria-label="The model's likeliest labels" hidden></div>
  <p class="search" hidden><input type="text" aria-label="Find a label" aria-keyshortcuts="/" autocomplete="off"
    spellcheck="false"><kbd aria-hidden="true">/</kbd></p>
  <div class="labels" role="group" aria-label="Labels"></div>`;

/**
 * A task as `tasks.js` describes it. Answer: {labels: ids}. Draft: {on: ids switched on, where several may hold; typed: what
 * was typed to find a label}.
 */
export class Labels {
  /**
   * takesLetters: labels are found by their letters, as there are more of them than keys. digitsFind: digits are such
   * letters, and no keys. likeliest: number keys can go to the likeliest labels. own: keys that this person has chosen;
   * where a letter is among them, letters find no label.
   */
  constructor(settings, { review, reserved, keys = {} }) {
    this.settings = settings;
    this.labels = settings.labels.map((label) => ({ ...label, name: label.path ?? label.name }));
    this.names = new Map(this.labels.map((label) => [label.id, label.name]));
    this.review = review;
    this.submits = settings.multi;
    this.own = new Map(review ? [] : Object.entries(keys).filter(([, id]) => this.names.has(id)));
    const ownLetters = [...this.own.keys()].some((key) => /^[a-z]$/.test(key));
    this.takesLetters = !review && this.labels.length > 9 && !areDigits(this.labels) && !ownLetters;
    this.heading = "Label";
    this.digitsFind = this.takesLetters && this.labels.some(beginsWithDigit);
    this.likeliest = this.takesLetters && settings.likeliest_keys && settings.suggestions && !this.digitsFind;
    const letters = [..."abcdefghijklmnopqrstuvwxyz"].filter((letter) => !reserved.includes(letter)).join("");
    this.reserved = reserved;
    this.fixed = this.digitsFind ? new Map() : fixedKeys(this.labels, review ? DIGITS + letters : DIGITS);
  }

  missing() {
    return this.labels.length ? null : ["There are no labels yet", "Add some on the Settings page, then come back."];
  }

  /** In review, where several labels may hold, those on which all agree are on. */
  start(record, answer) {
    if (!this.submits) return { on: [], typed: "" };
    const [first, ...others] = (record?.answers ?? []).filter((one) => one.action === "submit");
    const common = first?.labels.filter((id) => others.every((one) => one.labels.includes(id)));
    return { on: answer?.labels ?? common ?? [], typed: "" };
  }

  describe({ labels }) {
    return labels.map((id) => this.names.get(id) ?? id).join(", ") || "none of them";
  }

  parts({ labels }) {
    return labels.length ? labels.map((id) => ({ labels: [id] })) : [{ labels }];
  }

  glossary() {
    return this.labels.map((label) => [label.name, guidance(label)]).filter(([, sentence]) => sentence);
  }

  help() {
    const rows = [];
    const verb = this.submits ? "switch on or off" : this.review ? "decide on" : "give";
    if (!this.digitsFind) rows.push(["1 … 9", `${verb} the label that shows this number`]);
    if (this.review && this.labels.length > 9) rows.push(["a … z", "the other labels, as their buttons say"]);
    if (this.takesLetters) {
      const letters = this.digitsFind ? "letters, digits" : "letters";
      rows.push([letters, "find a label; Enter takes the first that is left, Escape clears"]);
      rows.push(["/", "go to the field that finds labels"]);
    }
    if (this.submits) rows.push(["Enter", "submit the labels that are on; none on means that none of them fits"]);
    else if (!this.review) rows.push(["Enter", "accept the suggestion, when one is shown"]);
    return rows;
  }

  // ---- what keys do ----

  key(press, moment) {
    const { key, digit, letter } = press;
    const { typed } = moment.draft;
    const addition = this.takesLetters ? this.typedBy(press, typed) : "";
    if (addition) return this.type(typed + addition, moment);
    const id = this.keys(moment).get(digit === null ? letter || key : String(digit));
    if (id) return this.choose(id, moment);
    if (digit !== null) return {};
    if (typed && key === "Backspace") return this.type([...typed].slice(0, -1).join(""), moment);
    if (typed && key === "Escape") return this.type("", moment);
    if (key === "Enter") return this.confirm(moment);
    return key === "/" && this.takesLetters ? { focus: ".search input" } : null;
  }

  /**
   * The character that a key adds to what is typed for a label, "" where it adds none. A digit does where names begin with
   * digits, or where a name goes on with it; so does a letter in the digits' row of a Czech keyboard.
   */
  typedBy({ key, digit }, typed) {
    const isLetter = /^[\p{L}\p{M}'_-]$/u.test(key);
    const text = digit === null || isLetter ? key : String(digit);
    if ([...text].length !== 1) return "";
    if (typed && (text === " " || this.labels.some((label) => plain(label.name).includes(plain(typed + text).trim())))) return text;
    if (digit === null) return isLetter ? text : "";
    const begins = isLetter && this.labels.some((label) => label.name.toLowerCase().startsWith(text.toLowerCase()));
    return this.digitsFind || begins ? text : "";
  }

  type(text, { draft }) {
    return { draft: { ...draft, typed: text } };
  }

  /** Whether the number keys go to the likeliest labels: they differ from record to record. */
  followsModel({ suggested, hidden }) {
    return this.likeliest && suggested && !hidden;
  }

  /**
   * Key to label id as the buttons show it: while something is typed, the first labels that fit. The likeliest ones have no
   * key where no suggestion may be shown. A key that was pressed too early means what it meant on the record before.
   */
  keys(moment) {
    return this.withOwn(this.usualKeys(moment));
  }

  /** What a person has chosen comes first, and a label has one key. */
  withOwn(usual) {
    if (!this.own.size) return usual;
    const owners = new Set(this.own.values());
    return new Map([...[...usual].filter(([key, id]) => !this.own.has(key) && !owners.has(id)), ...this.own]);
  }

  usualKeys(moment) {
    const { draft, suggestion, early } = moment;
    const numbered = (ids) => new Map(ids.slice(0, 9).map((id, index) => [String(index + 1), id]));
    if (draft.typed.trim() && !early && !this.digitsFind) return numbered(this.matches(draft.typed).map((label) => label.id));
    return this.followsModel(moment) ? numbered((suggestion?.labels ?? []).map((one) => one.id)) : this.fixed;
  }

  choose(id, { record, draft, early }) {
    if (!record || (this.submits && early)) return {};
    if (!this.submits) return { answer: { labels: [id] } };
    const isOn = draft.on.includes(id);
    const on = isOn ? draft.on.filter((one) => one !== id) : [...draft.on, id];
    return { draft: { on, typed: "" }, words: `${this.names.get(id)} ${isOn ? "off" : "on"}` };
  }

  /** Enter: the label that was typed for, else those that are on, else the suggestion. */
  confirm(moment) {
    const { record, draft, suggestion, early } = moment;
    if (draft.typed.trim()) {
      const [first] = this.matches(draft.typed);
      return first ? this.choose(first.id, moment) : {};
    }
    if (!record || early) return {};
    if (this.submits) return { answer: { labels: [...this.names.keys()].filter((id) => draft.on.includes(id)) } };
    const best = this.proposed(suggestion);
    return this.names.has(best) ? this.choose(best, moment) : {};
  }

  /** What a person may choose keys for: [id, name, key]; none in review. */
  ownKeys() {
    return this.review ? [] : this.labels.map(({ id, name }) => [id, name, [...this.own].find(([, owner]) => owner === id)?.[0] ?? ""]);
  }

  /** The name of a key that may be chosen for a label, or null. */
  choosable(press) {
    return this.digitsFind && press.digit !== null ? null : choosable(press, this.reserved);
  }

  /** The colour of an answer in lists. */
  colour({ labels }) {
    return this.labels.find(({ id }) => id === labels[0])?.colour ?? "";
  }

  /** What Enter accepts now, in words; null where there is nothing to accept, undefined where Enter submits. */
  proposal({ suggestion, record }) {
    if (this.submits || this.review) return undefined;
    return (record && this.names.get(this.proposed(suggestion))) ?? null;
  }

  /** What Enter takes: where a label that was given before is now one of several, none of them. */
  proposed(suggestion) {
    const [first, ...others] = suggestion?.labels ?? [];
    return suggestion?.was && others.length ? undefined : first?.id;
  }

  /** The labels that fit, best first: the one of that name, names that begin so, names with such a word, the rest. Of a
   * path the name at its end counts, then the whole. */
  matches(typed) {
    const query = plain(typed.trim());
    const word = new RegExp(`[^\\p{L}\\p{N}]${query.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}`, "u");
    const rankOf = (name) => (name === query ? 0 : name.startsWith(query) ? 1 : word.test(name) ? 2 : 3);
    const rank = (path) => Math.min(rankOf(path), rankOf(path.split(PATH_MARK).at(-1)));
    return this.labels
      .map((label) => [plain(label.name), label])
      .filter(([name]) => name.includes(query))
      .sort(([a], [b]) => rank(a) - rank(b))
      .map(([, label]) => label);
  }

  // ---- the page: each part compares what it would show with what it shows, so that a key press touches little ----

  draw(root, moment, act) {
    if (this.root !== root) this.build(root, act);
    if (this.drawn.typed !== moment.draft.typed) this.drawMatches(moment.draft.typed);
    this.drawKeys(moment);
    if (this.drawn.record !== moment.record) this.drawButtons(moment.record);
    if (!this.review) this.drawSuggestion(moment);
    const flashing = this.submits ? null : this.buttons.get(moment.saving?.labels[0]);
    if (this.drawn.flashing !== flashing) {
      this.drawn.flashing?.classList.remove("flash"); // shows which label was given, until it is saved
      flashing?.classList.add("flash");
      this.drawn.flashing = flashing;
    }
    if (this.submits) for (const [id, button] of this.buttons) button.setAttribute("aria-pressed", String(moment.draft.on.includes(id)));
  }

  build(root, act) {
    const { labels, settings } = this;
    this.root = root;
    root.innerHTML = LAYOUT;
    const parts = ["hint", "likeliest", "search", "labels"].map((name) => [name, root.querySelector(`.${name}`)]);
    this.boxes = Object.fromEntries(parts);
    this.boxes.labels.classList.toggle("many", this.review ? labels.length > 9 : this.takesLetters);
    this.boxes.labels.classList.toggle("plain", !this.review && !settings.suggestions);
    this.buttons = new Map(labels.map((label) => [label.id, this.labelButton(label, act)]));
    this.boxes.labels.replaceChildren(...this.buttons.values());
    const likely = (digit) => act((moment) => this.choose(this.keys(moment).get(digit), moment));
    const buttons = [...DIGITS].map((digit) => choiceButton("likely", "", digit, () => likely(digit)));
    this.boxes.likeliest.replaceChildren(...buttons);
    this.buildSearch(act);
    this.drawn = { keys: new Map(), record: undefined, typed: "" };
    this.resize();
  }

  labelButton({ id, name, description, colour }, act) {
    const button = choiceButton("label", name, " ", () => act((moment) => this.choose(id, moment)));
    button.dataset.label = name;
    button.dataset.labelId = id;
    const swatch = element("i", { class: "swatch" });
    swatch.style.background = colour || "transparent";
    button.querySelector(".name").before(swatch);
    button.title = description ? `${name}: ${description}` : name;
    if (this.submits) button.setAttribute("aria-pressed", "false");
    return button;
  }

  buildSearch(act) {
    this.boxes.search.hidden = !this.takesLetters;
    const field = this.boxes.search.querySelector("input");
    field.placeholder = `Type to find one of ${this.labels.length} labels`;
    field.oninput = () => act((moment) => this.type(field.value, moment));
    field.onkeydown = (event) => {
      event.stopPropagation();
      if (isComposing(event) || !["Escape", "Enter"].includes(event.key)) return;
      act((moment) => (event.key === "Enter" ? this.confirm(moment) : this.type("", moment)), event.timeStamp);
      field.blur();
    };
  }

  /** Where the labels do not all fit in their place, those that have keys stand in a row of their own. */
  resize() {
    if (!this.root || this.drawn.typed || !this.likeliest) return;
    const { likeliest, labels } = this.boxes;
    likeliest.hidden = true;
    this.crowded = labels.scrollHeight > labels.clientHeight + 1;
    this.drawn.suggestion = null;
  }

  drawMatches(text) {
    this.drawn.typed = text;
    const field = this.boxes.search.querySelector("input");
    if (field.value !== text) field.value = text;
    const typed = Boolean(text.trim());
    const box = this.boxes.labels;
    // what is left of the labels stands where they all stood: nothing else on the page moves
    if (typed && !box.style.height) box.style.height = `${box.offsetHeight}px`;
    if (!typed) box.style.height = "";
    const matches = typed ? this.matches(text) : this.labels;
    const rankOf = new Map(matches.map((label, rank) => [label.id, rank]));
    for (const [id, button] of this.buttons) {
      button.hidden = !rankOf.has(id);
      button.style.order = rankOf.get(id) ?? "";
      button.classList.toggle("best", typed && rankOf.get(id) === 0);
    }
    box.classList.toggle("nothing", !matches.length);
    this.boxes.likeliest.classList.toggle("away", typed);
    if (typed) box.scrollTop = 0;
  }

  /** The key beside each label that gives it now; there is room for one also when it has none. */
  drawKeys(moment) {
    const keys = new Map([...this.keys(moment)].map(([key, id]) => [id, key]));
    for (const [id, button] of this.buttons) {
      const key = keys.get(id) ?? "";
      if (this.drawn.keys.get(id) === key) continue;
      this.drawn.keys.set(id, key);
      setText(button.querySelector("kbd"), key);
      if (key) button.setAttribute("aria-keyshortcuts", key);
      else button.removeAttribute("aria-keyshortcuts");
    }
  }

  /** Buttons work where there is a record; in review each says how many have given its label. */
  drawButtons(record) {
    this.drawn.record = record;
    for (const [id, button] of this.buttons) {
      button.disabled = !record;
      if (!this.review) continue;
      const votes = (record?.answers ?? []).filter((one) => one.action === "submit" && one.labels.includes(id)).length;
      setText(button.querySelector(".chance"), votes ? `${votes}×` : "");
    }
  }

  /** The suggestion tints its button, and nothing moves from one record to the next. */
  drawSuggestion(moment) {
    const suggested = moment.suggestion?.labels ?? [];
    const key = JSON.stringify([moment.record?.id, moment.hidden, this.followsModel(moment), suggested]);
    if (this.drawn.suggestion === key) return;
    this.drawn.suggestion = key;
    const chances = new Map(suggested.map((one) => [one.id, one.probability]));
    const best = this.proposed(moment.suggestion);
    const was = moment.suggestion?.was;
    for (const [id, button] of this.buttons) {
      const chance = chances.get(id) ?? null; // a language model may not say how sure it is
      setText(button.querySelector(".chance"), chance !== null && (id === best || chance >= LEAST_SHOWN) ? percent(chance) : "");
      button.classList.toggle("suggested", id === best || Boolean(was && chances.has(id)));
    }
    const inRow = this.likeliest && moment.suggested && this.crowded;
    const { hint, likeliest } = this.boxes;
    likeliest.hidden = !inRow;
    hint.hidden = !was || Boolean(inRow);
    if (was) setText(hint, `It was ${was}: now ${suggested.map((one) => this.names.get(one.id)).join(" or ")}?`);
    if (inRow) this.drawLikeliest(suggested, moment.hidden);
  }

  drawLikeliest(suggested, hidden) {
    const box = this.boxes.likeliest;
    box.dataset.nothing = hidden ? "Suggestions are hidden." : "No suggestion here: find the label by its name.";
    box.classList.toggle("nothing", !suggested.length);
    [...box.children].forEach((button, index) => {
      const one = suggested[index];
      const name = one ? this.names.get(one.id) : "";
      button.classList.toggle("away", !one);
      button.disabled = !one;
      setText(button.querySelector(".name"), name);
      const shown = one && one.probability !== null && (!index || one.probability >= LEAST_SHOWN);
      setText(button.querySelector(".chance"), shown ? percent(one.probability) : "");
      button.title = name;
    });
  }
}

/** What a label means, and texts that have it or only look so. */
function guidance({ description, examples = [], counter_examples = [] }) {
  const quoted = (texts) => texts.map((text) => `“${text}”`).join(", ");
  const more = examples.length || counter_examples.length;
  const parts = [more && /[^.!?]$/.test(description) ? `${description}.` : description, examples.length && `Such as ${quoted(examples)}.`];
  return [...parts, counter_examples.length && `But not ${quoted(counter_examples)}.`].filter(Boolean).join(" ");
}

function choiceButton(action, name, key, press) {
  const button = keyButton({ name: action, text: name, shown: key, key: key.trim() }, press);
  button.querySelector(".name").dir = "auto";
  button.append(element("span", { class: "chance" }));
  return button;
}
