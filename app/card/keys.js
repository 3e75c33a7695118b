// What each key does.

/** A function of the key's time stamp, or null for a key that is not ours. */
function actionFor({ key, digit, letter }, view) {
  const { visit } = view;
  if (visit.typing) {
    const text = typedBy(key, digit, view);
    if (text) return () => view.type(view.typed + text);
  }
  if (digit !== null) return (at) => view.pick(digit, at);
  if (view.typed && key === "Backspace") return () => view.type([...view.typed].slice(0, -1).join(""));
  if (view.typed && key === "Escape") return () => view.type("");
  const scroll = { ArrowDown: 48, ArrowUp: -48, PageDown: 300, PageUp: -300 }[key];
  if (scroll) return view.canScroll() ? () => view.scroll(scroll) : null;
  const act = {
    " ": (at) => view.skip(at),
    Backspace: () => view.undo(),
    Enter: (at) => view.confirm(at),
    "/": visit.typing ? () => view.search.focus() : null,
    "?": () => view.openHelp(),
  }[key];
  return act ?? { f: () => view.openFlag(), h: () => view.toggleHints() }[letter] ?? null;
}

/**
 * The character that a key adds to what is typed for a label, "" where it adds none. A digit does where names begin with
 * digits, or where a name goes on with it; so does a letter in the digits' row of a Czech keyboard.
 */
function typedBy(key, digit, view) {
  const isLetter = /^[\p{L}\p{M}'_-]$/u.test(key);
  const text = digit === null || isLetter ? key : String(digit);
  if ([...text].length !== 1) return "";
  if (view.typed && (text === " " || view.fits(view.typed + text))) return text;
  if (digit === null) return isLetter ? text : "";
  return view.visit.digitsFind || (isLetter && view.visit.setup.labels.some((one) => one.name.toLowerCase().startsWith(text.toLowerCase()))) ? text : "";
}

/** [key, what it does] for the help, as this project needs them. */
function keysInWords(visit) {
  const { multi } = visit.setup;
  const flagKey = visit.typing ? "Flag" : "f";
  const rows = [];
  if (!visit.digitsFind) rows.push(["1 … 9", `${multi ? "switch on or off" : "give"} the label that shows this number`]);
  if (visit.typing) {
    rows.push([visit.digitsFind ? "letters, digits" : "letters", "find a label; Enter takes the first that is left, Escape clears"]);
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
