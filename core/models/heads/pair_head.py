"""Heads that say whether the two sides of a pair are the same, from how like they are. Knows numbers, no text.

Few decisions teach a logistic regression, more a forest and boosted trees, whose probabilities are averaged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from core.arrays import Bools, Floats, Ints
from core.models.heads.calibration import expected_error, fit_temperature, weights_by_doubt
from core.models.heads.kind import Arrays, CrossFit, HeadKind, NeighbourGraph, TrainingRecords
from core.models.heads.trees import Trees, fit_boosted, fit_forest, read_trees

FEW = 60
"""decisions below which trees have too little to go on"""
FOLDS, FEWEST, HELD_OUT = 5, 10, 200
"""folds of a cross-fit; records below which none is made; held-out records that are enough for one temperature"""
STRENGTH = 0.1
"""C of the logistic regression over standardised features"""
FLOOR = 1e-4
"""probability that is as sure as a model can be"""
SAME = 1
"""column of the outputs and of encoded answers"""


@dataclass(frozen=True)
class PairHead:
    """features: how many a pair has. linear: (features + 1,) weights with the bias last, or None. trees: whose mean is
    taken where there are any. share: what it says without either, the share of same among the decisions. temperature:
    divisor of the logit. fields: of the records whose pairs it learnt from."""

    features: int
    fields: tuple[str, ...]
    share: float
    linear: Floats | None = None
    trees: tuple[Trees, ...] = ()
    temperature: float = 1.0
    calibration_error: float | None = None

    def predict(self, vectors: Floats, rows: Ints | None = None) -> Floats:
        """(n, 2) probability of different, of same."""
        chosen = vectors if rows is None else vectors[rows]
        same = _squash(_logit(self.raw(np.asarray(chosen, np.float32))) / self.temperature)
        return np.column_stack([1 - same, same]).astype(np.float32)

    def raw(self, values: Floats) -> Floats:
        """(n,) probability of same, not calibrated. values: (n, features)."""
        if values.shape[1] != self.features:
            raise ValueError(f"The model knows {self.features} features of a pair, and these have {values.shape[1]}.")
        if self.linear is not None:
            return _squash(values @ self.linear[:-1] + self.linear[-1])
        if self.trees and len(values):
            return np.asarray(np.mean([trees.predict(values) for trees in self.trees], axis=0))
        return np.full(len(values), self.share)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What it learnt."""
        result: dict[str, npt.NDArray[Any]] = {"share": np.array([self.share, self.temperature], np.float64)}
        if self.linear is not None:
            result["linear"] = self.linear
        for number, trees in enumerate(self.trees):
            result |= trees.arrays(f"trees{number}")
        return result

    def about(self) -> dict[str, object]:
        """By which it is known again."""
        return {
            "task": "pairs",
            "fields": list(self.fields),
            "features": self.features,
            "members": len(self.trees),
        }


def fit_pair_head(values: Floats, same: Bools, seed: int, fields: tuple[str, ...] = ()) -> PairHead:
    """values: (n, features) of decided pairs. Below FEW decisions logistic regression, else the mean of both kinds of
    trees; of one kind of decision only it says what all decisions say."""
    head = _counting(values, same, fields)
    if not 0 < same.sum() < len(same):
        return head
    if len(same) < FEW:
        return replace(head, linear=_fit_linear(values, same))
    return replace(head, trees=(fit_forest(values, same, seed), fit_boosted(values, same, seed)))


def fit_chooser(values: Floats, same: Bools, seed: int) -> PairHead:
    """The forest alone (below FEW the logistic regression): its margin chooses well, and it is quick to fit."""
    if len(same) < FEW or not 0 < same.sum() < len(same):
        return fit_pair_head(values, same, seed)
    return replace(_counting(values, same, ()), trees=(fit_forest(values, same, seed),))


def _counting(values: Floats, same: Bools, fields: tuple[str, ...]) -> PairHead:
    """One decision of either kind is added, so that it is never wholly sure."""
    return PairHead(values.shape[1], fields, float((same.sum() + 1) / (len(same) + 2)))


def _fit_linear(values: Floats, same: Bools) -> Floats:
    from sklearn.linear_model import LogisticRegression

    mean, spread = values.mean(axis=0, dtype=np.float64), values.std(axis=0, dtype=np.float64)
    spread = np.where(spread > 1e-6, spread, 1.0)
    model = LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=1_000)
    model.fit((values - mean) / spread, same)
    weights = model.coef_[0] / spread
    return np.append(weights, model.intercept_[0] - mean @ weights)


