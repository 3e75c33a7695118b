// The task whose answers are values for a schema, each grounded in the text where it can be: the text with its marks, and a form.

import { element, keyButton, percent, setText } from "../elements.js";
import {
  changed,
  differences,
  fieldOf,
  fieldsOf,
  inWords,
  MOST_SPANS,
  mentionsOf,
  occurrences,
  pathOf,
  sentAnswer,
  shapeAt,
  spanCount,
  targetIn,
  tooMuch,
  valueAt,
  wholeAnswer,
  withMentions,
  withPiece,
  withRow,
  withValue,
  withoutItem,
  withoutMention,
} from "./extract_answer.js";
import { Form } from "./extract_form.js";
import { MentionMenu } from "./extract_mentions.js";
import { completed, emptyOf, isEmpty, problemsOf, readable, textOf, valueOf } from "./extract_schema.js";
import { mentionsIn, Passage } from "./extract_spans.js";

const KEYS = "123456789bcdeghijklmnopqrstuvwyz"; // a marks all, x clears
const TYPED = ["text", "number", "date", "json"];
const MOST_NAMES = 3; // of steps below the text
const LONG_FACT = 80; // characters
const MOST_WORDS = 160; // characters of an answer in words

/**
 * A task as `tasks.js` describes it. Answer: {values, spans} as `extract_answer.js` has them. Draft: {answer: whole, or null
 * while nothing was touched: then what is suggested stands there; leftOut: steps that are not answered; tried: an answer
 * was refused, so what is missing is said; last: {path, value} that was grounded or pointed at last, or null}.
 */
export class Extract {
  constructor({ steps }, { review, reserved }) {
    this.steps = steps;
    this.review = review;
    const keys = [...KEYS].filter((key) => !reserved.includes(key));
    this.fields = fieldsOf(steps).map((field, index) => ({ ...field, key: keys[index] ?? "" }));
    this.optional = steps.filter((step) => step.optional).map((step) => step.name);
    this.submits = true;
    this.accepts = "Accept and next";
    this.takesLetters = false;
    this.heading = "Extract";
    this.passage = new Passage((mentions, rectangle) => this.openMentions(mentions, rectangle));
    this.wholes = new WeakMap();
    this.active = null; // location that the keyboard was at last
    this.held = null; // what was selected as a button was pressed
  }

  missing() {
    return this.fields.length ? null : ["There are no steps yet", "Write them into steps.toml beside the project's settings, then come back."];
  }

  /** In review the fields on which all agree are filled in. */
  start(record, answer) {
    this.active = this.held = null;
    const base = { answer: null, leftOut: this.optional, tried: false, last: null };
    if (answer) return { ...base, answer: this.whole(answer), leftOut: this.leftOutOf(answer) };
    const answers = this.review ? submitted(record) : [];
    if (!answers.length) return base;
    const [first] = answers;
    const blank = wholeAnswer(this.fields, null);
    const agreed = this.fields.filter((field) => answers.every((one) => !differences(field, this.whole(first), this.whole(one))));
    const leftOut = this.optional.filter((step) => answers.every((one) => !(step in one.values)));
    return { ...base, answer: agreed.reduce((made, field) => copied(made, this.whole(first), field), blank), leftOut };
  }

  /** An answer with a value for every field. */
  whole(answer) {
    if (!answer) return (this.blank ??= wholeAnswer(this.fields, null));
    if (!this.wholes.has(answer)) this.wholes.set(answer, wholeAnswer(this.fields, answer));
    return this.wholes.get(answer);
  }

  leftOutOf(answer) {
    return this.optional.filter((step) => !(step in (answer?.values ?? {})));
  }

  /** What stands in the form: what was made of it here, else what is suggested. */
  current({ draft, suggestion }) {
    if (draft.answer) return { answer: draft.answer, leftOut: draft.leftOut };
    return { answer: this.whole(suggestion?.answer), leftOut: this.leftOutOf(suggestion?.answer) };
  }

  describe(answer) {
    if (answer.field) return answer.field;
    const whole = this.whole(answer);
    const parts = this.fields
      .filter((field) => !isEmpty(field.shape, valueAt(whole.values, field.location)))
      .map((field) => `${field.title}: ${inWords(valueAt(whole.values, field.location))}`);
    const words = parts.join(" · ") || "nothing";
    return words.length > MOST_WORDS ? `${words.slice(0, MOST_WORDS)}…` : words;
  }

  /** The fields that have a value. */
  parts(answer) {
    const whole = this.whole(answer);
    return this.fields.filter((field) => !isEmpty(field.shape, valueAt(whole.values, field.location))).map((field) => ({ field: field.title }));
  }

