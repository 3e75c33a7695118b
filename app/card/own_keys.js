// Keys that a person has chosen for what a task offers. Knows keys and ids, no page.

const FUNCTION_KEY = /^F(?:[1-46-9]|10)$/; // F5, F11 and F12 are the browser's

/**
 * The name of a key that may be chosen, or null: a digit but 0, a letter that the frame does not keep for itself, a function
 * key. press: as `readKey` gives it.
 */
export function choosable({ key, digit, letter }, reserved) {
  if (digit !== null) return digit ? String(digit) : null;
  if (letter) return reserved.includes(letter) ? null : letter;
  return FUNCTION_KEY.test(key) ? key : null;
}

/** Key to id with one more choice: what a key stands for has one key, and a key stands for one thing. */
export function withOwnKey(keys, key, id) {
  const others = Object.entries(keys).filter(([other, owner]) => other !== key && owner !== id);
  return Object.fromEntries([...others, [key, id]]);
}
