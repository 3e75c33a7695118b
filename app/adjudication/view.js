// What is seen of the bench, and what keys do there. Knows no network.

const LABEL_KEYS = `${DIGITS}abcdefghijklmopqrstuvwxyz`; // n goes to the note

class BenchView {
  constructor(bench, line) {
    this.visit = bench;
    this.line = line;
    this.root = null;
    bench.changed = () => this.root && this.paint();
  }

  find(selector) {
    return this.root.querySelector(selector);
  }

  /** Streamlit calls again with every change of data or theme; the parts are filled once per page. */
  mount(root) {
    if (this.root === root && this.find(".labels")?.dataset.setup) return;
    this.root = root;
    this.shown = {};
    this.stop?.();
    this.stop = listen(this, benchActionFor);
    this.wireReason();
    this.buildActions();
    this.find(".help .close").onclick = () => this.find(".help").close();
    root.addEventListener("pointerdown", () => this.noteUse());
    this.paint();
  }

  unmount(root) {
    if (this.root !== root) return; // it was mounted elsewhere meanwhile
    this.stop?.();
    this.stop = null;
    this.root = null;
  }

  noteUse() {
    this.line.noteUse();
  }

  // ---- what keys and buttons do ----

  pick(label, at = Infinity) {
    if (!this.visit.card) return;
    if (!this.visit.setup.multi) this.decide([label.id], label.name, at);
    else if (at >= this.visit.shownAt) {
      this.visit.toggle(label.id);
      this.say(`${label.name} ${this.visit.chosen.has(label.id) ? "on" : "off"}`);
    }
  }

  submit(at = Infinity) {
    const labels = this.visit.setup.labels.map((label) => label.id).filter((id) => this.visit.chosen.has(id));
    this.decide(labels, labels.length ? "decided" : "none of them", at);
  }

  decide(labels, words, at) {
    const field = this.find(".reason input");
    if (!this.visit.decide(labels, field.value.trim(), at)) return;
    field.value = "";
    this.say(words);
  }

  pass(at = Infinity) {
    this.say(this.visit.pass(at) ? "passed" : "There is no other conflict.");
  }

  undo() {
    this.say(this.visit.undo() ? "taken back" : "This is as far back as this visit goes.");
  }

  openHelp() {
    const list = this.find(".help dl");
    list.replaceChildren();
    for (const [key, what] of benchKeysInWords(this.visit)) list.append(element("dt", {}, key), element("dd", {}, what));
    this.find(".help").showModal();
  }

  say(text) {
    this.find(".spoken").textContent = text;
  }

  // ---- setting up ----

  wireReason() {
    const field = this.find(".reason input");
    field.onkeydown = (event) => {
      event.stopPropagation();
      if ((event.key === "Escape" || event.key === "Enter") && !isComposing(event)) field.blur();
    };
  }

  buildActions() {
    const actions = [
      ["pass", "Pass", "Space", "Space", () => this.pass()],
      ["undo", "Undo", "⌫", "Backspace", () => this.undo()],
      ["note", "Note", "n", "n", () => this.find(".reason input").focus()],
      ["keys", "Keys", "?", "?", () => this.openHelp()],
    ];
    if (this.visit.setup.multi) actions.unshift(["submit", "Decide", "Enter", "Enter", () => this.submit()]);
    this.find(".actions").replaceChildren(
      ...actions.map(([name, text, shown, key, act]) => keyButton({ name, text, shown, key }, act)),
    );
  }

  // ---- painting: texts go in as text, whatever a record or a name holds ----

  paint() {
    this.paintSetup();
    const { card } = this.visit;
    if (this.shown.card !== card) this.paintCard(card);
    this.find(".sheet").hidden = this.find(".reason").hidden = !card;
    for (const [id, button] of this.buttons) {
      button.disabled = !card;
      if (this.visit.setup.multi) button.setAttribute("aria-pressed", String(this.visit.chosen.has(id)));
    }
    this.paintState();
    this.paintEmpty();
  }

  paintSetup() {
    const { setup } = this.visit;
    const box = this.find(".labels");
    if (box.dataset.setup === setup.key) return;
    box.dataset.setup = setup.key;
    this.names = new Map(setup.labels.map((label) => [label.id, label.name]));
    box.classList.toggle("many", setup.labels.length > 9);
    this.keys = fixedKeys(setup.labels, LABEL_KEYS);
    const shown = new Map([...this.keys].map(([key, id]) => [id, key]));
    this.buttons = new Map(setup.labels.map((label) => [label.id, this.labelButton(label, shown.get(label.id) ?? "")]));
    box.replaceChildren(...this.buttons.values());
    this.shown = {};
  }

