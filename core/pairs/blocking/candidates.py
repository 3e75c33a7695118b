"""Which pairs of records are worth a decision: neighbours by characters and by encoder, never all pairs.

Knows texts and spaces; not decisions, models or files.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.arrays import Bools, Floats, Ints
from core.data.ledger import normalise
from core.pairs.spaces import Neighbours, Report, Space, Spaces, nearest, row_cosines

if TYPE_CHECKING:
    from core.pairs.spaces import Both

PER_RECORD = 5
"""neighbours in each of the two spaces, both ways"""
NEAR_RANKS = 5
"""near misses are one more neighbour for so many, at least one; of twice as many pairs a few draws bound only half"""
FIRST, SECOND = 1, 2
"""bits of the two searches: by characters and by encoder; of large sources by shared words and in alphabetical order"""
TIE = 1e-5
"""cosines that differ by less are equal: they were summed in another order"""


@dataclass(frozen=True)
class Pairs:
    """Row numbers: left[i] and right[i] are a pair. Within one source left < right, and no pair comes twice."""

    left: Ints
    right: Ints

    def __len__(self) -> int:
        return len(self.left)


@dataclass(frozen=True)
class RatedPairs:
    """Candidates. similarity: (m,) 0..1. best: (m,) whether no other partner of either record is nearer."""

    pairs: Pairs
    similarity: Floats
    best: Bools


@dataclass(frozen=True)
class SearchedPairs:
    """Candidates, and near misses. similarity: (m,) 0..1. searches: (m,) sum of the bits of those that have the pair
    among the nearest of either record. near: pairs that come next in rank in a search, `next_ranks` for each."""

    pairs: Pairs
    similarity: Floats
    searches: Ints
    near: Pairs


@dataclass(frozen=True)
class FoundPairs:
    """What some of the texts found, near misses among it. searches: (m,) as in `SearchedPairs`, 0 for near misses;
    similarity: (m,) 0..1, NaN for them."""

    pairs: Pairs
    searches: Ints
    similarity: Floats


@dataclass(frozen=True)
class SearchedSides:
    """Unit rows of (left, right) by characters and by encoder; right None within one source."""

    characters: "Both"
    encoder: "Both"

    def of_side(self, rows: range, side: int) -> range:
        """Those of the rows, counted over both sides, that are of this one, as its own rows."""
        before = int(self.encoder[0].shape[0]) if side else 0
        size = int(self.characters[side].shape[0])  # type: ignore[union-attr]
        return range(max(rows.start - before, 0), max(min(rows.stop - before, size), 0))

    def similarity(self, pairs: Pairs) -> Floats:
        """(m,) as `similarity` has it."""
        cosines = [
            row_cosines(left, left if right is None else right, pairs.left, pairs.right)
            for left, right in (self.characters, self.encoder)
        ]
        return np.asarray(np.clip(np.mean(cosines, axis=0), 0, 1))


@dataclass(frozen=True)
class DistinctTexts:
    """firsts: (d,) the first record of each distinct text that is not blank, in their order; equal: normalised, that
    is, to a reader. text_of: (n,) which of them each record has, -1 where its text is blank."""

    firsts: Ints
    text_of: Ints


def distinct_texts(texts: Sequence[str]) -> DistinctTexts:
    """Ten thousand equal records are one text: the search is for texts."""
    number_of: dict[str, int] = {}
    firsts: list[int] = []
    text_of = np.full(len(texts), -1, np.int64)
    for row, text in enumerate(texts):
        if key := normalise(text):
            if key not in number_of:
                number_of[key] = len(firsts)
                firsts.append(row)
            text_of[row] = number_of[key]
    return DistinctTexts(np.array(firsts, np.int64), text_of)


def find_candidates(spaces: Spaces, per_record: int = PER_RECORD) -> Pairs:
    """The nearest by characters and by encoder of each record on either side, ordered by left, then right row."""
    ranks = slice(0, per_record)
    pairs = [pair for space in (spaces.characters, spaces.encoder) for pair in _neighbour_pairs(space, ranks)]
    return _once(*_joined(pairs), spaces)


def next_ranks(per_record: int) -> int:
    """How many neighbours behind the first `per_record` are near misses."""
    return -(-per_record // NEAR_RANKS)


def search_spaces(
    sides: SearchedSides, rows: range, per_record: int = PER_RECORD, report: Report = lambda done, total: None
) -> FoundPairs:
    """The nearest by characters and by encoder of these texts, and the next ranks. rows: of the left side, and behind
    those of the right; from a multiple of BLOCK of their side on, what they find is the same as when all are sought."""
    spaces = ((FIRST, sides.characters), (SECOND, sides.encoder))
    lookups = [(bit, space, side) for bit, space in spaces for side in (0, 1) if space[side] is not None]
    parts = []
    for number, (bit, space, side) in enumerate(lookups):
        own = sides.of_side(rows, side)

        def report_part(done: int, total: int, number: int = number) -> None:
            report(1000 * number + 1000 * done // total, 1000 * len(lookups))

        near = nearest(space[side], space[1 - side], report_part, per_record + next_ranks(per_record), own)  # type: ignore[arg-type]
        ranks = near.rows.shape[1]
        queries, others = np.repeat(np.arange(own.start, own.stop), ranks), near.rows.ravel().astype(np.int64)
        bits = np.tile(np.where(np.arange(ranks) < per_record, bit, 0), len(own))
        there = others >= 0
        left, right = (queries, others) if side == 0 else (others, queries)
        if sides.encoder[1] is None:
            left, right = np.minimum(left, right), np.maximum(left, right)
        parts.append(FoundPairs(Pairs(left[there], right[there]), bits[there], np.full(int(there.sum()), np.nan)))
    joined = join_found(parts)
    held = joined.searches > 0
    joined.similarity[held] = sides.similarity(Pairs(joined.pairs.left[held], joined.pairs.right[held]))
    return joined


def join_found(parts: Sequence[FoundPairs]) -> FoundPairs:
    """Each pair once, by left, then right row: its searches are those of all parts."""
    left, right = (np.concatenate([getattr(part.pairs, side) for part in parts]) for side in ("left", "right"))
    width = int(right.max(initial=0)) + 1
    codes, position = np.unique(left * width + right, return_inverse=True)
    searches, similarity = np.zeros(len(codes), np.int64), np.full(len(codes), np.nan, np.float32)
    for bit in (FIRST, SECOND):
        searches[position[np.concatenate([part.searches & bit > 0 for part in parts])]] |= bit
    values = np.concatenate([part.similarity for part in parts])
    known = ~np.isnan(values)
    similarity[position[known]] = values[known]
    return FoundPairs(Pairs(codes // width, codes % width), searches, similarity)


def with_near_misses(matches: FoundPairs) -> SearchedPairs:
    """What all texts found together."""
    held = matches.searches > 0
    near = Pairs(matches.pairs.left[~held], matches.pairs.right[~held])
    pairs = Pairs(matches.pairs.left[held], matches.pairs.right[held])
    return SearchedPairs(pairs, matches.similarity[held], matches.searches[held], near)


def _joined(pairs: Sequence[tuple[Ints, Ints]]) -> tuple[Ints, Ints]:
    return np.concatenate([left for left, _ in pairs]), np.concatenate([right for _, right in pairs])


def find_mutual_best(spaces: Spaces) -> Pairs:
    """Pairs of which each is the other's nearest, by encoder and by words: needs no decision and no threshold.

    It finds partners where most records have one; where they have none it joins strangers.
    """
    nearest = [pair for space in (spaces.words, spaces.encoder) for pair in _neighbour_pairs(space, slice(0, 1))]
    pairs = _once(*_joined(nearest), spaces)
    best = is_mutual_best(spaces, pairs)
    return Pairs(pairs.left[best], pairs.right[best])


def is_mutual_best(spaces: Spaces, pairs: Pairs) -> Bools:
    """(m,) whether no other partner of either record is nearer, by encoder nor by words."""
    best = np.ones(len(pairs), np.bool_)
    for space in (spaces.words, spaces.encoder):
        cosines = space.cosines(pairs.left, pairs.right)
        for neighbours, rows in ((space.of_left, pairs.left), (space.of_right, pairs.right)):
            best &= (cosines > 0) & (cosines >= _nearest_cosine(neighbours)[rows] - TIE)
    return best


def best_of_both(pairs: Pairs, similarity: Floats, *, one_source: bool) -> Bools:
    """(m,) whether neither record has a more similar partner among these pairs; similarity 0 is nobody's best."""
    if one_source:
        of_left = of_right = _greatest(np.concatenate([pairs.left, pairs.right]), np.tile(similarity, 2))
    else:
        of_left, of_right = _greatest(pairs.left, similarity), _greatest(pairs.right, similarity)
    nearest = np.maximum(of_left[pairs.left], of_right[pairs.right])
    return np.asarray((similarity > 0) & (similarity >= nearest - TIE))


