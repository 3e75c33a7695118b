"""Which pairs are the same, learnt from decisions: few by logistic regression, more by two kinds of trees.

Also which pairs to decide next. Knows features (numbers), not texts or where decisions come from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from core.arrays import Bools, Floats, Ints

FEW = 60
"""decisions below which trees have too little to go on"""
TREES = 100
BAND = (0.85, 0.95)
"""similarity where same and different meet most often"""
BATCHES = ((50, 10), (200, 25), (500, 50))
"""(decisions so far, next batch): while there are fewer than so many"""
LARGEST = 125

Values = npt.NDArray[np.float32]


class Classifier(Protocol):
    """What scikit-learn's have in common."""

    classes_: npt.NDArray[np.bool_]

    def predict_proba(self, values: Values) -> Floats:
        """(n, classes)."""


@dataclass(frozen=True)
class PairModel:
    """The mean of its classifiers; without any, of one kind of decision only, it says what all decisions said."""

    classifiers: tuple[Classifier, ...]
    share: float

    def predict(self, values: Values) -> Floats:
        """(n,) probability that the two are the same: raw, not calibrated."""
        if not self.classifiers or not len(values):
            return np.full(len(values), self.share)
        return np.asarray(np.mean([one.predict_proba(values)[:, 1] for one in self.classifiers], axis=0))


def fit_pair_model(values: Values, same: Bools, seed: int) -> PairModel:
    """values: (n, features) of decided pairs. Below FEW logistic regression, else the mean of both kinds of trees."""
    if len(same) < FEW:
        return _fit(values, same, [_logistic()])
    return _fit(values, same, [_forest(seed), _boosted(seed)])


def fit_chooser(values: Values, same: Bools, seed: int) -> PairModel:
    """The forest alone (below FEW the logistic regression): its margin chooses well, and it is quick to fit."""
    return _fit(values, same, [_logistic() if len(same) < FEW else _forest(seed)])


def _fit(values: Values, same: Bools, classifiers: Sequence[object]) -> PairModel:
    share = float(same.mean()) if len(same) else 0.0
    if share in (0.0, 1.0):
        return PairModel((), share)
    return PairModel(tuple(one.fit(values, same) for one in classifiers), share)  # type: ignore[attr-defined]


def _logistic() -> object:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=1_000))


def _forest(seed: int) -> object:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(TREES, class_weight="balanced", random_state=seed, n_jobs=1)


def _boosted(seed: int) -> object:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(class_weight="balanced", early_stopping=False, random_state=seed)


def batch_size(decided: int) -> int:
    """How many to decide next: small while each teaches much, larger later."""
    return next((size for below, size in BATCHES if decided < below), LARGEST)


def choose_first(similarity: Floats, n: int, rng: np.random.Generator) -> Ints:
    """A third each of the most similar pairs, the least similar, and those in BAND; ties and the band's by lot."""
    order = rng.permutation(len(similarity))
    order = order[np.argsort(similarity[order], kind="stable")]
    third = n // 3
    band = order[(similarity[order] >= BAND[0]) & (similarity[order] <= BAND[1])]
    parts = [order[::-1][:third], order[:third], rng.permutation(band), rng.permutation(order)]
    return np.array(list(dict.fromkeys(np.concatenate(parts).tolist()))[:n], np.int64)


def choose_next(model: PairModel, values: Values, n: int, rng: np.random.Generator) -> Ints:
    """The n pairs whose probability is nearest to one half, ties by lot. Breaking ties, Luo et al. 2005."""
    order = rng.permutation(len(values))
    margin = np.abs(model.predict(values) - 0.5)
    return np.asarray(order[np.argsort(margin[order], kind="stable")][:n], np.int64)
