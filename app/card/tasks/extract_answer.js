// A structured answer and what is done to it: values set, grounded in the text, taken away, compared. Knows no page.
//
// An answer: {values: step -> value, spans: path -> text of a value -> [[start, end]] in code points}. A *location* leads to a
// value: ["relationship", 0, "agent"]; its *path* leaves the numbers out: "relationship.agent".

import { completed, emptyOf, isEmpty, own, readable, shapeOf, textOf, trimmed, valueOf } from "./extract_schema.js";

const UNSPACED = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}]/u;
export const MOST_SPANS = 5000; // as the server takes them
const MOST_BYTES = 400_000; // of an answer; a request holds a little more
const WORD = /[\p{L}\p{N}\p{M}]/u;

/** The fields of all steps, in order: as the setup has them, with step, shape, title, and location of the value. */
export function fieldsOf(steps) {
  return steps.flatMap((step) =>
    step.fields.map((field) => {
      const location = field.path === step.name ? [step.name] : [step.name, field.name];
      return { ...field, step: step.name, location, shape: shapeOf(field.schema), title: readable(field.name) };
    }),
  );
}

export function pathOf(location) {
  return location.filter((key) => typeof key === "string").join(".");
}

export function valueAt(values, location) {
  return location.reduce(own, values);
}

/** The field that a path belongs to. */
export function fieldOf(fields, path) {
  return fields.find((field) => field.path === path || path.startsWith(`${field.path}.`));
}

/** The shape at a location inside a field. */
export function shapeAt(field, location) {
  return location.slice(field.location.length).reduce((shape, key) => {
    if (typeof key === "number") return shape.item ?? { ...shape, kind: "choice" };
    return shape.parts.find((part) => part.name === key).shape;
  }, field.shape);
}

/** Every field has a value, a list or an object at least, also where the answer lacks it. */
export function wholeAnswer(fields, answer) {
  let values = {};
  for (const { location, shape } of fields) {
    values = withValue(values, location, completed(shape, valueAt(answer?.values ?? {}, location)));
  }
  return { values, spans: answer?.spans ?? {} };
}

/** Copies what leads to a value and puts another there. */
export function withValue(values, [key, ...rest], value) {
  const copy = Array.isArray(values) ? [...values] : { ...values };
  copy[key] = rest.length ? withValue(own(copy, key) ?? (typeof rest[0] === "number" ? [] : {}), rest, value) : value;
  return copy;
}

/** As it is sent: without the steps that are left out, and without spans of values that are gone. */
export function sentAnswer({ values, spans }, leftOut, fields) {
  const tidy = fields.reduce((made, { location, shape, required }) => withValue(made, location, trimmed(shape, valueAt(made, location), required)), values);
  const rest = Object.fromEntries(Object.entries(tidy).filter(([step]) => !leftOut.includes(step)));
  return pruned({ values: rest, spans });
}

export function spanCount({ spans }) {
  return Object.values(spans).flatMap((one) => Object.values(one)).reduce((count, all) => count + all.length, 0);
}

/** Why this cannot be saved however right it is, or nothing. */
export function tooMuch(sent) {
  if (spanCount(sent) > MOST_SPANS) return `An answer holds ${MOST_SPANS} places in the text, and this one has ${spanCount(sent)}.`;
  return new TextEncoder().encode(JSON.stringify(sent)).length > MOST_BYTES ? "This answer is too long to be saved: shorten it." : "";
}

/** Drops the spans of values that do not stand in the answer any more. */
function pruned({ values, spans }) {
  const rest = Object.entries(spans).map(([path, mentions]) => {
    const texts = new Set(valuesAt(values, path.split(".")).map(textOf));
    return [path, Object.fromEntries(Object.entries(mentions).filter(([text, all]) => texts.has(text) && all.length))];
  });
  return { values, spans: Object.fromEntries(rest.filter(([, mentions]) => Object.keys(mentions).length)) };
}

