"""The held-out predictions that every job scores: of gold, audit or all asked records, by models that did not train on
them, with weights. Knows arrays and files, no store.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from core.arrays import Bools, Floats, Ints, Rows
from core.evaluation.audit import PoolHistory, Weights, drawn_only, weigh
from core.evaluation.held_out import HeldOutPredictions
from core.models.out_of_fold import OutOfFold, write_out_of_fold
from core.store.answers import answer_text, labels_in
from core.tasks.task import AnswerSpace
from core.tasks.tasks import TASKS

if TYPE_CHECKING:
    import polars

Arrays = Mapping[str, npt.NDArray[Any]]
MOST_HELD_OUT = 5_000
"""most asked records with out-of-fold predictions: each costs its share of five refits"""


def load_arrays(path: Path) -> Arrays:
    """By name."""
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def read_history(arrays: Arrays) -> PoolHistory:
    """As the owner wrote it, of `asked_rows`."""
    return PoolHistory(**{field.name: arrays[f"history_{field.name}"] for field in fields(PoolHistory)})


def subsample(rows: Ints, weights: Weights) -> tuple[Ints, Weights]:
    """All drawn records among the asked ones and some of the others, about MOST_HELD_OUT in all, reweighted to
    represent those left out.

    Always the same others first, so that a later round scores records that earlier ones scored. The variance from
    leaving some out is not in the intervals: these records have little weight.
    """
    others = np.flatnonzero(~weights.drawn)
    most = max(MOST_HELD_OUT - int(weights.drawn.sum()), MOST_HELD_OUT // 10)
    if len(others) <= most:
        return rows, weights
    order = np.argsort(rows[others] * 2_654_435_761 % 2**32, kind="stable")  # fixed pseudo-random order
    retained = np.zeros(len(rows), bool)
    retained[others[order[:most]]] = True
    scale = np.ones(len(rows))
    scale[retained] = weights.weight[others].sum() / max(weights.weight[retained].sum(), 1e-12)
    retained |= weights.drawn
    weight, known = (weights.weight * scale)[retained], (weights.known * scale)[retained]
    return rows[retained], replace(weights, weight=weight, known=known, drawn=weights.drawn[retained])


def audit_records(arrays: Arrays, rows: Ints) -> tuple[Bools, Weights]:
    """Which of `rows` (ascending) were drawn at random, and their weights for a model that may have trained on the
    other asked records.
    """
    weights = weigh(read_history(arrays))
    return np.isin(rows, arrays["asked_rows"][weights.drawn]), drawn_only(weights)


def save_out_of_fold(folder: Path, answered: HeldOutPredictions) -> None:
    """Stores them beside the head that trained on these records. answered: with probabilities."""
    if answered.likeliest is not None and answered.certainty is not None and answered.learnt is not None:
        columns = answered.likeliest, answered.certainty, answered.weights.weight, answered.learnt
        write_out_of_fold(folder, OutOfFold(answered.rows, answered.predicted, *columns))


def write_held_out_predictions(path: Path, gold: HeldOutPredictions, answered: HeldOutPredictions | None) -> None:
    """One row per scored record: truth, prediction and weight, which is 0 for gold. label: the likeliest category,
    where there are some.
    """
    import polars

    space, parts = gold.space, [part for part in (answered, gold) if part is not None]

    def column(name: str) -> npt.NDArray[Any]:
        return np.concatenate([getattr(part, name) for part in parts])

    weights: list[Floats] = [np.zeros(len(part.rows)) if part is gold else part.weights.weight for part in parts]
    columns: dict[str, Any] = {"n": column("rows"), "weight": np.concatenate(weights)}
    for name in ("truth", "predicted"):
        answers = stored_answers(space, column(name))
        columns |= {name: answers.labels, f"{name}_answer": answers.texts}
    label = [space.categories[index] for index in column("likeliest")] if space.categories else None
    polars.DataFrame(
        columns | {"label": label, "probability": column("certainty")},
        schema={
            "n": polars.Int64,
            "weight": polars.Float64,
            "truth": polars.List(polars.String),
            "truth_answer": polars.String,
            "predicted": polars.List(polars.String),
            "predicted_answer": polars.String,
            "label": polars.String,
            "probability": polars.Float64,
        },
    ).write_parquet(path)


@dataclass(frozen=True)
class StoredAnswers:
    """Columns of answers as the store has them. texts: canonical JSON. labels: values of the column `labels`, in the
    order of the categories.
    """

    texts: "polars.Series"
    labels: "polars.Series"


def stored_answers(space: AnswerSpace, answers: Rows) -> StoredAnswers:
    """Each distinct answer is serialized once, however many records have it. answers: (n, width)."""
    import polars

    bits = answers.dtype == np.bool_
    rows: npt.NDArray[Any] = np.packbits(np.asarray(answers, np.bool_), axis=1) if bits else np.asarray(answers)
    if bits and rows.shape[1] <= 8:  # numbers sort ten times as fast as bytes
        rows = np.pad(rows, ((0, 0), (0, 8 - rows.shape[1])))
    size = rows.dtype.itemsize * rows.shape[1]
    keys = np.ascontiguousarray(rows).view(np.uint64 if size == 8 else np.dtype((np.void, size)))[:, 0]
    _, first, kind = np.unique(keys, return_index=True, return_inverse=True)
    distinct, indices, canonical = space.decode(answers[first]), polars.Series(kind), TASKS[space.task].canonical
    texts = polars.Series([answer_text(canonical(answer)) for answer in distinct], dtype=polars.String)
    labels = polars.Series([labels_in(answer) for answer in distinct], dtype=polars.List(polars.String))
    return StoredAnswers(texts.gather(indices), labels.gather(indices))