  labelButton(label, key) {
    const button = keyButton({ name: "label", text: label.name, shown: key, key }, () => this.pick(label));
    button.dataset.label = label.name;
    button.querySelector(".name").dir = "auto";
    button.append(element("span", { class: "chance" }));
    if (this.visit.setup.multi) button.setAttribute("aria-pressed", "false");
    return button;
  }

  paintCard(card) {
    this.shown.card = card;
    paintCard(this.root, card);
    this.find(".opinions").replaceChildren(...(card?.answers ?? []).map((one) => this.opinion(one)));
    for (const [id, button] of this.buttons) {
      const votes = (card?.answers ?? []).filter((one) => one.action === "submit" && one.labels.includes(id)).length;
      setText(button.querySelector(".chance"), votes ? `${votes}×` : "");
    }
  }

  opinion({ who, action, labels, note }) {
    const given = labels.map((id) => this.names.get(id) ?? id).join(", ") || "none of them";
    const words = { submit: given, skip: "skipped", flag: "flagged" }[action];
    const row = element("li", {}, element("span", { class: "who", dir: "auto" }, who), element("span", { class: "said", dir: "auto" }, words));
    if (note) row.append(element("span", { class: "note", dir: "auto" }, note));
    return row;
  }

  paintState() {
    const { visit, line } = this;
    const pending = visit.outbox.size;
    const words = line.trouble ? (pending ? `offline: ${pending} kept in this browser` : "offline") : pending ? `saving ${pending}…` : "saved";
    const saved = this.find(".saved");
    setText(saved, words);
    saved.dataset.pending = String(pending);
    saved.dataset.state = line.trouble ? "offline" : pending ? "saving" : "saved";
    const left = visit.left ?? 0;
    setText(this.find(".batch"), visit.left === null ? "" : `${left.toLocaleString("en")} ${left === 1 ? "conflict" : "conflicts"}`);
    const sure = visit.card?.sure ?? null;
    const shown = visit.card ? visit.card.told + (sure === null ? "" : ` · likeliest label ${percent(sure)}`) : "";
    setText(this.find(".why"), shown);
    const { refused } = visit;
    this.find(".notice").hidden = !refused.length;
    if (refused.length) setText(this.find(".notice"), `A decision was not accepted: ${refused.at(-1)}`);
  }

  paintEmpty() {
    const { visit, line } = this;
    const box = this.find(".empty");
    box.hidden = Boolean(visit.card);
    if (visit.card) return;
    const [title, detail] = this.emptyWords(visit, line);
    setText(box.querySelector(".title"), title);
    setText(box.querySelector(".detail"), detail);
  }

  emptyWords(visit, line) {
    if (line.trouble && line.trouble !== "offline") return ["This visit has ended", line.trouble];
    if (line.trouble) return ["The server cannot be reached", "It is tried again every few seconds. What you decided is kept in this browser."];
    if (visit.left === null) return ["Looking for conflicts…", ""];
    return ["No conflicts", "Where people answer the same record in different ways, it comes here by itself."];
  }
}

/** A function of the key's time stamp, or null for a key that is not ours. */
function benchActionFor({ key, digit, letter }, view) {
  const act = {
    " ": (at) => view.pass(at),
    Backspace: () => view.undo(),
    Enter: view.visit.setup.multi ? (at) => view.submit(at) : null,
    "?": () => view.openHelp(),
  }[key];
  if (act !== undefined) return act;
  if (letter === "n") return () => view.find(".reason input").focus();
  const id = view.keys.get(digit === null ? letter : String(digit));
  const label = view.visit.setup.labels.find((one) => one.id === id);
  return label ? (at) => view.pick(label, at) : null;
}

/** [key, what it does] for the help. */
function benchKeysInWords({ setup }) {
  const rows = [["1 … 9", setup.multi ? "switch the label that shows this number on or off" : "decide on the label that shows this number"]];
  if (setup.labels.length > 9) rows.push(["a … z", "the other labels, as their buttons say"]);
  if (setup.multi) rows.push(["Enter", "decide on the labels that are on; none on means that none of them fits"]);
  rows.push(["Space", "pass: it comes again when all others were seen"]);
  rows.push(["Backspace", "take the last decision back"], ["n", "write a note; Enter leaves it"], ["?", "this help"]);
  return rows;
}
