"""The task `labels`: one label of a taxonomy for a record, or several. An encoded answer has a bool for each label.

Where several labels may hold, doubt is the doubt about the BEST label of a record. On library records of 29 subjects
the mean over labels, and the most doubtful of all labels, did worse than random: some label is always in doubt.
"""

from functools import partial

import numpy as np

from core.arrays import Floats
from core.models.heads.head import decide
from core.tasks.task import Predictions, Rows, Task

COLD_PER_LABEL = 3


def labels_task(labels: int, *, several: bool) -> Task:
    """labels: how many the taxonomy has. several: may more than one, or none, hold for a record?"""
    return Task(
        name="labels",
        decide=partial(decide, multi=several),
        confidence=partial(confidence, several=several),
        correct=correct,
        gradients=partial(gradients, several=several),
        acquisition={
            "margin": partial(small_margin, several=several),
            "least_confidence": least_confident,
            "entropy": partial(high_entropy, several=several),
        },
        cold=COLD_PER_LABEL * labels,
        categories=labels,
        exclusive=not several,
    )


def label_predictions(probs: Floats, *, several: bool = False) -> Predictions:
    """What a model of labels says. probs: (n, labels)."""
    return Predictions(labels_task(probs.shape[1], several=several), probs)


def confidence(probs: Floats, answers: Rows, *, several: bool) -> Floats:
    """(n,) probability of the likeliest label, or where several may hold that all yes and no are right."""
    if not len(probs):
        return np.empty(0)
    if several:
        return np.asarray(np.where(answers, probs, 1 - probs).prod(axis=1), np.float64)
    return np.asarray(probs.max(axis=1), np.float64)


def correct(truth: Rows, answers: Rows) -> Floats:
    """1 where all labels of a record are right."""
    return np.asarray((truth == answers).all(axis=1), np.float64)


def gradients(probs: Floats, *, several: bool) -> Floats:
    """(n, labels) how far the head's outputs would move if what it proposes were true. Ash et al. 2020."""
    return np.asarray(probs - decide(probs, several))


def least_confident(probs: Floats) -> Floats:
    """1 - the best probability. Lewis & Gale 1994.

    With several labels too; where many records carry no label at all prefer the margin, these would come first.
    """
    return np.asarray(1 - probs.max(axis=1))


def small_margin(probs: Floats, *, several: bool) -> Floats:
    """1 - (best - second best), so 1.0 is a coin toss; with several labels 1 - |2p - 1| of the best.

    Scheffer et al. 2001. A single label (one column) leaves nothing to be unsure between: 1 - p.
    """
    if several:
        return np.asarray(1 - np.abs(2 * probs.max(axis=1) - 1))
    if probs.shape[1] == 1:
        return np.asarray(1 - probs[:, 0])
    best = np.partition(probs, -2, axis=1)[:, -2:]
    return np.asarray(1 - (best[:, 1] - best[:, 0]))


def high_entropy(probs: Floats, *, several: bool) -> Floats:
    """Shannon entropy in nats; with several labels the mean of the binary entropies. Shannon 1948, Settles 2009."""
    floor = np.float32(1e-12)
    entropy = -(probs * np.log(np.maximum(probs, floor)))
    if not several:
        return np.asarray(entropy.sum(axis=1))
    rest = 1 - probs
    return np.asarray((entropy - rest * np.log(np.maximum(rest, floor))).mean(axis=1))
