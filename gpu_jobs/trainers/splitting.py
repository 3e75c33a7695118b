"""Split of labelled texts into training and held-out ones, stratified by label. Knows texts and targets, no trainer."""

from collections.abc import Sequence

import numpy as np

from core.arrays import Bools, Ints
from gpu_jobs.trainers.trainer_types import TrainingSet

KEPT = 2
"""texts of a label that always teach: one alone has no like"""


def hold_out(
    training_set: TrainingSet, rows: Ints, share: float, rng: np.random.Generator, fewest: int = 1
) -> tuple[Ints, Ints]:
    """(training rows, held-out rows) of these rows: those of the validation split where there is one, else by `split`.

    Nothing is held out where `share` is 0.
    """
    declared = None if training_set.validation is None else training_set.validation[rows]
    if share and declared is not None and declared.any():
        return rows[~declared], rows[declared]
    texts = [training_set.texts[row] for row in rows.tolist()]
    train_rows, held_out = split(texts, training_set.targets[rows], share, rng, fewest)
    return rows[train_rows], rows[held_out]


def split(
    texts: Sequence[str], targets: Bools, share: float, rng: np.random.Generator, fewest: int = 1
) -> tuple[Ints, Ints]:
    """(training rows, held-out rows), each ascending. targets: (n, labels); equal texts stay on one side.

    Rarest label first, each gives its share and keeps KEPT texts (iterative stratification, Sechidis et al.
    2011). Nothing is held out where that would be less than `fewest` texts, or where `share` is 0.
    """
    numbers: dict[str, int] = {}  # equal texts have one number
    group = np.array([numbers.setdefault(text, len(numbers)) for text in texts], np.int64)
    merged = np.zeros((int(group.max(initial=-1)) + 1, targets.shape[1]), np.bool_)
    np.logical_or.at(merged, group, targets)
    out = _stratify(merged, share, rng)[group] if len(texts) else np.zeros(0, np.bool_)
    if out.sum() < fewest:
        out[:] = False
    return np.flatnonzero(~out), np.flatnonzero(out)


def _stratify(targets: Bools, share: float, rng: np.random.Generator) -> Bools:
    """(n,) mask of what is held out. The records without a label are a stratum like any label."""
    strata = np.concatenate([targets, ~targets.any(axis=1, keepdims=True)], axis=1)
    counts = strata.sum(axis=0)
    quota = _quotas(counts, share)
    out, decided = np.zeros(len(targets), np.bool_), np.zeros(len(targets), np.bool_)
    for label in np.argsort(counts, kind="stable"):
        rows = np.flatnonzero(strata[:, label] & ~decided)
        missing = max(int(quota[label] - (strata[:, label] & out).sum()), 0)
        out[rng.permutation(rows)[:missing]] = True
        decided[rows] = True
    for label in np.flatnonzero(counts):  # rarer labels can have taken too many of its textss texts
        rows = np.flatnonzero(strata[:, label])
        missing = min(int(counts[label]), KEPT) - int((~out[rows]).sum())
        out[rows[out[rows]][: max(missing, 0)]] = False
    return out


def _quotas(counts: Ints, share: float) -> Ints:
    """Held-out texts of each label: its share, rounded so that the sum is right; KEPT stay in training."""
    exact = counts * share
    quota = np.floor(exact).astype(np.int64)
    short = round(float(exact.sum())) - int(quota.sum())
    quota[np.argsort(quota - exact, kind="stable")[: max(short, 0)]] += 1
    return np.asarray(np.minimum(quota, np.maximum(counts - KEPT, 0)))
