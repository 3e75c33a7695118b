"""Decision trees as arrays: fitted by scikit-learn, kept and read without it. Knows numbers, no task and no file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from core.arrays import Bools, Floats

TREES = 100
ROWS = 8_192
"""rows that go down the trees together"""


@dataclass(frozen=True)
class Trees:
    """roots: (trees,) nodes. Of each node: feature, threshold, and where a row goes on, left if its value is not above
    the threshold; a leaf leads to itself. value: (nodes,) of a leaf. base: what all values are added to. mean: values
    are averaged (probabilities of a forest), else summed (logits of boosted trees)."""

    roots: npt.NDArray[np.int32]
    feature: npt.NDArray[np.int32]
    threshold: npt.NDArray[np.float64]
    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    value: npt.NDArray[np.float64]
    base: float
    mean: bool

    def predict(self, values: Floats) -> Floats:
        """(n,) probability of True. values: (n, features)."""
        total = np.empty(len(values))
        for start in range(0, len(values), ROWS):
            total[start : start + ROWS] = self._leaf_values(np.asarray(values[start : start + ROWS], np.float32))
        if self.mean:
            return total / len(self.roots)
        return np.asarray(1 / (1 + np.exp(-(self.base + total))))

    def _leaf_values(self, values: Floats) -> Floats:
        rows = np.arange(len(values))[:, None]
        node = np.broadcast_to(self.roots, (len(values), len(self.roots)))
        while True:
            below = values[rows, self.feature[node]] <= self.threshold[node]
            following = np.where(below, self.left[node], self.right[node])
            if np.array_equal(following, node):
                return np.asarray(self.value[node].sum(axis=1))
            node = following

    def arrays(self, name: str) -> dict[str, npt.NDArray[Any]]:
        """For an artifact; name: what all names begin with."""
        parts = {key: value for key, value in vars(self).items() if isinstance(value, np.ndarray)}
        return {f"{name}.{key}": value for key, value in parts.items()} | {
            f"{name}.kind": np.array([self.base, self.mean], np.float64)
        }


def read_trees(arrays: Mapping[str, npt.NDArray[Any]], name: str, features: int) -> Trees:
    """Back from `Trees.arrays`. Raises ValueError where they are no trees over so many features."""
    keys = ("roots", "feature", "threshold", "left", "right", "value", "kind")
    if missing := [key for key in keys if f"{name}.{key}" not in arrays]:
        raise ValueError(f"its trees have no {missing[0]}")
    parts = {key: arrays[f"{name}.{key}"] for key in keys}
    base, mean = parts.pop("kind").tolist()
    nodes = len(parts["feature"])
    if any(len(parts[key]) != nodes for key in ("threshold", "left", "right", "value")):
        raise ValueError("its trees do not fit together")
    inside = [(parts[key], nodes) for key in ("roots", "left", "right")] + [(parts["feature"], features)]
    if any(len(part) and not 0 <= int(part.min()) <= int(part.max()) < most for part, most in inside):
        raise ValueError("its trees lead out of themselves")
    own = np.arange(nodes)
    if any(((parts[key] < own).any()) for key in ("left", "right")):
        raise ValueError("its trees lead in a circle")
    return Trees(**parts, base=base, mean=bool(mean))


def fit_forest(values: Floats, truth: Bools, seed: int) -> Trees:
    """Balanced random forest, of which the leaves' shares are averaged. Breiman 2001."""
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(TREES, class_weight="balanced", random_state=seed, n_jobs=1)
    forest.fit(np.asarray(values, np.float32), truth)
    parts = []
    for one in forest.estimators_:
        tree = one.tree_
        leaf = tree.children_left < 0
        value = tree.value[:, 0, 1] / tree.value[:, 0].sum(axis=1)
        parts.append((leaf, tree.feature, tree.threshold, tree.children_left, tree.children_right, value))
    return _joined(parts, 0.0, mean=True)


def fit_boosted(values: Floats, truth: Bools, seed: int) -> Trees:
    """Balanced gradient boosting on histograms. Friedman 2001, Ke et al. 2017."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    boosted = HistGradientBoostingClassifier(class_weight="balanced", early_stopping=False, random_state=seed)
    boosted.fit(np.asarray(values, np.float32), truth)
    parts = []
    for (one,) in boosted._predictors:
        nodes = one.nodes
        parts.append(
            (
                nodes["is_leaf"].astype(bool),
                nodes["feature_idx"],
                nodes["num_threshold"],
                nodes["left"],
                nodes["right"],
                nodes["value"],
            )
        )
    return _joined(parts, float(np.ravel(boosted._baseline_prediction)[0]), mean=False)


def _joined(parts: list[tuple[Any, ...]], base: float, *, mean: bool) -> Trees:
    """Trees one after the other; their children's numbers move along."""
    roots: list[int] = []
    columns: list[list[npt.NDArray[Any]]] = [[] for _ in range(5)]
    first = 0
    for leaf, feature, threshold, left, right, value in parts:
        own = np.arange(len(leaf)) + first
        roots.append(first)
        joined = (
            np.where(leaf, 0, feature),
            np.where(leaf, np.inf, threshold),
            np.where(leaf, own, np.asarray(left, np.int64) + first),
            np.where(leaf, own, np.asarray(right, np.int64) + first),
            np.where(leaf, value, 0.0),
        )
        for column, cells in zip(columns, joined, strict=True):
            column.append(cells)
        first += len(leaf)
    feature, threshold, left, right, value = (np.concatenate(column) for column in columns)
    return Trees(
        roots=np.array(roots, np.int32),
        feature=feature.astype(np.int32),
        threshold=threshold.astype(np.float64),
        left=left.astype(np.int32),
        right=right.astype(np.int32),
        value=value.astype(np.float64),
        base=base,
        mean=mean,
    )
