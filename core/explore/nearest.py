"""The nearest vectors over a memory map: exactly, and of millions in lists of like ones. Knows row numbers only."""

import numpy as np

from core.arrays import Floats, Ints, as_floats
from core.models.vectors import Halves
from core.sampling.vector_lists import VectorLists

BLOCK = 512
"""rows at a time: what they become stays in the processor's cache"""
PROBES = 64
"""lists that are looked through, of 4,096"""


def nearest(vectors: Halves, row: int, count: int) -> tuple[Ints, Floats]:
    """(rows, cosines) of the `count` nearest other rows, nearest first, ties by row number. vectors: unit rows.

    Every vector is looked at, without FAISS: an index would have to be built, kept in the server's memory and grown
    with every import, and without one FAISS takes float32, twice what the file has. A sketch of signs to look among
    first (Charikar 2002) was twice as quick, but of 24,783 tweets its best 0.5 % held only 65 % of the nearest fifty.
    """
    cosines = _cosines(vectors, np.asarray(vectors[row], np.float32))
    cosines[row] = -np.inf
    rows = _best(cosines, count)
    return rows, cosines[rows]


def nearest_in_part(vectors: Halves, row: int, count: int, most: int) -> tuple[Ints, Floats, int]:
    """The same among blocks of rows at equal distances, `most` rows or a few more, always the same; and how many they
    are. Far fewer of the nearest are in them than in the lists around."""
    step = BLOCK * -(-len(vectors) // most)
    requested = np.asarray(vectors[row], np.float32)
    blocks = [slice(start, min(start + BLOCK, len(vectors))) for start in range(0, len(vectors), step)]
    rows = np.concatenate([np.arange(block.start, block.stop) for block in blocks])
    cosines = np.concatenate([_cosines(vectors[block], requested) for block in blocks])
    cosines[rows == row] = -np.inf
    best = _best(cosines, count)
    return rows[best], cosines[best], len(rows)


def _best(cosines: Floats, count: int) -> Ints:
    """Where the largest are, one at most left out, the largest first, ties by place."""
    count = min(count, len(cosines) - 1)
    if count <= 0:
        return np.empty(0, np.int64)
    edge = -np.partition(-cosines, count - 1)[count - 1]  # all that tie with the last one compete for its place
    rows = np.flatnonzero(cosines >= edge)
    return rows[np.lexsort((rows, -cosines[rows]))][:count]


def nearest_in_lists(vectors: Halves, row: int, count: int, lists: VectorLists) -> tuple[Ints, Floats]:
    """The same among the rows of the PROBES lists that are nearest, and those that are in no list yet: a few of the
    farther ones may be missed."""
    requested = as_floats(vectors[row][None])[0]
    rows = np.concatenate([lists.near(requested, PROBES), np.arange(len(lists.list_of), len(vectors))])
    rows = np.sort(rows[rows != row])
    cosines = _cosines(vectors[rows], requested)
    best = np.lexsort((rows, -cosines))[:count]
    return rows[best], cosines[best]


def _cosines(vectors: Halves, requested: Floats) -> Floats:
    """float16 becomes float32 by moving its bits, which leaves it 2**112 times too small, so `wanted` is made larger.

    numpy's own cast takes many times as long as this and the product together.
    """
    larger, vectors = requested * np.float32(2.0**112), np.asarray(vectors)  # slices of a memory map cost more
    result = np.empty(len(vectors), np.float32)
    for start in range(0, len(vectors), BLOCK):
        bits = vectors[start : start + BLOCK].view(np.int16).astype(np.int32)
        bits <<= 13
        bits &= np.int32(-0x70000001)  # the sign, the five bits of the exponent, the ten of the fraction
        result[start : start + BLOCK] = bits.view(np.float32) @ larger
    return result
