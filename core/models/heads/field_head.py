"""A head for several enumerations at once: one linear head for each field. Knows vectors and columns, no schema.

An encoded answer and the outputs have a column for each choice of each field, field after field. A record that does not
answer a field has no mark in its columns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from core.arrays import Bools, Floats, Ints
from core.models.heads.head import Head, LabelledVectors, fit_uncalibrated, restore_head
from core.models.heads.head import cross_fit as cross_fit_labels
from core.models.heads.kind import Arrays, CrossFit, HeadKind, NeighbourGraph, TrainingRecords

Fields = Mapping[str, tuple[str, ...]]
"""path of a field -> its choices as text, in the order of their columns"""


@dataclass(frozen=True)
class FieldHead:
    """heads: path of a field -> the head that chooses among its choices."""

    heads: Mapping[str, Head]
    calibration_error: float | None = None

    def predict(self, vectors: Floats, rows: Ints | None = None) -> Floats:
        """(n, choices of all fields) probabilities; those of one field sum to 1."""
        return np.concatenate([head.predict(vectors, rows) for head in self.heads.values()], axis=1)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Each head's under the number of its field."""
        return {
            f"{name}{number}": array
            for number, head in enumerate(self.heads.values())
            for name, array in head.arrays().items()
        }

    def about(self) -> dict[str, object]:
        """By which it is known again."""
        return {
            "task": "extract",
            "fields": {path: list(head.labels) for path, head in self.heads.items()},
            "temperatures": [head.temperature for head in self.heads.values()],
        }


def slices(fields: Fields) -> dict[str, slice]:
    """The columns of each field."""
    ends = np.cumsum([len(choices) for choices in fields.values()]).tolist()
    return {path: slice(end - len(choices), end) for (path, choices), end in zip(fields.items(), ends, strict=True)}


def _part(records: TrainingRecords, choices: tuple[str, ...], columns: slice) -> tuple[LabelledVectors, Bools]:
    """Those that answer a field, and the mask of them."""
    targets = np.asarray(records.answers[:, columns], np.float32)
    answered = np.asarray(targets.any(axis=1))
    return LabelledVectors(records.vectors[answered], targets[answered], choices), answered


def cross_fit(
    fields: Fields,
    records: TrainingRecords,
    around: NeighbourGraph | None,
    evaluated: Bools,
    rng: np.random.Generator,
) -> CrossFit[FieldHead]:
    """Each field by the head of labels; whoever did not answer a field did not teach it, so it is out of fold."""
    heads, outputs, errors = {}, [], []
    learnt = np.full(int(evaluated.sum()), len(records.vectors))
    whole = True
    for path, columns in slices(fields).items():
        labelled, answered = _part(records, fields[path], columns)
        if not answered.any():
            heads[path] = fit_uncalibrated(labelled, around)
            outputs.append(heads[path].predict(np.asarray(records.vectors, np.float32)[evaluated]))
            continue
        fitted = cross_fit_labels(labelled, around, evaluated[answered], rng)
        heads[path] = fitted.head
        predicted = np.asarray(fitted.head.predict(np.asarray(records.vectors, np.float32)[evaluated]))
        inside = answered[evaluated]
        if fitted.outputs is not None:
            predicted[inside] = fitted.outputs
        elif inside.any():
            whole = False
        learnt[inside] = np.minimum(learnt[inside], fitted.records)
        outputs.append(predicted)
        errors += [fitted.head.calibration_error] if fitted.head.calibration_error is not None else []
    head = FieldHead(heads, float(np.mean(errors)) if errors else None)
    return CrossFit(head, np.concatenate(outputs, axis=1) if whole and evaluated.any() else None, learnt)


def fit(fields: Fields, records: TrainingRecords, around: NeighbourGraph | None) -> FieldHead:
    """The same, not calibrated."""
    parts = {path: _part(records, fields[path], columns)[0] for path, columns in slices(fields).items()}
    return FieldHead({path: fit_uncalibrated(labelled, around) for path, labelled in parts.items()})


def restore(manifest: Mapping[str, Any], arrays: Arrays) -> FieldHead:
    """From `FieldHead.arrays` and `about`. Raises ValueError."""
    fields, temperatures = manifest.get("fields"), manifest.get("temperatures")
    if not isinstance(fields, dict) or not isinstance(temperatures, list) or len(fields) != len(temperatures):
        raise ValueError("its manifest does not say which fields it answers")
    heads = {}
    for number, (path, choices) in enumerate(fields.items()):
        own = {name: arrays[f"{name}{number}"] for name in ("weights", "bias") if f"{name}{number}" in arrays}
        about = {"labels": choices, "temperature": temperatures[number], "multi": False, "calibration_error": None}
        heads[path] = restore_head(about, own)
    return FieldHead(heads, manifest.get("calibration_error"))


def unfit(fields: Fields, manifest: Mapping[str, Any]) -> str | None:
    """Why it does not fit the fields that there are now, or None."""
    known = manifest.get("fields")
    if manifest.get("task") != "extract" or not isinstance(known, dict):
        return "answers no fields"
    if {path: tuple(choices) for path, choices in known.items()} == dict(fields):
        return None
    changed = [path for path in {**known, **fields} if tuple(known.get(path, ())) != tuple(fields.get(path, ()))]
    return f"has other choices than the steps have now: {', '.join(sorted(changed)[:3]) or 'their order is another'}"


def field_heads(fields: Sequence[tuple[str, tuple[str, ...]]]) -> HeadKind:
    """fields: (path, choices) in the order of the columns."""
    known = dict(fields)
    return HeadKind(
        cross_fit=lambda records, around, evaluated, rng: cross_fit(known, records, around, evaluated, rng),
        fit=lambda records, around: fit(known, records, around),
        restore=restore,
        unfit=lambda manifest: unfit(known, manifest),
    )