  help() {
    const last = this.fields.at(-1)?.key;
    return [
      [`1 … ${last || "z"}`, "with text selected: give it to the field of this key; else go to the field"],
      ["1 … 9, arrows", "in a field with choices: choose one, go along them; Escape leaves it"],
      ["A", "mark all mentions of the last value"],
      ["X", "clear all: reject the suggestion"],
      ["Enter", "accept and go on; in a field that is typed: leave it"],
    ];
  }

  glossary() {
    return []; // what a field means stands beside its name
  }

  resize() {}

  // ---- what keys do ----

  key(press, moment) {
    const { key, digit, letter } = press;
    const choice = this.form?.choice();
    if (choice && (digit !== null || key.startsWith("Arrow") || key === "Escape")) return this.keyAmongChoices(press, choice);
    const field = this.fields.find((one) => one.key && one.key === (digit === null ? letter : String(digit)));
    const isOurs = field || digit !== null || letter === "a" || letter === "x" || key === "Enter";
    if (!isOurs) return null;
    if (!moment.record || moment.early) return {};
    if (key === "Enter") return this.submit(moment);
    if (field) return this.give(field, moment);
    if (letter === "a") return this.markAll(moment);
    return letter === "x" ? this.clear(moment) : {};
  }

  keyAmongChoices({ key, digit }, { button, all }) {
    if (key === "Escape") button.blur();
    else if (digit !== null) all[digit - 1]?.click();
    else {
      const step = key === "ArrowRight" || key === "ArrowDown" ? 1 : -1;
      all[(all.indexOf(button) + step + all.length) % all.length].focus();
    }
    if (digit !== null && button.getAttribute("role") === "radio") this.form.focused()?.blur();
    return {};
  }

  /** The selection goes to a field; without one the keyboard does. */
  give(field, moment) {
    const selection = this.passage.selection() ?? this.held;
    this.held = null;
    const piece = selection && this.passage.places.piece(selection);
    if (piece) return this.ground(field, piece, moment);
    this.form?.focus(this.fields.indexOf(field));
    return {};
  }

  /** piece: {text, span} of the record's text. */
  ground(field, piece, moment) {
    const { answer } = this.current(moment);
    const location = targetIn(field, answer, this.active);
    const given = location ? withPiece(answer, field, location, piece) : { refusal: `Nothing selected can go to ${field.title}.` };
    if (given.refusal) return { draft: { ...moment.draft, refusal: given.refusal }, words: given.refusal };
    this.passage.unselect();
    const last = { path: given.path, value: textOf(given.value) };
    return { ...this.changed(moment, field, given.answer, last), words: `${piece.text}: ${field.title}` };
  }

  /** A step to another answer. */
  changed(moment, field, answer, last = moment.draft.last) {
    const { leftOut } = this.current(moment);
    return { draft: { ...moment.draft, answer, leftOut: leftOut.filter((step) => step !== field.step), last, refusal: "" } };
  }

  /** Every mention of the value that was grounded last, or of what is selected, for the same field. */
  markAll(moment) {
    const { last } = moment.draft;
    if (!last) return {};
    const selection = this.passage.selection();
    const field = fieldOf(this.fields, last.path);
    const piece = selection && this.passage.places.piece(selection);
    const step = piece ? this.ground(field, piece, moment) : this.changed(moment, field, this.current(moment).answer);
    if (!step.draft.last || (piece && step.draft.last === last)) return step;
    const { path, value } = step.draft.last;
    const spans = occurrences(this.passage.places.points, value);
    const before = mentionsOf(step.draft.answer, path, value);
    const fresh = spans.filter(([start, end]) => !before.some((one) => one[0] === start && one[1] === end));
    const room = MOST_SPANS - spanCount(step.draft.answer);
    const answer = withMentions(step.draft.answer, path, value, fresh.slice(0, room));
    const refusal = fresh.length > room ? `An answer holds ${MOST_SPANS} places: not all ${spans.length} of “${value}” are marked.` : "";
    return { draft: { ...step.draft, answer, refusal }, words: refusal || `${spans.length} mentions of ${value}` };
  }

  clear(moment) {
    return { draft: { ...moment.draft, answer: this.whole(null), leftOut: this.optional, last: null, refusal: "" }, words: "cleared" };
  }

