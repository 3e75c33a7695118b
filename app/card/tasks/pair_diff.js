// What is different between two texts, by words and inside words. Knows no page and no task.

import { MOST_COMPARED, numberIn } from "./pair_fields.js";

const MOST_CELLS = 1_000_000; // of a table of common words: some 10 ms
const MOST_ALIKE = 30; // words left on either side, of which each is compared with each
const LONGEST_WORD = 64; // characters that are compared one by one
const SHORTEST_WORD = 4; // two of fewer characters are alike by chance unless they begin alike
const ALIKE = 0.7; // share of common characters from which only the others are marked
const WORDS = new Intl.Segmenter(undefined, { granularity: "word" });
const CHARACTERS = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/**
 * Both texts in pieces: [text, mark], mark "" for what both have, "moved" for words that stand elsewhere on the other side,
 * "changed" for what the other lacks. Letter case, widths of letters and how a number is written make no difference.
 * cut: whether either was too long to be compared to its end.
 */
export function compareTexts(left, right) {
  const [leftHead, rightHead] = [left, right].map((text) => text.slice(0, MOST_COMPARED));
  const sides = [wordsOf(leftHead), wordsOf(rightHead)];
  markWords(...sides);
  markCharacters(...sides.map((words) => words.filter((word) => word.mark === "changed")));
  const [leftPieces, rightPieces] = sides.map(piecesOf);
  if (left.length > MOST_COMPARED) leftPieces.push([left.slice(MOST_COMPARED), ""]);
  if (right.length > MOST_COMPARED) rightPieces.push([right.slice(MOST_COMPARED), ""]);
  return { left: leftPieces, right: rightPieces, cut: Math.max(left.length, right.length) > MOST_COMPARED };
}

/** {text, key, mark, pieces}: what stands between blanks, key "" for blanks. pieces: of a word that is marked in part. */
function wordsOf(text) {
  return Array.from(WORDS.segment(text), ({ segment }) => ({ text: segment, key: keyOf(segment), mark: "", pieces: null }));
}

/** What words have in common that are the same: 129.00 is 129, 1,299 is 1299. */
export function keyOf(word) {
  const key = word.normalize("NFKC").toLowerCase().trim();
  return /^\d[\d.,]*$/.test(key) ? String(numberIn(key) ?? key) : key;
}

/** Words of the longest common sequence have no mark; of the rest those are moved of which the other side has one left. */
function markWords(left, right) {
  const [ours, theirs] = [left, right].map((words) => words.filter((word) => word.key));
  const common = commonSequence(ours.map((word) => word.key), theirs.map((word) => word.key));
  const inOrder = common !== null;
  const pairs = new Set((common ?? []).flatMap(([one, other]) => [ours[one], theirs[other]]));
  const [restOurs, restTheirs] = [ours, theirs].map((words) => words.filter((word) => !pairs.has(word)));
  const wordsByKey = groupByKey(restTheirs);
  for (const word of [...restOurs, ...restTheirs]) word.mark = "changed";
  for (const word of restOurs) {
    const twin = wordsByKey.get(word.key)?.shift();
    if (twin) word.mark = twin.mark = inOrder && /[\p{L}\p{N}]/u.test(word.key) ? "moved" : "";
  }
}

function groupByKey(words) {
  const groups = new Map();
  for (const word of words) {
    if (!groups.has(word.key)) groups.set(word.key, []);
    groups.get(word.key).push(word);
  }
  return groups;
}

/** Of words that are alike only the characters that differ are marked; each is compared with the likest that is free. */
function markCharacters(left, right) {
  if (Math.max(left.length, right.length) > MOST_ALIKE) return;
  const [ours, theirs] = [left, right].map((words) => words.filter(canBeAlike).map((word) => ({ word, characters: charactersOf(word.key) })));
  const candidates = [];
  for (const [index, one] of ours.entries()) {
    for (const other of theirs) {
      const share = likeness(one.characters, other.characters);
      if (share >= ALIKE) candidates.push({ one: one.word, other: other.word, share, index });
    }
  }
  candidates.sort((a, b) => b.share - a.share || a.index - b.index);
  for (const { one, other } of candidates) {
    if (!one.pieces && !other.pieces) [one.pieces, other.pieces] = compareWords(one.text, other.text);
  }
}

/** Numbers are alike only as a whole. */
function canBeAlike({ text, key }) {
  return text.length <= LONGEST_WORD && !/^[\d.,]+$/.test(key);
}

/** Share of characters that two words have in common, in order, 0..1. */
function likeness(left, right) {
  if (Math.min(left.length, right.length) < SHORTEST_WORD && left[0] !== right[0]) return 0;
  return (2 * commonSequence(left, right).length) / (left.length + right.length);
}

function compareWords(one, other) {
  const [ours, theirs] = [charactersOf(one), charactersOf(other)];
  const common = commonSequence(ours.map(keyOf), theirs.map(keyOf));
  return [ours, theirs].map((characters, side) => {
    const shared = new Set(common.map((pair) => pair[side]));
    return joined(characters.map((character, index) => [character, shared.has(index) ? "" : "changed"]));
  });
}

function charactersOf(word) {
  return Array.from(CHARACTERS.segment(word), ({ segment }) => segment);
}

/** Pairs of positions of a longest common sequence, null where the table would be too large. */
export function commonSequence(left, right) {
  let start = 0;
  while (start < Math.min(left.length, right.length) && left[start] === right[start]) start += 1;
  let end = 0;
  while (end < Math.min(left.length, right.length) - start && left.at(-1 - end) === right.at(-1 - end)) end += 1;
  const [rows, columns] = [left.length - start - end, right.length - start - end];
  if (rows * columns > MOST_CELLS) return null;
  const width = columns + 1;
  const lengths = new Uint16Array((rows + 1) * width); // at (row, column): of the common sequence of what follows
  for (let row = rows - 1; row >= 0; row -= 1) {
    for (let column = columns - 1; column >= 0; column -= 1) {
      const here = row * width + column;
      const same = left[start + row] === right[start + column];
      lengths[here] = same ? lengths[here + width + 1] + 1 : Math.max(lengths[here + width], lengths[here + 1]);
    }
  }
  const pairs = Array.from({ length: start }, (_, index) => [index, index]);
  for (let row = 0, column = 0; row < rows && column < columns; ) {
    const here = row * width + column;
    if (left[start + row] === right[start + column]) pairs.push([start + row++, start + column++]);
    else if (lengths[here + width] >= lengths[here + 1]) row += 1;
    else column += 1;
  }
  for (let fromEnd = end; fromEnd > 0; fromEnd -= 1) pairs.push([left.length - fromEnd, right.length - fromEnd]);
  return pairs;
}

/** Blanks between two marked words are marked with them. */
function piecesOf(words) {
  const marks = words.map(({ key, mark, pieces }, index) => {
    const [before, after] = [words[index - 1], words[index + 1]];
    const between = !key && before?.mark && before.mark === after?.mark && !before.pieces && !after.pieces;
    return between ? before.mark : pieces ? "" : mark;
  });
  return joined(words.flatMap(({ text, pieces }, index) => pieces ?? [[text, marks[index]]]));
}

/** Neighbours with the same mark as one. */
function joined(pieces) {
  const result = [];
  for (const [text, mark] of pieces) {
    if (result.length && result.at(-1)[1] === mark) result.at(-1)[0] += text;
    else result.push([text, mark]);
  }
  return result;
}
