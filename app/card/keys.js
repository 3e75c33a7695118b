// The keys that are the frame's own, whatever the task is.

/** Name to button text, key and help. A letter is no key where the task takes letters itself. */
export const ACTIONS = {
  skip: { text: "Skip", key: " ", help: "skip: somebody else may know", needsRecord: true },
  pass: { text: "Pass", key: " ", help: "pass: it comes again when all others were seen" },
  undo: { text: "Undo", key: "Backspace", cap: "⌫", help: "undo, as far back as this visit goes" },
  flag: { text: "Flag", key: "f", help: "flag the record with a note: nobody is asked about it again", needsRecord: true },
  note: { text: "Note", key: "n", help: "write a note; Enter leaves it" },
  hints: { text: "Hints", key: "h", help: "hide or show suggestions" },
  similar: { text: "Similar", key: "s", help: "show or hide similar records and a search beside the record" },
  keys: { text: "Keys", key: "?", help: "this help" },
};
const SCROLL = { ArrowDown: 48, ArrowUp: -48, PageDown: 300, PageUp: -300 };

/** The names of the actions that a source offers for a task, in the order of their buttons. */
export function actionsOf(source, task) {
  const unused = new Set([...(task.skips ? ["skip", "pass"] : []), ...(task.lone ? ["similar"] : [])]);
  return source.actions.filter((name) => !unused.has(name));
}

/** The action of a source that a key stands for, or null. */
export function actionOf({ key, letter }, source, task) {
  const stands = (own) => (isLetter(own) ? own === letter && !task.takesLetters : own === key);
  return source.actions.find((name) => !(task.lone && name === "similar") && stands(ACTIONS[name].key)) ?? null;
}

/** By how many pixels a key scrolls a long record, 0 where it does not. */
export function scrollOf({ key }, source) {
  return source.scrolls ? (SCROLL[key] ?? 0) : 0;
}

/** The key of an action as its name is written, "" where only the button is left. */
export function keyName({ key }, task) {
  if (isLetter(key) && task.takesLetters) return "";
  return key === " " ? "Space" : key;
}

/** The letters that the frame keeps for itself. */
export function reservedLetters(source) {
  return source.actions.map((name) => ACTIONS[name].key).filter(isLetter);
}

/** [key, what it does] for the help: the task's, then the frame's. */
export function helpRows(source, task) {
  const rows = source.actions.filter((name) => !(task.lone && name === "similar")).map((name) => {
    const { text, help } = ACTIONS[name];
    const key = keyName(ACTIONS[name], task);
    return key ? [key, help] : [text, `${help} (button)`];
  });
  if (source.scrolls) rows.splice(-1, 0, ["↑ ↓ Page", "scroll a long text"]);
  return [...task.help(), ...rows];
}

function isLetter(key) {
  return /^[a-z]$/.test(key);
}