def cross_fit(
    fields: tuple[str, ...],
    records: TrainingRecords,
    around: NeighbourGraph | None,
    evaluated: Bools,
    rng: np.random.Generator,
) -> CrossFit[PairHead]:
    """The head of all decisions, calibrated on decisions that its twins did not see, and their predictions of those
    that are `evaluated`. Platt 1999, Guo et al. 2017 (temperature), Chernozhukov et al. 2018 (cross-fitting)."""
    values, same = np.asarray(records.vectors, np.float32), np.asarray(records.answers, np.bool_)[:, SAME]
    seed, n = int(rng.integers(2**31)), len(records.vectors)
    head = fit_pair_head(values, same, seed, fields)
    out, others = evaluated.copy(), np.flatnonzero(~evaluated)
    if missing := min(max(HELD_OUT - int(evaluated.sum()), 0), len(others)):
        out[rng.choice(others, missing, replace=False)] = True
    fold = np.full(n, -1)
    fold[out] = rng.permutation(np.arange(int(out.sum())) % FOLDS)
    learnt = n - np.bincount(fold[out], minlength=FOLDS)
    if n < FEWEST or not out.any() or not 0 < same.sum() < n:
        return CrossFit(head, None, learnt[fold[evaluated]])
    logits, weights = np.zeros(n), np.zeros(n)
    pool = None if around is None else np.asarray(around.points, np.float32)
    for number in np.unique(fold[out]):
        held = fold == number
        twin = fit_pair_head(values[~held], same[~held], seed, fields)
        logits[held] = _logit(twin.raw(values[held]))
        doubt = None if pool is None else np.abs(_logit(twin.raw(pool)))
        weights[held] = 1 if doubt is None else weights_by_doubt(np.abs(logits[held]), doubt)
    targets = np.column_stack([~same, same]).astype(np.float32)
    both = np.column_stack([np.zeros(n), logits])
    temperature = fit_temperature(both[out], targets[out], weights[out], multi=False)
    outputs = np.column_stack([1 - _squash(logits / temperature), _squash(logits / temperature)]).astype(np.float32)
    error = expected_error(outputs[out], targets[out], weights[out], multi=False)
    return CrossFit(
        replace(head, temperature=temperature, calibration_error=error), outputs[evaluated], learnt[fold[evaluated]]
    )


def fit(fields: tuple[str, ...], records: TrainingRecords, around: NeighbourGraph | None = None) -> PairHead:
    """The same head, not calibrated."""
    same = np.asarray(records.answers, np.bool_)[:, SAME]
    return fit_pair_head(np.asarray(records.vectors, np.float32), same, 0, fields)


def restore(manifest: Mapping[str, Any], arrays: Arrays) -> PairHead:
    """From `PairHead.arrays` and `about`. Raises ValueError."""
    if manifest.get("task") != "pairs" or "share" not in arrays:
        raise ValueError("it is no model of pairs")
    features, members, fields = manifest.get("features"), manifest.get("members"), manifest.get("fields")
    if not isinstance(features, int) or not isinstance(members, int) or not isinstance(fields, list):
        raise ValueError("its manifest does not say how many features and trees it has")
    share, temperature = arrays["share"].tolist()
    linear = arrays.get("linear")
    if linear is not None and linear.shape != (features + 1,):
        raise ValueError(f"its weights are not of {features} features")
    trees = tuple(read_trees(arrays, f"trees{number}", features) for number in range(members))
    error = manifest.get("calibration_error")
    return PairHead(features, tuple(map(str, fields)), share, linear, trees, temperature, error)


def unfit(fields: tuple[str, ...], manifest: Mapping[str, Any]) -> str | None:
    """Why it cannot judge pairs of records with these fields."""
    if manifest.get("task") != "pairs":
        return "knows no pairs"
    known = tuple(map(str, manifest.get("fields") or ()))
    if known != fields:
        return f"knows the fields {', '.join(known) or '(none)'}, and records now have {', '.join(fields) or 'none'}"
    return None


def pair_heads(fields: Sequence[str]) -> HeadKind:
    """fields: names, in the order of the features."""
    names = tuple(fields)
    return HeadKind(partial(cross_fit, names), partial(fit, names), restore, partial(unfit, names))


def _logit(probability: Floats) -> Floats:
    inside = np.clip(probability, FLOOR, 1 - FLOOR)
    return np.asarray(np.log(inside / (1 - inside)))


def _squash(logits: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-logits)))
