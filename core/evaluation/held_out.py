"""Predictions of records by models that did not train on them; every score is computed on these. Knows arrays only."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from core.arrays import Bools, Floats, Ints, Rows
from core.evaluation.audit import Weights, equal_weights
from core.evaluation.metrics import LevelScore, Score
from core.evaluation.scores import accuracy_score, score
from core.tasks.task import AnswerSpace, Predictions


@dataclass(frozen=True)
class HeldOutPredictions:
    """Of k records. rows: (k,) their numbers, ascending. truth, predicted: (k, width). weights: sampling weights.

    outputs: (k, outputs), for labels their probabilities, -1 for those that the model does not know; None where only
    its decisions are known. certainty: (k,) predicted probability that all of the answer is right; likeliest: (k,) the
    most probable category, 0 where there are none; learnt: (k,) how many records the predicting model trained on. None
    where that is not known.
    """

    space: AnswerSpace
    rows: Ints
    truth: Rows
    predicted: Rows
    weights: Weights
    outputs: Floats | None = None
    certainty: Floats | None = None
    likeliest: Ints | None = None
    learnt: Ints | None = None

    @property
    def right(self) -> Bools:
        """(k,) are they wholly right?"""
        return self.space.right(self.truth, self.predicted)

    @property
    def marks(self) -> tuple[Bools, Bools]:
        """Truth and predictions as yes and no, (k, categories), by which figures are counted."""
        return self.space.marks(self.truth, self.predicted)


def decided(rows: Ints, truth: Rows, predictions: Predictions, weights: Weights | None = None) -> HeldOutPredictions:
    """From a model's predictions. Without weights the records are a simple random sample, as gold is assumed to be."""
    predicted, space = predictions.answers, predictions.space
    chosen = predictions.outputs.argmax(axis=1) if space.categories and len(rows) else np.zeros(len(rows), np.int64)
    return HeldOutPredictions(
        space=space,
        rows=rows,
        truth=truth,
        predicted=predicted,
        weights=weights or equal_weights(len(rows)),
        outputs=predictions.outputs,
        certainty=space.confidence(predictions.outputs, predicted),
        likeliest=chosen,
    )


def score_of(predictions: HeldOutPredictions, labels: Sequence[str] = (), seed: int = 0) -> Score:
    """Every figure with its interval. labels: ids of the columns; without them there are no figures per label.

    F1 is of categories: where answers are no choice among some there is none.
    """
    if not predictions.space.categories:
        return accuracy_score(predictions.right, predictions.weights)
    truth, predicted = predictions.marks
    levels = level_scores(predictions, labels, predictions.space.lines, seed) if labels else ()
    return replace(score(truth, predicted, predictions.weights, seed, labels), levels=tuple(levels))


def level_scores(
    predictions: HeldOutPredictions, labels: Sequence[str], lines: Mapping[str, Sequence[str]], seed: int = 0
) -> Iterator[LevelScore]:
    """One for each level, the last of single labels as they are; none where no label stands under another.

    labels: ids of the columns. lines: label id to the ids from the top to it.
    """
    depth = max((len(line) for line in lines.values()), default=1)
    truth, predicted = predictions.marks
    for level in range(1, depth + 1) if depth > 1 else ():
        above = [lines[label][min(level, len(lines[label])) - 1] if label in lines else label for label in labels]
        groups = list(dict.fromkeys(above))
        members = np.array([[one == group for group in groups] for one in above], np.bool_)
        at_level = score(truth @ members, predicted @ members, predictions.weights, seed)
        yield LevelScore(level, len(groups), at_level)
