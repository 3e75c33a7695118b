"""A promotion's job: predictions of an existing model for every record. Knows arrays and a bundle, no store."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from core.errors import Refused
from core.evaluation.audit import equal_weights
from core.evaluation.held_out import HeldOutPredictions, decided
from core.models.artifacts import load_fitted
from core.models.out_of_fold import OutOfFold, read_out_of_fold
from core.models.vectors import open_vectors
from core.registry.activate_job import ActivateParams, ActivateResult
from core.tasks.task import AnswerSpace
from core.tasks.tasks import TASKS
from gpu_jobs.work.choose import ScoredPool
from gpu_jobs.work.held_out import Arrays, audit_records, load_arrays, write_held_out_predictions
from gpu_jobs.work.large_pools import predict_pool
from gpu_jobs.work.round_tables import write_ranked, write_suggestions


def activate(bundle: Path, params: ActivateParams, report: Callable[[int, int], None]) -> ActivateResult:
    """Leaves `suggestions.parquet`, `ranked.parquet` and `held_out_predictions.parquet`, as a round does; trains
    nothing. Raises Damaged, or Refused where the model does not fit what the project asks now.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(params.threads or 1):
        return _activate(bundle, params, report)


def _activate(bundle: Path, params: ActivateParams, report: Callable[[int, int], None]) -> ActivateResult:
    arrays = load_arrays(bundle / "in" / "rows.npz")
    folder = Path(params.model)
    space = TASKS[params.task].space(params.setup)
    head = load_fitted(folder, space.heads.restore)
    if reason := space.heads.unfit(head.about()):
        raise Refused(f"The model {folder.name} {reason}. Train a new one.")
    report(0, 2)
    vectors = open_vectors(Path(params.vectors), params.encoder)
    scored = ScoredPool(head, predict_pool(space, head, vectors))
    report(1, 2)
    write_suggestions(bundle / "out" / "suggestions.parquet", scored)
    write_ranked(bundle / "out" / "ranked.parquet", scored, arrays["waiting_rows"])
    gold = decided(arrays["gold_rows"], arrays["gold_targets"], scored.predictions.take(arrays["gold_rows"]))
    out_of_fold = read_out_of_fold(folder, space.encode(()))
    answered = _of_round(space, out_of_fold, arrays) if out_of_fold else _of_audit(scored, arrays)
    write_held_out_predictions(bundle / "out" / "held_out_predictions.parquet", gold, answered)
    report(2, 2)
    return ActivateResult(len(vectors), len(gold.rows) + len(answered.rows))


def _of_round(space: AnswerSpace, stored: OutOfFold, arrays: Arrays) -> HeldOutPredictions:
    """Out-of-fold predictions stored by a round, with the labels as they are settled today. Rounds from before
    probabilities were stored have none.
    """
    rows = np.intersect1d(stored.rows[: len(stored.label)], arrays["train_rows"])
    there = np.searchsorted(stored.rows, rows)
    return HeldOutPredictions(
        space=space,
        rows=rows,
        truth=arrays["train_targets"][np.searchsorted(arrays["train_rows"], rows)],
        predicted=stored.predicted[there],
        weights=replace(equal_weights(len(rows)), weight=np.asarray(stored.weight[there], np.float64)),
        certainty=np.asarray(stored.probability[there], np.float64),
        likeliest=stored.label[there],
    )


def _of_audit(scored: ScoredPool, arrays: Arrays) -> HeldOutPredictions:
    """The model's own predictions of the audit records that it did not train on, `unseen_rows`."""
    drawn, weights = audit_records(arrays, arrays["asked_rows"])
    unseen = np.isin(arrays["asked_rows"], arrays["unseen_rows"]) & drawn
    rows, part = arrays["asked_rows"][unseen], weights.weight[unseen[drawn]]
    truth = arrays["train_targets"][np.searchsorted(arrays["train_rows"], rows)]
    weight = part / part.sum() if len(part) else part
    return decided(rows, truth, scored.predictions.take(rows), replace(equal_weights(len(rows)), weight=weight))
