// What a JSON Schema asks of a value, as a form can show it. Knows no page, no record and no answer.

const MOST_BUTTONS = 9; // choices that stand beside each other, each with a digit; more of them stand in a menu
const ISO_DATE = /^\d{4}-\d{2}-\d{2}$/;

/**
 * {kind, nullable, schema} and by kind
 *   choice   options: one of [{value, text}]; few: whether they are few enough for buttons
 *   choices  options, few: any number of them
 *   text, number, date, json
 *   list     item: the shape of its texts or numbers
 *   object   parts: [{name, shape, required}]
 *   rows     item: the shape of its objects
 */
export function shapeOf(schema) {
  const { plain, nullable } = withoutNull(schema);
  const shape = { schema: plain, nullable };
  const options = optionsOf(plain);
  if (options) return { ...shape, kind: "choice", options, few: options.length <= MOST_BUTTONS };
  if (plain.type === "string") return { ...shape, kind: plain.format === "date" ? "date" : "text" };
  if (plain.type === "number" || plain.type === "integer") return { ...shape, kind: "number" };
  if (plain.type === "object" && plain.properties) {
    const required = plain.required ?? [];
    const parts = Object.entries(plain.properties).map(([name, one]) => ({ name, shape: shapeOf(one), required: required.includes(name) }));
    return { ...shape, kind: "object", parts };
  }
  if (plain.type === "array" && plain.items) return listShape(shape, shapeOf(plain.items));
  return { ...shape, kind: "json" };
}

function listShape(shape, item) {
  if (item.kind === "choice") return { ...shape, kind: "choices", options: item.options, few: item.few };
  if (item.kind === "object") return { ...shape, kind: "rows", item };
  return { ...shape, kind: item.kind === "text" || item.kind === "number" || item.kind === "date" ? "list" : "json", item };
}

/** A schema and whether null fits it too, however it says so. */
function withoutNull(schema) {
  const choice = schema.anyOf ?? schema.oneOf;
  if (choice) {
    const others = choice.filter((one) => one.type !== "null");
    if (others.length === 1) return { plain: withoutNull(others[0]).plain, nullable: others.length < choice.length };
    return { plain: schema, nullable: others.length < choice.length };
  }
  const types = [schema.type ?? []].flat();
  const named = types.filter((type) => type !== "null");
  const nullable = named.length < types.length || Boolean(schema.enum?.includes(null));
  return { plain: { ...schema, type: named.length > 1 ? undefined : named[0] }, nullable };
}

function optionsOf({ enum: values, const: only, type }) {
  if (type === "boolean") return [{ value: true, text: "yes" }, { value: false, text: "no" }];
  const named = values ?? (only === undefined ? null : [only]);
  return named && named.filter((value) => value !== null).map((value) => ({ value, text: textOf(value) }));
}

