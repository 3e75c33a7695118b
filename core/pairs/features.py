"""What a model sees of a pair: how like the two texts are, and how the pair stands among its records' other partners.

Every feature is the same for (a, b) as for (b, a). Knows texts and spaces; not decisions or models.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from math import fsum, log
from unicodedata import normalize

import numpy as np
import numpy.typing as npt

from core.pairs.candidates import Pairs
from core.pairs.spaces import (
    Neighbours,
    Report,
    Space,
    Spaces,
    grams,
    lower_case,
    row_cosines,
    tf_idf,
    words_of,
)

NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
CODE = re.compile(r"[\w][\w\-/.]*")
SHORTEST_CODE, LONGEST_AMOUNT = 3, 20
"""characters"""
GRAMS = {
    "one character": (1, False),
    "two characters": (2, False),
    "three letters": (3, True),
    "five letters": (5, True),
}
"""name -> (length, of the decomposed text)"""
FIELD = re.compile(r"([^\W\d_][\w .-]{0,39}):(?:\s(.*)|$)")
MOST_FIELDS = 12
"""that are compared one by one"""
NONE = -1.0
"""a feature of something that neither text, or only one of them, has"""


@dataclass(frozen=True)
class PairFeatures:
    """values: (pairs, names) float32, without NaN."""

    names: tuple[str, ...]
    values: npt.NDArray[np.float32]


@dataclass(frozen=True)
class TextParts:
    """A text taken apart once, however many pairs it stands in."""

    text: str

    @cached_property
    def lower(self) -> str:
        return lower_case(self.text)

    @cached_property
    def letters(self) -> str:
        """Decomposed: Korean syllables into their letters, accents beside theirs. Inflected words then share more."""
        return normalize("NFKD", self.lower)

    @cached_property
    def words(self) -> frozenset[str]:
        return frozenset(words_of(self.text))

    @cached_property
    def numbers(self) -> frozenset[str]:
        return frozenset(number.rstrip(".,") for number in NUMBER.findall(self.lower))

    @cached_property
    def amount(self) -> float | None:
        """The shortest number, 1,299.00 and 1.299,00 alike; None where there is none, or only one that is no amount."""
        number = min(self.numbers, key=lambda number: (len(number), number), default="")
        whole, mark, rest = number.replace(",", ".").rpartition(".")
        if not 0 < len(number) <= LONGEST_AMOUNT:
            return None
        return float(f"{whole.replace('.', '')}.{rest}" if mark else rest)

    @cached_property
    def codes(self) -> frozenset[str]:
        """Letters and digits mixed, as in part numbers; without hyphens and the like."""
        matches = (re.sub(r"[\W_]", "", word) for word in CODE.findall(self.lower))
        return frozenset(
            code
            for code in matches
            if len(code) >= SHORTEST_CODE and not code.isdigit() and any(letter.isdigit() for letter in code)
        )

    @cached_property
    def squeezed(self) -> str:
        return re.sub(r"[\W_]", "", self.lower)


def pair_features(
    spaces: Spaces, texts: tuple[Sequence[str], Sequence[str]], pairs: Pairs, report: Report
) -> PairFeatures:
    """texts: (left, right), the same twice within one source. spaces: of all records: context is their partners."""
    context = [part for name, space in vars(spaces).items() for part in _context(name, space, pairs)]
    left, right = ([TextParts(text) for text in side] for side in texts)
    context += list(_gram_cosines(left, right, pairs))
    rarity = _rarity([*left, *right])
    fields = _field_parts(texts)
    rows: list[list[float]] = []
    names: tuple[str, ...] = ()
    for number, (one, other) in enumerate(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)):
        row = dict(_text_features(left[one], right[other], rarity))
        for name, (ours, theirs) in fields.items():
            row |= {f"{name}: {key}": value for key, value in _field_features(ours[one], theirs[other])}
        names = tuple(row)
        rows.append(list(row.values()))
        if number % 500 == 0:
            report(number, len(pairs))
    report(len(pairs), len(pairs))
    columns = np.column_stack([values for _, values in context]) if len(pairs) else np.empty((0, len(context)))
    values = np.hstack([columns, np.array(rows, np.float32).reshape(len(pairs), len(names))])
    return PairFeatures((*(name for name, _ in context), *names), values.astype(np.float32))


def _context(name: str, space: Space, pairs: Pairs) -> Iterator[tuple[str, npt.NDArray[np.floating]]]:
    """The cosine, how far it is above the best other partner of either record, and its rank among each one's."""
    cosines = space.cosines(pairs.left, pairs.right)
    yield f"{name}: cosine", cosines
    sides = (
        _against_others(space.of_left, pairs.left, pairs.right, cosines),
        _against_others(space.of_right, pairs.right, pairs.left, cosines),
    )
    for number, what in enumerate(("above the next", "rank")):
        both = np.stack([side[number] for side in sides])
        yield f"{name}: {what}, least", both.min(axis=0)
        yield f"{name}: {what}, most", both.max(axis=0)


def _gram_cosines(
    left: Sequence[TextParts], right: Sequence[TextParts], pairs: Pairs
) -> Iterator[tuple[str, npt.NDArray[np.floating]]]:
    """TF-IDF cosines by runs of characters and of letters: short ones for syllabic scripts, long ones for phrases."""
    for name, (size, decomposed) in GRAMS.items():
        one, other = ([part.letters if decomposed else part.lower for part in side] for side in (left, right))
        rows, others = tf_idf((one, other), partial(grams, size=size))
        if others is not None:
            yield f"cosine by {name}", row_cosines(rows, others, pairs.left, pairs.right)


