"""Answers that are a choice among categories: how they look as numbers, how sure a model is, what to ask next.

A row of an encoded answer has a bool for each category. Where several may hold, doubt is the doubt about the BEST one
of a record. On library records of 29 subjects the mean over categories, and the most doubtful of all, did worse than
random: some category is always in doubt.
"""

from functools import partial

import numpy as np

from core.arrays import Bools, Floats, Rows
from core.tasks.task import Acquisition, Answer

SURE = 0.8
"""calibrated probability from which a model counts as sure of a category"""


def acquisition_scores(*, several: bool) -> dict[str, Acquisition]:
    """By name, the default first. several: may more than one category hold, or none?"""
    return {
        "margin": partial(small_margin, several=several),
        "least_confidence": least_confident,
        "entropy": partial(high_entropy, several=several),
    }


def likeliest(labels: tuple[str, ...], probs: Floats, most: int) -> list[list[tuple[Answer, float]]]:
    """[(id, probability), ...] of each record."""
    order = np.argsort(-probs, axis=1, kind="stable")[:, :most]
    return [
        [(labels[column], round(float(line[column]), 4)) for column in columns]
        for line, columns in zip(probs, order, strict=True)
    ]


def doubtful(probs: Floats, *, several: bool) -> Bools:
    """(n,) the highest probability is below SURE; where several may hold any is between 1 - SURE and SURE."""
    if several:
        return np.asarray(((probs > 1 - SURE) & (probs < SURE)).any(axis=1))
    return np.asarray(probs.max(axis=1) < SURE)


def decide(probs: Floats, several: bool) -> Bools:
    """(n, categories) proposed: the likeliest, or where several may hold all from 0.5."""
    if several:
        return np.asarray(probs >= 0.5)
    best = np.zeros(probs.shape, np.bool_)
    best[np.arange(len(probs)), probs.argmax(axis=1)] = True
    return best


def confidence(probs: Floats, answers: Rows, *, several: bool) -> Floats:
    """(n,) probability of the likeliest category, or where several may hold that all yes and no are right."""
    if not len(probs):
        return np.empty(0)
    if several:
        return np.asarray(np.where(answers, probs, 1 - probs).prod(axis=1), np.float64)
    return np.asarray(probs.max(axis=1), np.float64)


def correct(truth: Rows, answers: Rows) -> Floats:
    """1 where all categories of a record are right."""
    return np.asarray((truth == answers).all(axis=1), np.float64)


def gradients(probs: Floats, *, several: bool) -> Floats:
    """(n, categories) how far the head's outputs would move if what it proposes were true. Ash et al. 2020."""
    return np.asarray(probs - decide(probs, several))


def least_confident(probs: Floats) -> Floats:
    """1 - the best probability. Lewis & Gale 1994.

    Where several may hold too; where many records carry none at all prefer the margin, these would come first.
    """
    return np.asarray(1 - probs.max(axis=1))


def small_margin(probs: Floats, *, several: bool) -> Floats:
    """1 - (best - second best), so 1.0 is a coin toss; where several may hold 1 - |2p - 1| of the best.

    Scheffer et al. 2001. A single category (one column) leaves nothing to be unsure between: 1 - p.
    """
    if several:
        return np.asarray(1 - np.abs(2 * probs.max(axis=1) - 1))
    if probs.shape[1] == 1:
        return np.asarray(1 - probs[:, 0])
    best = np.partition(probs, -2, axis=1)[:, -2:]
    return np.asarray(1 - (best[:, 1] - best[:, 0]))


def high_entropy(probs: Floats, *, several: bool) -> Floats:
    """Shannon entropy in nats; where several may hold the mean of the binary entropies. Shannon 1948, Settles 2009."""
    floor = np.float32(1e-12)
    entropy = -(probs * np.log(np.maximum(probs, floor)))
    if not several:
        return np.asarray(entropy.sum(axis=1))
    rest = 1 - probs
    return np.asarray((entropy - rest * np.log(np.maximum(rest, floor))).mean(axis=1))
