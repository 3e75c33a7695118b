"""Predictions of records by models that did not train on them, stored beside a head. Knows files, no manifest."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

from core.arrays import Bools, Floats, Ints, Rows
from core.errors import Damaged

JUDGED = "judged.safetensors"
"""of a trained model, sealed with it, never exported: n (k,), probs (k, labels), held_out (those of n that were)"""
VERDICTS = "verdicts.safetensors"
"""of a round's head, written after its seal: rows (k,), said (yes and no as bits), label, probability, weight, labels:
see `OutOfFold`"""


@dataclass(frozen=True)
class HeldOut:
    """A trained model's predictions of its test records when it was made. rows: (k,) ascending. probs: (k, labels).
    held_out: those of the rows that were held out of training; empty in a model from before they were stored.
    """

    rows: Ints
    probs: Floats
    held_out: Ints = field(default_factory=lambda: np.empty(0, np.int64))


@dataclass(frozen=True)
class OutOfFold:
    """Predictions of the records that a round's head trained on, by heads fitted without them.

    rows: (k,) ascending. predicted: (k, width) answers. label: (k,) column of the likeliest category. probability,
    weight: (k,). labels: (k,) how many records the predicting head trained on. The last four are empty in a round from
    before they were stored.
    """

    rows: Ints
    predicted: Rows
    label: Ints
    probability: Floats
    weight: Floats
    labels: Ints


def write_held_out(folder: Path, rows: Ints, probs: Floats, held_out: Ints | None = None) -> None:
    """Sorted by record; a record is there once. held_out: those of the rows that training held out."""
    from safetensors.numpy import save_file

    order = np.argsort(rows, kind="stable")
    entries: dict[str, npt.NDArray[Any]] = {
        "n": np.asarray(rows, np.int64)[order],
        "probs": np.asarray(probs, np.float32)[order],
        "held_out": np.sort(np.asarray([] if held_out is None else held_out, np.int64)),
    }
    save_file(entries, folder / JUDGED)


def read_held_out(folder: Path, labels: int) -> HeldOut | None:
    """None for a model without the file, such as a round's. Raises Damaged for a file that does not fit the labels."""
    stored = _load(folder / JUDGED)
    if stored is None:
        return None
    rows, probs = stored.get("n"), stored.get("probs")
    if not _are_rows(rows) or probs is None or probs.shape != (len(rows), labels) or probs.dtype != np.float32:
        raise _unreadable(folder / JUDGED, f"it does not fit {labels} labels")
    held_out = stored.get("held_out", np.empty(0, np.int64))
    if not _are_rows(held_out) or not np.isin(held_out, rows).all():
        raise _unreadable(folder / JUDGED, "it lists held-out records that it has no prediction of")
    return HeldOut(rows, probs, held_out)


def write_out_of_fold(folder: Path, out_of_fold: OutOfFold) -> None:
    """So that the head can be scored later without predicting its own training records."""
    from safetensors.numpy import save_file

    predicted: npt.NDArray[Any] = out_of_fold.predicted
    entries: dict[str, npt.NDArray[Any]] = {
        "rows": out_of_fold.rows,
        "said": np.packbits(predicted, axis=1) if predicted.dtype == np.bool_ else predicted,
        "label": out_of_fold.label.astype(np.int32),
        "probability": out_of_fold.probability,
        "weight": out_of_fold.weight,
        "labels": out_of_fold.labels,
    }
    save_file(entries, folder / VERDICTS)


