// What is seen of a visit, whatever the task. Texts go in as text, never as HTML. Knows the page and no network.

import { element, keyButton, setText } from "./elements.js";
import { isComposing, listen, readKey } from "./keyboard.js";
import { ACTIONS, actionOf, actionsOf, helpRows, keyName, scrollOf } from "./keys.js";
import { withOwnKey } from "./own_keys.js";
import { Rail } from "./rail.js";
import { paintRecord } from "./record.js";
import { listenToSwipes } from "./swipe.js";

const WITHOUT_ANSWER = { skip: "skipped", flag: "flagged" };

export class View {
  constructor(visit, line) {
    this.visit = visit;
    this.line = line;
    this.root = null;
    this.rail = new Rail(visit, line, (eid) => this.undo(eid));
    visit.changed = () => this.root && this.paint();
  }

  find(selector) {
    return this.root.querySelector(selector);
  }

  /** Streamlit calls again with every change of data or theme; the parts are filled once per page. */
  mount(root) {
    if (this.root === root && this.find(".desk")?.dataset.setup) return;
    this.release();
    this.root = root;
    const onUse = () => this.line.noteUse();
    this.stop = listen((press, at) => this.actionFor(press, at), onUse);
    this.find(".desk").classList.toggle("review", this.visit.source.review);
    this.find(".main").setAttribute("aria-label", this.visit.source.title);
    this.wireNotes();
    this.rail.mount(root);
    if (!this.visit.source.review) listenToSwipes(this.find(".sheet"), (side) => this.swipe(side));
    this.find(".help .reset").onclick = () => this.chooseKeys({});
    this.find(".help .close").onclick = () => this.find(".help").close();
    this.find(".guide").open = matchMedia("(min-width: 70rem)").matches;
    root.addEventListener("pointerdown", onUse);
    this.paint();
    this.sizes = new ResizeObserver(() => this.resized());
    this.sizes.observe(this.find(".main"));
  }

  unmount(root) {
    if (this.root === root) this.release(); // else it was mounted elsewhere meanwhile
  }

  release() {
    this.stop?.();
    this.sizes?.disconnect();
    this.root = null;
  }

  resized() {
    if (!this.root) return;
    this.visit.task.resize();
    this.paint();
  }

  // ---- what keys and buttons do ----

  /** A function that does what a key stands for, or null for a key that is not ours. The task is asked first. */
  actionFor(press, at) {
    const step = this.visit.task.key(press, this.visit.moment(at));
    if (step) return () => this.take(step, at);
    const name = actionOf(press, this.visit.source, this.visit.task);
    if (name) return () => this[name](at);
    const record = this.find(".record");
    const pixels = scrollOf(press, this.visit.source);
    return pixels && record.scrollHeight > record.clientHeight + 1 ? () => record.scrollBy(0, pixels) : null;
  }

  /** What a click in the task's part does. */
  act(change, at = Infinity) {
    const step = change(this.visit.moment(at));
    if (step) this.take(step, at);
  }

  take(step, at) {
    if (step.skip) return this.visit.source.review ? this.pass(at) : this.skip(at);
    if (step.focus) this.find(".answer").querySelector(step.focus).focus();
    const field = this.find(".reason input");
    const words = this.visit.take(step, at, field.value.trim() || null);
    if (step.answer && words) field.value = "";
    if (words) this.say(words);
  }

  skip(at = Infinity) {
    if (this.visit.answer("skip", null, { pressedAt: at })) this.say("skipped");
  }

  pass(at = Infinity) {
    this.say(this.visit.pass(at) ? "passed" : "There is no other record.");
  }

  /** eid: of an earlier answer than the last one. */
  undo(eid) {
    this.say(this.visit.undo(typeof eid === "string" ? eid : null) ? "undone" : "This is as far back as this visit goes.");
  }

  similar() {
    this.say(this.rail.toggle() ? "Similar records are shown beside the record." : "Similar records are hidden.");
  }

  /** To the right accepts what Enter would, to the left skips. */
  swipe(side) {
    if (side === "left") this.skip();
    else this.act((moment) => this.visit.task.key({ key: "Enter", digit: null, letter: "" }, moment));
  }

