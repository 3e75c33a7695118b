"""How the next batch is chosen: one function per query strategy, one dict. Knows a `Pool`, not records or people.

Every strategy returns min(n, candidates) distinct rows of `pool.rows`, those to ask first first, the same for the same
generator. Those that look at vectors look at CANDIDATES of them at most, so the cost does not grow with the pool.
"""

from collections.abc import Callable

import numpy as np

from core.arrays import Floats, Ints
from core.sampling.diversity import (
    cluster,
    farthest_first,
    gather,
    one_per_centroid,
    spread_by_chance,
    typicality,
)
from core.sampling.pool import Pool, Strategy, without
from core.sampling.rare_labels import likeliest_of_rare
from core.sampling.uncertainty import best_positions, is_flat, score_pool
from core.tasks.task import Predictions

CANDIDATES = 20_000  # drawn uniformly from a larger pool, or the least sure of it
ANCHORS = 2_000  # labelled records that a new pick keeps away from, at most
CLUSTERS = 500  # Hacohen et al. cap here: more clusters than this are too small to have a typical record
COMPETING = 1_000  # members of a cluster that compete to be its typical one
GROUPED = 10_000  # candidates that are clustered: k-means over twice as many takes twice the time, finds the same


def random(pool: Pool, n: int, rng: np.random.Generator) -> Ints:
    """Any record is as likely as any other: the yardstick that the others must beat."""
    return rng.permutation(rng.choice(pool.rows, size=min(n, len(pool.rows)), replace=False))


def least_confidence(pool: Pool, n: int, rng: np.random.Generator) -> Ints:
    """The records whose best label is least certain. Lewis & Gale 1994. Random before the first model."""
    return _least_sure(pool, n, rng, "least_confidence")


def margin(pool: Pool, n: int, rng: np.random.Generator) -> Ints:
    """The records torn between two labels ("breaking ties"). Scheffer et al. 2001. Random before the first model."""
    return _least_sure(pool, n, rng, "margin")


def entropy(pool: Pool, n: int, rng: np.random.Generator) -> Ints:
    """The records whose probabilities are spread widest. Shannon 1948, Settles 2009. Random before the first model."""
    return _least_sure(pool, n, rng, "entropy")


def k_center(pool: Pool, n: int, rng: np.random.Generator) -> Ints:
    """The records farthest from everything labelled so far: covers the corners. Sener & Savarese 2018 (core-set)."""
    rows = _some(pool.rows, max(CANDIDATES, n), rng)
    anchors = gather(pool.vectors, _some(pool.labelled, ANCHORS, rng))
    return rows[farthest_first(gather(pool.vectors, rows), anchors, min(n, len(rows)), rng)]


def typiclust(pool: Pool, n: int, rng: np.random.Generator) -> Ints:
    """The most typical record of each large group that has no label yet: best for a start. Hacohen et al. 2022."""
    return _one_of_each_group(pool, n, rng, lambda points, _: typicality(points))


def central(pool: Pool, n: int, rng: np.random.Generator) -> Ints:
    """The record nearest the centre of each large group that has no label yet. After Gupte et al. 2024 (DropQuery).

    TypiClust's groups, but its densest records are often near-duplicates: the centre beats them from a cold start.
    """
    return _one_of_each_group(pool, n, rng, lambda points, centroid: -np.linalg.norm(points - centroid, axis=1))


def badge(pool: Pool, n: int, rng: np.random.Generator) -> Ints:
    """Records that would move the model far and in different directions (gradient embeddings). Ash et al. 2020 (BADGE).

    Candidates are the least sure by margin; before the first model the gradients are the vectors themselves.
    """
    rows, predictions = _doubtful(pool, max(CANDIDATES, n), rng)
    points = gather(pool.vectors, rows)
    if predictions is None:
        factors: Floats = np.ones((len(rows), 1), dtype=np.float32)
    else:
        factors = predictions.space.gradients(np.asarray(predictions.outputs, dtype=np.float32))
    return rows[spread_by_chance(points, factors, min(n, len(rows)), rng)]


