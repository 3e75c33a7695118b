"""Tables that a round and an activation return: suggestions and ranks. Knows no store."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.arrays import Ints
from core.sampling.uncertainty import score
from core.tasks.task import Predictions
from gpu_jobs.work.choose import ScoredPool, acquisition, tops
from gpu_jobs.work.held_out import stored_answers
from gpu_jobs.work.large_pools import parts_of

if TYPE_CHECKING:
    import polars


def write_suggestions(path: Path, scored: ScoredPool) -> None:
    """One row per record. answer, labels: what is proposed; label: the likeliest category, where there are some and any
    is proposed. probability: that the answer is right."""
    parts = parts_of(scored.predictions)
    first, predictions = next(parts)
    table = _suggestions(first, predictions)
    if len(table) == len(scored.predictions):
        table.write_parquet(path)
        return
    from pyarrow import parquet  # type: ignore[import-untyped]

    head = table.to_arrow()
    with parquet.ParquetWriter(path, head.schema, compression="zstd") as file:
        file.write_table(head)
        for start, part in parts:
            file.write_table(_suggestions(start, part).to_arrow())


def _suggestions(first: int, predictions: Predictions) -> "polars.DataFrame":
    """Of the records from number `first` on."""
    import polars

    space = predictions.space
    rows, answers = np.arange(first, first + len(predictions), dtype=np.int64), predictions.answers
    stored = stored_answers(space, answers)
    label = polars.Series("label", [None] * len(rows), dtype=polars.String)
    if space.categories:
        best = polars.Series(space.categories).gather(polars.Series(predictions.outputs.argmax(axis=1)))
        label = best.zip_with(polars.Series(np.asarray(answers, np.bool_).any(axis=1)), label)
    return polars.DataFrame(
        {
            "n": rows,
            "label": label,
            "probability": space.confidence(predictions.outputs, answers).astype(np.float64),
            "score": score(predictions).astype(np.float64),
            "labels": stored.labels,
            "answer": stored.texts,
        }
    )


def write_ranked(path: Path, scored: ScoredPool, rows: Ints) -> None:
    """For queued records: the new score, and the suggestion that the card shows."""
    import polars

    scores = acquisition(scored, rows).astype(np.float64)
    polars.DataFrame(
        {"n": rows, "score": scores, "suggestion": tops(scored, rows)},
        schema={"n": polars.Int64, "score": polars.Float64, "suggestion": polars.String},
    ).write_parquet(path)
