// The form beside a text: a section for each field, with its key, what was suggested of it, and what is wrong with it.

import { element, keyButton, setText } from "../elements.js";
import { inWords, valueAt } from "./extract_answer.js";
import { control } from "./extract_controls.js";
import { readable } from "./extract_schema.js";
import { colourOf } from "./extract_spans.js";

/** fields: as `fieldsOf` has them, with `key`. hand: what controls may want done; give(field): a press of its name, before which hold() is called. */
export class Form {
  constructor(steps, fields, hand) {
    this.fields = fields;
    this.hand = hand;
    this.sections = fields.map((field, index) => this.section(field, index));
    this.toggles = new Map();
    const parts = steps.map((step) => element("div", {}, ...this.stepParts(step, steps.length > 1)));
    this.remark = element("p", { class: "fit", role: "status" });
    this.root = element("div", { class: "schema", role: "group", "aria-label": "Answer", tabindex: "-1" }, ...parts, this.remark);
  }

  /** The fields of a step below its name; one that is called like its step needs no name above it. */
  stepParts(step, isNamed) {
    const inner = this.sections.filter((_, index) => this.fields[index].step === step.name);
    const roots = inner.map(({ root }) => root);
    const toggle = step.optional ? this.toggle(step.name) : "";
    if (inner.length === 1 && step.fields[0].name === step.name) {
      inner[0].status.after(toggle);
      return roots;
    }
    if (!isNamed && !toggle) return roots;
    return [element("h3", { class: "step" }, element("span", { dir: "auto" }, readable(step.name)), toggle), ...roots];
  }

  /** Leaves an optional step out, or not. */
  toggle(step) {
    const button = element("button", { type: "button", class: "toggle", "aria-pressed": "false", "data-at": JSON.stringify(["step", step]) });
    button.onclick = () => this.hand.toggleStep(step);
    this.toggles.set(step, button);
    return button;
  }

  section(field, index) {
    const button = keyButton({ name: "field", text: field.title, shown: field.key, key: field.key }, () => this.hand.give(field));
    button.onpointerdown = (event) => {
      event.preventDefault(); // what is selected in the text stays selected
      this.hand.hold();
    };
    button.dataset.path = field.path;
    button.querySelector(".name").dir = "auto";
    const description = element("span", { class: "description", dir: "auto", title: field.description }, field.description);
    button.querySelector(".name").before(element("i", { "aria-hidden": "true" }));
    const [status, body, problem, votes] = ["span", "div", "p", "div"].map((tag) => element(tag, {}));
    for (const [part, name] of [[status, "status"], [body, "body"], [problem, "problem"], [votes, "votes"]]) part.className = name;
    const root = element("section", { class: "field", "data-field": String(index), "aria-label": field.title }, element("div", { class: "head" }, button, description, element("span", { class: "end" }, status)), body, problem, votes);
    root.style.setProperty("--colour", colourOf(index));
    return { root, button, status, body, problem, votes, painted: "" };
  }

  /** state: {answer, leftOut, statuses, problems, votes, remark}: by number of field. Nothing that stays the same is touched. */
  paint(state) {
    this.fields.forEach((field, index) => this.paintField(field, index, state));
    for (const [step, button] of this.toggles) {
      const isOut = state.leftOut.includes(step);
      button.setAttribute("aria-pressed", String(isOut));
      setText(button, isOut ? "left out" : "leave out");
    }
    setText(this.remark, state.remark);
  }

  paintField(field, index, { answer, leftOut, statuses, problems, votes, enabled }) {
    const { root, button, status, body, problem, votes: box, ...section } = this.sections[index];
    setText(status, statuses[index]);
    button.disabled = !enabled;
    root.classList.toggle("out", leftOut.includes(field.step));
    const own = problems[index];
    const here = own.filter((one) => one.location.length <= field.location.length || field.shape.kind === "list");
    setText(problem, here[0]?.text ?? "");
    root.classList.toggle("wrong", own.length > 0);
    const spans = field.grounded.map((path) => valueAt(answer.spans, [path]) ?? null);
    const key = JSON.stringify([valueAt(answer.values, field.location), spans, own, enabled]);
    if (section.painted !== key) {
      this.sections[index].painted = key;
      const shown = enabled ? [control(field.shape, field.location, { answer, field, problems: own }, this.hand)] : [];
      this.replace(body, shown);
    }
    box.replaceChildren(...votes[index].map((vote) => this.vote(field, vote)));
  }

  /** The keyboard stays where it was, as far as that is still there. */
  replace(body, children) {
    const at = body.contains(this.focused()) ? this.focused().dataset.at : null;
    body.replaceChildren(...children);
    if (at) [...body.querySelectorAll("[data-at]")].find((one) => one.dataset.at === at)?.focus({ preventScroll: true });
  }

  /** A button with what some people answered, which takes their answer. */
  vote(field, { users, answer }) {
    const words = inWords(valueAt(answer.values, field.location));
    const button = element("button", { type: "button", title: `Take this for ${field.title}` }, element("span", { class: "who", dir: "auto" }, users.join(", ")), element("span", { class: "words", dir: "auto" }, words));
    button.onclick = () => this.hand.take(field, answer);
    return button;
  }

  focused() {
    return this.root.getRootNode().activeElement ?? null;
  }

  /** The keyboard goes to a field: to what stands at a location in it, else to what is chosen, added or typed there. */
  focus(index, location = null) {
    const { body, root } = this.sections[index];
    const at = location && [location, [...location, 0], [...location, "add"]].map((one) => JSON.stringify(one));
    const exact = at && [...body.querySelectorAll("[data-at]")].find((one) => at.includes(one.dataset.at));
    const best = exact ?? body.querySelector('[aria-checked="true"], .adder') ?? body.querySelector("textarea, input, select, .options button, .add");
    best?.focus({ preventScroll: true });
    (exact ?? root).scrollIntoView({ block: "nearest" });
  }

  /** The button that has the keyboard among choices, and its neighbours; null elsewhere. */
  choice() {
    const button = this.focused()?.closest?.(".options > button");
    return button ? { button, all: [...button.parentElement.children] } : null;
  }
}