def margin_kmeans(pool: Pool, n: int, rng: np.random.Generator) -> Ints:
    """The least sure records, thinned so that no two ask the same question. After Zhdanov 2019 (diverse mini-batches).

    Of the 10 n least sure by margin, the nearest to each of n k-means centroids; before the first model of 10 n random.
    """
    rows, _ = _doubtful(pool, 10 * n, rng)
    n = min(n, len(rows))
    if n == 0:
        return rows
    points = gather(pool.vectors, rows)
    centroids, _ = cluster(points, n, rng)
    return rows[np.sort(one_per_centroid(points, centroids))]  # in the order of `rows`: least sure first


def schedule(pool: Pool, n: int, rng: np.random.Generator) -> Ints:
    """Central records until there are about three labels per label, then the least sure and diverse. The default.

    Then up to a third goes to labels that hardly any record has yet. A model that predicts the same for every record,
    as after one label only, counts as no model.
    """
    if pool.predictions is None or len(pool.labelled) < pool.predictions.space.cold or is_flat(score_pool(pool)):
        return central(pool, n, rng)
    rare = likeliest_of_rare(pool, n, rng)
    return np.concatenate([rare, margin_kmeans(without(pool, rare), n - len(rare), rng)])


STRATEGIES: dict[str, Strategy] = {
    "default": schedule,
    "random": random,
    "least_confidence": least_confidence,
    "margin": margin,
    "entropy": entropy,
    "k_center": k_center,
    "typiclust": typiclust,
    "central": central,
    "badge": badge,
    "margin_kmeans": margin_kmeans,
}


def _least_sure(pool: Pool, n: int, rng: np.random.Generator, name: str) -> Ints:
    if pool.predictions is None:
        return random(pool, n, rng)
    return pool.rows[best_positions(score_pool(pool, name), n, rng)]


def _doubtful(pool: Pool, n: int, rng: np.random.Generator) -> tuple[Ints, Predictions | None]:
    """The n least sure rows, least sure first, with their predictions; n random rows without a model."""
    if pool.predictions is None:
        return random(pool, n, rng), None
    positions = best_positions(score_pool(pool), n, rng)
    return pool.rows[positions], pool.predictions.take(positions)


def _some(rows: Ints, limit: int, rng: np.random.Generator) -> Ints:
    return rows if len(rows) <= limit else rng.choice(rows, size=limit, replace=False)


Fitness = Callable[[Floats, Floats], Floats]
"""(members of one group, its centroid) -> (members,) how well each stands for the group, higher = better."""


def _one_of_each_group(pool: Pool, n: int, rng: np.random.Generator, fitness: Fitness) -> Ints:
    """The fittest record of the groups with the fewest labels, larger groups first: k-means of candidates and labelled
    records together.
    """
    rows, labelled = _some(pool.rows, max(GROUPED, n), rng), _some(pool.labelled, ANCHORS, rng)
    points, known = gather(pool.vectors, rows), gather(pool.vectors, labelled)
    n = min(n, len(rows))
    if n == 0:
        return rows[:0]
    centroids, group = cluster(np.concatenate([points, known]), max(min(n + len(known), CLUSTERS), n), rng)
    labelled = np.bincount(group[len(rows) :], minlength=len(centroids)).tolist()
    members = [rng.permutation(np.flatnonzero(group[: len(rows)] == g)) for g in range(len(centroids))]
    ranked: dict[int, list[int]] = {}
    picks: list[int] = []
    size = [len(member) for member in members]
    while len(picks) < n:
        g = min((g for g in range(len(members)) if size[g] > 0), key=lambda g: (labelled[g], -size[g]))
        ranked.setdefault(g, _by_fitness(points, members[g], centroids[g], fitness))
        picks.append(ranked[g].pop(0))
        labelled[g] += 1
        size[g] -= 1
    return rows[picks]


def _by_fitness(points: Floats, members: Ints, centroid: Floats, fitness: Fitness) -> list[int]:
    """Fittest first, ties in random order; of a large group only COMPETING random members are ranked, then the rest."""
    some, others = members[:COMPETING], members[COMPETING:]
    ranked = some[np.argsort(-fitness(points[some], centroid), kind="stable")]
    return [int(position) for position in np.concatenate([ranked, others])]
