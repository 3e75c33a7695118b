// What each key does. A key that is held down counts once; keys in fields, dialogs and with Ctrl, Alt or Meta are not ours.

const FOREIGN = "input, textarea, select, [contenteditable='true'], [role='dialog'], [role='listbox'], dialog";
const PRESSABLE = "button, a, summary, [role='button'], [role='option'], [role='tab']";

/** view: does what the keys say. Returns a function that stops listening. */
function listen(view) {
  const onKey = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const target = event.composedPath()[0];
    if (isForeign(target)) return;
    if ((event.key === " " || event.key === "Enter") && target.closest?.(PRESSABLE)) return;
    const act = actionFor(event.key, view);
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    view.noteUse();
    if (!event.repeat || event.key.startsWith("Arrow") || event.key.startsWith("Page")) act(event.timeStamp);
  };
  document.addEventListener("keydown", onKey, true); // before Streamlit, to which c and r mean something
  const letDialogCome = keepDialogAway();
  return () => {
    document.removeEventListener("keydown", onKey, true);
    letDialogCome();
  };
}

/** Whether keys at this element belong to something else: a field, a dialog. */
function isForeign(target) {
  const foreign = target.closest?.(FOREIGN);
  return Boolean(foreign) && !foreign.contains(lostConnectionTitle() ?? document);
}

/** The title of Streamlit's own dialog about a lost connection, or null. */
function lostConnectionTitle() {
  const titles = document.querySelectorAll("[data-testid=stDialog] h2");
  return [...titles].find((title) => title.textContent === "Connection error") ?? null;
}

/** Closes that dialog as it comes: it would cover the card, which works on without the server and says so itself. */
function keepDialogAway() {
  const close = () => lostConnectionTitle()?.parentElement.querySelector("button")?.click();
  const observer = new MutationObserver(() => setTimeout(close));
  observer.observe(document.body, { childList: true });
  return () => observer.disconnect();
}

/** A function of the key's time stamp, or null for a key that is not ours. */
function actionFor(key, view) {
  if (/^[1-9]$/.test(key)) return (at) => view.pick(Number(key) - 1, at);
  if (view.visit.typing && /^[\p{L}\p{M}\p{N}'_-]$/u.test(key)) return () => view.type(view.typed + key);
  if (view.typed && key === " ") return () => view.type(`${view.typed} `);
  if (view.typed && key === "Backspace") return () => view.type([...view.typed].slice(0, -1).join(""));
  if (view.typed && key === "Escape") return () => view.type("");
  const scroll = { ArrowDown: 48, ArrowUp: -48, PageDown: 300, PageUp: -300 }[key];
  if (scroll) return view.canScroll() ? () => view.scroll(scroll) : null;
  return {
    " ": (at) => view.skip(at),
    Backspace: () => view.undo(),
    Enter: (at) => view.confirm(at),
    "/": view.visit.typing ? () => view.search.focus() : null,
    f: () => view.openFlag(),
    h: () => view.toggleHints(),
    "?": () => view.openHelp(),
  }[key] ?? null;
}

/** [key, what it does] for the help, as this project needs them. */
function keysInWords(visit) {
  const { multi } = visit.setup;
  const flagKey = visit.typing ? "Flag" : "f";
  const rows = [["1 … 9", multi ? "switch one of the first nine labels on or off" : "give one of the first nine labels"]];
  if (visit.typing) {
    rows.push(["letters", "find a label; Enter takes the first that is left, Escape clears"]);
    rows.push(["/", "go to the field that finds labels"]);
  }
  if (multi) rows.push(["Enter", "submit the labels that are on; none on means that none of them fits"]);
  else rows.push(["Enter", "accept the suggestion, when one is shown"]);
  rows.push(["Space", "skip: somebody else may know"]);
  rows.push(["Backspace", "undo, as far back as this visit goes"]);
  rows.push([flagKey, "flag the record with a note: nobody is asked about it again" + (visit.typing ? " (button)" : "")]);
  rows.push([visit.typing ? "Hints" : "h", "hide or show suggestions" + (visit.typing ? " (button)" : "")]);
  rows.push(["↑ ↓ Page", "scroll a long text"]);
  rows.push(["?", "this help"]);
  return rows;
}
