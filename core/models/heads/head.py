"""A linear head on frozen vectors: how it is fitted from few labels and what it predicts. Knows no records or files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from core.arrays import Bools, Floats, Ints, as_floats
from core.errors import BadInput
from core.models.heads.calibration import expected_error, fit_temperature, weights_by_doubt
from core.models.heads.kind import Arrays, CrossFit, HeadKind, NeighbourGraph, TrainingRecords, WeakRecords
from core.models.heads.logistic import Examples, fit_linear, sigmoid, sigmoid_loss, softmax, softmax_loss
from core.models.heads.neighbour_graph import AnchoredGraph, attach, propagate_labels

CHUNK = 2048  # rows of 384 numbers in float32 that stay in the cache: twice as quick as 8192
STRENGTH = 10.0  # C of the logistic regression; vectors are unit length
GUESS_WEIGHT = 0.4  # weight of a pseudo-label; a person's label has weight 1
GUESSES_PER_LABEL = 6.0  # pseudo-labels of a label, times its mean number of labels
FOLDS, MOST_FOLDS = 5, 20
FOLD_WORK = 4_000  # records times folds: with few labels more folds cost little and leave more to train on
FEWEST = 10  # labelled records below which held-out logits are too few to calibrate
HELD_OUT = 200  # records are enough for one temperature
MOST_GUESSES = 2_000  # with so many labels given, pseudo-labels add little but time
NAME_WEIGHT = 2.0  # weight of a label's name, divided by how many records the label has, so that it fades


@dataclass(frozen=True)
class Head:
    """Vector to probabilities: (vectors @ weights.T + bias) / temperature through softmax, or sigmoid if `multi`.

    weights: (labels, dims) float32. bias: (labels,) float32. labels: label ids in the order of the columns.
    calibration_error: expected calibration error on held-out labelled records, None when there were too few.
    """

    weights: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    temperature: float
    labels: tuple[str, ...]
    multi: bool
    calibration_error: float | None = None

    def predict(self, vectors: Floats, rows: Ints | None = None) -> npt.NDArray[np.float32]:
        """(n, labels) float32 probabilities of all vectors or of some rows.

        CHUNK rows at a time, so a memory map is read once and never copied whole.
        """
        self._check(vectors)
        probs = np.empty((len(vectors) if rows is None else len(rows), len(self.labels)), dtype=np.float32)
        weights = np.ascontiguousarray(self.weights.T) / np.float32(self.temperature)
        for start in range(0, len(probs), CHUNK):
            block = vectors[start : start + CHUNK] if rows is None else vectors[rows[start : start + CHUNK]]
            probs[start : start + CHUNK] = self._squash(as_floats(block) @ weights)
        return probs

    def predict_each(self, vectors: Floats) -> npt.NDArray[np.float32]:
        """What `predict` returns but for rounding, and to the bit the same whatever other vectors there are: BLAS
        rounds a row by where it stands in the matrix, so here every number is a sum of its own."""
        self._check(vectors)
        weights = self.weights / np.float32(self.temperature)
        return self._squash(np.einsum("nd,ld->nl", as_floats(vectors), weights, optimize=False))

    def _check(self, vectors: Floats) -> None:
        dims = self.weights.shape[1]
        if vectors.shape[1] != dims:
            raise BadInput(
                f"The head takes vectors of {dims} numbers, these have {vectors.shape[1]}. Fit the head again."
            )

    def _squash(self, products: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(n, labels) probabilities of the products with the weights, each divided by the temperature."""
        logits = products + self.bias / np.float32(self.temperature)
        return sigmoid(logits) if self.multi else softmax(logits)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """By the names that they have in an artifact."""
        return {"weights": self.weights, "bias": self.bias}

    def about(self) -> dict[str, object]:
        """Its entries in the manifest of a round's model."""
        return {"labels": list(self.labels), "multi": self.multi, "temperature": self.temperature}


@dataclass(frozen=True)
class LabelledVectors:
    """Training data of a head. vectors: (n, dims) unit rows. targets: (n, labels) 0/1, one 1 a row unless `multi`.

    names: (labels, dims) encoded label names as extra examples, or None. weak: a language model's, or None. seen: the
    encoder was trained on them.
    """

    vectors: Floats
    targets: Floats
    labels: tuple[str, ...]
    multi: bool = False
    names: Floats | None = None
    weak: WeakRecords | None = None
    seen: bool = False


