"""Whole projects played in memory, many of them, where the truth is known. Knows vectors, not stores or verbs.

A project is a random subset of a labelled set: batches are chosen and audited as `core.sampling.batch.compose` does it,
every asked record teaches, and the head at the end comes with what held-out heads say of the asked records.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.recipe import Trial
from core.arrays import Floats, Ints
from core.models.heads.head import Head, LabelledVectors, cross_fit, fit_head
from core.models.heads.kind import NeighbourGraph
from core.models.heads.neighbour_graph import neighbour_graph
from core.sampling.batch import compose
from core.sampling.pool import Pool
from core.sampling.strategies import STRATEGIES
from core.tasks.labels import label_predictions


@dataclass(frozen=True)
class Plan:
    """How a project is played: records in it, and per round how many are asked and which share of them is audit."""

    records: int
    sizes: tuple[int, ...]
    audit_shares: tuple[float, ...]
    strategy: str = "default"
    seed: int = 0


@dataclass(frozen=True)
class Played:
    """A project after its last round. Positions count from 0 within the project.

    vectors: (N, dims). truth: (N,) label numbers. left: (N,) round in which a record was asked, from 0, -1 for those
    still in the pool. audited: (N,) drawn at random. pools: records to choose from before each round's draw.
    asked: (k,) positions of the asked records, ascending. held_out: (k, labels) probabilities by heads that did not
    see them. probs: (N, labels) by the head of the last round. heads: after each round.
    """

    vectors: Floats
    truth: Ints
    left: Ints
    audited: npt.NDArray[np.bool_]
    pools: tuple[int, ...]
    requested: Ints
    held_out: Floats
    probs: Floats
    heads: tuple[Head, ...]

    @property
    def pool(self) -> npt.NDArray[np.bool_]:
        """(N,) not asked yet."""
        return self.left < 0


def play(trial: Trial, plan: Plan) -> Played:
    """Deterministic for a plan; needs at least ten labels in all."""
    rng = np.random.default_rng(plan.seed)
    members = rng.permutation(len(trial.train))[: plan.records]
    vectors, truth = np.asarray(trial.train[members], np.float32), trial.truth[members]
    graph = neighbour_graph(vectors, np.arange(len(vectors)), np.random.default_rng(0))
    around = NeighbourGraph(graph, vectors[graph.rows])
    left, audited = np.full(len(vectors), -1), np.zeros(len(vectors), bool)
    heads: list[Head] = []
    pools: list[int] = []
    probs: Floats | None = None
    for number, (size, share) in enumerate(zip(plan.sizes, plan.audit_shares, strict=True)):
        rows = np.flatnonzero(left < 0)
        pool = Pool(vectors, rows, np.flatnonzero(left >= 0), None if probs is None else label_predictions(probs[rows]))
        batch = compose(pool, size, STRATEGIES[plan.strategy], share, rng)
        pools.append(len(rows))
        left[batch.rows], audited[batch.rows[batch.audit]] = number, True
        indices = np.flatnonzero(left >= 0)
        labelled_vectors = LabelledVectors(
            vectors[indices], np.eye(len(trial.labels), dtype=np.float32)[truth[indices]], trial.labels
        )
        if number + 1 < len(plan.sizes):
            heads.append(fit_head(labelled_vectors, around, rng))
        else:
            fitted = cross_fit(labelled_vectors, around, np.ones(len(indices), bool), rng)
            heads.append(fitted.head)
            held_out = fitted.outputs
        probs = heads[-1].predict(vectors)
    if probs is None or held_out is None:
        raise ValueError("A project needs at least one round and ten labels.")
    return Played(vectors, truth, left, audited, tuple(pools), indices, held_out, probs, tuple(heads))
