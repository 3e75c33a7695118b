// What the palette finds: pages, labels and verbs by their names. Knows no page of a browser and no network.

const MOST = 9;

/** For comparing: without accents and case. */
export function plain(text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
}

/**
 * All that can be chosen without asking the server, as {kind, name, title, group}. pages, verbs: [{name, title, group}];
 * labels: [{name, title, colour}]. A label leads to its records, so without the Records page there are none.
 */
export function entriesOf({ pages, verbs, labels }) {
  const canSearch = pages.some(({ name }) => name === "records");
  return [
    ...pages.map((one) => ({ kind: "page", ...one })),
    ...verbs.map((one) => ({ kind: "verb", group: "Do", ...one })),
    ...(canSearch ? labels.map((one) => ({ kind: "label", group: "Records with this label", ...one })) : []),
  ];
}

/** The entries that fit, best first; for an empty query the pages and verbs. */
export function matching(entries, query) {
  const words = plain(query).split(/\s+/).filter(Boolean);
  if (!words.length) return entries.filter(({ kind }) => kind !== "label");
  const fits = entries
    .map((entry, order) => ({ entry, order, rank: rankOf(plain(entry.title), words) }))
    .filter(({ rank }) => rank !== null)
    .sort((a, b) => a.rank - b.rank || a.order - b.order);
  return fits.slice(0, MOST).map(({ entry }) => entry);
}

/** 0: begins with the query, 1: every word begins one of the name's, 2: every word is in it, null: not. */
function rankOf(title, words) {
  if (title.startsWith(words.join(" "))) return 0;
  const begins = (word) => title.startsWith(word) || title.includes(` ${word}`);
  if (words.every(begins)) return 1;
  return words.every((word) => title.includes(word)) ? 2 : null;
}

/** The position after a key, round the ends; null for a key that moves nothing. */
export function moved(position, key, count) {
  if (!count) return null;
  if (key === "ArrowDown") return (position + 1) % count;
  if (key === "ArrowUp") return (position + count - 1) % count;
  return null;
}

/** Whether a key press opens the palette: Ctrl or Cmd with K, on a keyboard of any alphabet. */
export function opensPalette({ key, code, ctrlKey, metaKey, altKey, shiftKey }) {
  const isK = key.toLowerCase() === "k" || (code === "KeyK" && !/^[a-z]$/i.test(key));
  return isK && ctrlKey !== metaKey && !altKey && !shiftKey;
}
