"""Nested parts of the pool by confidence of its suggestions, most confident first. Knows arrays and no guarantee."""

from dataclasses import dataclass

import numpy as np

from core.arrays import Bools, Floats, Ints

STEPS = 100
"""regions at most: each one covers a hundredth of the pool more than the one before"""
SLIGHT = 1e-6
NEWTON = 25
SLOPES = (0.2, 5.0)
"""range of the slope, always positive: of one label the more confident suggestion never ranks lower"""
PULL = 2.0
"""how strongly the levels of the labels are shrunk towards each other"""


@dataclass(frozen=True)
class CheckedRecords:
    """Records with a suggestion by a head that did not train on them. label: (k,) numbers. chance: (k,) its
    probability. right: (k,) whether people gave the same label."""

    label: Ints
    chance: Floats
    right: Bools


@dataclass(frozen=True)
class Evidence:
    """What a guarantee rests on. audit: drawn uniformly from the pool as it was. guide: any other answered records;
    they only decide in which order regions are tested. pool_label, pool_chance: (N,) what the model suggests for the
    pool.
    """

    labels: tuple[str, ...]
    audit: CheckedRecords
    guide: CheckedRecords
    pool_label: Ints
    pool_chance: Floats


@dataclass(frozen=True)
class Regions:
    """Nested, surest first. audits, wrong, pool: (regions, labels) records in each. thresholds: (regions, labels) least
    probability, above 1 where nothing of a label is in. expected: (regions, labels) precision expected from the
    guide.
    """

    audits: Ints
    wrong: Ints
    pool: Ints
    thresholds: Floats
    expected: Floats


@dataclass(frozen=True)
class _Order:
    """Log-odds of being right: slope x log-odds of the probability + level of the label. level: (labels,)."""

    slope: float
    level: Floats

    def of(self, label: Ints, chance: Floats) -> Floats:
        """(k,) log-odds of being right."""
        return np.asarray(self.slope * _logit(chance) + self.level[label])

    def thresholds(self, cut: Floats) -> Floats:
        """(cuts, labels) probability from which a suggestion of the label reaches the cut."""
        return _chance((cut[:, None] - self.level[None, :]) / self.slope)


def read_regions(evidence: Evidence) -> Regions:
    """Cuts at even shares of the pool. Neither where they lie nor their order depends on whether audits are right."""
    order = _learn_order(evidence)
    sure = np.sort(order.of(evidence.pool_label, evidence.pool_chance))[::-1]
    cuts = np.unique(np.linspace(1, len(sure), min(STEPS, len(sure))).astype(np.int64)) - 1
    thresholds = order.thresholds(np.unique(sure[cuts])[::-1])
    thresholds[-1:] = 0.0  # the last one is the whole pool, whatever is rounded
    shape = thresholds.shape
    audits, wrong, pool = (np.zeros(shape, np.int64) for _ in range(3))
    expected = np.zeros(shape)
    audit = evidence.audit
    for label in range(len(evidence.labels)):
        from_here, mine = thresholds[:, label], audit.label == label
        audits[:, label] = _count(audit.chance[mine], from_here)
        wrong[:, label] = _count(audit.chance[mine & ~audit.right], from_here)
        chances = np.sort(evidence.pool_chance[evidence.pool_label == label])[::-1]
        pool[:, label] = _count(chances, from_here)
        hoped = np.cumsum(_chance(order.of(np.full(len(chances), label), chances)))
        expected[:, label] = np.append(0.0, hoped)[pool[:, label]] / np.maximum(pool[:, label], 1)
    return Regions(audits, wrong, pool, thresholds, expected)


def _count(chances: Floats, thresholds: Floats) -> Ints:
    """How many are at least so large, for each threshold."""
    return np.asarray(len(chances) - np.searchsorted(np.sort(chances), thresholds, side="left"), np.int64)


def _learn_order(evidence: Evidence) -> _Order:
    """Logistic regression of right on probability and label (Platt 1999), shrunk towards the model's own probability.

    Guide records were chosen because the model was unsure, so only the order is taken from them, never an estimate of
    precision.
    """
    guide, labels = evidence.guide, len(evidence.labels)
    inputs = np.column_stack([_logit(guide.chance), np.ones(len(guide.label)), np.eye(labels)[guide.label]])
    pull = np.diag([1.0, 0.05, *[PULL] * labels])
    start = np.zeros(labels + 2)
    start[0] = 1.0
    at = start.copy()
    for _ in range(NEWTON):
        chance = _chance(inputs @ at)
        slope = inputs.T @ (guide.right - chance) - pull @ (at - start)
        step = np.linalg.solve(inputs.T @ (inputs * (chance * (1 - chance))[:, None]) + pull, slope)
        at += step * min(1.0, 2.0 / max(np.abs(step).max(), SLIGHT))  # a long step would overshoot
    return _Order(float(np.clip(at[0], *SLOPES)), at[1] + at[2:])


def _logit(chance: Floats) -> Floats:
    bounded = np.clip(np.asarray(chance, np.float64), SLIGHT, 1 - SLIGHT)
    return np.asarray(np.log(bounded / (1 - bounded)))


def _chance(log_odds: Floats) -> Floats:
    return np.asarray(0.5 * (1 + np.tanh(log_odds / 2)), np.float64)
