"""Evaluation of a model on records whose truth is known: scores, top k, calibration, confused labels.

Knows arrays and weights, not whose model it is or where the records came from.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.arrays import Bools, Floats
from core.evaluation.held_out import HeldOutPredictions, score_of
from core.evaluation.metrics import Bin, Confusion, Estimate, Reliability, Score
from core.evaluation.reporting import FEWEST
from core.evaluation.scores import interval, share_of

NONE_OF_THEM = "none of them"
MOST_BINS, PER_BIN = 10, 10
CHANCES = 200
"""simulated perfectly calibrated models, for the error that chance alone gives"""


@dataclass(frozen=True)
class Evaluation:
    """Every figure. top: for k = 1, 2, ... the share of records with a true label among the k likeliest, of those that
    have a label; empty where the probabilities are not known.
    """

    score: Score
    top: tuple[Estimate, ...]
    reliability: Reliability | None
    confusion: tuple[Confusion, ...]


def evaluate_predictions(
    predictions: HeldOutPredictions, labels: Sequence[str], names: Mapping[str, str], most: int = 3, seed: int = 0
) -> Evaluation:
    """labels: ids of the columns. names: by id. most: the largest k of top k."""
    drawn, certain = predictions.weights.drawn, None
    if predictions.certainty is not None:
        certain = reliability(
            predictions.certainty[drawn], predictions.right[drawn], predictions.weights.weight[drawn], seed
        )
    return Evaluation(
        score=score_of(predictions, labels, seed),
        top=tuple(top_accuracy(predictions, most)),
        reliability=certain,
        confusion=tuple(confusion(predictions, labels, names)),
    )


def top_accuracy(predictions: HeldOutPredictions, most: int) -> Iterator[Estimate]:
    """For k = 1 to `most`, as far as there are labels to choose from."""
    probs, (truth, _) = predictions.outputs, predictions.marks
    if probs is None or not len(probs):
        return
    ranks = rank_of_truth(truth, np.asarray(probs, np.float32))
    among = np.asarray(truth.any(axis=1))
    known = int((probs >= 0).any(axis=0).sum())
    for k in range(1, min(most, known) + 1):
        if share := share_of(np.asarray((ranks > 0) & (ranks <= k)), among, predictions.weights):
            yield share


def rank_of_truth(truth: Bools, probs: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """(k,) rank of the likeliest true label among all, from 1; of equals the first column is first. 0: it has no true
    label that the model knows."""
    true = np.where(truth, probs, np.float32(-2))
    column = true.argmax(axis=1)
    best = true[np.arange(len(true)), column][:, None]
    before = (probs > best).sum(axis=1) + ((probs == best) & (np.arange(probs.shape[1]) < column[:, None])).sum(axis=1)
    return np.where(best[:, 0] < 0, 0, before + 1)


def reliability(stated: Floats, right: Bools, weight: Floats, seed: int = 0) -> Reliability | None:
    """stated, right, weight: (k,). None for fewer than FEWEST records."""
    if len(stated) < FEWEST:
        return None
    order = np.argsort(stated, kind="stable")
    stated, right, weight = stated[order], right[order], weight[order]
    weight = weight if weight.sum() > 0 else np.ones(len(order))
    parts = np.array_split(np.arange(len(order)), min(max(len(order) // PER_BIN, 1), MOST_BINS))
    parts = [part for part in parts if weight[part].sum() > 0]
    rng = np.random.default_rng(seed)
    chances = [_distance(stated, rng.random(len(order)) < stated, weight, parts) for _ in range(CHANCES)]
    return Reliability(
        records=len(order),
        error=_distance(stated, right, weight, parts),
        by_chance=float(np.mean(chances)),
        at_most=float(np.quantile(chances, 0.95)),
        bins=tuple(_bin(stated[part], right[part], weight[part]) for part in parts),
    )


def _distance(stated: Floats, right: Bools, weight: Floats, parts: Sequence[npt.NDArray[np.intp]]) -> float:
    gaps = (right.astype(np.float64) - stated) * weight
    return float(sum(abs(gaps[part].sum()) for part in parts) / weight.sum())


def _bin(stated: Floats, right: Bools, weight: Floats) -> Bin:
    """Unequal weights make the interval wider: it is at the effective sample size (Kish 1965)."""
    estimate = interval(float(np.average(right, weights=weight)), float(weight.sum() ** 2 / (weight**2).sum()))
    certainty = float(np.average(stated, weights=weight))
    return Bin(certainty, estimate.value, estimate.low, estimate.high, len(stated))


def confusion(predictions: HeldOutPredictions, labels: Sequence[str], names: Mapping[str, str]) -> list[Confusion]:
    """One cell per pair that occurs, the most frequent first. labels: ids of the columns. names: by id.

    A record with one true and one predicted label is one cell. Where several may hold, a label that is right is a cell
    of the diagonal, and each missed label is paired with each wrongly predicted one, or with none.
    """
    counts: Counter[tuple[int | None, int | None]] = Counter()
    shares: defaultdict[tuple[int | None, int | None], float] = defaultdict(float)
    drawn, weight = predictions.weights.drawn, predictions.weights.weight
    total = float(weight.sum()) or 1.0
    y_true, y_pred = predictions.marks
    if (y_true.sum(axis=1) == 1).all() and (y_pred.sum(axis=1) == 1).all():
        cell_numbers = y_true.argmax(axis=1) * y_true.shape[1] + y_pred.argmax(axis=1)
        kinds, back = np.unique(cell_numbers, return_inverse=True)
        records, parts = np.bincount(back, drawn), np.bincount(back, weight)
        for kind, count, part in zip(kinds.tolist(), records.tolist(), parts.tolist(), strict=True):
            pair = divmod(kind, y_true.shape[1])
            counts[pair], shares[pair] = int(count), part / total
    else:
        for row, (truth_row, predicted_row) in enumerate(zip(y_true, y_pred, strict=True)):
            for pair in _pairs(truth_row, predicted_row):
                counts[pair] += int(drawn[row])
                shares[pair] += float(weight[row]) / total
    sides = {None: (NONE_OF_THEM, None)} | {index: (names[label], label) for index, label in enumerate(labels)}
    cells = [
        Confusion(
            truth=sides[true][0],
            predicted=sides[proposed][0],
            truth_id=sides[true][1],
            predicted_id=sides[proposed][1],
            records=counts[true, proposed],
            share=shares[true, proposed],
        )
        for true, proposed in shares
        if counts[true, proposed] or shares[true, proposed]
    ]
    return sorted(cells, key=lambda cell: (-cell.records, -cell.share, cell.truth, cell.predicted))


def _pairs(truth: Bools, predicted: Bools) -> Iterator[tuple[int | None, int | None]]:
    yield from ((int(label), int(label)) for label in np.flatnonzero(truth & predicted))
    missed: list[int | None] = [*np.flatnonzero(truth & ~predicted).tolist()] or [None]
    wrong: list[int | None] = [*np.flatnonzero(predicted & ~truth).tolist()] or [None]
    if (missed, wrong) != ([None], [None]) or not truth.any():
        yield from ((one, other) for one in missed for other in wrong)
