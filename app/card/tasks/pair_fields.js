// Both sides of a pair as rows, field by field, and what numbers and codes in them say. Knows no page.

const SHORTEST_CODE = 3; // characters
const MOST_CODES = 3; // on either side
export const MOST_COMPARED = 10_000; // characters of a text; what follows is shown unmarked

/**
 * [{name, role, left, right}] in the order of the fields, "" where a side lacks one; fields that both lack are left out.
 * The texts are lines `name: value`; where none of them names a field a side is one text, under no name.
 */
export function rowsOf(record, fields) {
  const texts = Object.fromEntries((record.fields ?? []).map(({ name, value }) => [name, value]));
  const sides = [texts.left ?? "", texts.right ?? ""].map((text) => valuesOf(text, fields));
  const named = fields.map(({ name, role }) => ({ name, role, left: sides[0].get(name) ?? "", right: sides[1].get(name) ?? "" }));
  const unnamed = { name: "", role: "text", left: sides[0].get("") ?? "", right: sides[1].get("") ?? "" };
  return [...named, unnamed].filter(({ left, right }) => left || right);
}

/** Name to value, "" for lines before the first that names a field. A line that names none goes on with the one before. */
export function valuesOf(text, fields) {
  if (fields.length < 2) return new Map([[fields[0]?.name ?? "", text.trim()]]);
  const names = new Set(fields.map(({ name }) => name));
  const values = new Map();
  let current = "";
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    const name = colon < 0 ? "" : line.slice(0, colon);
    const begins = names.has(name) && !values.has(name);
    if (begins) current = name;
    const value = begins ? line.slice(colon + 1).trim() : line;
    values.set(current, values.has(current) ? `${values.get(current)}\n${value}` : value);
  }
  for (const [name, value] of values) values.set(name, value.trim());
  return values;
}

/** The one number in a text, null where there is none or several. 1,299.00 and 1.299,00 are alike; 1,299 is a thousand. */
export function numberIn(text) {
  const matches = text.normalize("NFKC").match(/[-+\u2212]?\d[\d.,]*/g) ?? [];
  if (matches.length !== 1) return null;
  const [, sign, digits] = /^([-+\u2212]?)(.*?)[.,]*$/.exec(matches[0]);
  const english = /^\d{1,3}(?:,\d{3})+(?:\.\d+)?$/.test(digits) && !digits.startsWith("0");
  const german = /^\d{1,3}(?:\.\d{3})+,\d+$|^\d{1,3}(?:\.\d{3}){2,}$/.test(digits);
  if (!english && !german && !/^\d+(?:[.,]\d+)?$/.test(digits)) return null;
  const plainly = english ? digits.replaceAll(",", "") : german ? digits.replaceAll(".", "") : digits;
  const number = Number(plainly.replace(",", "."));
  return sign && sign !== "+" ? -number : number;
}

/** How far the right number is from the left one, in words: "+5.9 (4.6 %)", "" where they are the same. */
export function differenceOf(left, right) {
  const difference = Number((right - left).toFixed(9));
  if (!difference) return "";
  const words = `${difference > 0 ? "+" : "\u2212"}${Math.abs(difference).toLocaleString("en", { maximumFractionDigits: 4 })}`;
  const share = left ? Math.abs(difference / left) * 100 : 0;
  return share >= 0.05 && share < 1000 ? `${words} (${share.toLocaleString("en", { maximumFractionDigits: 1 })} %)` : words;
}

/** Part numbers of either side that the other has not: letters and digits mixed; 24-inch and 75Hz are measures. */
export function differingCodes(left, right) {
  const [ours, theirs] = [left, right].map(codesIn);
  const only = (codes, other) => [...codes].filter(([code]) => !other.has(code)).map(([, written]) => written).slice(0, MOST_CODES);
  return { left: only(ours, theirs), right: only(theirs, ours) };
}

/** Code without hyphens and the like -> as it is written. */
function codesIn(text) {
  const codes = new Map();
  for (const [written] of text.slice(0, MOST_COMPARED).matchAll(/[\p{L}\p{N}][\p{L}\p{N}\-/._]*[\p{L}\p{N}]/gu)) {
    const code = written.replace(/[^\p{L}\p{N}]/gu, "").toLowerCase();
    if (code.length < SHORTEST_CODE || !/\p{L}/u.test(code) || !/\p{N}/u.test(code) || /^\p{N}+\p{L}+$/u.test(code)) continue;
    if (!codes.has(code)) codes.set(code, written);
  }
  return codes;
}
