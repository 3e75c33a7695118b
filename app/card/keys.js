// What each key does.

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
