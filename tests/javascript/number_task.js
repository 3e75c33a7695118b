// A task that the app does not have: a number, typed digit by digit; Enter sends it. It proves that the frame knows no task.

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

  draw(element, { draft, record }, act) {
    if (!element.firstElementChild) element.append(document.createElement("output"), document.createElement("button"));
    const [output, button] = element.children;
    output.textContent = draft.typed;
    button.textContent = "Zero";
    button.disabled = !record;
    button.onclick = () => act(() => ({ answer: { number: 0 } }));
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