def _greatest(rows: Ints, values: Floats) -> Floats:
    """The greatest value of each row, 0 for one that has none."""
    result = np.zeros(int(rows.max(initial=-1)) + 1, values.dtype)
    np.maximum.at(result, rows, values)
    return result


def rate(spaces: Spaces) -> RatedPairs:
    """All candidates; best by encoder and by words."""
    pairs = find_candidates(spaces)
    return RatedPairs(pairs, similarity(spaces, pairs), is_mutual_best(spaces, pairs))


def similarity(spaces: Spaces, pairs: Pairs) -> Floats:
    """(m,) 0..1, the mean of the cosines by characters and by encoder: what a person is shown."""
    cosines = [space.cosines(pairs.left, pairs.right) for space in (spaces.characters, spaces.encoder)]
    return np.asarray(np.clip(np.mean(cosines, axis=0), 0, 1))


def _neighbour_pairs(space: Space, nearest: slice) -> list[tuple[Ints, Ints]]:
    """(left rows, right rows), once from each side."""
    result = []
    for neighbours, from_left in ((space.of_left, True), (space.of_right, False)):
        rows = neighbours.rows[:, nearest]
        own, other = np.repeat(np.arange(len(rows)), rows.shape[1]), rows.ravel().astype(np.int64)
        own, other = own[other >= 0], other[other >= 0]
        result.append((own, other) if from_left else (other, own))
    return result


def _once(left: Ints, right: Ints, spaces: Spaces) -> Pairs:
    if spaces.encoder.left is spaces.encoder.right:
        left, right = np.minimum(left, right), np.maximum(left, right)
    width = int(spaces.encoder.right.shape[0]) or 1
    codes = np.unique(left * width + right)
    return Pairs(codes // width, codes % width)


def _nearest_cosine(neighbours: Neighbours) -> Floats:
    cosines = neighbours.cosines
    return cosines[:, 0] if cosines.shape[1] else np.zeros(len(cosines), np.float32)
