"""Is one model better than another, on the same records? Knows arrays and weights, not whose models they are."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from statistics import NormalDist

import numpy as np

from core.arrays import Bools, Floats
from core.evaluation.audit import Weights, equal_weights
from core.evaluation.reporting import FEW, FEWEST
from core.evaluation.scores import RESAMPLES, group_alike

CELLS = 10_000_000
"""numbers that are drawn at once"""


@dataclass(frozen=True)
class Difference:
    """value = second - first, -1..1, with its 95 % interval."""

    first: float
    second: float
    value: float
    low: float
    high: float

    @property
    def better(self) -> str | None:
        """'first' or 'second' where the interval excludes 0; None where the difference may be chance."""
        if self.low > 0:
            return "second"
        return "first" if self.high < 0 else None

    def low_at(self, confidence: float) -> float:
        """The lower end of an interval of another confidence (0..1), by the normal distribution."""
        normal = NormalDist()
        return self.value - (self.value - self.low) * normal.inv_cdf((1 + confidence) / 2) / normal.inv_cdf(0.975)


@dataclass(frozen=True)
class Paired:
    """Two models on n random records. Accuracy counts a record as right when all its labels are.

    effective: effective sample size, in random records of an infinite pool; None where all is known. only_first,
    only_second: drawn records that only one of them gets right. unsaid: sentences on what cannot be estimated yet.
    """

    n: int
    effective: float | None
    accuracy: Difference
    macro_f1: Difference
    only_first: int
    only_second: int
    unsaid: tuple[str, ...]


def paired(truth: Bools, first: Bools, second: Bools, weights: Weights | None = None, seed: int = 0) -> Paired:
    """The difference of two models on the records that both predicted. truth, first, second: (k, labels).

    Paired bootstrap: a resample draws records, each with the predictions of both models (Efron & Tibshirani 1993, ch.
    16; Koehn 2004), so that what is hard for both does not blur the difference. The interval goes from the lowest to
    the highest of three: percentile, the same mirrored, and a Bayesian bootstrap (Rubin 1981) with one pseudo-record
    that only the first has right and one that only the second has; the percentile one alone would have width 0 where
    they never differ. Each macro F1 is over the labels in truth or in that model's predictions, so that the difference
    is that of the two figures of `score`. Without weights the records are a simple random sample.
    """
    weights = weights or equal_weights(len(truth))
    right = [(truth == predicted).all(axis=1) for predicted in (first, second)]
    lacking = _lacking(truth | first | second, weights)
    accuracies, macros = _values(truth, (first, second), weights)
    if weights.random[weights.drawn].any():
        pieces = list(_draws(truth, first, second, weights, seed))
        plainly, smoothly = (np.concatenate(draws) for draws in zip(*pieces, strict=True))
        accuracy = _difference(accuracies, [plainly[:, 0], smoothly[:, 0]])
        macro = _difference(macros, [plainly[:, 1], smoothly[:, 1]])
    elif weights.effective == inf:
        accuracy, macro = _difference(accuracies, []), _difference(macros, [])
    else:
        accuracy, macro = (_not_estimable(pair) for pair in (accuracies, macros))
    return Paired(
        n=int(weights.drawn.sum()),
        effective=None if weights.effective == inf else weights.effective,
        accuracy=accuracy,
        macro_f1=_not_estimable(macros) if lacking else macro,
        only_first=int((right[0] & ~right[1] & weights.drawn).sum()),
        only_second=int((right[1] & ~right[0] & weights.drawn).sum()),
        unsaid=tuple(_unsaid(lacking, weights)),
    )


def _values(truth: Bools, predicted: tuple[Bools, Bools], weights: Weights) -> tuple[list[float], list[float]]:
    """([accuracy, accuracy], [macro F1, macro F1]) of all records."""
    weight = weights.weight
    accuracies = [float(weight @ (truth == one).all(axis=1)) for one in predicted]
    sums = [[weight @ part for part in (truth & one, ~truth & one, truth & ~one)] for one in predicted]
    return accuracies, [float(_macro(*three)) for three in sums]


def _lacking(present: Bools, weights: Weights) -> int:
    """How many more drawn records a difference of macro F1 needs: FEW for each label that any record has."""
    if weights.effective == inf:
        return 0
    labels = int(present[weights.weight > 0].any(axis=0).sum())
    return max(FEW * max(labels, 1) - int(weights.drawn.sum()), 0)


def lacking_for_accuracy(weights: Weights) -> int:
    """How many more drawn records a difference of accuracy needs where it is the only figure: FEWEST in all."""
    return 0 if weights.effective == inf else max(FEWEST - int(weights.drawn.sum()), 0)


def unsaid_of_accuracy(weights: Weights) -> Iterator[str]:
    """Sentences on what cannot be estimated yet where accuracy is the only figure."""
    if not weights.weight.any():
        yield f"{_NONE} Audit or gold answers are needed."
    elif lacking := lacking_for_accuracy(weights):
        yield f"Accuracy cannot be compared: it takes {lacking} more audit or gold answers, {FEWEST} in all."


_NONE = "No record that both models predicted was drawn at random."


def _unsaid(lacking: int, weights: Weights) -> Iterator[str]:
    if not weights.weight.any():
        yield f"{_NONE} Audit or gold labels are needed."
    elif lacking:
        yield f"Macro F1 cannot be compared: it takes about {lacking} more audit or gold labels, {FEW} for each label."


def _difference(values: list[float], draws: list[Floats]) -> Difference:
    first, second = values
    value = second - first
    bounds = [value, value]
    for one in draws:
        low, high = np.quantile(one, [0.025, 0.975])
        bounds += [float(low), float(high)]
    if draws:
        low, high = np.quantile(draws[0], [0.025, 0.975])
        bounds += [2 * value - float(low), 2 * value - float(high)]
    return Difference(first, second, value, max(min(bounds), -1.0), min(max(bounds), 1.0))


def _not_estimable(values: list[float]) -> Difference:
    return Difference(values[0], values[1], values[1] - values[0], -1.0, 1.0)


def _draws(truth: Bools, first: Bools, second: Bools, weights: Weights, seed: int) -> Iterator[tuple[Floats, Floats]]:
    """Pieces of (resamples, 2): difference of accuracy, of macro F1; by the bootstrap, and by the Bayesian one.

    Drawn records that are alike are resampled together. Weights vary less the more of the pool was asked (Rao & Wu
    1988).
    """
    rng = np.random.default_rng(seed)
    drawn, present = weights.drawn, (truth | first | second).any(axis=0)
    random = weights.random[drawn]
    table = [part[:, present] for part in (truth, first, second)]
    firsts, counts = group_alike(np.concatenate([part[drawn] for part in table], axis=1), random)
    kinds = _counted([part[drawn][firsts] for part in table])
    fixed = [weights.known @ part for part in _counted(table)]
    one = float((random**2).sum() / random.sum()) * weights.stray
    n, size = len(random), max(CELLS // len(counts), 1)
    for start in range(0, RESAMPLES, size):
        some = min(size, RESAMPLES - start)
        both = rng.multinomial(n, counts / n, size=some), rng.standard_gamma(counts, (some, len(counts)))
        sums: list[list[Floats]] = [
            [
                ((counts + weights.stray * (times - counts)) * random[firsts]) @ part + still
                for part, still in zip(kinds, fixed, strict=True)
            ]
            for times in both
        ]
        plainly, smoothly = sums
        _add_unseen(smoothly, one, rng)
        yield _differences(plainly), _differences(smoothly)


def _counted(table: list[Bools]) -> list[Floats]:
    """Of each model: right (n, 1), hit, wrong, missed (n, labels). table: truth, first, second."""
    truth, result = table[0], []
    for predicted in table[1:]:
        parts = (
            (truth == predicted).all(axis=1, keepdims=True),
            truth & predicted,
            ~truth & predicted,
            truth & ~predicted,
        )
        result += [part.astype(np.float64) for part in parts]
    return result


def _add_unseen(sums: list[Floats], one: float, rng: np.random.Generator) -> None:
    """To each resample one pseudo-record that only the first has right, and one that only the second has."""
    some, labels = sums[1].shape
    for winner, loser in ((0, 4), (4, 0)):
        times = rng.standard_exponential((some, 1)) * one
        true, false = (times * rng.dirichlet(np.full(labels, 1 / labels), some) for _ in range(2))
        sums[winner] += times
        sums[winner + 1] += true
        sums[loser + 2] += false
        sums[loser + 3] += true


def _differences(sums: list[Floats]) -> Floats:
    accuracy = (sums[4] - sums[0])[:, 0]
    return np.stack([accuracy, _macro(*sums[5:]) - _macro(*sums[1:4])], axis=1)


def _macro(hit: Floats, wrong: Floats, missed: Floats) -> Floats:
    hit, wrong, missed = (np.maximum(part, 0) for part in (hit, wrong, missed))
    below = 2 * hit + wrong + missed
    scores = np.divide(2 * hit, below, out=np.zeros_like(below), where=below > 0)
    return np.asarray(scores.sum(axis=-1) / np.maximum((below > 0).sum(axis=-1), 1))
