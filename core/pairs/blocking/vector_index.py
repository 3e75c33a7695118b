"""Neighbours among millions of vectors: an inverted file of cells, of which a query reads some. Knows vectors alone."""

from typing import TYPE_CHECKING

import numpy as np

from core.arrays import Floats, Ints
from core.pairs.blocking.candidates import Pairs
from core.pairs.blocking.postings import join_pairs
from core.pairs.spaces import Report

if TYPE_CHECKING:
    import faiss

PROBES = 16
"""cells that a query reads"""
TRAINED_ON = 40
"""vectors for each cell"""
PIECE = 10_000
"""vectors held at once in float32"""


def find_near(vectors: tuple[Floats, Floats | None], per_record: int, report: Report) -> Pairs:
    """The nearest per_record of the other side, from each side; approximate: a neighbour in a cell that is not read is
    missed. vectors: (left, right) unit rows of any precision, memory-mapped or not; right None within one source.

    The index holds 8 bits per number. Ordered by left, then right row.
    """
    left, right = vectors
    if right is None:
        own, other = _search(left, left, per_record + 1, report)
        apart = own != other
        own, other = own[apart], other[apart]
        return join_pairs([Pairs(np.minimum(own, other), np.maximum(own, other))], len(left))
    ours, theirs = _search(left, right, per_record, lambda done, total: report(done, 2 * total))
    back, front = _search(right, left, per_record, lambda done, total: report(total + done, 2 * total))
    return join_pairs([Pairs(ours, theirs), Pairs(front, back)], len(right))


def _search(queries: Floats, points: Floats, k: int, report: Report) -> tuple[Ints, Ints]:
    """(query, point) of the k nearest of each query."""
    index = _index(points)
    neighbours = []
    for start in range(0, len(queries), PIECE):
        block = np.ascontiguousarray(queries[start : start + PIECE], np.float32)
        _, rows = index.search(block, min(k, len(points)))
        own = np.repeat(np.arange(start, start + len(block)), rows.shape[1])
        there = rows.ravel() >= 0
        neighbours.append((own[there], rows.ravel()[there]))
        report(start + len(block), len(queries))
    return np.concatenate([own for own, _ in neighbours]), np.concatenate([other for _, other in neighbours])


def _index(points: Floats) -> "faiss.IndexIVFScalarQuantizer":
    import faiss

    cells = max(1, min(round(4 * len(points) ** 0.5), len(points) // TRAINED_ON))
    dims = points.shape[1]
    centres = faiss.IndexFlatIP(dims)
    index = faiss.IndexIVFScalarQuantizer(
        centres, dims, cells, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
    )
    sample = np.random.default_rng(0).permutation(len(points))[: TRAINED_ON * cells]
    index.train(np.ascontiguousarray(points[np.sort(sample)], np.float32))
    for start in range(0, len(points), PIECE):
        index.add(np.ascontiguousarray(points[start : start + PIECE], np.float32))
    index.nprobe = PROBES
    return index