def _against_others(
    neighbours: Neighbours,
    rows: npt.NDArray[np.int64],
    partners: npt.NDArray[np.int64],
    cosines: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]:
    """(m,) cosine minus that of the best other partner; (m,) how many of the nearest are nearer, NEAREST for all."""
    if not neighbours.rows.shape[1]:
        return cosines, np.zeros(len(cosines))
    others = neighbours.rows[rows] != partners[:, None]
    near = np.where(others, neighbours.cosines[rows], 0)
    return cosines - near.max(axis=1), (near > cosines[:, None] + 1e-6).sum(axis=1).astype(np.float32)


def _rarity(texts: Sequence[TextParts]) -> dict[str, float]:
    """word -> log of the texts over those that hold it."""
    counts = Counter(word for text in texts for word in text.words)
    return {word: log(len(texts) / count) for word, count in counts.items()}


def _text_features(one: TextParts, other: TextParts, rarity: dict[str, float]) -> Iterator[tuple[str, float]]:
    from rapidfuzz import fuzz
    from rapidfuzz.distance import JaroWinkler

    first, second = sorted((one.letters, other.letters))  # so that nothing depends on which is left
    yield "ratio", fuzz.ratio(first, second)
    yield "partial ratio", fuzz.partial_ratio(first, second)
    yield "sorted words", fuzz.token_sort_ratio(first, second)
    yield "set of words", fuzz.token_set_ratio(first, second)
    yield "beginning", JaroWinkler.similarity(first, second)
    yield from _both_ways("length", len(one.lower), len(other.lower))
    yield from _both_ways("words", len(one.words), len(other.words))
    yield from _sets("common words", one.words, other.words)
    shared = [rarity[word] for word in one.words & other.words]
    common = fsum(shared)  # exact: a set has another order in every process
    alone = [fsum(rarity[word] for word in words) for words in (one.words - other.words, other.words - one.words)]
    yield "rarity of common words", common
    yield "rarest common word", max(shared, default=NONE)
    yield "rarity of other words, least", min(alone)
    yield "rarity of other words, most", max(alone)
    yield "share of rarity in common", common / ((common + sum(alone)) or 1)
    yield from _sets("numbers", one.numbers, other.numbers)
    yield from _sets("codes", one.codes, other.codes)
    inside = sum(code in other.squeezed for code in one.codes) + sum(code in one.squeezed for code in other.codes)
    codes = len(one.codes) + len(other.codes)
    yield "codes inside the other text", inside / codes if codes else NONE


def _both_ways(name: str, one: float, other: float) -> Iterator[tuple[str, float]]:
    """The smaller, and its share of the larger."""
    yield f"{name}, least", min(one, other)
    yield f"{name}, least of most", min(one, other) / (max(one, other) or 1)


def _sets(name: str, one: frozenset[str], other: frozenset[str]) -> Iterator[tuple[str, float]]:
    """How many are common, of all and of the smaller; how many stand on one side only."""
    common, alone = len(one & other), (len(one - other), len(other - one))
    known = bool(one and other)
    yield f"{name}: common", common
    yield f"{name}: of all", common / (len(one | other)) if known else NONE
    yield f"{name}: of the smaller", common / min(len(one), len(other)) if known else NONE
    yield f"{name}: alone, least", min(alone)
    yield f"{name}: alone, most", max(alone)


def _field_parts(texts: tuple[Sequence[str], Sequence[str]]) -> dict[str, tuple[list[TextParts], list[TextParts]]]:
    """name -> (left, right); of fields that both sides have."""
    left, right = (split_fields(side) for side in texts)
    return {
        name: ([TextParts(text) for text in left[name]], [TextParts(text) for text in right[name]])
        for name in left
        if name in right
    }


def _field_features(one: TextParts, other: TextParts) -> Iterator[tuple[str, float]]:
    from rapidfuzz import fuzz

    first, second = sorted((one.lower, other.lower))
    known = bool(first and second)
    yield "missing", (not first) + (not second)
    yield "ratio", fuzz.ratio(first, second) if known else NONE
    yield "set of words", fuzz.token_set_ratio(first, second) if known else NONE
    yield "common words", len(one.words & other.words) / len(one.words | other.words) if known else NONE
    numbers = one.numbers | other.numbers
    yield "numbers", len(one.numbers & other.numbers) / len(numbers) if one.numbers and other.numbers else NONE
    amounts = sorted(part.amount for part in (one, other) if part.amount is not None)
    yield "amount, least of most", amounts[0] / (amounts[1] or 1) if len(amounts) == 2 else NONE


def join_fields(fields: Mapping[str, str]) -> str:
    """One line each, in their order; line breaks in a value become blanks. A single field is its value alone."""
    if len(fields) == 1:
        return next(iter(fields.values()))
    return "\n".join(f"{name}: {' '.join(value.split())}" for name, value in fields.items())


def split_fields(texts: Sequence[str]) -> dict[str, list[str]]:
    """name -> values, "" where a text lacks it; nothing where the texts are no such lines, or have only one.

    Every line must be a field in nine of ten texts, and a field stand in half of them.
    """
    rows = [_read(text) for text in texts]
    whole = [row for row in rows if row]
    if not texts or len(whole) < 0.9 * len(texts):
        return {}
    names = dict.fromkeys(name for row in whole for name in row)
    common = [name for name in names if sum(name in row for row in whole) >= 0.5 * len(whole)][:MOST_FIELDS]
    return {name: [row.get(name, "") for row in rows] for name in common} if len(common) > 1 else {}


def _read(text: str) -> dict[str, str]:
    """Empty where a line is no field."""
    matches = [FIELD.fullmatch(line.strip()) for line in text.split("\n")[: 4 * MOST_FIELDS]]
    return {match[1]: match[2] or "" for match in matches if match} if all(matches) else {}
