"""Predictions of records by what had not learnt from them, which every score rests on. Knows arrays alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.arrays import Bools, Floats, Ints
from core.evaluation.audit import Weights, equal_weights
from core.evaluation.metrics import Score
from core.evaluation.scores import score
from core.tasks.task import Predictions


@dataclass(frozen=True)
class HeldOutPredictions:
    """Of k records. rows: (k,) their numbers, ascending. truth, predicted: (k, labels). weights: what each stands for.

    probs: (k, labels), -1 for labels that the model does not know; None where only its decisions are known. certainty:
    (k,) the probability with which it says that all it predicts of a record is right; likeliest: (k,) column; learnt:
    (k,) how many records what predicted it had learnt from. None where that is not known.
    """

    rows: Ints
    truth: Bools
    predicted: Bools
    weights: Weights
    probs: Floats | None = None
    certainty: Floats | None = None
    likeliest: Ints | None = None
    learnt: Ints | None = None

    @property
    def right(self) -> Bools:
        """(k,) are all labels as they should be?"""
        return np.asarray((self.truth == self.predicted).all(axis=1))


def decided(rows: Ints, truth: Bools, predictions: Predictions, weights: Weights | None = None) -> HeldOutPredictions:
    """From what a model says. Without weights the records are a plain random sample, as gold is taken for."""
    predicted = np.asarray(predictions.answers, np.bool_) if len(rows) else np.empty(truth.shape, np.bool_)
    return HeldOutPredictions(
        rows=rows,
        truth=truth,
        predicted=predicted,
        weights=weights or equal_weights(len(rows)),
        probs=predictions.outputs,
        certainty=predictions.space.confidence(predictions.outputs, predicted),
        likeliest=predictions.outputs.argmax(axis=1) if len(rows) else np.empty(0, np.int64),
    )


def score_of(predictions: HeldOutPredictions, labels: Sequence[str] = (), seed: int = 0) -> Score:
    """Every figure with its interval. labels: ids of the columns; without them there are no figures per label."""
    return score(predictions.truth, predictions.predicted, predictions.weights, seed, labels)
