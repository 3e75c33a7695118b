// Which key gives which label. Knows names, no records and no page.

import { digitValue } from "../keyboard.js";

export const DIGITS = "123456789";

/**
 * Key to label id. A label that is called by one key, "5" or "5 stars", answers to it; the rest take the keys left over, in
 * order. No digit ever gives a label that is called by another digit.
 */
export function fixedKeys(labels, keys) {
  const owner = new Map();
  const names = new Map(labels.map((label) => [label.id, plain(label.name)]));
  const leading = (name) => /^(\d)(?!\d)/.exec(name)?.[1];
  for (const [id, name] of names) if ((keys + "0").includes(name) && name.length === 1 && !owner.has(name)) owner.set(name, id);
  const called = new Set(owner.values());
  const initials = [...names.values()].map(leading);
  const rest = [...names].filter(([id, name]) => !called.has(id) && !/^\d$/.test(name));
  const without = [];
  for (const [id, name] of rest) {
    const digit = leading(name);
    if (digit && initials.filter((one) => one === digit).length === 1) owner.set(digit, id);
    else without.push(id);
  }
  const free = [...keys].filter((key) => !owner.has(key));
  for (const id of without.slice(0, free.length)) owner.set(free.shift(), id);
  return owner;
}

/** Whether every label is called by one digit: then ten of them have a key each. */
export function areDigits(labels) {
  return labels.length > 0 && labels.every((label) => /^\d$/.test(plain(label.name)));
}

export function beginsWithDigit(label) {
  return /^\d/.test(plain(label.name));
}

/** For comparing: without accents and case, digits of any script as 0 to 9. */
export function plain(text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").replace(/\p{Nd}/gu, (digit) => String(digitValue(digit))).toLowerCase();
}
