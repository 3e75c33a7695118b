"""What a round and an activation leave for the owner: suggestions, ranks and verdicts as tables. Knows no store."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.arrays import Bools, Floats, Ints
from core.models.heads.head import decide
from gpu_jobs.work.choose import Scored, acquisition, tops
from gpu_jobs.work.measure import chances


@dataclass(frozen=True)
class Verdicts:
    """What is said of k records that judge, by what has not learnt from them. rows: (k,). truth, said: (k, labels).

    best: (k,) column of the likeliest label. probability: (k,) as `chances` gives it. weight: (k,) share of all records
    that each stands for, 0 for gold.
    """

    rows: Ints
    truth: Bools
    predicted: Bools
    best: Ints
    probability: Floats
    weight: Floats


def verdicts_of(rows: Ints, truth: Bools, probs: Floats, weight: Floats, *, multi: bool) -> Verdicts:
    """From probabilities, (k, labels)."""
    predicted = decide(probs, multi) if len(rows) else np.empty(truth.shape, np.bool_)
    best = probs.argmax(axis=1) if len(rows) else np.empty(0, np.int64)
    return Verdicts(rows, truth, predicted, best, chances(probs, predicted, multi), weight)


def joined(first: Verdicts, second: Verdicts) -> Verdicts:
    """One after the other."""
    return Verdicts(*(np.concatenate(pair) for pair in zip(vars(first).values(), vars(second).values(), strict=True)))


def write_held_out_predictions(path: Path, verdicts: Verdicts, labels: tuple[str, ...]) -> None:
    """One row per record that judges: what it is, what was said of it, and what it stands for."""
    import polars

    polars.DataFrame(
        {
            "n": verdicts.rows,
            "weight": verdicts.weight,
            "truth": _names_of(verdicts.truth, labels),
            "predicted": _names_of(verdicts.predicted, labels),
            "label": [labels[column] for column in verdicts.best],
            "probability": verdicts.probability,
        },
        schema={
            "n": polars.Int64,
            "weight": polars.Float64,
            "truth": polars.List(polars.String),
            "predicted": polars.List(polars.String),
            "label": polars.String,
            "probability": polars.Float64,
        },
    ).write_parquet(path)


def _names_of(decided: Bools, labels: tuple[str, ...]) -> list[list[str]]:
    return [[labels[column] for column in np.flatnonzero(row)] for row in decided]


def write_suggestions(path: Path, scored: Scored) -> None:
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
        probability = chances(scored.probs, decided, multi=True)
        matches = [[scored.head.labels[column] for column in np.flatnonzero(row)] for row in decided]
        lists = polars.lit(polars.Series("labels", matches, dtype=polars.List(polars.String)))
    table.with_columns(
        probability=polars.Series(probability.astype(np.float64)),
        score=polars.Series(acquisition(scored, rows).astype(np.float64)),
        labels=lists,
    ).write_parquet(path)


def write_ranked(path: Path, scored: Scored, rows: Ints) -> None:
    """Of the records that wait: the new score, and what the card shows."""
    import polars

    scores = acquisition(scored, rows).astype(np.float64)
    polars.DataFrame(
        {"n": rows, "score": scores, "suggestion": tops(scored, rows)},
        schema={"n": polars.Int64, "score": polars.Float64, "suggestion": polars.String},
    ).write_parquet(path)
