"""A head for vectors of an encoder that has learnt from some texts and not from others. Knows arrays, no encoder."""

from dataclasses import replace

import numpy as np

from core.models.calibration import expected_error, fit_temperature
from core.models.heads import Head, Lesson, fit_head, fit_uncalibrated, predict
from gpu_jobs.teaching import Bools, Floats


def fit_on_split(lesson: Lesson, held_out: Bools, seed: int) -> tuple[Head, Floats]:
    """The head of all texts, and what a head of the others says of those held out: (held out, labels) probabilities.

    held_out: (n,) texts that the encoder has not learnt from. They give the temperature: on the others the encoder
    knows the answers, and cross-fitting them would claim certainty. Without any it has to do.
    """
    if not held_out.any():
        head = fit_head(lesson, None, np.random.default_rng(seed))
        return head, np.empty((0, len(lesson.labels)), np.float32)
    unseen = part_of(lesson, held_out)
    judge = calibrated(fit_uncalibrated(part_of(lesson, ~held_out), None), unseen)
    head = replace(judge, weights=(full := fit_uncalibrated(lesson, None)).weights, bias=full.bias)
    return head, predict(judge, unseen.vectors)


def calibrated(head: Head, unseen: Lesson) -> Head:
    """With the temperature that texts call for which it has not learnt from."""
    logits, even = unseen.vectors @ head.weights.T + head.bias, np.ones(len(unseen.vectors), np.float32)
    warm = replace(head, temperature=fit_temperature(logits, unseen.targets, even, head.multi))
    error = expected_error(predict(warm, unseen.vectors), unseen.targets, even, head.multi)
    return replace(warm, calibration_error=error)


def log_loss(probs: Floats, targets: Floats, multi: bool) -> float:
    """Mean over the texts; lower is better."""
    right = np.clip(probs, 1e-6, 1 - 1e-6)
    losses = -targets * np.log(right) - (multi * (1 - targets)) * np.log(1 - right)
    return float(losses.sum(axis=1).mean())


def part_of(lesson: Lesson, rows: Bools) -> Lesson:
    """Some of its texts."""
    return replace(lesson, vectors=lesson.vectors[rows], targets=lesson.targets[rows])
