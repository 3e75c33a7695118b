"""What a model said of records that it had not learnt from, kept beside its head. Knows files, no manifest."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

from core.arrays import Bools, Floats, Ints
from core.errors import Damaged
from core.tasks.labels import decide

JUDGED = "judged.safetensors"
"""of a trained model, sealed with it, never exported: n (k,), probs (k, labels), held_out (those of n that were)"""
VERDICTS = "verdicts.safetensors"
"""of a round's head, written after its seal: rows (k,), said (bits), label, probability, weight, labels"""


@dataclass(frozen=True)
class HeldOut:
    """What a trained model said of what judged it when it was made. rows: (k,) ascending. probs: (k, labels). held_out:
    those of the rows that were held out of training; none in a model from before that was kept here."""

    rows: Ints
    probs: Floats
    held_out: Ints = field(default_factory=lambda: np.empty(0, np.int64))


@dataclass(frozen=True)
class OutOfFold:
    """What heads that had not seen a record said of those that a round's head learnt from.

    rows: (k,) ascending. said: (k, labels). label: (k,) column of the likeliest. probability, weight: (k,). labels:
    (k,) how many records the head that said it learnt from. The last four are empty in a round from before they were
    kept.
    """

    rows: Ints
    predicted: Bools
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
    """None for a model that kept nothing, as a round's. Raises Damaged for a file that does not fit the labels."""
    stored = _load(folder / JUDGED)
    if stored is None:
        return None
    rows, probs = stored.get("n"), stored.get("probs")
    if not _are_rows(rows) or probs is None or probs.shape != (len(rows), labels) or probs.dtype != np.float32:
        raise _unreadable(folder / JUDGED, f"it does not fit {labels} labels")
    held_out = stored.get("held_out", np.empty(0, np.int64))
    if not _are_rows(held_out) or not np.isin(held_out, rows).all():
        raise _unreadable(folder / JUDGED, "it holds out records that it does not judge")
    return HeldOut(rows, probs, held_out)


def write_out_of_fold(folder: Path, out_of_fold: OutOfFold) -> None:
    """So that the head can be judged later without asking it of what it learnt from."""
    from safetensors.numpy import save_file

    entries: dict[str, npt.NDArray[Any]] = {
        "rows": out_of_fold.rows,
        "said": np.packbits(out_of_fold.predicted, axis=1),
        "label": out_of_fold.label.astype(np.int32),
        "probability": out_of_fold.probability,
        "weight": out_of_fold.weight,
        "labels": out_of_fold.labels,
    }
    save_file(entries, folder / VERDICTS)


def read_out_of_fold(folder: Path, labels: int) -> OutOfFold | None:
    """None for a model that kept nothing, as a trained one. Raises Damaged for a file that does not fit the labels."""
    stored = _load(folder / VERDICTS)
    if stored is None:
        return None
    rows, predicted = stored.get("rows"), stored.get("said")
    if (
        not _are_rows(rows)
        or predicted is None
        or predicted.shape != (len(rows), -(-labels // 8))
        or predicted.dtype != np.uint8
    ):
        raise _unreadable(folder / VERDICTS, f"it does not fit {labels} labels")
    more = [stored.get(name, np.empty(0)) for name in ("label", "probability", "weight", "labels")]
    if any(column.shape not in ((0,), rows.shape) for column in more):
        raise _unreadable(folder / VERDICTS, f"it does not say as much of each of its {len(rows)} records")
    label, probability, weight, learnt = more
    bits = np.unpackbits(predicted, axis=1, count=labels).astype(np.bool_)
    return OutOfFold(rows, bits, label.astype(np.int64), probability, weight, learnt.astype(np.int64))


@dataclass(frozen=True)
class StoredPredictions:
    """What an artifact keeps of its predictions, or those of heads fitted without a record; None for what it lacks."""

    out_of_fold: OutOfFold | None
    held_out: HeldOut | None

    @property
    def rows(self) -> Ints:
        """Ascending."""
        stored = self.out_of_fold or self.held_out
        return stored.rows if stored else np.empty(0, np.int64)


def read_stored(folder: Path, labels: int) -> StoredPredictions:
    """Raises Damaged for a file that does not fit the labels."""
    return StoredPredictions(read_out_of_fold(folder, labels), read_held_out(folder, labels))


@dataclass(frozen=True)
class EvaluatedPredictions:
    """Of n records. probs, predicted: (n, labels). known: (n,) False where the model learnt from the record, and only
    what heads that had not seen it decided is known; the probs of such a row mean nothing."""

    probs: Floats
    predicted: Bools
    known: Bools


def predict_unseen(
    stored: StoredPredictions, rows: Ints, labels: int, multi: bool, direct: Callable[[Bools], Floats]
) -> EvaluatedPredictions:
    """Of records as if the model had not learnt from them: as it is stored where it did, else by the model itself.

    rows: (n,) numbers. direct: (n,) mask to the (marked, labels) probabilities of the model.
    """
    probs, predicted = np.zeros((len(rows), labels), np.float32), np.zeros((len(rows), labels), np.bool_)
    here, known = np.isin(rows, stored.rows), np.ones(len(rows), np.bool_)
    places = np.searchsorted(stored.rows, rows[here])
    if stored.out_of_fold is not None:
        predicted[here], known = stored.out_of_fold.predicted[places], ~here
    elif stored.held_out is not None:
        probs[here] = stored.held_out.probs[places]
    if not here.all():
        probs[~here] = direct(~here)
    predicted[known] = decide(probs[known], multi)
    return EvaluatedPredictions(probs, predicted, known)


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
