"""A calibrated head on vectors of an encoder that was trained on some of the texts. Knows arrays, no encoder."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from core.arrays import Bools, Floats
from core.models.heads.calibration import expected_error, fit_temperature
from core.models.heads.head import Head, LabelledVectors, fit_uncalibrated

Fit = Callable[[LabelledVectors], Head]


def fit_plain(labelled_vectors: LabelledVectors) -> Head:
    """The head of the rounds, without pseudo-labels from the pool and not calibrated."""
    return fit_uncalibrated(labelled_vectors, None)


def fit_on_split(labelled_vectors: LabelledVectors, held_out: Bools, fit: Fit = fit_plain) -> tuple[Head, Floats]:
    """The head of all texts, and (held out, labels) probabilities by a head fitted without the held-out ones.

    held_out: (n,) texts that the encoder was not trained on. They give the temperature; without any it is 1:
    cross-fitting on the others, which the encoder has memorized, would be overconfident (on davidson_hate, eight
    records per label, it doubled the calibration error).
    """
    if not held_out.any():
        return fit(labelled_vectors), np.empty((0, len(labelled_vectors.labels)), np.float32)
    unseen = part_of(labelled_vectors, held_out)
    head = calibrated(fit(part_of(labelled_vectors, ~held_out)), unseen)
    full = fit(labelled_vectors)
    return replace(head, weights=full.weights, bias=full.bias), head.predict(unseen.vectors)


def calibrated(head: Head, unseen: LabelledVectors) -> Head:
    """With the temperature fitted on texts that it was not trained on."""
    logits, even = unseen.vectors @ head.weights.T + head.bias, np.ones(len(unseen.vectors), np.float32)
    warm = replace(head, temperature=fit_temperature(logits, unseen.targets, even, head.multi))
    error = expected_error(warm.predict(unseen.vectors), unseen.targets, even, head.multi)
    return replace(warm, calibration_error=error)


def log_loss(probs: Floats, targets: Floats, multi: bool) -> float:
    """Mean over the texts; lower is better."""
    right = np.clip(probs, 1e-6, 1 - 1e-6)
    losses = -targets * np.log(right) - (multi * (1 - targets)) * np.log(1 - right)
    return float(losses.sum(axis=1).mean())


def part_of(labelled_vectors: LabelledVectors, rows: Bools) -> LabelledVectors:
    """Some of its texts."""
    return replace(labelled_vectors, vectors=labelled_vectors.vectors[rows], targets=labelled_vectors.targets[rows])
