"""Figures of predictions that are counted part by part, so that a file of any size has them. Knows counts, no texts."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from core.arrays import label_matrix
from core.evaluation.scores import score, share
from core.registry.evaluation_jobs import TopAccuracy
from core.registry.text_prediction_job import FilePredictions
from gpu_jobs.work.registry.evaluate import unknown_label_notes
from gpu_jobs.work.registry.evaluated_model import EvaluatedModel
from gpu_jobs.work.registry.evaluation_data import MOST_HELD_OUT, MOST_OF_SEVERAL, MOST_UNKNOWN
from gpu_jobs.work.registry.prediction_parts import Line

Cell = tuple[list[str], list[str], int]
"""true labels, predicted ones, and rows with just these"""


@dataclass(frozen=True)
class PartCounts:
    """Of a part. predicted: rows by label. top: rows with a true label among the k likeliest, for k = 1 ...; among:
    rows with one. cells: of rows that have a truth and a prediction."""

    rows: int
    blank: int
    predicted: dict[str, int]
    among: int = 0
    top: list[int] = field(default_factory=list)
    cells: list[Cell] = field(default_factory=list)


def count_part(lines: Sequence[Line], top_k: int, *, labelled: bool) -> PartCounts:
    """Of the lines of a part."""
    proposed = [_names(line["predicted"]) for line in lines]
    counts = PartCounts(
        rows=len(lines),
        blank=sum(line["predicted"] is None for line in lines),
        predicted=dict(Counter(name for names in proposed for name in names)),
    )
    if not labelled:
        return counts
    pairs = Counter(
        (_names(line["truth"]), names)
        for line, names in zip(lines, proposed, strict=True)
        if line["truth"] is not None and line["predicted"] is not None
    )
    scored = [line for line in lines if line["top_1"] is not None and line["truth"]]
    return replace(
        counts,
        among=len(scored),
        top=[sum(line[f"top_{k}"] for line in scored) for k in range(1, top_k + 1)],
        cells=[(list(truth), list(names), count) for (truth, names), count in pairs.items()],
    )


def _names(value: object) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, tuple) else ()


def add_figures(
    result: FilePredictions, counted: Sequence[PartCounts], model: EvaluatedModel, seed: int
) -> FilePredictions:
    """Accuracy and top k of all rows, and macro F1 of all or of many drawn at random."""
    scored = sum(count for part in counted for *_, count in part.cells)
    if not scored:
        return replace(result, notes=("No row has a label and a text: nothing is scored.",))
    names = list(dict.fromkeys(model.names[label] for label in model.labels))
    truths = Counter[str]()
    for part in counted:
        for truth, _, count in part.cells:
            truths.update(dict.fromkeys(truth, count))
    unknown = {name: count for name, count in truths.most_common() if name not in set(names)}
    most, notes = (MOST_OF_SEVERAL if model.multi else MOST_HELD_OUT), [*unknown_label_notes(unknown)]
    columns = [*names, *list(unknown)[:MOST_UNKNOWN]]
    drawn = list(_drawn(counted, min(1.0, most / scored), np.random.default_rng(seed)))
    if scored > most:
        notes.append(f"Macro F1 rests on {len(drawn):,} of {scored:,} rows, drawn at random.")
    figures = score(
        label_matrix([truth for truth, _ in drawn], columns),
        label_matrix([predicted for _, predicted in drawn], columns),
        seed=seed,
    )
    among, right = sum(part.among for part in counted), _right(counted)
    top = (sum(hits) for hits in zip(*(part.top for part in counted), strict=True))
    return replace(
        result,
        scored=scored,
        accuracy=share(right, scored),
        macro_f1=figures.macro_f1,
        top=tuple(TopAccuracy(k, share(hits, among)) for k, hits in enumerate(top, 1)) if among else (),
        unknown=unknown,
        notes=(*notes, *figures.unsaid),
    )


def accuracy_of(counted: Sequence[PartCounts]) -> dict[str, float]:
    """By its name, for a report of progress; empty where nothing was scored."""
    scored = sum(count for part in counted for *_, count in part.cells)
    return {"accuracy": _right(counted) / scored} if scored else {}


def _right(counted: Sequence[PartCounts]) -> int:
    return sum(count for part in counted for truth, predicted, count in part.cells if set(truth) == set(predicted))


def _drawn(
    counted: Sequence[PartCounts], chance: float, rng: np.random.Generator
) -> Iterator[tuple[list[str], list[str]]]:
    """(truth, predicted) of each row, or of as many as chance lets through."""
    for part in counted:
        for truth, predicted, count in part.cells:
            for _ in range(count if chance >= 1 else int(rng.binomial(count, chance))):
                yield truth, predicted