def read_out_of_fold(folder: Path, empty: Rows) -> OutOfFold | None:
    """None for a model without the file, such as a trained one. empty: (0, width) answers of the kind that is expected.
    Raises Damaged for a file that holds others."""
    stored = _load(folder / VERDICTS)
    if stored is None:
        return None
    rows, answers = stored.get("rows"), stored.get("said")
    bits, width = empty.dtype == np.bool_, empty.shape[1]
    shape = (-(-width // 8), np.uint8) if bits else (width, empty.dtype)
    if not _are_rows(rows) or answers is None or (*answers.shape, answers.dtype) != (len(rows), *shape):
        raise _unreadable(folder / VERDICTS, f"it does not fit {width} labels")
    more = [stored.get(name, np.empty(0)) for name in ("label", "probability", "weight", "labels")]
    if any(column.shape not in ((0,), rows.shape) for column in more):
        raise _unreadable(folder / VERDICTS, f"it does not say as much of each of its {len(rows)} records")
    label, probability, weight, learnt = more
    predicted = np.unpackbits(answers, axis=1, count=width).astype(np.bool_) if bits else answers
    return OutOfFold(rows, predicted, label.astype(np.int64), probability, weight, learnt.astype(np.int64))


@dataclass(frozen=True)
class StoredPredictions:
    """Held-out and out-of-fold predictions in an artifact; None for what it lacks."""

    out_of_fold: OutOfFold | None
    held_out: HeldOut | None

    @property
    def rows(self) -> Ints:
        """Ascending."""
        stored = self.out_of_fold or self.held_out
        return stored.rows if stored else np.empty(0, np.int64)


def read_stored(folder: Path, empty: Rows) -> StoredPredictions:
    """empty: (0, width) answers of the kind that is expected. Raises Damaged for a file that holds others."""
    return StoredPredictions(read_out_of_fold(folder, empty), read_held_out(folder, empty.shape[1]))


@dataclass(frozen=True)
class OutOfSamplePredictions:
    """Of n records. outputs: (n, outputs). predicted: (n, width). known: (n,) False where the model trained on the
    record, so that only the out-of-fold decision is known; the outputs of such a row mean nothing.
    """

    outputs: Floats
    predicted: Rows
    known: Bools


def predict_unseen(
    stored: StoredPredictions, rows: Ints, decide: Callable[[Floats], Rows], direct: Callable[[Bools], Floats]
) -> OutOfSamplePredictions:
    """Predictions of records as if the model had not trained on them: the stored ones where it did, else the model's
    own.

    rows: (n,) numbers. direct: (n,) mask -> (marked, outputs) of the model. decide: outputs -> answers.
    """
    here = np.isin(rows, stored.rows)
    stored_rows, out_of_fold, held_out = np.searchsorted(stored.rows, rows[here]), stored.out_of_fold, stored.held_out
    fresh = None if here.all() else direct(~here)
    examples = [fresh, held_out.probs if held_out else None, out_of_fold.predicted if out_of_fold else None]
    width = next((one.shape[1] for one in examples if one is not None), 0)
    outputs = np.zeros((len(rows), width), np.float32)
    if fresh is not None:
        outputs[~here] = fresh
    if out_of_fold is None:
        if held_out is not None:
            outputs[here] = held_out.probs[stored_rows]
        return OutOfSamplePredictions(outputs, decide(outputs), np.ones(len(rows), np.bool_))
    predicted = np.zeros((len(rows), out_of_fold.predicted.shape[1]), out_of_fold.predicted.dtype)
    predicted[here] = out_of_fold.predicted[stored_rows]
    if fresh is not None:
        predicted[~here] = decide(fresh)
    return OutOfSamplePredictions(outputs, predicted, ~here)


def _load(path: Path) -> dict[str, npt.NDArray[Any]] | None:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if not path.exists():
        return None
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise _unreadable(path, str(error)) from None


def _are_rows(rows: npt.NDArray[Any] | None) -> TypeGuard[Ints]:
    """Record numbers, ascending, each once."""
    return rows is not None and rows.ndim == 1 and rows.dtype == np.int64 and bool((np.diff(rows) > 0).all())


def _unreadable(path: Path, why: str) -> Damaged:
    return Damaged(f"{path} cannot be read: {why}. Make a new model with `rondo fit` or `rondo train`.")
