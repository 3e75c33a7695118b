"""One line of JSON per record: text, truth, ranked guesses, scores, correctness. Knows chunks and a file, no store."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from gpu_jobs.judging import Columns, align, truth_of
from gpu_jobs.subjects import Chunk, Guesses, Subject

Write = Callable[[Chunk, Guesses], None]


@contextmanager
def writing_lines(path: Path, columns: Columns, subject: Subject, top_k: int) -> Iterator[Write]:
    """A function that adds the lines of one chunk. The file is there once all lines are."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8") as file:

        def write(chunk: Chunk, guesses: Guesses) -> None:
            found = _lines(chunk, guesses, columns, subject, top_k)
            file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in found)

        yield write
    partial.replace(path)


def _lines(chunk: Chunk, guesses: Guesses, columns: Columns, subject: Subject, top_k: int) -> Iterator[dict[str, Any]]:
    """said: the label, or where several may hold all that the model proposes. guesses and scores: the likeliest first,
    None where only the decision is known. correct: None without a truth."""
    names = [subject.names[label] for label in subject.labels]
    said, truth = align(guesses, subject, columns).said, truth_of(chunk, columns)
    right = (said == truth).all(axis=1)
    order = np.argsort(-guesses.probs, axis=1, kind="stable")[:, :top_k]
    scores = np.take_along_axis(guesses.probs, order, axis=1)
    shown = {label: columns.names[columns.labels[column]] for label, column in columns.place.items()}
    for row, labels in enumerate(chunk.labels):
        given = None if labels is None else [shown[label] for label in labels]
        proposed = [names[column] for column in np.flatnonzero(guesses.said[row])]
        known = bool(guesses.known[row])
        yield {
            "id": chunk.ids[row],
            "text": chunk.texts[row],
            "truth": given if subject.multi else (given[0] if given else None),
            "said": proposed if subject.multi else proposed[0],
            "guesses": [names[column] for column in order[row]] if known else None,
            "scores": [round(float(score), 6) for score in scores[row]] if known else None,
            "correct": None if labels is None else bool(right[row]),
        }
