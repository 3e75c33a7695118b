"""TF-IDF cosines by character trigrams of some pairs among millions of texts, in blocks. Knows texts and pairs.

The values are those of the space of characters (core.pairs.spaces), without holding its matrix: trigrams are hashed,
and each block of pairs takes its own texts apart.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from core.arrays import Floats, Ints
from core.pairs.blocking.candidates import Pairs
from core.pairs.spaces import CUT, Report, row_cosines

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

BITS = 22
"""of a trigram's hash: of 50,000 different ones some one in a hundred meets another"""
CHARACTERS = 2_000_000
"""taken apart at once"""
_FACTORS = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9)

Weights = npt.NDArray[np.float32]


def trigram_cosines(
    texts: tuple[Sequence[str], Sequence[str] | None], pairs: Pairs, report: Report, weights: Weights | None = None
) -> npt.NDArray[np.float32]:
    """(m,) of the pairs. texts: (left, right) in lower case, right None within one source; their first CUT characters
    count. weights: `trigram_weights` of the texts, or of more. Memory grows with the pairs and CHARACTERS, not with the
    texts."""
    left, right = texts[0], texts[0] if texts[1] is None else texts[1]
    if weights is None:
        weights = trigram_weights(texts, lambda done, total: report(3 * done // max(total, 1), 10))
    result = np.zeros(len(pairs), np.float32)
    start = 0
    for stop in _block_ends(left, right, pairs):
        part = slice(start, stop)
        ours, theirs = (np.unique(rows[part], return_inverse=True) for rows in (pairs.left, pairs.right))
        rows, others = (
            _unit_rows([side[row] for row in numbers[0].tolist()], weights)
            for side, numbers in ((left, ours), (right, theirs))
        )
        result[part] = row_cosines(rows, others, ours[1], theirs[1])
        report(300 + 700 * stop // len(pairs), 1000)
        start = stop
    return np.clip(result, 0, 1)


def trigram_weights(texts: tuple[Sequence[str], Sequence[str] | None], report: Report) -> Weights:
    """(2 ** BITS,) inverse document frequencies: ln((1 + n) / (1 + texts with it)) + 1."""
    sides = (texts[0], texts[1] or ())
    counts, total, done = np.zeros(1 << BITS, np.int32), sum(map(len, sides)), 0
    for side in sides:
        for part in _pieces(side):
            _, buckets, _ = _trigram_counts(part)
            np.add.at(counts, buckets, 1)
            done += len(part)
            report(done, total)
    return np.asarray(np.log(np.float32(1 + total) / (counts + np.float32(1))) + 1, np.float32)


def _pieces(texts: Sequence[str]) -> "list[Sequence[str]]":
    """Runs of texts of some CHARACTERS together."""
    ends = np.cumsum([min(len(text), CUT) + 2 for text in texts], dtype=np.int64) // CHARACTERS
    cuts = [0, *(np.flatnonzero(np.diff(ends)) + 1).tolist(), len(texts)]
    return [texts[start:stop] for start, stop in pairwise(cuts) if stop > start]


def _block_ends(left: Sequence[str], right: Sequence[str], pairs: Pairs) -> list[int]:
    """Ends of runs of pairs whose texts have some CHARACTERS together."""
    sizes = [np.minimum([len(text) for text in side], CUT) + 2 for side in (left, right)]
    ends = np.cumsum(sizes[0][pairs.left] + sizes[1][pairs.right]) // (2 * CHARACTERS)
    return [*(np.flatnonzero(np.diff(ends)) + 1).tolist(), len(pairs)] if len(pairs) else []


def _trigram_counts(texts: Sequence[str]) -> tuple[Ints, Ints, Ints]:
    """(row, bucket, how often) of every trigram of every text, ordered by row and bucket; a blank at both ends."""
    padded = [f" {text[:CUT]} " for text in texts]
    joined = "".join(padded).encode("utf-32-le", "surrogatepass")
    codes = np.frombuffer(joined, np.uint32).astype(np.uint64)
    rows = np.repeat(np.arange(len(padded)), [len(text) for text in padded])
    hashes = sum(
        (codes[shift : len(codes) - 2 + shift] * np.uint64(factor) for shift, factor in enumerate(_FACTORS)),
        np.zeros(max(len(codes) - 2, 0), np.uint64),
    )
    whole = rows[:-2] == rows[2:]
    buckets = ((hashes ^ (hashes >> np.uint64(31))) * np.uint64(_FACTORS[0])) >> np.uint64(64 - BITS)
    keys, counts = np.unique((rows[:-2][whole] << BITS) | buckets[whole].astype(np.int64), return_counts=True)
    return keys >> BITS, keys & ((1 << BITS) - 1), counts


def _unit_rows(texts: Sequence[str], weights: Weights) -> "csr_matrix":
    """(texts, 2 ** BITS) of length one; counts by their logarithm."""
    from scipy.sparse import csr_matrix

    rows, buckets, counts = _trigram_counts(texts)
    values: Floats = (1 + np.log(counts)).astype(np.float32) * weights[buckets]
    lengths = np.sqrt(np.bincount(rows, values * values, minlength=len(texts)))
    values = values / np.maximum(lengths, 1e-12)[rows]
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(texts)))])
    return csr_matrix((values.astype(np.float32), buckets, starts), shape=(len(texts), 1 << BITS))
