"""Drawing pairs that no search found, to estimate how many matches the candidates miss. Knows numbers, not texts.

Draws are coordinated: a pair has the same random number in every draw (permanent random numbers, Ohlsson 1995), so that
decisions on an earlier draw stay of use when records have come since.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.arrays import Bools, Ints
from core.pairs.blocking.candidates import Pairs

CHUNK = 8_192
"""pairs that are drawn at once"""
_BITS = 32
"""of a code, that hold the right side"""


@dataclass(frozen=True)
class PairSpace:
    """All pairs of different texts that there could be. sources: (sides,) number of each side's source by the side's
    own number, -1 where it takes no part: blank, or the same text as an earlier one. within: also of one source."""

    sources: Ints
    within: bool

    @property
    def size(self) -> int:
        """How many pairs."""
        counts = np.bincount(self.sources[self.sources >= 0]).astype(object)  # beyond 64 bits nothing overflows
        total = int(counts.sum())
        return (total * (total - 1) if self.within else total * total - int((counts * counts).sum())) // 2

    def holds(self, left: Ints, right: Ints) -> Bools:
        """(m,) whether each is one of them, its sides in their order: by number, of two sources by these."""
        ours, theirs = self.sources[left], self.sources[right]
        ordered = left < right if self.within else ours < theirs
        return np.asarray((ours >= 0) & (theirs >= 0) & ordered)

    def codes(self, pairs: Pairs) -> Ints:
        """Ascending, each pair once, whichever side is left; without those that are no pairs of it."""
        left, right = np.concatenate([pairs.left, pairs.right]), np.concatenate([pairs.right, pairs.left])
        held = self.holds(left, right)
        return np.unique((left[held] << _BITS) | right[held])


@dataclass(frozen=True)
class NonCandidates:
    """Drawn pairs of each stratum, and how many pairs it has."""

    near: Pairs
    near_size: int
    far: Pairs
    far_size: int


def draw(space: PairSpace, candidates: Pairs, near: Pairs, counts: tuple[int, int], seed: int) -> NonCandidates:
    """Uniformly, without replacement. candidates: all that there are, new and known. near: those next in rank; what of
    them is a candidate is left out. counts: of near and far pairs; where there are fewer, all of them."""
    known = space.codes(candidates)
    close = np.setdiff1d(space.codes(near), known, assume_unique=True)
    order = np.argsort(_mixed(close, seed), kind="stable")[: counts[0]]
    excluded = np.union1d(known, close)
    size = space.size - len(excluded)
    return NonCandidates(_pairs(close[order]), len(close), _draw_far(space, excluded, min(counts[1], size), seed), size)


def _draw_far(space: PairSpace, excluded: Ints, count: int, seed: int) -> Pairs:
    """The first of an endless random row of pairs of numbers that are pairs of the space and not excluded.

    The row depends on the seed and on the power of two that holds the sides: until their number has doubled, it is the
    same, and a pair stays drawn unless new ones come before it.
    """
    limit = 1 << max(int(len(space.sources) - 1).bit_length(), 1)
    rng = np.random.default_rng([seed, limit])
    drawn: list[int] = []
    while len(drawn) < count:
        left, right = rng.integers(0, limit, (2, CHUNK))
        inside = (left < len(space.sources)) & (right < len(space.sources))
        left, right = left[inside], right[inside]
        held = space.holds(left, right)
        codes = (left[held] << _BITS) | right[held]
        drawn += codes[~np.isin(codes, excluded)].tolist()
        drawn = list(dict.fromkeys(drawn))
    return _pairs(np.array(drawn[:count], np.int64))


def _pairs(codes: Ints) -> Pairs:
    return Pairs(codes >> _BITS, codes & ((1 << _BITS) - 1))


def _mixed(codes: Ints, seed: int) -> npt.NDArray[np.uint64]:
    """A random number for each code: the last steps of SplitMix64 (Steele, Lea & Flood 2014)."""
    mixed = codes.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15 * (seed + 1) % (1 << 64))
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))
