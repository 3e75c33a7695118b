"""Choosing in a round's job: the batch, the spare records behind it, and their self-test. Knows arrays, no store."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.arrays import Floats, Ints
from core.errors import BadInput
from core.models.heads.kind import FittedHead
from core.models.vectors import encoder_folder
from core.rounds.round_job import BatchChoice, Chosen, RoundParams
from core.sampling.batch import ChosenBatch, compose
from core.sampling.pool import Pool
from core.sampling.selftest import AuditedLabels, run_self_test, unseen_labels
from core.sampling.strategies import STRATEGIES
from core.sampling.uncertainty import score
from core.tasks.task import AnswerSpace, Predictions
from gpu_jobs.work.large_pools import PoolRows, narrow

Arrays = Mapping[str, npt.NDArray[Any]]
TOP = 9
"""labels of a suggestion that are kept for the card: the keys 1 to 9"""


@dataclass(frozen=True)
class RoundInputs:
    """Input of a round's job: bundle, parameters, the task's answer space, row numbers, and vectors of all records."""

    bundle: Path
    params: RoundParams
    space: AnswerSpace
    arrays: Arrays
    vectors: Floats


@dataclass(frozen=True)
class ScoredPool:
    """Predictions for every record by the model that is active after this job."""

    head: FittedHead
    predictions: Predictions


def acquisition(scored: ScoredPool, rows: Ints) -> Floats:
    """(n,) scores of some records, higher = ask sooner."""
    return score(scored.predictions.take(rows))


def tops(scored: ScoredPool | None, rows: Ints) -> list[str | None]:
    """[[label id, probability], ...] best first, as JSON, for each row; for other tasks their alternatives."""
    if scored is None:
        return [None] * len(rows)
    predictions = scored.predictions.take(rows)
    return [json.dumps(pairs) for pairs in predictions.space.alternatives(predictions.outputs, TOP)]


def choose(inputs: RoundInputs, choice: BatchChoice, scored: ScoredPool | None) -> Chosen:
    """The batch and, behind it, spare records chosen the same way out of what is left."""
    arrays, space = inputs.arrays, inputs.space
    if choice.strategy not in STRATEGIES:
        raise BadInput(f"There is no strategy {choice.strategy!r}; there are {', '.join(STRATEGIES)}.")
    strategy, rng = STRATEGIES[choice.strategy], np.random.default_rng(choice.seed)
    labelled, extra = arrays["train_rows"], arrays["machine_rows"]
    predictions = None if scored is None else scored.predictions
    rows = PoolRows(arrays["pool_rows"], extra, labelled)
    folder = encoder_folder(Path(inputs.params.vectors), inputs.params.encoder)
    part = narrow(inputs.vectors, rows, predictions, (choice.strategy, choice.seed), folder)
    extra = part.audit_only
    pool = _pool(inputs, part.rows, labelled, extra, scored)
    batch = compose(pool, choice.size, strategy, choice.audit_share, rng)
    audits = arrays["train_targets"][np.isin(labelled, arrays["audit_rows"])]
    counts = audits.sum(axis=0).astype(np.int64) if space.categories else np.empty(0, np.int64)
    audited = AuditedLabels(space.names, counts, len(audits))
    compared = part.tested(pool, batch)
    tested = run_self_test(compared, batch, np.random.default_rng(choice.seed), audited)
    if unseen := unseen_labels(compared, audited, choice.batch):
        tested = replace(tested, warnings=(*tested.warnings, unseen))
    left, unasked = np.setdiff1d(pool.rows, batch.rows), np.setdiff1d(extra, batch.rows)
    spare = compose(
        _pool(inputs, left, np.sort(np.concatenate([labelled, batch.rows])), unasked, scored),
        min(choice.spare, len(left)),
        strategy,
        choice.audit_share,
        rng,
    )
    _write_queue(inputs.bundle / "out" / "queue.parquet", batch, spare, scored)
    return Chosen(len(pool.rows) + len(extra), len(inputs.vectors), len(labelled), tested)


def _pool(inputs: RoundInputs, rows: Ints, labelled: Ints, audit_only: Ints, scored: ScoredPool | None) -> Pool:
    predictions = None if scored is None else scored.predictions.take(rows)
    return Pool(inputs.vectors, rows, labelled, predictions, audit_only, inputs.arrays.get("label_counts"))


def _write_queue(path: Path, batch: ChosenBatch, spare: ChosenBatch, scored: ScoredPool | None) -> None:
    import polars

    rows = np.concatenate([batch.rows, spare.rows])
    audit = np.concatenate([batch.audit, spare.audit])
    scores = np.concatenate([batch.scores, spare.scores]).astype(np.float64)
    polars.DataFrame(
        {
            "n": rows,
            "place": np.arange(1, len(rows) + 1),
            "audit": audit,
            "spare": np.arange(len(rows)) >= len(batch.rows),
            "score": [None if np.isnan(value) else value for value in scores.tolist()],
            "suggestion": tops(scored, rows),
        },
        schema_overrides={"score": polars.Float64, "suggestion": polars.String},
    ).write_parquet(path)
