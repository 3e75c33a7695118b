// Which keys are ours. One held down counts once; keys in fields, dialogs and with Ctrl, Alt or Meta are not ours.

const FOREIGN = "input, textarea, select, [contenteditable='true'], [role='dialog'], [role='listbox'], dialog";
const PRESSABLE = "button, a, summary, [role='button'], [role='option'], [role='tab']";

/**
 * actionFor(press, time stamp): a function that does what the key, as `readKey` gives it, stands for; null for a key that is
 * not ours. onUse: somebody is at the keys. Returns a function that stops listening.
 */
export function listen(actionFor, onUse) {
  const onKey = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isComposing(event)) return;
    const target = event.composedPath()[0];
    if (isForeign(target)) return;
    if ((event.key === " " || event.key === "Enter") && target.closest?.(PRESSABLE)) return;
    const act = actionFor(readKey(event), event.timeStamp);
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    onUse();
    if (!event.repeat || event.key.startsWith("Arrow") || event.key.startsWith("Page")) act();
  };
  document.addEventListener("keydown", onKey, true); // before Streamlit, to which c and r mean something
  const letDialogCome = keepDialogAway();
  return () => {
    document.removeEventListener("keydown", onKey, true);
    letDialogCome();
  };
}

/** Whether an input method is at work: its Enter ends a word. Safari sends that Enter afterwards, with keyCode 229. */
export function isComposing(event) {
  return event.isComposing || event.keyCode === 229;
}

/**
 * What a key means on any keyboard: `key` is what it writes, `digit` 0 to 9 or null, `letter` a to z or "".
 * French and Czech keyboards write digits with Shift only, others in a script of their own, and Cyrillic or Greek ones no
 * a to z: there the key's position counts. With AltGr a key is only what it writes.
 */
export function readKey(event) {
  const { key, code = "" } = event;
  if (event.getModifierState("AltGraph")) return { key, digit: null, letter: "" };
  const written = /^\p{Nd}$/u.test(key) ? digitValue(key) : null;
  const row = event.shiftKey ? null : /^Digit(\d)$/.exec(code);
  const letter = /^[a-z]$/i.test(key) ? key : /^\p{L}$/u.test(key) ? (/^Key([A-Z])$/.exec(code)?.[1] ?? "") : "";
  return { key, digit: written ?? (row && Number(row[1])), letter: letter.toLowerCase() };
}

/** 0 to 9, whatever its script. The ten digits of a script stand together, the zero first. */
export function digitValue(digit) {
  const code = digit.codePointAt(0);
  let value = 0;
  while (/\p{Nd}/u.test(String.fromCodePoint(code - value - 1))) value += 1;
  return value % 10;
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
