"""One line per record: text, truth, ranked guesses, scores, correctness. Knows chunks and a file, no store."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from core.arrays import Bools
from core.models.out_of_fold import OutOfSamplePredictions
from core.store.whole_files import whole_file
from gpu_jobs.work.registry.evaluated_model import Chunk, EvaluatedModel
from gpu_jobs.work.registry.evaluation_data import Columns, align, truth_of

Write = Callable[[Chunk, OutOfSamplePredictions], None]


@contextmanager
def writing_lines(path: Path, columns: Columns, evaluated: EvaluatedModel, top_k: int) -> Iterator[Write]:
    """A function that adds the lines of one chunk: JSON, or CSV where the file is called so. The file is there once all
    lines are."""
    as_csv = path.suffix == ".csv"
    with (
        whole_file(path, alone=True) as partial,
        partial.open("w", encoding="utf-8", newline="" if as_csv else None) as file,
    ):
        table = csv.DictWriter(file, _header(top_k), lineterminator="\n")
        if as_csv:
            table.writeheader()

        def write(chunk: Chunk, predictions: OutOfSamplePredictions) -> None:
            for line in _lines(chunk, predictions, columns, evaluated, top_k):
                if as_csv:
                    table.writerow(_cells(line))
                else:
                    file.write(json.dumps(line, ensure_ascii=False) + "\n")

        yield write


def _header(top_k: int) -> list[str]:
    ranked = [f"{name}_{rank}" for rank in range(1, top_k + 1) for name in ("guess", "score")]
    return ["id", "text", "truth", "predicted", "correct", *(f"top_{k}" for k in range(1, top_k + 1)), *ranked]


def _cells(line: Mapping[str, Any]) -> dict[str, Any]:
    """Labels of one cell are joined by |, as an import reads them; true and false as in JSON; nothing for None."""
    cells = {name: value for name, value in line.items() if name not in ("guesses", "scores")}
    for index, (label, score) in enumerate(zip(line["guesses"] or (), line["scores"] or (), strict=True), 1):
        cells |= {f"guess_{index}": label, f"score_{index}": score}
    return {name: _cell(value) for name, value in cells.items()}


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return "|".join(value) if isinstance(value, list) else value


def _lines(
    chunk: Chunk, predictions: OutOfSamplePredictions, columns: Columns, evaluated: EvaluatedModel, top_k: int
) -> Iterator[dict[str, Any]]:
    """said: the predicted label, or where several may hold all predicted ones. guesses and scores: the likeliest first,
    None where only the decision is known. correct: None without a truth. top_1, top_2 ...: is a true label among the k
    likeliest? None where that is not known.
    """
    names = [evaluated.names[label] for label in evaluated.labels]
    predicted, truth = align(predictions, evaluated, columns).predicted, truth_of(chunk, columns)
    right = (predicted == truth).all(axis=1)
    order = np.argsort(-predictions.outputs, axis=1, kind="stable")[:, :top_k]
    scores = np.take_along_axis(predictions.outputs, order, axis=1)
    hits = np.logical_or.accumulate(np.take_along_axis(_own(truth, evaluated, columns), order, axis=1), axis=1)
    shown = {label: columns.names[columns.labels[column]] for label, column in columns.column_of.items()}
    for row, labels in enumerate(chunk.labels):
        match = None if labels is None else [shown[label] for label in labels]
        proposed = [names[column] for column in np.flatnonzero(predictions.predicted[row])]
        known = bool(predictions.known[row])
        yield {
            "id": chunk.ids[row],
            "text": chunk.texts[row],
            "truth": match if evaluated.multi else (match[0] if match else None),
            "predicted": proposed if evaluated.multi else proposed[0],
            "guesses": [names[column] for column in order[row]] if known else None,
            "scores": [round(float(score), 6) for score in scores[row]] if known else None,
            "correct": None if labels is None else bool(right[row]),
            **{
                f"top_{k}": bool(hits[row, min(k, hits.shape[1]) - 1]) if labels and known else None
                for k in range(1, top_k + 1)
            },
        }


def _own(truth: Bools, evaluated: EvaluatedModel, columns: Columns) -> Bools:
    """(records, labels of the model): the truth in its own order."""
    return truth[:, columns.of(evaluated)]
