// What is seen of a visit. Texts go in as text, never as HTML. Knows the page and no network.

const LEAST_SHOWN = 0.05; // chances of less say nothing on a button

class View {
  constructor(visit, line) {
    this.visit = visit;
    this.line = line;
    this.root = null;
    this.typed = "";
    visit.changed = () => this.paint();
  }

  find(selector) {
    return this.root.querySelector(selector);
  }

  /** Streamlit calls again with every change of data or theme; the parts are filled once per page. */
  mount(root) {
    if (this.root === root && this.find(".labels")?.dataset.setup) return;
    this.root = root;
    this.painted = {};
    this.search = this.find(".search input");
    this.stop?.();
    this.sizes?.disconnect();
    this.stop = listen(this, actionFor);
    this.wireSearch();
    this.wireFlag();
    this.buildActions();
    this.find(".accept").onclick = () => this.confirm(Infinity);
    this.find(".help .close").onclick = () => this.find(".help").close();
    this.find(".guide").open = matchMedia("(min-width: 56rem)").matches;
    root.addEventListener("pointerdown", () => this.noteUse());
    this.paint();
    this.sizes = new ResizeObserver(() => this.resized());
    this.sizes.observe(this.find(".main"));
  }

  unmount(root) {
    if (this.root !== root) return; // it was mounted elsewhere meanwhile
    this.stop?.();
    this.stop = null;
    this.sizes.disconnect();
    this.root = null;
  }

  resized() {
    if (!this.root || this.typed) return;
    this.crowded = isCrowded(this);
    this.paint();
  }

  noteUse() {
    this.line.noteUse();
  }

  // ---- what keys and buttons do ----

  /** The label that shows this digit. A key that was pressed before the record came up means what it meant on the one before. */
  pick(digit, at = Infinity) {
    const { visit } = this;
    const keys = at < visit.shown.at ? visit.keysOf(visit.past.last?.card) : this.keys();
    const label = visit.setup.labels.find((one) => one.id === keys.get(String(digit)));
    if (label && visit.card) this.give(label, at);
  }

  /** Key to label id as the buttons show it now: while something is typed, the first labels that fit. */
  keys() {
    if (!this.typed.trim() || this.visit.digitsFind) return this.visit.keysOf(this.visit.card);
    return new Map(this.matches().slice(0, 9).map((label, place) => [String(place + 1), label.id]));
  }

  give(label, at = Infinity) {
    const visit = this.visit;
    if (visit.setup.multi && at < visit.shown.at) return;
    this.type("");
    this.flash(label.id);
    if (visit.setup.multi) {
      visit.toggle(label.id);
      this.say(`${label.name} ${visit.chosen.has(label.id) ? "on" : "off"}`);
    } else if (visit.answer("submit", [label.id], { pressedAt: at })) this.say(label.name);
  }

  /** Enter: the label that was typed for, else the chosen ones, else the suggestion. */
  confirm(at) {
    const visit = this.visit;
    if (this.typed.trim()) {
      const found = this.matches()[0];
      if (found) this.give(found, at);
      return;
    }
    if (!visit.card || at < visit.shown.at) return;
    if (visit.setup.multi) {
      const labels = visit.setup.labels.map((label) => label.id).filter((id) => visit.chosen.has(id));
      if (visit.answer("submit", labels)) this.say(labels.length ? "submitted" : "none of them");
      return;
    }
    const best = visit.suggestion?.labels[0];
    const label = best && visit.setup.labels.find((one) => one.id === best.id);
    if (label) this.give(label, at);
  }

  skip(at = Infinity) {
    if (this.visit.answer("skip", [], { pressedAt: at })) this.say("skipped");
  }

  undo() {
    this.type("");
    this.say(this.visit.undo() ? "undone" : "This is as far back as this visit goes.");
  }

  openFlag() {
    if (!this.visit.card) return;
    const form = this.find(".flagging");
    form.dataset.record = this.visit.card.id;
    form.hidden = false;
    form.querySelector("input").focus();
  }