  submit(moment) {
    const { answer, leftOut } = this.current(moment);
    const wrong = this.fields.find((field) => this.problemsIn(field, answer, leftOut).length);
    if (!wrong && this.steps.every((step) => leftOut.includes(step.name))) {
      const refusal = "Every step is left out: answer one of them, or skip the record.";
      return { draft: { ...moment.draft, refusal }, words: refusal };
    }
    if (!wrong) {
      const sent = sentAnswer(answer, leftOut, this.fields);
      const refusal = tooMuch(sent);
      return refusal ? { draft: { ...moment.draft, refusal }, words: refusal } : { answer: sent };
    }
    const [{ location, text }] = this.problemsIn(wrong, answer, leftOut);
    this.form?.focus(this.fields.indexOf(wrong), location);
    return { draft: { ...moment.draft, tried: true }, words: `${wrong.title}: ${text}` };
  }

  problemsIn(field, answer, leftOut) {
    if (leftOut.includes(field.step)) return [];
    return problemsOf(field.shape, valueAt(answer.values, field.location), field.required, field.location);
  }

  // ---- what the form does ----

  /** change(moment, field) -> answer, or null where nothing changed. */
  alter(location, change) {
    const field = fieldOf(this.fields, pathOf(location));
    const { record } = this.shown;
    this.act((moment) => {
      if (moment.record !== record) return null; // what was typed on a record does not go to the next
      const answer = change(this.current(moment).answer, field);
      return answer && this.changed(moment, field, answer);
    });
  }

  set(location, given) {
    this.alter(location, (answer, field) => {
      const shape = shapeAt(field, location);
      const value = TYPED.includes(shape.kind) ? valueOf(shape, given.trim()) : given;
      const before = valueAt(answer.values, location) ?? null;
      if (JSON.stringify(before) === JSON.stringify(value)) return null;
      return this.grounded(changed(answer, location, value), field, location, value);
    });
  }

  add(location, text) {
    this.alter(location, (answer, field) => {
      const value = valueOf(shapeAt(field, location).item, text.trim());
      const before = valueAt(answer.values, location);
      if (before.includes(value)) return null;
      return this.grounded(changed(answer, location, [...before, value]), field, location, value);
    });
  }

  /** What was typed is grounded where it stands first, if it does. */
  grounded(answer, field, location, value) {
    const path = pathOf(location);
    if (value === null || !field.grounded.includes(path) || mentionsOf(answer, path, value).length) return answer;
    const [first] = occurrences(this.passage.places.points, textOf(value));
    return first ? withMentions(answer, path, value, [first]) : answer;
  }

  take(field, given) {
    this.alter(field.location, (answer) => copied(answer, this.whole(given), field));
  }

  toggleStep(name) {
    this.act((moment) => {
      const { answer, leftOut } = this.current(moment);
      const next = leftOut.includes(name) ? leftOut.filter((step) => step !== name) : [...leftOut, name];
      return { draft: { ...moment.draft, answer, leftOut: next } };
    });
  }

  point(path, value) {
    this.act(({ draft }) => ({ draft: { ...draft, last: { path, value } } }));
    this.passage.show();
  }

  openMentions(mentions, rectangle) {
    const shortestFirst = mentions.toSorted((a, b) => a.end - a.start - (b.end - b.start));
    const [{ path, value }] = shortestFirst;
    this.act(({ draft }) => ({ draft: { ...draft, last: { path, value } } }));
    this.menu.open(shortestFirst, this.fields, rectangle);
  }

  // ---- the page ----

  drawRecord(box, record) {
    this.passage.draw(box, record.text);
  }

  /** A chunk is named by its text; what is too long to stand in a line, as a summary, is read like a field. */
  about(record) {
    const meta = (record.meta ?? []).filter(({ name }) => name !== "start");
    const chunk = meta.find(({ name }) => name === "chunk");
    const named = meta.filter((one) => one !== chunk || !meta.some(({ name }) => name === "story"));
    const facts = named.map((one) => (chunk && one.name === "story" ? { name: one.name, value: `${one.value} · chunk ${chunk.value}` } : one));
    const names = this.steps.map((step) => readable(step.name));
    if (names.length > 1) facts.unshift(names.length > MOST_NAMES ? { name: "steps", value: String(names.length) } : { name: "step", value: names.join(", ") });
    const isLong = ({ value }) => value.length > LONG_FACT;
    return { facts: facts.filter((one) => !isLong(one)), fields: [...(record.fields ?? []), ...facts.filter(isLong)], remark: "select text, then press a field's key" };
  }

