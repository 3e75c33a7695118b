// Controls that show a value and change it, by its shape. Each says what it wants done by `hand`; they remember nothing.

import { element } from "../elements.js";
import { isComposing } from "../keyboard.js";
import { mentionsOf, pathOf, valueAt } from "./extract_answer.js";
import { textOf, readable } from "./extract_schema.js";

const MANY_LINES = 120; // characters from which a text has a box with lines
const NONE = "";

/**
 * hand: what the form does. set(location, text | value), add(location, text), drop(location, index), addRow(field), at(location): a
 * person is there, point(path, value): shows it in the text. state: {answer, field, problems}. Returns an element.
 */
export function control(shape, location, state, hand, label = state.field.title) {
  const kinds = { choice: choiceControl, choices: choiceControl, list: listControl, object: objectControl, rows: rowsControl };
  return (kinds[shape.kind] ?? typedControl)(shape, location, state, hand, label);
}

function valueHere(state, location) {
  return valueAt(state.answer.values, location) ?? null;
}

function isGrounded(state, location) {
  return state.field.grounded.includes(pathOf(location));
}

// ---- what is typed ----

function typedControl(shape, location, state, hand, label) {
  const value = valueHere(state, location);
  const text = value === null ? "" : typeof value === "object" && "$typed" in value ? value.$typed : textOf(value);
  const field = shape.kind === "text" || shape.kind === "json" ? linesBox(shape, text) : element("input", { type: shape.kind === "date" ? "date" : "text" });
  if (shape.kind === "number") field.inputMode = shape.schema.type === "integer" ? "numeric" : "decimal";
  field.placeholder = (shape.kind === "number" && boundsOf(shape.schema)) || "none";
  field.value = text;
  wireField(field, location, label, { leave: () => hand.set(location, field.value), hand });
  const line = element("div", { class: "value" }, field);
  if (text && isGrounded(state, location)) line.append(whereabouts(state.answer, location, value, hand));
  return line;
}

function linesBox(shape, text) {
  const rows = Math.min(6, Math.max(1, text.split("\n").length, Math.ceil(text.length / 38)));
  const field = element("textarea", { rows: String(shape.kind === "json" ? Math.max(rows, 2) : rows), spellcheck: "false" });
  field.classList.toggle("code", shape.kind === "json");
  return field;
}

function boundsOf({ minimum, maximum }) {
  if (minimum !== undefined && maximum !== undefined) return `${minimum} to ${maximum}`;
  return minimum === undefined ? (maximum === undefined ? "" : `at most ${maximum}`) : `at least ${minimum}`;
}