def fit_head(
    labelled_vectors: LabelledVectors, neighbour_graph: NeighbourGraph | None, rng: np.random.Generator
) -> Head:
    """Logistic regression, refitted with pseudo-labels where graph and head agree, calibrated on held-out records.

    Zhou et al. 2004 (label spreading), Guo et al. 2017 (temperature). Without a label the head is uniform. An unused
    label keeps a low probability, about 1 / (records + labels). Deterministic for one generator state. Where several
    labels may hold there are no pseudo-labels, and yes and no of each label are balanced: suggesting from 0.5 then gave
    the best macro-F1 at every budget from 60 to 1,000 records of 29 subjects.
    """
    anchored_graph = _ground(labelled_vectors, neighbour_graph)
    n = len(labelled_vectors.vectors)
    fold = rng.permutation(np.arange(n) % FOLDS)
    few = min(FOLDS, max(1, HELD_OUT * FOLDS // max(n, 1)))  # a thousand labels cost one extra fit, not five
    return _calibrated(
        _fit_once(labelled_vectors, anchored_graph),
        _held_out(labelled_vectors, anchored_graph, np.where(fold < few, fold, -1)),
    )[0]


def cross_fit(
    labelled_vectors: LabelledVectors,
    neighbour_graph: NeighbourGraph | None,
    evaluated: Bools,
    rng: np.random.Generator,
) -> CrossFit[Head]:
    """The head of all records, and predictions of the `evaluated` ones (mask over the vectors) by heads fitted without
    their fold.

    Where few are evaluated, others are held out too, for the temperature, unless the encoder has seen them; two folds
    where nearly all records only train. Stone 1974 (cross-validation), Chernozhukov et al. 2018 (cross-fitting).
    """
    anchored_graph, n = _ground(labelled_vectors, neighbour_graph), len(labelled_vectors.vectors)
    out, others = evaluated.copy(), np.flatnonzero(~evaluated)
    missing = 0 if labelled_vectors.seen else min(max(HELD_OUT - int(evaluated.sum()), 0), len(others))
    if missing:
        out[rng.choice(others, missing, replace=False)] = True
    fold = np.full(n, -1)
    fold[out] = rng.permutation(np.arange(int(out.sum())) % (folds_of(n) if out.mean() > 1 / FOLDS else 2))
    head, held_out = _calibrated(
        _fit_once(labelled_vectors, anchored_graph), _held_out(labelled_vectors, anchored_graph, fold)
    )
    sizes = np.bincount(fold[out], minlength=1)
    return CrossFit(head, None if held_out is None else held_out[evaluated[out]], n - sizes[fold[evaluated]])


def folds_of(records: int) -> int:
    """Into how many folds to split so many labelled records for cross-fitting."""
    return max(FOLDS, min(FOLD_WORK // max(records, 1), MOST_FOLDS))


def fit_uncalibrated(labelled_vectors: LabelledVectors, neighbour_graph: NeighbourGraph | None) -> Head:
    """The same head at temperature 1: the same predictions, but uncalibrated probabilities."""
    return _fit_once(labelled_vectors, _ground(labelled_vectors, neighbour_graph))


def _ground(labelled_vectors: LabelledVectors, neighbour_graph: NeighbourGraph | None) -> AnchoredGraph | None:
    _check(labelled_vectors)
    if neighbour_graph is None or not len(labelled_vectors.vectors) or labelled_vectors.multi:
        return None
    return attach(neighbour_graph.graph, neighbour_graph.points, np.asarray(labelled_vectors.vectors, dtype=np.float32))


def _calibrated(head: Head, held_out: tuple[Floats, Floats, Floats] | None) -> tuple[Head, Floats | None]:
    """The head with its temperature, and the held-out probabilities at it."""
    if held_out is None:
        return head, None
    logits, targets, weights = held_out
    temperature = fit_temperature(logits, targets, weights, head.multi)
    probs = (sigmoid if head.multi else softmax)(logits / temperature)
    error = expected_error(probs, targets, weights, head.multi)
    return replace(head, temperature=temperature, calibration_error=error), probs


def _check(labelled_vectors: LabelledVectors) -> None:
    shape = (len(labelled_vectors.vectors), len(labelled_vectors.labels))
    if labelled_vectors.targets.shape != shape or not labelled_vectors.labels:
        raise BadInput(
            f"Targets of shape {labelled_vectors.targets.shape} do not fit {shape[0]} records and {shape[1]} labels."
        )
    if not np.isfinite(labelled_vectors.vectors.sum(dtype=np.float64)):
        raise BadInput("Some vectors of labelled records hold NaN or infinity. Encode those records again.")


def _fit_once(labelled_vectors: LabelledVectors, anchored_graph: AnchoredGraph | None) -> Head:
    """The head before calibration."""
    examples = _examples(labelled_vectors)
    used = examples.targets.sum(axis=0) > 0
    if used.sum() <= (0 if labelled_vectors.multi else 1):
        return _by_counting(labelled_vectors)
    fitted = _fit(examples, labelled_vectors.multi)
    if anchored_graph is not None:
        examples = _with_pseudo_labels(examples, _pseudo_labels(labelled_vectors, anchored_graph, fitted))
        fitted = _fit(examples, labelled_vectors.multi)
    weights = np.where(used[:, None], fitted[:, :-1], np.float32(0))
    return Head(
        weights,
        _damp_unused_labels(fitted, examples, used, labelled_vectors),
        1.0,
        labelled_vectors.labels,
        labelled_vectors.multi,
    )


def _by_counting(labelled_vectors: LabelledVectors) -> Head:
    """Fewer than two labels in use: every record gets their shares, one added to each count. Without any
    label that is uniform.
    """
    labels = len(labelled_vectors.labels)
    share = (labelled_vectors.targets.sum(axis=0) + 1) / (len(labelled_vectors.vectors) + labels)
    share = np.clip(share, 1e-6, 0.5 if labelled_vectors.multi else 1.0)
    bias = np.log(share / (1 - share)) if labelled_vectors.multi else np.log(share)
    weights = np.zeros((labels, labelled_vectors.vectors.shape[1]), dtype=np.float32)
    return Head(weights, bias.astype(np.float32), 1.0, labelled_vectors.labels, labelled_vectors.multi)


def _examples(labelled_vectors: LabelledVectors) -> Examples:
    """The labelled records, balanced over the labels, then the labels' names, each of which fades as its own label gets
    records, then what a language model said of others."""
    targets = labelled_vectors.targets.astype(np.float32)
    weights = _balance_each(targets) if labelled_vectors.multi else _balance(targets)
    inputs = np.asarray(labelled_vectors.vectors, dtype=np.float32)
    parts = [Examples(inputs, targets, weights)]
    if labelled_vectors.names is not None:
        labels = len(labelled_vectors.labels)
        fading = (NAME_WEIGHT / np.maximum(targets.sum(axis=0), 1.0)).astype(np.float32)[:, None]
        fading = np.repeat(fading, weights.shape[1], axis=1)
        named = labelled_vectors.names.astype(np.float32)
        parts.append(Examples(named, np.eye(labels, dtype=np.float32), fading))
    if (weak := labelled_vectors.weak) is not None and len(weak.vectors):
        weak_targets = weak.answers.astype(np.float32)
        balanced = _balance_each(weak_targets) if labelled_vectors.multi else _balance(weak_targets)
        own = np.asarray(weak.weight, np.float32)[:, None]
        parts.append(Examples(np.asarray(weak.vectors, np.float32), weak_targets, balanced * own))
    if len(parts) == 1:
        return parts[0]
    return Examples(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("inputs", "targets", "weights"))
    )


def _balance(targets: Floats) -> Floats:
    """(n, 1) weights with equal sums over the used labels."""
    counts = targets.sum(axis=0)
    share = len(targets) / (max(int((counts > 0).sum()), 1) * np.maximum(counts, 1))
    return np.asarray(targets @ share[:, None].astype(np.float32))


def _balance_each(targets: Floats) -> Floats:
    """(n, labels) weights with equal sums over yes and no of every label."""
    counts, total = targets.sum(axis=0), len(targets)
    yes, no = total / (2 * np.maximum(counts, 1)), total / (2 * np.maximum(total - counts, 1))
    return np.asarray(targets * yes + (1 - targets) * no, dtype=np.float32)


def _fit(examples: Examples, multi: bool) -> Floats:
    loss = sigmoid_loss if multi else softmax_loss
    return fit_linear(examples, loss, STRENGTH)


def _pseudo_labels(
    labelled_vectors: LabelledVectors, anchored_graph: AnchoredGraph, fitted: Floats
) -> tuple[Floats, Floats]:
    """(inputs, targets) of nodes where head and graph name the same label: of each label those of largest margin."""
    targets = labelled_vectors.targets.astype(np.float32)
    points, labels = anchored_graph.points, targets.shape[1]
    flow = propagate_labels(anchored_graph, targets / np.maximum(targets.sum(axis=0), 1))
    logits = points @ fitted[:, :-1].T + fitted[:, -1]
    named = logits.argmax(axis=1)
    agreed = (flow.max(axis=1) > 0) & (flow.argmax(axis=1) == named)
    agreed[anchored_graph.same[anchored_graph.same >= 0]] = False  # a person has labelled it already
    order = np.argsort(-_margins(logits), kind="stable")
    order = order[agreed[order]]
    quota = max(int(min(GUESSES_PER_LABEL * len(targets), MOST_GUESSES) / labels), 1)
    chosen = np.concatenate([order[named[order] == label][:quota] for label in range(labels)])
    return points[chosen], np.eye(labels, dtype=np.float32)[named[chosen]]


def _with_pseudo_labels(examples: Examples, pseudo_labels: tuple[Floats, Floats]) -> Examples:
    inputs, targets = pseudo_labels
    return Examples(
        np.concatenate([examples.inputs, inputs]),
        np.concatenate([examples.targets, targets]),
        np.concatenate([examples.weights, np.full((len(inputs), 1), GUESS_WEIGHT, dtype=np.float32)]),
    )


def _damp_unused_labels(
    fitted: Floats, examples: Examples, used: npt.NDArray[np.bool_], labelled_vectors: LabelledVectors
) -> Floats:
    """The bias, with labels that no example has at about 1 / (records + labels) instead of what the fit gave them."""
    weights, bias = fitted[:, :-1], fitted[:, -1]
    rare = 1.0 / (len(labelled_vectors.vectors) + len(labelled_vectors.labels))
    level = 0.0
    if not labelled_vectors.multi and used.any():
        logits = examples.inputs @ weights[used].T + bias[used]
        level = float(np.log(np.exp(logits - logits.max()).sum(axis=1)).mean() + logits.max())
    return np.where(used, bias, level + np.log(rare)).astype(np.float32)


def _held_out(
    labelled_vectors: LabelledVectors, anchored_graph: AnchoredGraph | None, fold: Ints
) -> tuple[Floats, Floats, Floats] | None:
    """(logits, targets, weights) of the records that have a fold, in order, each by a head fitted without its fold.

    fold: (n,) number from 0, -1 for records that only train. None for fewer than FEWEST records or two labels.
    """
    n = len(labelled_vectors.vectors)
    if n < FEWEST or len(labelled_vectors.labels) < 2 or (fold >= 0).sum() == 0:
        return None
    logits = np.zeros((n, len(labelled_vectors.labels)), np.float32)
    weights = np.zeros(n, np.float32)
    for number in np.unique(fold[fold >= 0]):
        out = fold == number
        part = replace(labelled_vectors, vectors=labelled_vectors.vectors[~out], targets=labelled_vectors.targets[~out])
        base = (
            None
            if anchored_graph is None
            else replace(anchored_graph, seed_rows=anchored_graph.seed_rows[~out], same=anchored_graph.same[~out])
        )
        head = _fit_once(part, base)
        logits[out] = _logits(head, labelled_vectors.vectors[out])
        pool = None if anchored_graph is None else _margins(_logits(head, anchored_graph.points))
        weights[out] = 1 if pool is None else weights_by_doubt(_margins(logits[out]), pool)
    in_folds = fold >= 0
    return logits[in_folds], labelled_vectors.targets[in_folds], weights[in_folds]


def _logits(head: Head, vectors: Floats) -> Floats:
    return np.asarray(vectors, dtype=np.float32) @ head.weights.T + head.bias


def _margins(logits: Floats) -> Floats:
    best = np.partition(softmax(logits), -2, axis=1)[:, -2:]
    return np.asarray(best[:, 1] - best[:, 0])


def linear_heads(labels: Sequence[str], *, multi: bool) -> HeadKind:
    """This head for a project's labels. labels: ids of the columns."""
    ids = tuple(labels)

    def labelled(records: TrainingRecords) -> LabelledVectors:
        targets = records.answers.astype(np.float32)
        return LabelledVectors(records.vectors, targets, ids, multi, records.texts, records.weak, records.seen)

    def unfit(manifest: Mapping[str, Any]) -> str | None:
        """The order of the columns must match too, for a round compares models column by column."""
        if manifest["multi"] != multi:
            return f"was made for {'one' if multi else 'several'} labels per record"
        theirs = manifest["labels"]
        missing, gone = sorted(set(ids) - set(theirs)), sorted(set(theirs) - set(ids))
        parts = [f"it does not know {', '.join(missing[:3])}"] if missing else []
        parts += [f"it knows {', '.join(gone[:3])}, which is gone"] if gone else []
        if tuple(theirs) == ids:
            return None
        return f"has other labels than the project has now: {' and '.join(parts) or 'their order is another'}"

    return HeadKind(
        cross_fit=lambda records, around, evaluated, rng: cross_fit(labelled(records), around, evaluated, rng),
        fit=lambda records, around: fit_uncalibrated(labelled(records), around),
        restore=restore_head,
        unfit=unfit,
    )


def restore_head(manifest: Mapping[str, Any], arrays: Arrays) -> Head:
    """From an artifact. Raises ValueError where its parts do not fit each other."""
    weights, bias = arrays.get("weights"), arrays.get("bias")
    labels, temperature = tuple(manifest["labels"]), manifest["temperature"]
    if weights is None or bias is None or weights.ndim != 2 or not bias.shape == (len(labels),) == weights.shape[:1]:
        raise ValueError(f"its head does not fit its {len(labels)} labels")
    if not isinstance(temperature, int | float) or not 0 < temperature < float("inf"):
        raise ValueError(f"its head does not fit its {len(labels)} labels")
    multi, error = manifest["multi"], manifest["calibration_error"]
    return Head(weights, bias, float(temperature), labels, multi, error)