/** What stands at a path, through all lists on the way. */
function valuesAt(value, path) {
  if (Array.isArray(value)) return value.flatMap((one) => valuesAt(one, path));
  if (value === null || value === undefined) return [];
  return path.length ? valuesAt(own(value, path[0]), path.slice(1)) : [value];
}

export function changed(answer, location, value) {
  return pruned({ values: withValue(answer.values, location, value), spans: answer.spans });
}

export function withoutItem(answer, location, index) {
  return changed(answer, location, valueAt(answer.values, location).toSpliced(index, 1));
}

export function withRow(answer, { location, shape }) {
  return changed(answer, location, [...valueAt(answer.values, location), emptyOf(shape.item)]);
}

// ---- grounding ----

export function mentionsOf({ spans }, path, value) {
  return own(own(spans, path), textOf(value)) ?? [];
}

/** spans: [[start, end]] that are added to those of a value. */
export function withMentions(answer, path, value, spans) {
  const before = mentionsOf(answer, path, value);
  const fresh = spans.filter(([start, end]) => !before.some((one) => one[0] === start && one[1] === end));
  const all = [...before, ...fresh].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  return { ...answer, spans: { ...answer.spans, [path]: { ...own(answer.spans, path), [textOf(value)]: all } } };
}

/** Takes one mention away; with its last one the value goes, wherever it stands at this path. */
export function withoutMention(answer, path, text, span) {
  const rest = mentionsOf(answer, path, text).filter(([start, end]) => start !== span[0] || end !== span[1]);
  const spans = { ...answer.spans, [path]: { ...own(answer.spans, path), [text]: rest } };
  const values = rest.length ? answer.values : withoutValue(answer.values, path.split("."), text);
  return pruned({ values, spans });
}

function withoutValue(value, path, text) {
  if (Array.isArray(value)) {
    return path.length ? value.map((one) => withoutValue(one, path, text)) : value.filter((one) => textOf(one) !== text);
  }
  if (value === null || value === undefined) return value;
  if (!path.length) return textOf(value) === text ? null : value;
  return { ...value, [path[0]]: withoutValue(own(value, path[0]), path.slice(1), text) };
}

/** Where a selection goes that is given to a field: a part of it that people were at, else the first that is empty. */
export function targetIn(field, answer, active) {
  const { shape, location } = field;
  if (shape.kind !== "object" && shape.kind !== "rows") return location;
  const grounded = (leaf) => !field.grounded.length || field.grounded.includes(pathOf(leaf));
  const isInside = active && location.every((key, index) => active[index] === key) && active.length > location.length;
  if (isInside && grounded(active)) return active;
  const rows = shape.kind === "rows" ? valueAt(answer.values, location) : null;
  const last = rows ? [...location, Math.max(rows.length - 1, 0)] : location;
  const leaves = leavesOf(rows ? shape.item : shape, []).filter((leaf) => grounded([...last, ...leaf]));
  if (!leaves.length) return null;
  const free = leaves.find((leaf) => isEmpty(shape, valueAt(answer.values, [...last, ...leaf])));
  if (free || !rows) return [...last, ...(free ?? leaves[0])];
  return [...location, rows.length, ...leaves[0]];
}

function leavesOf(shape, location) {
  if (shape.kind === "object") return shape.parts.flatMap(({ name, shape: part }) => leavesOf(part, [...location, name]));
  return shape.kind === "rows" ? [] : [location];
}

/**
 * Gives a piece of the text to a location. Returns {answer, value}, or {refusal}. A piece that is no such value, as "three days
 * later" is no date, grounds the value that stands there.
 */
