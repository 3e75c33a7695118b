"""The part of a pool of millions that a strategy looks at. Knows rows, lists of like vectors and scores, no strategy.

A batch of a hundred does not need ten million predictions: what is worth asking lies near what is labelled and near
what the model is unsure of. Coleman et al. 2022 (SEALS), Lesci & Vlachos 2024 (AnchorAL). Within the part nothing is
approximate. A uniform share of the pool is always in it, so that no corner is out of reach.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from core.arrays import Bools, Floats, Ints
from core.sampling.vector_lists import VectorLists

LARGE = 2_000_000
"""candidates from which a part is taken; up to here every one is looked at"""
UNSURE = 0.98
"""quantile of the scores of the uniform share from which a record counts as unsure"""
PRIOR = 10.0
"""records of average doubt that each list is thought to have besides: few seen ones prove little"""


@dataclass(frozen=True)
class SubpoolSize:
    """Rows of the uniform share, of the lists with the most doubt, and of the lists of labelled records; all at most,
    but for the last list."""

    uniform: int = 100_000
    unsure: int = 150_000
    near: int = 50_000


@dataclass(frozen=True)
class Subpool:
    """rows: ascending; uniform: those of them that were drawn uniformly. beyond: the candidates that are not in it."""

    rows: Ints
    uniform: Ints
    beyond: Ints


@dataclass(frozen=True)
class Candidates:
    """rows: (m,) ascending, what may be chosen. labelled: (k,) rows. total: rows of the whole pool, labelled or not."""

    rows: Ints
    labelled: Ints
    total: int


def uniform_subpool(candidates: Candidates, size: int, rng: np.random.Generator) -> Subpool:
    """Drawn uniformly: for strategies that want no model, and before the first one."""
    free = _mask(candidates)
    rows = np.sort(rng.choice(candidates.rows, min(size, len(candidates.rows)), replace=False))
    free[rows] = False
    return Subpool(rows, rows, np.flatnonzero(free))


def subpool(
    candidates: Candidates,
    lists: VectorLists,
    scores: Callable[[Ints], Floats],
    size: SubpoolSize,
    rng: np.random.Generator,
) -> Subpool:
    """A uniform share, whole lists where it finds the most doubt, and lists of labelled records, drawn at random.

    scores: rows -> acquisition scores, higher = ask sooner; asked of the uniform share alone.
    """
    drawn = uniform_subpool(candidates, size.uniform, rng)
    chosen = _mask(candidates)
    free = chosen.copy()
    chosen[:] = False
    chosen[drawn.rows] = True
    doubtful = _by_doubt(lists, drawn.rows, scores(drawn.rows))
    near = lists.list_of[rng.permutation(candidates.labelled)].astype(np.int64)
    for order, most in ((doubtful, size.unsure), (near, size.near)):
        _add_lists(chosen, free, lists, order, most)
    return Subpool(np.flatnonzero(chosen), drawn.rows, np.flatnonzero(free & ~chosen))


def _mask(candidates: Candidates) -> Bools:
    mask = np.zeros(candidates.total, np.bool_)
    mask[candidates.rows] = True
    return mask


def _by_doubt(lists: VectorLists, rows: Ints, scores: Floats) -> Ints:
    """The lists in which some of these rows are unsure, those with the largest share of them first."""
    unsure, number = scores >= np.quantile(scores, UNSURE), lists.list_of[rows]
    seen = np.bincount(number, minlength=len(lists.centroids))
    doubtful = np.bincount(number[unsure], minlength=len(lists.centroids))
    share = (doubtful + PRIOR * (1 - UNSURE)) / (seen + PRIOR)
    order = np.argsort(-share, kind="stable")
    return order[doubtful[order] > 0]


def _add_lists(chosen: Bools, free: Bools, lists: VectorLists, order: Ints, most: int) -> None:
    """Marks the free rows of the lists, in this order, until there are so many more."""
    added = 0
    for number in dict.fromkeys(order.tolist()):
        if added >= most:
            return
        rows = lists.rows(number)
        rows = rows[free[rows] & ~chosen[rows]]
        chosen[rows] = True
        added += len(rows)
