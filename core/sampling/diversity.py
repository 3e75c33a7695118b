"""How to spread a few picks over many vectors. Knows gathered float32 arrays, not pools, models or labels."""

import numpy as np

from core.arrays import Floats, Ints
from core.errors import BadInput

TRAINED_ON = 5_000  # points that move the centroids; more move them by less than another seed does
SPREAD_AMONG = 100_000  # rows among which the farthest ones are looked for
POINTS_PER_CLUSTER = 20  # but never fewer than this


def gather(vectors: Floats, rows: Ints) -> Floats:
    """(k, dims) float32 copy of some rows, in the order given. Refuses NaN, infinite numbers and rows out of reach."""
    if len(rows) and (rows.min() < 0 or rows.max() >= len(vectors)):
        raise BadInput(f"Row {rows.max()} was asked of {len(vectors)} vectors. Encode the new records first.")
    order = np.argsort(rows, kind="stable")  # ascending reads: a memory map is on disk
    block = np.empty((len(rows), vectors.shape[1]), dtype=np.float32)
    block[order] = vectors[rows[order]]
    finite = np.isfinite(block.sum(axis=1))
    if not finite.all():
        bad = int(rows[int(np.flatnonzero(~finite)[0])])
        raise BadInput(f"The vector of record row {bad} holds NaN or infinity. Encode that record again.")
    return block


def cluster(points: Floats, clusters: int, rng: np.random.Generator) -> tuple[Floats, Ints]:
    """k-means on at most `clusters` centroids: (centroids, the centroid of each point). Lloyd 1982 by FAISS."""
    import faiss

    clusters = min(clusters, len(points))
    kmeans = faiss.Kmeans(
        points.shape[1],
        clusters,
        niter=20,
        seed=int(rng.integers(2**31)),
        min_points_per_centroid=1,
        max_points_per_centroid=max(POINTS_PER_CLUSTER, TRAINED_ON // clusters),
    )
    kmeans.train(np.ascontiguousarray(points))
    centroids = np.asarray(kmeans.centroids, dtype=np.float32).reshape(clusters, -1)
    return centroids, nearest(points, centroids)


def nearest(points: Floats, centres: Floats) -> Ints:
    """The centre with the least Euclidean distance to each point; the first of equals."""
    closeness = points @ centres.T - 0.5 * (centres**2).sum(axis=1)
    return np.asarray(closeness.argmax(axis=1), dtype=np.int64)


def one_per_centroid(points: Floats, centroids: Floats) -> Ints:
    """A distinct point for each centroid, the nearest that no earlier centroid has taken."""
    closeness = centroids @ points.T - 0.5 * (points**2).sum(axis=1)
    taken = np.empty(len(centroids), dtype=np.int64)
    for number, row in enumerate(closeness):
        taken[number] = row.argmax()
        closeness[:, taken[number]] = -np.inf
    return taken


def farthest_first(points: Floats, anchors: Floats, n: int, rng: np.random.Generator) -> Ints:
    """n points, each the farthest from the anchors and all picked before; the first is random when there is no anchor.

    Gonzalez 1985. One pass over the points a pick.
    """
    squares = (points**2).sum(axis=1)
    distance = np.full(len(points), np.inf, dtype=np.float32)
    for start in range(0, len(anchors), 256):
        block = anchors[start : start + 256]
        squared = (block**2).sum(axis=1)[:, None] - 2 * (block @ points.T) + squares
        np.minimum(distance, squared.min(axis=0), out=distance)
    picks = np.empty(n, dtype=np.int64)
    lot = rng.permutation(len(points))
    for number in range(n):
        picks[number] = lot[distance[lot].argmax()] if number == 0 else distance.argmax()
        pick = points[picks[number]]
        np.minimum(distance, squares - 2 * (points @ pick) + pick @ pick, out=distance)
        distance[picks[number]] = -np.inf
    return picks


def spread_sample(vectors: Floats, rows: Ints, size: int, diversity: float, rng: np.random.Generator) -> Ints:
    """min(size, m) of the (m,) rows. diversity: share of them that is chosen farthest first from all others of the
    sample, behind the rest, which is drawn uniformly at random. 0: all at random, 1: all farthest first.

    The two kinds stand in mixed order, so that whoever stops half-way has both; with 1 the most different ones come
    first. Of very many rows the farthest are looked for among SPREAD_AMONG, drawn at random.
    """
    if not 0 <= diversity <= 1:
        raise BadInput(f"The diversity is {diversity}; it must lie between 0 (random) and 1 (farthest first).")
    if size < 1:
        raise BadInput(f"A sample of {size} records cannot be chosen; ask for 1 or more.")
    size, lot = min(size, len(rows)), rng.permutation(len(rows))
    spread = round(size * diversity)
    drawn, rest = lot[: size - spread], lot[size - spread :][: max(SPREAD_AMONG, spread)]
    points, anchors = gather(vectors, rows[rest]), gather(vectors, rows[drawn])
    picks = farthest_first(points, anchors, spread, rng) if spread else np.empty(0, np.int64)
    sample = np.concatenate([rows[drawn], rows[rest[picks]]])
    return sample if spread == size else sample[rng.permutation(size)]


def spread_by_chance(points: Floats, factors: Floats, n: int, rng: np.random.Generator) -> Ints:
    """k-means++ seeding over the outer products factors[i] x points[i], which are never formed.

    The squared distance of two outer products is |a|^2|x|^2 + |b|^2|y|^2 - 2 (a.b)(x.y). Arthur & Vassilvitskii 2007.
    Where no distance is left (all duplicates) the pick is uniform.
    """
    squares = (points**2).sum(axis=1) * (factors**2).sum(axis=1)
    weight = squares.astype(np.float64)
    free = np.ones(len(points), dtype=bool)
    picks = np.empty(n, dtype=np.int64)
    for number in range(n):
        chance = np.where(free, weight, 0.0)
        chance = chance if chance.sum() > 1e-9 else free.astype(np.float64)
        pick = picks[number] = rng.choice(len(points), p=chance / chance.sum())
        overlap = (points @ points[pick]) * (factors @ factors[pick])
        distance = np.maximum(squares + squares[pick] - 2 * overlap, 0.0)
        weight = distance.astype(np.float64) if number == 0 else np.minimum(weight, distance)
        free[pick] = False
    return picks


def typicality(points: Floats, neighbours: int = 20) -> Floats:
    """1 / the mean distance to the nearest neighbours among the points themselves; a lone point gives 0."""
    if len(points) < 2:
        return np.zeros(len(points), dtype=np.float32)
    squares = (points**2).sum(axis=1)
    distance = np.maximum(squares[:, None] - 2 * (points @ points.T) + squares, 0.0)
    np.fill_diagonal(distance, np.inf)
    k = min(neighbours, len(points) - 1)
    near = np.sqrt(np.partition(distance, k - 1, axis=1)[:, :k])
    return np.asarray(1 / (near.mean(axis=1) + 1e-6), dtype=np.float32)
