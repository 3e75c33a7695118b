"""Where in a text a value stands. Knows texts, no step and no answer.

Four ways, the first that finds something counts: word for word; folded (NFKC, case, quotes, punctuation, runs of
blanks); folded without an article at its beginning; the most similar run of as many words.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

SIMILAR = 85.0
"""least similarity (rapidfuzz's ratio, 0..100) of a run of words that counts as the value"""
SPARE_WORDS = 1
"""words by which such a run may be longer or shorter"""
MOST_WORDS = 60
"""of a value that is sought by similarity"""
ARTICLE = re.compile(r"(?:the|a|an|der|die|das|ein|eine|le|la|les|un|une|el|los|las|il|lo)\s+(?=\S)")

EXACT, FOLDED, ARTICLE_LESS, SIMILAR_WORDS = "exact", "folded", "without its article", "similar"


@dataclass(frozen=True)
class Grounded:
    """spans: [start, end) in code points of the text, in order; none where it is not there. how: one of the four ways.

    nearest: where nothing is found, what comes closest, and how close (0..100).
    """

    spans: tuple[tuple[int, int], ...]
    how: str = ""
    nearest: str = ""
    similarity: float = 0.0


@dataclass(frozen=True)
class FoldedText:
    """text: folded. starts, ends: of each of its characters, where it came from in the original."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]


def ground(value: str, text: str, folded: FoldedText | None = None) -> Grounded:
    """All mentions of the value. folded: of the text, where the caller has it already."""
    value = value.strip()
    if not value:
        return Grounded(())
    if spans := _exact(value, text):
        return Grounded(spans, EXACT)
    folded = folded or fold(text)
    sought = fold(value).text.strip()
    if spans := _in_folded(sought, folded):
        return Grounded(spans, FOLDED)
    bare = ARTICLE.sub("", sought, count=1) if ARTICLE.match(sought) else ""
    if bare and (spans := _in_folded(bare, folded)):
        return Grounded(spans, ARTICLE_LESS)
    return _similar(sought, text, folded)


def _exact(value: str, text: str) -> tuple[tuple[int, int], ...]:
    """Where it stands as a word of its own; inside of others only if nowhere else."""
    spans = tuple((match.start(), match.end()) for match in re.finditer(re.escape(value), text))
    return tuple(span for span in spans if _is_word(text, *span)) or spans


def _is_word(text: str, start: int, end: int) -> bool:
    """Neither end cuts a word of letters that are written with blanks between words."""
    return not (
        (start and _joins(text[start - 1]) and _joins(text[start]))
        or (end < len(text) and _joins(text[end]) and _joins(text[end - 1]))
    )


def _joins(character: str) -> bool:
    return character.isalnum() and not "\u2e80" <= character <= "\u9fff" and not "\uac00" <= character <= "\ud7af"


def fold(text: str) -> FoldedText:
    """Lower case of NFKC; what is neither letter nor digit becomes one blank, however long it is."""
    characters: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for position, character in enumerate(text):
        for part in unicodedata.normalize("NFKC", character).casefold():
            part = part if part.isalnum() or unicodedata.combining(part) else " "
            if part == " " and characters and characters[-1] == " ":
                ends[-1] = position + 1
                continue
            characters.append(part)
            starts.append(position)
            ends.append(position + 1)
    return FoldedText("".join(characters), starts, ends)


def _in_folded(sought: str, folded: FoldedText) -> tuple[tuple[int, int], ...]:
    if not sought:
        return ()
    spans = tuple((match.start(), match.end()) for match in re.finditer(re.escape(sought), folded.text))
    whole = tuple(span for span in spans if _is_word(folded.text, *span)) or spans
    return tuple((folded.starts[start], folded.ends[end - 1]) for start, end in whole)


def _similar(sought: str, text: str, folded: FoldedText) -> Grounded:
    """The best run of about as many words; ties go to the first."""
    from rapidfuzz import fuzz, process

    words = [(match.start(), match.end()) for match in re.finditer(r"\S+", folded.text)]
    size = len(sought.split())
    if not words or size > MOST_WORDS:
        return Grounded(())
    sizes = range(max(size - SPARE_WORDS, 1), min(size + SPARE_WORDS, len(words)) + 1)
    runs = [(words[first][0], words[first + n - 1][1]) for n in sizes for first in range(len(words) - n + 1)]
    if not runs:
        runs = [(words[0][0], words[-1][1])]
    best = process.extractOne(sought, [folded.text[start:end] for start, end in runs], scorer=fuzz.ratio)
    start, end = runs[best[2]]
    span = (folded.starts[start], folded.ends[end - 1])
    if best[1] >= SIMILAR:
        return Grounded((span,), SIMILAR_WORDS, similarity=float(best[1]))
    return Grounded((), nearest=text[slice(*span)], similarity=float(best[1]))
