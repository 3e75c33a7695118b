"""Which records are neighbours, and how labels flow between them. Knows unit vectors and row numbers, not heads."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import BadInput

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.int64]

NODES = 20_000  # more records than this are sampled: the search grows with the square, its use does not
NEIGHBOURS = 10
LABELS_AT_ONCE = 64  # columns that stay in the cache while mass flows


@dataclass(frozen=True)
class Graph:
    """Nearest neighbours among some records, made once per encoder.

    rows: (g,) row numbers, ascending. neighbours: (g, k) positions in `rows`, nearest first, never oneself.
    cosines: (g, k) float32.
    """

    rows: Ints
    neighbours: npt.NDArray[np.int32]
    cosines: npt.NDArray[np.float32]


def neighbour_graph(vectors: Floats, rows: Ints, rng: np.random.Generator) -> Graph:
    """Exact search over at most NODES of the rows, drawn uniformly: 4 CPU seconds for 20,000 rows of 384 numbers."""
    import faiss

    rows = np.sort(rows if len(rows) <= NODES else rng.choice(rows, size=NODES, replace=False))
    points = np.asarray(vectors[rows], dtype=np.float32)
    if not np.isfinite(points.sum()):
        raise BadInput("Some vectors hold NaN or infinity. Encode the records again.")
    k = min(NEIGHBOURS, len(rows) - 1)
    if k < 1:
        return Graph(rows, np.empty((len(rows), 0), np.int32), np.empty((len(rows), 0), np.float32))
    cosines, found = faiss.knn(points, points, k + 1, metric=faiss.METRIC_INNER_PRODUCT)
    return Graph(rows, *_without_oneself(found, cosines))


def _without_oneself(found: Ints, cosines: Floats) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Drop oneself, or the last where many duplicates have crowded it out."""
    keep = found != np.arange(len(found))[:, None]
    keep[keep.all(axis=1), -1] = False
    shape = (len(found), found.shape[1] - 1)
    return found[keep].reshape(shape).astype(np.int32), cosines[keep].reshape(shape).astype(np.float32)


def link(graph: Graph, points: Floats, newcomers: Floats) -> Any:
    """(g + k, g + k) sparse symmetric affinities: the graph's nodes first, then newcomers tied to their nearest nodes.

    An affinity is the cosine, never below zero. points: (g, dims) of the graph; newcomers: (k, dims).
    """
    from scipy import sparse

    g, width = graph.neighbours.shape
    near, closeness = _nearest_nodes(points, newcomers, max(width, 1))
    total = g + len(newcomers)
    sources = np.concatenate([np.repeat(np.arange(g), width), np.repeat(np.arange(g, total), near.shape[1])])
    targets = np.concatenate([graph.neighbours.ravel(), near.ravel()])
    affinity = np.maximum(np.concatenate([graph.cosines.ravel(), closeness.ravel()]), 0)
    one_way = sparse.csr_matrix((affinity.astype(np.float32), (sources, targets)), shape=(total, total))
    return one_way.maximum(one_way.T).tocsr()


def _nearest_nodes(points: Floats, newcomers: Floats, k: int) -> tuple[Ints, Floats]:
    import faiss

    k = min(k, len(points))
    if k == 0 or len(newcomers) == 0:
        return np.empty((len(newcomers), k), np.int64), np.empty((len(newcomers), k), np.float32)
    closeness, near = faiss.knn(newcomers, points, k, metric=faiss.METRIC_INNER_PRODUCT)
    return near, closeness


def spread(affinities: Any, seeds: Floats, steps: int = 6, keep: float = 0.9) -> Floats:
    """(nodes, labels) float32 label mass after some steps of label spreading. Zhou et al. 2004.

    seeds: (nodes, labels), zero rows where unknown. keep: the share that flows on in each step, the rest is the seed.
    """
    from scipy import sparse

    degree = np.asarray(affinities.sum(axis=1)).ravel()
    scale = sparse.diags(1 / np.sqrt(np.maximum(degree, 1e-12))).astype(np.float32)
    flow = (scale @ affinities @ scale).tocsr().astype(np.float32)
    mass = np.empty(seeds.shape, dtype=np.float32)
    for start in range(0, seeds.shape[1], LABELS_AT_ONCE):
        seed = np.ascontiguousarray(seeds[:, start : start + LABELS_AT_ONCE], dtype=np.float32)
        part = seed
        for _ in range(steps):
            part = np.float32(keep) * (flow @ part) + np.float32(1 - keep) * seed
        mass[:, start : start + LABELS_AT_ONCE] = part
    return mass