  flag() {
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

  note() {
    this.find(".reason input").focus();
  }

  hints() {
    this.visit.hideSuggestions(!this.visit.hidden);
    this.say(this.visit.hidden ? "Suggestions are hidden." : "Suggestions are shown.");
  }

  keys() {
    const rows = helpRows(this.visit.source, this.visit.task);
    this.find(".help dl").replaceChildren(...rows.flatMap(([key, text]) => [element("dt", {}, key), element("dd", {}, text)]));
    this.paintOwnKeys();
    if (!this.find(".help").open) this.find(".help").showModal();
  }

  /** What the task lets a person choose keys for, each with the key that was chosen. */
  paintOwnKeys() {
    const { task, keys } = this.visit;
    const choices = task.ownKeys?.() ?? [];
    this.find(".own").hidden = !choices.length;
    const rows = choices.map(([id, name, key]) => {
      const button = element("button", { type: "button" }, element("kbd", {}, key || "–"), element("span", { dir: "auto" }, name));
      button.onclick = () => setText(button.querySelector("kbd"), "press a key");
      button.onkeydown = (event) => {
        const chosen = event.key === "Tab" || event.ctrlKey || event.metaKey ? null : task.choosable(readKey(event));
        if (!chosen) return;
        event.preventDefault();
        event.stopPropagation();
        this.chooseKeys(withOwnKey(keys, chosen, id));
      };
      return element("li", {}, button);
    });
    this.find(".own ol").replaceChildren(...rows);
  }

  chooseKeys(keys) {
    this.find(".desk").dataset.setup = ""; // its parts are made anew
    this.visit.chooseKeys(keys);
    this.keys();
  }

  say(text) {
    this.find(".spoken").textContent = text;
  }

  // ---- setting up ----

  wireNotes() {
    const form = this.find(".flagging");
    form.onsubmit = (event) => {
      event.preventDefault();
      const note = form.querySelector("input").value.trim() || null;
      if (form.dataset.record === this.visit.card?.id && this.visit.answer("flag", null, { note })) this.say("flagged");
      this.closeFlag();
    };
    form.onkeydown = (event) => {
      event.stopPropagation();
      if (isComposing(event)) {
        if (event.key === "Enter") event.preventDefault(); // it ends a word and sends nothing
      } else if (event.key === "Escape") this.closeFlag();
    };
    form.querySelector(".cancel").onclick = () => this.closeFlag();
    const reason = this.find(".reason input");
    reason.onkeydown = (event) => {
      event.stopPropagation();
      if ((event.key === "Escape" || event.key === "Enter") && !isComposing(event)) reason.blur();
    };
  }

  buildActions() {
    const { source, task } = this.visit;
    const buttons = actionsOf(source, task).map((name) => {
      const { text, key, cap } = ACTIONS[name];
      const shown = keyName({ key }, task);
      return keyButton({ name, text, shown: shown && (cap ?? shown), key: shown }, () => this[name]());
    });
    const enter = { key: "Enter", digit: null, letter: "" };
    const submit = () => this.act((moment) => task.key(enter, moment));
    if (task.proposal?.(this.visit.moment()) !== undefined) {
      buttons.unshift(keyButton({ name: "accept", text: "Accept", shown: "Enter", key: "Enter" }, submit));
      buttons[0].querySelector(".name").dir = "auto";
    }
    if (task.submits) buttons.unshift(keyButton({ name: "submit", text: (!source.review && task.accepts) || source.submit, shown: "Enter", key: "Enter" }, submit));
    this.find(".actions").replaceChildren(...buttons);
  }

  // ---- painting: each part compares what it would show with what it shows, so that a key press touches little ----

  paint() {
    const { visit, line } = this;
    const { card } = visit;
    this.paintSetup();
    if (this.painted.card !== card) this.paintCard(card);
    this.find(".sheet").hidden = this.find(".reason").hidden = !card;
    this.paintEmpty();
    visit.task.draw(this.find(".answer"), visit.moment(), (change, at) => this.act(change, at));
    this.paintProposal();
    this.rail.paint();
    this.find("[data-action=hints]")?.setAttribute("aria-pressed", String(!visit.hidden));
    this.paintState(visit.outbox, line.failure);
    this.paintProgress();
  }

  /** The button for Enter says what it accepts; it keeps its size, so that nothing moves. */
  paintProposal() {
    const button = this.find("[data-action=accept]");
    if (!button) return;
    const words = this.visit.task.proposal(this.visit.moment());
    setText(button.querySelector(".name"), words ?? "Accept");
    button.title = words ?? "";
    button.disabled = words === null;
  }

  /** The task's part, the guidelines and the buttons, when they are new or a person changed them on another page. */
  paintSetup() {
    const { setup, task, source } = this.visit;
    const desk = this.find(".desk");
    if (desk.dataset.setup === setup.key) return;
    desk.dataset.setup = setup.key;
    this.painted = {};
    this.find(".answer").replaceChildren();
    this.buildActions();
    this.find(".heading").textContent = source.review ? "" : (task.heading ?? "Answer");
    this.find(".heading").hidden = source.review; // there it stands on a page that has one
    this.find(".rules").textContent = setup.guidelines;
    const terms = task.glossary();
    this.find(".names").replaceChildren(
      ...terms.flatMap(([term, text]) => [element("dt", { dir: "auto" }, term), element("dd", { dir: "auto" }, text)]),
    );
    const unguided = !setup.guidelines && !terms.length;
    this.find(".guide").hidden = unguided;
    desk.classList.toggle("plain", source.review || (unguided && !task.drawBeside));
  }

  paintCard(card) {
    this.painted.card = card;
    const { task } = this.visit;
    paintRecord(this.root, card, task);
    const beside = this.find(".beside");
    beside.hidden = !card || !task.drawBeside;
    if (!beside.hidden) task.drawBeside(beside, card);
    this.find(".opinions").replaceChildren(...(card?.answers ?? []).map((one) => this.opinion(one)));
    const form = this.find(".flagging");
    if (!form.hidden && form.dataset.record !== card?.id) this.closeFlag();
    for (const button of this.root.querySelectorAll(".actions button")) {
      const name = button.dataset.action;
      if (name !== "accept") button.disabled = !card && (name === "submit" || Boolean(ACTIONS[name].needsRecord));
    }
  }

  /** A line that shows what one person answered. */
  opinion({ user, action, note, ...answer }) {
    const words = WITHOUT_ANSWER[action] ?? this.visit.task.describe(answer);
    const row = element("li", {}, element("span", { class: "who", dir: "auto" }, user), element("span", { class: "words", dir: "auto" }, words));
    if (note) row.append(element("span", { class: "note", dir: "auto" }, note));
    return row;
  }

  /** What to say when there is no record to show. */
  paintEmpty() {
    const { visit, line } = this;
    const box = this.find(".empty");
    box.hidden = Boolean(visit.card);
    if (visit.card) return;
    let words = visit.task.missing() ?? visit.source.nothing(visit);
    if (line.failure === "offline") {
      words = ["The server cannot be reached", "It is tried again every few seconds. What you answered is kept in this browser."];
    } else if (line.failure) words = ["This visit has ended", line.failure];
    setText(box.querySelector(".title"), words[0]);
    setText(box.querySelector(".detail"), words[1]);
  }

  /** "saved" is only said when every event is durable on the server. */
  paintState({ size, stored }, failure) {
    const kept = stored ? `${size} kept in this browser` : `${size} not kept: this browser's storage is full`;
    const words = failure ? (size ? `offline: ${kept}` : "offline") : size ? `saving ${size}…` : "saved";
    const saved = this.find(".saved");
    setText(saved, words);
    saved.dataset.pending = String(size);
    saved.dataset.state = failure ? "offline" : size ? "saving" : "saved";
    const { refused } = this.visit;
    const notice = this.find(".notice");
    notice.hidden = !refused.length;
    if (refused.length) setText(notice, `${refused.length === 1 ? "An answer was" : `${refused.length} answers were`} not accepted: ${refused.at(-1)}`);
  }

  paintProgress() {
    const { visit } = this;
    const [batch, pace] = visit.source.headline(visit);
    setText(this.find(".batch"), batch);
    setText(this.find(".pace"), pace);
    const { size = 0, answered = 0 } = visit.latest?.progress ?? {};
    const bar = this.find(".bar");
    bar.setAttribute("aria-valuemax", String(size || 1));
    bar.setAttribute("aria-valuenow", String(Math.min(answered, size)));
    bar.firstElementChild.style.width = `${size ? (100 * Math.min(answered, size)) / size : 0}%`;
    const counts = visit.past.tally;
    const key = JSON.stringify(counts);
    if (this.painted.counts === key) return;
    this.painted.counts = key;
    const words = (one) => WITHOUT_ANSWER[one] ?? visit.task.describe(JSON.parse(one));
    this.find(".tally").replaceChildren(
      ...counts.map(([one, count]) => element("li", {}, element("bdi", {}, words(one)), " ", element("b", {}, String(count)))),
    );
  }
}
