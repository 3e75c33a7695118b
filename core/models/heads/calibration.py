"""Calibration of probabilities, and its error. Knows logits and truths, not how a head was fitted."""

import numpy as np

from core.arrays import Floats
from core.models.heads.logistic import sigmoid, softmax

BINS = 10
TEMPERATURES = np.geomspace(0.2, 5.0, 49)


def fit_temperature(logits: Floats, targets: Floats, weights: Floats, multi: bool) -> float:
    """The divisor of the logits with the least held-out log loss, of a grid. Guo et al. 2017 (temperature scaling).

    A weak prior towards 1, worth two records, keeps a handful of records from giving full confidence. A temperature
    above 1 is shrunk towards 1 as far as the weights are uneven: leaving out a record chosen for its uncertainty hurts
    the head more than leaving out a random one.
    """
    losses = [
        float(_log_losses(logits / temperature, targets, multi) @ weights / weights.sum())
        for temperature in TEMPERATURES
    ]
    pull = 2 * np.log(TEMPERATURES) ** 2 / max(len(logits), 1)
    best = float(TEMPERATURES[int(np.argmin(np.array(losses) + pull))])
    evenness = float(weights.sum() ** 2 / (len(weights) * (weights**2).sum()))
    return best if best <= 1 else best**evenness


def expected_error(probs: Floats, targets: Floats, weights: Floats, multi: bool) -> float:
    """Expected calibration error: mean over ten equal bins of |share right - stated probability|, weighted by size.

    Of the best label of each record, or of every label by itself where several may hold. Naeini et al. 2015.
    """
    if multi:
        stated, right, weights = probs.ravel(), targets.ravel(), np.repeat(weights, probs.shape[1])
    else:
        best = probs.argmax(axis=1)
        stated, right = probs.max(axis=1), targets[np.arange(len(best)), best]
    bins = np.minimum((stated * BINS).astype(int), BINS - 1)
    gap = np.bincount(bins, weights=weights * (right - stated), minlength=BINS)
    return float(np.abs(gap).sum() / weights.sum())


def _log_losses(logits: Floats, targets: Floats, multi: bool) -> Floats:
    probs = np.clip(sigmoid(logits) if multi else softmax(logits), 1e-7, 1 - 1e-7)
    loss = targets * np.log(probs)
    if multi:
        loss = loss + (1 - targets) * np.log(1 - probs)
    return np.asarray(-loss.sum(axis=1))


def weights_by_doubt(labelled: Floats, pool: Floats) -> Floats:
    """(n,) weights that make held-out records represent the pool, mean 1. labelled: (n,), pool: (m,) margins by one
    head.

    Records chosen for their uncertainty are harder than the pool: unweighted, they would make every probability too
    low. Ratio of the shares in tenths of the pool, one record added to each (Shimodaira 2000, covariate shift).
    """
    edges = np.quantile(pool, np.linspace(0, 1, BINS + 1)[1:-1])
    mine, theirs = np.searchsorted(edges, labelled), np.searchsorted(edges, pool)
    counts = np.bincount(mine, minlength=BINS)
    shares = np.maximum(np.bincount(theirs, minlength=BINS), 1) / len(pool)  # where many are alike a tenth may be empty
    ratio = shares * (len(labelled) + BINS) / (counts + 1)
    return np.asarray(ratio[mine] / ratio[mine].mean())
