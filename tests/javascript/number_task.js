// A task that the app does not have: a number, typed digit by digit; Enter sends it. It proves that the frame knows no task.

import { element, keyButton, setText } from "../../app/card/elements.js";

export class NumberTask {
  constructor(settings, { review }) {
    this.review = review;
    this.most = settings.most;
    this.submits = true;
    this.takesLetters = false;
  }

  missing() {
    return this.most ? null : ["There is no limit yet", "Set one."];
  }

  start(record, answer) {
    return { typed: answer ? String(answer.number) : "" };
  }

  key({ key, digit }, { draft, record }) {
    if (digit !== null) return { draft: { typed: draft.typed + digit }, words: String(digit) };
    if (key === "Backspace" && draft.typed) return { draft: { typed: draft.typed.slice(0, -1) } };
    if (key !== "Enter") return null;
    return record && draft.typed && Number(draft.typed) <= this.most ? { answer: { number: Number(draft.typed) } } : {};
  }

  draw(root, { draft, record }, act) {
    if (!root.firstElementChild) {
      const zero = () => act(() => ({ answer: { number: 0 } }));
      root.append(element("output", {}), keyButton({ name: "zero", text: "Zero" }, zero));
    }
    const [output, button] = root.children;
    setText(output, draft.typed);
    button.disabled = !record;
  }

  resize() {}

  drawRecord(element, record) {
    element.textContent = `How many? ${record.text}`;
  }

  describe({ number }) {
    return `number ${number}`;
  }

  parts(answer) {
    return [answer];
  }

  help() {
    return [["0 … 9", "type a number"], ["Enter", "send it"]];
  }

  glossary() {
    return [];
  }
}
