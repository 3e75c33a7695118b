"""What a model sees of a pair: how like the two texts are, and how the pair stands among its records' other partners.

Every feature is the same for (a, b) as for (b, a), and lies between -1 and 1 whatever the pool: counts go in by their
logarithm. Knows texts and spaces; not decisions or models.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from math import fsum, log, log1p
from unicodedata import normalize

import numpy as np
import numpy.typing as npt

from core.config.record_fields import named_fields
from core.pairs.blocking.candidates import Pairs, similarity
from core.pairs.spaces import (
    CUT,
    NEAREST,
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
LARGEST = log1p(CUT)
NONE = -1.0
"""a feature of something that neither text, or only one of them, has"""


SIMILARITY = "similarity"
FIRST = (SIMILARITY, "words: above the next, least", "encoder: above the next, least")
"""features that come first: see `core.models.heads.pair_prior`"""


@dataclass(frozen=True)
class PairFeatures:
    """values: (pairs, names) float32 in -1..1, without NaN; FIRST come first."""

    names: tuple[str, ...]
    values: npt.NDArray[np.float32]

    @property
    def vectors(self) -> npt.NDArray[np.float16]:
        """(pairs, names + 1) unit rows: the features, all by the same factor, and what is missing to length one."""
        scaled = self.values / np.sqrt(np.float32(len(self.names) + 1))
        rest = np.sqrt(np.maximum(1 - np.square(scaled).sum(axis=1, keepdims=True), 0))
        return np.hstack([scaled, rest]).astype(np.float16)


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
    spaces: Spaces,
    texts: tuple[Sequence[str], Sequence[str]],
    pairs: Pairs,
    report: Report,
    fields: Sequence[str] | None = None,
) -> PairFeatures:
    """texts: (left, right), the same twice within one source. spaces: of all records: context is their partners.

    fields: names of those that are compared one by one; None: whatever both sides' texts have.
    """
    context = [(SIMILARITY, similarity(spaces, pairs))]
    context += [part for name, space in vars(spaces).items() for part in _context(name, space, pairs)]
    left, right = ([TextParts(text) for text in side] for side in texts)
    context += list(_gram_cosines(left, right, pairs))
    rarity = _rarity([*left, *right])
    parts = _field_parts(texts, fields)
    rows: list[list[float]] = []
    names: tuple[str, ...] = ()
    for number, (one, other) in enumerate(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)):
        row = dict(_text_features(left[one], right[other], rarity))
        for name, (ours, theirs) in parts.items():
            row |= {f"{name}: {key}": value for key, value in _field_features(ours[one], theirs[other])}
        names = tuple(row)
        rows.append(list(row.values()))
        if number % 500 == 0:
            report(number, len(pairs))
    report(len(pairs), len(pairs))
    columns = np.column_stack([values for _, values in context]) if len(pairs) else np.empty((0, len(context)))
    values = np.hstack([columns, np.array(rows, np.float32).reshape(len(pairs), len(names))])
    return _first_ones_first(PairFeatures((*(name for name, _ in context), *names), values.astype(np.float32)))


def _first_ones_first(features: PairFeatures) -> PairFeatures:
    names = (*FIRST, *(name for name in features.names if name not in FIRST))
    order = [features.names.index(name) for name in names]
    return PairFeatures(names, np.clip(features.values[:, order], -1, 1))


def _log(count: float) -> float:
    """1 for as many as a text can have."""
    return log1p(count) / LARGEST


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
    """(m,) cosine minus that of the best other partner; (m,) the share of the nearest that are nearer."""
    if not neighbours.rows.shape[1]:
        return cosines, np.zeros(len(cosines))
    others = neighbours.rows[rows] != partners[:, None]
    near = np.where(others, neighbours.cosines[rows], 0)
    ranks = (near > cosines[:, None] + 1e-6).sum(axis=1) / NEAREST
    return cosines - near.max(axis=1), ranks.astype(np.float32)


def _rarity(texts: Sequence[TextParts]) -> dict[str, float]:
    """word -> log of the texts over those that hold it."""
    counts = Counter(word for text in texts for word in text.words)
    return {word: log(len(texts) / count) for word, count in counts.items()}


def _text_features(one: TextParts, other: TextParts, rarity: dict[str, float]) -> Iterator[tuple[str, float]]:
    from rapidfuzz import fuzz
    from rapidfuzz.distance import JaroWinkler

    first, second = sorted((one.letters, other.letters))  # so that nothing depends on which is left
    yield "ratio", fuzz.ratio(first, second) / 100
    yield "partial ratio", fuzz.partial_ratio(first, second) / 100
    yield "sorted words", fuzz.token_sort_ratio(first, second) / 100
    yield "set of words", fuzz.token_set_ratio(first, second) / 100
    yield "beginning", JaroWinkler.similarity(first, second)
    yield from _both_ways("length", len(one.lower), len(other.lower))
    yield from _both_ways("words", len(one.words), len(other.words))
    yield from _sets("common words", one.words, other.words)
    shared = [rarity[word] for word in one.words & other.words]
    common = fsum(shared)  # exact: a set has another order in every process
    alone = [fsum(rarity[word] for word in words) for words in (one.words - other.words, other.words - one.words)]
    yield "rarity of common words", _log(common)
    yield "rarest common word", _log(max(shared)) if shared else NONE
    yield "rarity of other words, least", _log(min(alone))
    yield "rarity of other words, most", _log(max(alone))
    yield "share of rarity in common", common / ((common + sum(alone)) or 1)
    yield from _sets("numbers", one.numbers, other.numbers)
    yield from _sets("codes", one.codes, other.codes)
    inside = sum(code in other.squeezed for code in one.codes) + sum(code in one.squeezed for code in other.codes)
    codes = len(one.codes) + len(other.codes)
    yield "codes inside the other text", inside / codes if codes else NONE


def _both_ways(name: str, one: float, other: float) -> Iterator[tuple[str, float]]:
    """The smaller, and its share of the larger."""
    yield f"{name}, least", _log(min(one, other))
    yield f"{name}, least of most", min(one, other) / (max(one, other) or 1)


def _sets(name: str, one: frozenset[str], other: frozenset[str]) -> Iterator[tuple[str, float]]:
    """How many are common, of all and of the smaller; how many stand on one side only."""
    common, alone = len(one & other), (len(one - other), len(other - one))
    known = bool(one and other)
    yield f"{name}: common", _log(common)
    yield f"{name}: of all", common / (len(one | other)) if known else NONE
    yield f"{name}: of the smaller", common / min(len(one), len(other)) if known else NONE
    yield f"{name}: alone, least", _log(min(alone))
    yield f"{name}: alone, most", _log(max(alone))


def _field_parts(
    texts: tuple[Sequence[str], Sequence[str]], fields: Sequence[str] | None
) -> dict[str, tuple[list[TextParts], list[TextParts]]]:
    """name -> (left, right); of fields that both sides have, or of these. A single one is the whole text."""
    if fields is not None and len(fields) < 2:
        return {}
    left, right = (split_fields(side) if fields is None else named_fields(side, fields) for side in texts)
    return {
        name: ([TextParts(text) for text in left[name]], [TextParts(text) for text in right[name]])
        for name in left
        if name in right
    }


def _field_features(one: TextParts, other: TextParts) -> Iterator[tuple[str, float]]:
    from rapidfuzz import fuzz

    first, second = sorted((one.lower, other.lower))
    known = bool(first and second)
    yield "missing", ((not first) + (not second)) / 2
    yield "ratio", fuzz.ratio(first, second) / 100 if known else NONE
    yield "set of words", fuzz.token_set_ratio(first, second) / 100 if known else NONE
    yield "common words", len(one.words & other.words) / len(one.words | other.words) if known else NONE
    numbers = one.numbers | other.numbers
    yield "numbers", len(one.numbers & other.numbers) / len(numbers) if one.numbers and other.numbers else NONE
    amounts = sorted(part.amount for part in (one, other) if part.amount is not None)
    yield "amount, least of most", amounts[0] / (amounts[1] or 1) if len(amounts) == 2 else NONE


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