/** Enter and Escape leave a field, and Escape forgets what was typed; enter: does something else with Enter. */
function wireField(field, location, label, { leave, enter, hand }) {
  const before = field.value;
  field.setAttribute("aria-label", label);
  field.setAttribute("autocomplete", "off");
  field.dir = "auto";
  field.dataset.at = JSON.stringify(location);
  field.onchange = leave;
  field.onfocus = () => hand.at(location);
  field.onkeydown = (event) => {
    event.stopPropagation();
    if (isComposing(event)) return;
    if (event.key === "Escape") field.value = before;
    else if (event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    if (event.key === "Enter" && enter?.()) return;
    if (event.key === "Enter") leave();
    field.blur();
    hand.left();
  };
}

/** Where a value stands, or that it does not. */
export function whereabouts(answer, location, value, hand) {
  const path = pathOf(location);
  const spans = mentionsOf(answer, path, value);
  if (!spans.length) return element("span", { class: "absent" }, "not in the text");
  const isInRow = location.some((key) => typeof key === "number");
  const first = spans[0][0].toLocaleString("en");
  const words = spans.length > 1 ? `${spans.length} times${isInRow ? "" : " in the text"}` : `${isInRow ? "" : "in the text "}at ${first}`;
  const button = element("button", { type: "button", class: "place", "data-at": JSON.stringify(["place", ...location]) }, words);
  button.onclick = () => hand.point(path, textOf(value));
  return button;
}

// ---- choices: buttons where they are few, with a digit each while the keyboard is there; else a menu ----

function choiceControl(shape, location, state, hand, label) {
  const value = valueHere(state, location);
  const several = shape.kind === "choices";
  const isOn = (option) => (several ? (value ?? []).includes(option.value) : option.value === value);
  const toggle = (option) => {
    if (!several) return hand.set(location, isOn(option) ? null : option.value);
    return hand.set(location, isOn(option) ? value.filter((one) => one !== option.value) : [...(value ?? []), option.value]);
  };
  const line = element("div", { class: "value" });
  if (several && !shape.few) line.append(...(value ?? []).map((one, index) => valueChip(one, index, location, state, hand)));
  line.append(shape.few ? choiceButtons(shape, location, label, { several, isOn, toggle, hand }) : choiceMenu(shape, location, label, { several, value, toggle, hand }));
  if (value !== null && !several && isGrounded(state, location)) line.append(whereabouts(state.answer, location, value, hand));
  return line;
}

function choiceButtons(shape, location, label, { several, isOn, toggle, hand }) {
  const group = element("div", { class: "options", role: several ? "group" : "radiogroup", "aria-label": label });
  const on = Math.max(0, shape.options.findIndex(isOn));
  const made = shape.options.map((option, index) => {
    const key = element("kbd", { "aria-hidden": "true" }, String(index + 1));
    const button = element("button", { type: "button", "data-at": JSON.stringify([...location, index]) }, key, element("span", { dir: "auto" }, option.text));
    if (several) button.setAttribute("aria-pressed", String(isOn(option)));
    else {
      button.setAttribute("role", "radio");
      button.setAttribute("aria-checked", String(isOn(option)));
    }
    button.tabIndex = several || index === on ? 0 : -1;
    button.onclick = (event) => {
      toggle(option);
      if (event.detail > 0) hand.left();
    };
    button.onfocus = () => hand.at(location);
    return button;
  });
  group.append(...made);
  return group;
}

function choiceMenu(shape, location, label, { several, value, toggle, hand }) {
  const select = element("select", { "aria-label": label, "data-at": JSON.stringify(location) });
  const first = several ? "add …" : "none";
  const options = several ? shape.options.filter((option) => !(value ?? []).includes(option.value)) : shape.options;
  select.append(element("option", { value: NONE }, first), ...options.map(({ text }, index) => element("option", { value: String(index) }, text)));
  const chosen = several ? -1 : options.findIndex((option) => option.value === value);
  select.value = chosen < 0 ? NONE : String(chosen);
  select.onchange = () => (select.value === NONE ? hand.set(location, null) : toggle(options[Number(select.value)]));
  select.onfocus = () => hand.at(location);
  select.onkeydown = (event) => {
    event.stopPropagation();
    if (event.key !== "Escape" && event.key !== "Enter") return;
    event.preventDefault();
    select.blur();
    hand.left();
  };
  return select;
}

// ---- lists, objects and lists of objects ----

function listControl(shape, location, state, hand, label) {
  const values = valueHere(state, location) ?? [];
  const adder = element("input", { type: shape.item.kind === "date" ? "date" : "text", class: "adder", placeholder: values.length ? "+ add" : "none · add" });
  const add = () => {
    const text = adder.value;
    adder.value = "";
    if (text.trim()) hand.add(location, text);
    return Boolean(text.trim());
  };
  wireField(adder, [...location, "add"], `${label}: add`, { leave: add, enter: add, hand });
  return element("div", { class: "value list" }, ...values.map((one, index) => valueChip(one, index, location, state, hand)), adder);
}

function valueChip(value, index, location, state, hand) {
  const text = textOf(value);
  const path = pathOf(location);
  const grounded = isGrounded(state, location);
  const count = grounded ? mentionsOf(state.answer, path, value).length : 0;
  const name = element("button", { type: "button", class: "name", dir: "auto", "data-at": JSON.stringify([...location, index]) }, text);
  name.disabled = !count;
  name.onclick = () => hand.point(path, text);
  const made = element("span", { class: "chip" }, name);
  if (count > 1) made.append(element("span", { class: "count", title: `${count} times in the text` }, `×${count}`));
  if (grounded && !count) made.append(element("span", { class: "absent" }, "not in the text"));
  made.append(removeButton(`Remove ${text}`, [...location, index, "drop"], () => hand.drop(location, index)));
  return made;
}

function removeButton(label, at, act) {
  const button = element("button", { type: "button", class: "remove", "aria-label": label, "data-at": JSON.stringify(at) }, "×");
  button.onclick = act;
  return button;
}

function objectControl(shape, location, state, hand, label) {
  const parts = shape.parts.flatMap(({ name, shape: part }) => {
    const inner = [...location, name];
    const words = element("span", { class: "part", "aria-hidden": "true", dir: "auto" }, readable(name));
    const body = element("div", {}, control(part, inner, state, hand, `${label}, ${readable(name)}`), ...complaints(state, inner));
    return [words, body];
  });
  return element("div", { class: "parts", role: "group", "aria-label": label }, ...parts);
}

function rowsControl(shape, location, state, hand, label) {
  const values = valueHere(state, location) ?? [];
  const made = values.map((one, index) => {
    const body = objectControl(shape.item, [...location, index], state, hand, `${label} ${index + 1}`);
    const row = element("div", { class: "row" }, body);
    row.append(removeButton(`Remove ${label} ${index + 1}`, [...location, index, "drop"], () => hand.drop(location, index)));
    return row;
  });
  const add = element("button", { type: "button", class: "add", "data-at": JSON.stringify([...location, "row"]) }, values.length ? "+ add a row" : "none · add a row");
  add.onclick = () => hand.addRow(state.field);
  return element("div", { class: "rows" }, ...made, add);
}

/** What is wrong at a location inside a field. */
function complaints(state, location) {
  const key = JSON.stringify(location);
  return state.problems.filter((one) => JSON.stringify(one.location) === key).map(({ text }) => element("p", { class: "problem" }, text));
}
