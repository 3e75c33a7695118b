"""F1 against number of decisions on pairs whose truth is known: chosen, or drawn at random. Knows numbers alone."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from core.arrays import Bools, Floats, Ints
from core.models.heads.pair_head import fit_chooser, fit_pair_head
from core.pairs.choosing import batch_size, choose_first, choose_next


@dataclass(frozen=True)
class KnownPairs:
    """values: (n, features). similarity: (n,). same: (n,) the truth. test: (n,) pairs that score and are not asked."""

    values: Floats
    similarity: Floats
    same: Bools
    test: Bools


def steps(pairs: int, budget: int) -> list[int]:
    """Decisions after each batch, the budget or all pairs at the end."""
    result, most = [0], min(budget, pairs)
    while result[-1] < most:
        result.append(min(result[-1] + batch_size(result[-1]), most))
    return result[1:]


def decide(known: KnownPairs, strategy: str, budget: int, seed: int) -> Iterator[Ints]:
    """(decisions,) pairs decided after each of `steps`. strategy: one of STRATEGIES, which all draw from the same
    pairs."""
    choose, pool = STRATEGIES[strategy], np.flatnonzero(~known.test)
    decided = np.empty(0, np.int64)
    for total in steps(len(pool), budget):
        left = np.setdiff1d(pool, decided)
        decided = np.concatenate([decided, left[choose(known, decided, left, total - len(decided), seed)]])
        yield decided


def play(known: KnownPairs, strategy: str, budget: int, seed: int, report: Callable[[], None]) -> list[float]:
    """F1 on the test pairs after each of `steps`."""
    curve = []
    for decided in decide(known, strategy, budget, seed):
        head = fit_pair_head(known.values[decided], known.same[decided], seed)
        curve.append(score(known, head.raw(known.values[known.test]) > 0.5))
        report()
    return curve


def _by_margin(known: KnownPairs, decided: Ints, left: Ints, n: int, seed: int) -> Ints:
    """From the extremes until both kinds of decision are there, then by the chooser's margin. Positions in `left`."""
    rng = np.random.default_rng([seed, len(decided)])
    same = known.same[decided]
    if same.all() or not same.any():
        return choose_first(known.similarity[left], n, rng)
    return choose_next(fit_chooser(known.values[decided], same, seed).raw(known.values[left]), n, rng)


def _by_lot(known: KnownPairs, decided: Ints, left: Ints, n: int, seed: int) -> Ints:
    return np.random.default_rng([seed, len(decided)]).permutation(len(left))[:n]


STRATEGIES = {"ours": _by_margin, "random": _by_lot}
"""name -> (known, decided, left, n, seed) -> positions in `left`"""


def score_all(known: KnownPairs, seed: int) -> float:
    """F1 on the test pairs of a model that learnt from every other pair."""
    head = fit_pair_head(known.values[~known.test], known.same[~known.test], seed)
    return score(known, head.raw(known.values[known.test]) > 0.5)


def score(known: KnownPairs, predicted: Bools) -> float:
    """F1 of `same` on the test pairs; 0 where nothing is right. predicted: of the test pairs."""
    truth = known.same[known.test]
    total = int(truth.sum()) + int(predicted.sum())
    return 2 * int((truth & predicted).sum()) / total if total else 0.0