  closeFlag() {
    const form = this.find(".flagging");
    form.hidden = true;
    form.reset();
    this.find(".record").focus({ preventScroll: true });
  }

  toggleHints() {
    this.visit.hideSuggestions(!this.visit.hidden);
    this.say(this.visit.hidden ? "Suggestions are hidden." : "Suggestions are shown.");
  }

  openHelp() {
    const list = this.find(".help dl");
    list.replaceChildren();
    for (const [key, what] of keysInWords(this.visit)) list.append(element("dt", {}, key), element("dd", {}, what));
    this.find(".help").showModal();
  }

  canScroll() {
    const record = this.find(".record");
    return record.scrollHeight > record.clientHeight + 1;
  }

  scroll(pixels) {
    this.find(".record").scrollBy(0, pixels);
  }

  /** Narrows the labels down to those that fit what was typed. */
  type(text) {
    if (text === this.typed) return;
    this.typed = text;
    if (this.search.value !== text) this.search.value = text;
    paintMatches(this);
  }

  /** Whether a label's name holds this text. */
  fits(text) {
    return this.visit.setup.labels.some((label) => plain(label.name).includes(plain(text).trim()));
  }

  /** The labels that fit, best first: the one of that name, names that begin so, names with such a word, the rest. */
  matches() {
    const wanted = plain(this.typed.trim());
    const word = new RegExp(`[^\\p{L}\\p{N}]${escaped(wanted)}`, "u");
    const rank = (name) => (name === wanted ? 0 : name.startsWith(wanted) ? 1 : word.test(name) ? 2 : 3);
    return this.visit.setup.labels
      .map((label) => [plain(label.name), label])
      .filter(([name]) => name.includes(wanted))
      .sort(([a], [b]) => rank(a) - rank(b))
      .map(([, label]) => label);
  }

  say(text) {
    this.find(".spoken").textContent = text;
  }

  /** Shows which label was given, until it is saved. */
  flash(id) {
    this.flashing?.classList.remove("flash");
    this.flashing = this.buttons.get(id);
    this.flashing?.classList.add("flash");
  }

  // ---- setting up ----

  wireSearch() {
    this.search.oninput = () => this.type(this.search.value);
    this.search.onkeydown = (event) => {
      event.stopPropagation();
      if (isComposing(event)) return;
      if (event.key === "Escape") this.type("");
      if (event.key === "Enter") this.confirm(event.timeStamp);
      if (event.key === "Escape" || event.key === "Enter") this.search.blur();
    };
  }

  wireFlag() {
    const form = this.find(".flagging");
    form.onsubmit = (event) => {
      event.preventDefault();
      const note = form.querySelector("input").value.trim() || null;
      if (form.dataset.record === this.visit.card?.id && this.visit.answer("flag", [], { note })) this.say("flagged");
      this.closeFlag();
    };
    form.onkeydown = (event) => {
      event.stopPropagation();
      if (isComposing(event)) {
        if (event.key === "Enter") event.preventDefault(); // it ends a word and sends nothing
      } else if (event.key === "Escape") this.closeFlag();
    };
    form.querySelector(".cancel").onclick = () => this.closeFlag();
  }

  buildActions() {
    const letters = !this.visit.typing;
    const actions = [
      ["skip", "Skip", "Space", "Space", () => this.skip()],
      ["undo", "Undo", "⌫", "Backspace", () => this.undo()],
      ["flag", "Flag", letters ? "f" : "", "f", () => this.openFlag()],
      ["hints", "Hints", letters ? "h" : "", "h", () => this.toggleHints()],
      ["keys", "Keys", "?", "?", () => this.openHelp()],
    ];
    const buttons = actions.map(([name, text, shown, key, act]) => keyButton({ name, text, shown, key: shown ? key : "" }, act));
    if (this.visit.setup.multi) {
      buttons.unshift(keyButton({ name: "submit", text: "Submit", shown: "Enter", key: "Enter" }, () => this.confirm(Infinity)));
    }
    this.find(".actions").replaceChildren(...buttons);
  }

  paint() {
    if (this.root) paintAll(this);
  }
}

function escaped(text) {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
