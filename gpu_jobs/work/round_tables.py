"""What a round and an activation leave for the owner: suggestions and ranks as tables. Knows no store."""

from pathlib import Path

import numpy as np

from core.arrays import Ints
from core.tasks.labels import confidence, decide
from gpu_jobs.work.choose import ScoredPool, acquisition, tops


def write_suggestions(path: Path, scored: ScoredPool) -> None:
    """One row per record. probability: of the label, or where several may hold that all its yes and no are right."""
    import polars

    rows = np.arange(len(scored.probs), dtype=np.int64)
    best = scored.probs.argmax(axis=1)
    names = polars.Series("label", scored.head.labels)
    table = polars.DataFrame({"n": rows, "label": names.gather(polars.Series(best))})
    probability = scored.probs[rows, best]
    lists = polars.concat_list("label")
    if scored.head.multi:
        decided = decide(scored.probs, multi=True)
        series = polars.Series("any", decided.any(axis=1))
        table = table.with_columns(label=polars.when(series).then(polars.col("label")))
        probability = confidence(scored.probs, decided, several=True)
        matches = [[scored.head.labels[column] for column in np.flatnonzero(row)] for row in decided]
        lists = polars.lit(polars.Series("labels", matches, dtype=polars.List(polars.String)))
    table.with_columns(
        probability=polars.Series(probability.astype(np.float64)),
        score=polars.Series(acquisition(scored, rows).astype(np.float64)),
        labels=lists,
    ).write_parquet(path)


def write_ranked(path: Path, scored: ScoredPool, rows: Ints) -> None:
    """Of the records that wait: the new score, and what the card shows."""
    import polars

    scores = acquisition(scored, rows).astype(np.float64)
    polars.DataFrame(
        {"n": rows, "score": scores, "suggestion": tops(scored, rows)},
        schema={"n": polars.Int64, "score": polars.Float64, "suggestion": polars.String},
    ).write_parquet(path)