export function withPiece(answer, field, location, { text, span }) {
  const whole = withMissingRow(answer, field, location);
  const shape = shapeAt(field, location);
  const before = valueAt(whole.values, location);
  const isList = shape.kind === "list" || shape.kind === "choices";
  const value = valueOf(isList && shape.item ? shape.item : shape, text);
  const fits = shape.kind === "text" || fitsShape(isList && shape.item ? shape.item : shape, value);
  if (!fits && (isList || before === null)) return { refusal: `“${text}” does not fit ${field.title}.` };
  const used = fits ? value : before;
  let next = whole;
  if (isList && !before.includes(value)) next = changed(whole, location, [...before, value]);
  else if (!isList && fits && before !== value) next = changed(whole, location, value);
  const path = pathOf(location);
  return { answer: field.grounded.includes(path) ? withMentions(next, path, used, [span]) : next, value: used, path };
}

function fitsShape(shape, value) {
  if (shape.kind === "number") return typeof value === "number";
  if (shape.kind === "date") return /^\d{4}-\d{2}-\d{2}$/.test(value);
  if (shape.kind === "choice" || shape.kind === "choices") return shape.options.some((option) => option.value === value);
  return shape.kind === "text";
}

function withMissingRow(answer, field, location) {
  const rows = field.shape.kind === "rows" ? valueAt(answer.values, field.location) : [];
  return field.shape.kind === "rows" && location[field.location.length] === rows.length ? withRow(answer, field) : answer;
}

/** [[start, end]] of a text wherever it stands, in code points; never inside a longer word. */
export function occurrences(points, text) {
  const sought = [...text];
  const result = [];
  if (!sought.length) return result;
  const joins = (one, other) => one && other && WORD.test(one) && WORD.test(other) && !UNSPACED.test(one) && !UNSPACED.test(other);
  for (let start = points.indexOf(sought[0]); start >= 0; start = points.indexOf(sought[0], start + 1)) {
    const end = start + sought.length;
    if (!sought.every((point, index) => points[start + index] === point)) continue;
    if (joins(points[start - 1], sought[0]) || joins(sought.at(-1), points[end])) continue;
    result.push([start, end]);
    start = end - 1;
  }
  return result;
}

// ---- comparing ----

/** How many values of a field differ between two answers; one in other places differs too. */
export function differences(field, one, other) {
  const values = [one, other].map(({ values }) => valueAt(values, field.location) ?? null);
  const units = values.map((value, index) => unitsOf(field, value, [one, other][index]));
  const [gone, fresh] = [lacking(units[0], units[1]), lacking(units[1], units[0])];
  return Math.max(gone, fresh);
}

/** The parts of a value that are compared, with the places of each, as texts. */
function unitsOf(field, value, answer) {
  const places = (path, one) => mentionsOf(answer, path, one);
  if (Array.isArray(value)) return value.map((one) => JSON.stringify([one, ...field.grounded.flatMap((path) => inside(path, one).map((leaf) => places(path, leaf)))]));
  if (field.shape.kind === "object" && value) {
    return field.shape.parts.map(({ name }) => JSON.stringify([name, own(value, name), [own(value, name) ?? []].flat().map((one) => places(`${field.path}.${name}`, one))]));
  }
  return value === null ? [] : [JSON.stringify([value, places(field.path, value)])];

  function inside(path, one) {
    return valuesAt(one, path === field.path ? [] : path.slice(field.path.length + 1).split("."));
  }
}

function lacking(units, others) {
  const rest = [...others];
  return units.filter((unit) => {
    const index = rest.indexOf(unit);
    if (index >= 0) rest.splice(index, 1);
    return index < 0;
  }).length;
}

/** A value in a line of words. */
export function inWords(value) {
  if (value === null || value === undefined) return "none";
  if (Array.isArray(value)) return value.map(inWords).join(", ") || "none";
  if (typeof value !== "object") return typeof value === "boolean" ? (value ? "yes" : "no") : String(value);
  return Object.entries(value).filter(([, one]) => one !== null && one !== "").map(([name, one]) => `${readable(name)}: ${inWords(one)}`).join("; ");
}