  draw(root, moment, act) {
    if (this.root !== root || !root.firstElementChild) this.build(root, act);
    this.shown = moment;
    const { answer, leftOut } = this.current(moment);
    const { draft, record } = moment;
    this.passage.paint(mentionsIn(sentAnswer(answer, leftOut, this.fields), this.fields), this.fields, draft.last);
    this.form.paint(this.formState(moment, answer, leftOut));
    const value = draft.last?.value;
    this.all.hidden = !value;
    setText(this.all.querySelector(".name"), `Mark all “${value?.length > 18 ? `${value.slice(0, 18)}…` : value}”`);
    this.clearing.disabled = !record;
  }

  build(root, act) {
    this.root = root;
    this.act = act;
    const hand = Object.fromEntries(["set", "add", "take", "toggleStep", "point"].map((name) => [name, this[name].bind(this)]));
    hand.drop = (location, index) => this.alter(location, (answer) => withoutItem(answer, location, index));
    hand.addRow = (field) => this.alter(field.location, (answer) => withRow(answer, field));
    hand.at = (location) => (this.active = location);
    hand.hold = () => (this.held = this.passage.selection()); // a touch on a button takes it away before the click comes
    hand.left = () => this.form.focused()?.blur();
    hand.give = (field) => act((moment) => (moment.record ? this.give(field, moment) : {}));
    this.form = new Form(this.steps, this.fields, hand);
    this.menu = new MentionMenu({
      drop: ({ path, value, start, end }) => this.alter([path], (answer) => withoutMention(answer, path, value, [start, end])),
      all: ({ path, value }) => act((moment) => this.markAll({ ...moment, draft: { ...moment.draft, last: { path, value } } })),
    });
    this.all = keyButton({ name: "all", text: "", shown: "A", key: "a" }, () => act((moment) => this.markAll(moment)));
    this.clearing = keyButton({ name: "clear", text: "Clear", shown: "X", key: "x" }, () => act((moment) => (moment.record ? this.clear(moment) : {})));
    for (const button of [this.all, this.clearing]) button.onpointerdown = (event) => event.preventDefault();
    root.replaceChildren(this.form.root, element("div", { class: "tools", role: "group", "aria-label": "Values" }, this.all, this.clearing), this.menu.root);
  }

  formState({ record, draft, suggestion }, answer, leftOut) {
    const problems = this.fields.map((field) => this.problemsIn(field, answer, leftOut).filter((one) => draft.tried || one.text !== "missing"));
    const suggested = suggestion?.answer ? this.whole(suggestion.answer) : null;
    const votes = this.fields.map((field) => this.votesOn(field, record));
    const statuses = this.fields.map((field, index) => {
      if (!record) return "";
      if (this.review) return votes[index].length ? "people differ" : submitted(record).length > 1 ? "all agree" : "";
      const value = valueAt(answer.values, field.location);
      const count = suggested ? differences(field, suggested, answer) : 0;
      if (count) return `suggested, ${count} changed`;
      if (suggested && !isEmpty(field.shape, value)) return "suggested";
      return field.required && !field.shape.nullable && isEmpty(field.shape, value) && !Array.isArray(value) ? "required" : "";
    });
    return { answer, leftOut, statuses, problems, votes, remark: this.remark(record, problems, suggestion, draft), enabled: Boolean(record) };
  }

  remark(record, problems, suggestion, { refusal }) {
    if (!record) return "";
    if (refusal) return refusal;
    const wrong = problems.filter((own) => own.length).length;
    const words = [wrong ? `${wrong} ${wrong === 1 ? "field does" : "fields do"} not fit the schema` : "fits the schema"];
    if (suggestion?.model) words.push(`suggested by ${suggestion.model}`);
    if (suggestion && typeof suggestion.probability === "number") words.push(`${percent(suggestion.probability)} sure`);
    return words.join(" · ");
  }

  /** In review what people gave for a field, where they differ: [{users, answer}]. */
  votesOn(field, record) {
    const groups = [];
    for (const one of this.review ? submitted(record) : []) {
      const same = groups.find(({ answer }) => !differences(field, this.whole(answer), this.whole(one)));
      if (same) same.users.push(one.user);
      else groups.push({ users: [one.user], answer: one });
    }
    return groups.length > 1 ? groups : [];
  }
}

function submitted(record) {
  return (record?.answers ?? []).filter((one) => one.action === "submit");
}

/** An answer with one field of another. */
function copied(answer, other, field) {
  const values = withValue(answer.values, field.location, completed(field.shape, valueAt(other.values, field.location)) ?? emptyOf(field.shape));
  const own = Object.entries(other.spans).filter(([path]) => path === field.path || path.startsWith(`${field.path}.`));
  const rest = Object.entries(answer.spans).filter(([path]) => path !== field.path && !path.startsWith(`${field.path}.`));
  return { values, spans: Object.fromEntries([...rest, ...own]) };
}