/** A value as a text: what the spans of an answer name it by. */
export function textOf(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** What an object or list itself has under a key, which may be called `constructor` or `length`; else undefined. */
export function own(value, key) {
  if (typeof value !== "object" || value === null || Array.isArray(value) !== (typeof key === "number")) return undefined;
  return Object.hasOwn(value, key) ? value[key] : undefined;
}

/** A name of a schema, as people read it. */
export function readable(name) {
  return name.replaceAll("_", " ");
}

/** What stands where nothing was answered. */
export function emptyOf({ kind, parts }) {
  if (kind === "list" || kind === "choices" || kind === "rows") return [];
  if (kind === "object") return Object.fromEntries(parts.map(({ name, shape }) => [name, emptyOf(shape)]));
  return null;
}

export function isEmpty(shape, value) {
  if (value === null || value === undefined) return true;
  if (Array.isArray(value)) return !value.length;
  return shape.kind === "object" && shape.parts.every(({ name, shape: part }) => isEmpty(part, own(value, name)));
}

/** The value with everything in it that the schema names; what it does not name stays. */
export function completed(shape, value) {
  if (value === null || value === undefined) return shape.kind === "object" && shape.nullable ? null : emptyOf(shape);
  if (shape.kind === "object" && typeof value === "object") {
    return { ...value, ...Object.fromEntries(shape.parts.map(({ name, shape: part }) => [name, completed(part, own(value, name))])) };
  }
  if (shape.kind === "rows" && Array.isArray(value)) return value.map((one) => completed(shape.item, one));
  return value;
}

/** Without objects in it that say nothing and may be missing. */
export function trimmed(shape, value, required) {
  if (value === null || value === undefined) return value;
  if (shape.kind === "rows") return value.map((one) => trimmed(shape.item, one, true));
  if (shape.kind !== "object") return value;
  if (!required && isEmpty(shape, value)) return null;
  return { ...value, ...Object.fromEntries(shape.parts.map((part) => [part.name, trimmed(part.shape, own(value, part.name), part.required)])) };
}

/** The value that a typed or selected text means; the text itself where it means none, which `problemsOf` finds. */
export function valueOf(shape, text) {
  if (text.trim() === "") return null;
  if (shape.kind === "number") {
    const number = Number(text.trim().replace(",", "."));
    return Number.isFinite(number) ? number : text;
  }
  if (shape.kind === "json") {
    try { return JSON.parse(text); } catch { return { $typed: text }; }
  }
  if (shape.kind === "choice" || shape.kind === "choices") {
    const sought = text.trim().toLowerCase();
    return shape.options.find((option) => option.text.toLowerCase() === sought)?.value ?? text;
  }
  return text;
}

/** What is wrong with a value: [{location, text}], the location below `location`. */
export function problemsOf(shape, value, required, location = []) {
  const here = (text) => [{ location, text }];
  if (value === null || value === undefined) return required && !shape.nullable ? here("missing") : [];
  if (shape.kind === "object") {
    if (!required && isEmpty(shape, value)) return [];
    return shape.parts.flatMap((part) => problemsOf(part.shape, own(value, part.name), part.required, [...location, part.name]));
  }
  if (Array.isArray(value)) {
    const number = wrongCount(shape.schema, value);
    const inner = shape.item ? value.flatMap((one, index) => problemsOf(shape.item, one, true, [...location, index])) : [];
    return [...(number ? here(number) : []), ...inner];
  }
  const text = wrongValue(shape, value);
  return text ? here(text) : [];
}

function wrongCount({ minItems = 0, maxItems = Infinity, uniqueItems }, values) {
  if (values.length < minItems) return values.length ? `at least ${minItems} are needed` : "missing";
  if (values.length > maxItems) return `at most ${maxItems} may stand here`;
  return uniqueItems && new Set(values.map((one) => JSON.stringify(one))).size < values.length ? "one stands twice" : "";
}

function wrongValue(shape, value) {
  if (shape.kind === "number") return wrongNumber(shape.schema, value);
  if (shape.kind === "date") return typeof value === "string" && ISO_DATE.test(value) && !Number.isNaN(Date.parse(value)) ? "" : "write a date as 2026-11-30";
  if (shape.kind === "choice") return shape.options.some((option) => option.value === value) ? "" : `${textOf(value)} is not one of the choices`;
  if (shape.kind === "json") return typeof value === "object" && "$typed" in value ? "this is no JSON" : "";
  const { minLength = 0, maxLength = Infinity, pattern } = shape.schema;
  const length = [...textOf(value)].length;
  if (length < minLength) return `at least ${minLength} characters`;
  if (length > maxLength) return `at most ${maxLength} characters, not ${length}`;
  return pattern && !matches(pattern, textOf(value)) ? `must match ${pattern}` : "";
}

/** A pattern that this browser cannot read is left to the server. */
function matches(pattern, text) {
  try { return new RegExp(pattern, "u").test(text); } catch { return true; }
}

function wrongNumber({ type, minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf }, value) {
  if (typeof value !== "number") return type === "integer" ? "write a whole number" : "write a number";
  if (type === "integer" && !Number.isInteger(value)) return "write a whole number";
  if (value < minimum || value <= exclusiveMinimum) return minimum === undefined ? `more than ${exclusiveMinimum}` : `at least ${minimum}`;
  if (value > maximum || value >= exclusiveMaximum) return maximum === undefined ? `less than ${exclusiveMaximum}` : `at most ${maximum}`;
  const parts = multipleOf ? value / multipleOf : 0;
  return Math.abs(parts - Math.round(parts)) > 1e-9 ? `a multiple of ${multipleOf}` : "";
}
