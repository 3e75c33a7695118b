"""A promotion's job: what a model that exists already says of every record. Knows arrays and a bundle, no store."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import Refused
from core.evaluation.audit import drawn_only, weigh
from core.models.artifacts import load_head
from core.models.heads.head import predict
from core.models.out_of_fold import OutOfFold, read_crossed
from core.models.vectors import open_vectors
from gpu_jobs.work.choose import Scored
from gpu_jobs.work.measure import read_history
from gpu_jobs.work.round_tables import (
    Verdicts,
    joined,
    verdicts_of,
    write_held_out_predictions,
    write_ranked,
    write_suggestions,
)

Arrays = Mapping[str, npt.NDArray[Any]]


def activate(bundle: Path, params: Mapping[str, Any], report: Callable[[int, int], None]) -> dict[str, Any]:
    """Leaves `suggestions.parquet`, `ranked.parquet` and `held_out_predictions.parquet`, as a round does; learns
    nothing.

    params: model (its folder), encoder, vectors, labels, multi, threads. Raises Damaged, or Refused where the model
    speaks of other labels.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(params["threads"] or 1):
        return _activate(bundle, params, report)


def _activate(bundle: Path, params: Mapping[str, Any], report: Callable[[int, int], None]) -> dict[str, Any]:
    with np.load(bundle / "in" / "rows.npz", allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    folder = Path(params["model"])
    head = load_head(folder)
    if head.labels != tuple(params["labels"]) or head.multi != params["multi"]:
        raise Refused(f"The model {folder.name} speaks of other labels than the project does now. Train a new one.")
    report(0, 2)
    vectors = open_vectors(Path(params["vectors"]), params["encoder"])
    scored = Scored(head, predict(head, vectors))
    report(1, 2)
    write_suggestions(bundle / "out" / "suggestions.parquet", scored)
    write_ranked(bundle / "out" / "ranked.parquet", scored, arrays["waiting_rows"])
    verdicts = _verdicts(folder, scored, arrays)
    write_held_out_predictions(bundle / "out" / "held_out_predictions.parquet", verdicts, head.labels)
    report(2, 2)
    return {"records": len(vectors), "judged": len(verdicts.rows)}


def _verdicts(folder: Path, scored: Scored, arrays: Arrays) -> Verdicts:
    """Of gold by the model itself; of what people were asked by what had not learnt from it, as a round left it or,
    for a model that the audit never taught, by the model itself."""
    multi, gold = scored.head.multi, arrays["gold_rows"]
    nothing = np.zeros(len(gold))
    known = verdicts_of(gold, arrays["gold_targets"], scored.probs[gold], nothing, multi=multi)
    if crossed := read_crossed(folder, len(scored.head.labels)):
        return joined(_kept(crossed, arrays), known)
    return joined(_of_audit(scored, arrays), known)


def _kept(crossed: OutOfFold, arrays: Arrays) -> Verdicts:
    """Those of a round, with the labels as they are settled today. Rounds from before all was kept have none."""
    rows = np.intersect1d(crossed.rows[: len(crossed.label)], arrays["train_rows"])
    there = np.searchsorted(crossed.rows, rows)
    return Verdicts(
        rows,
        arrays["train_targets"][np.searchsorted(arrays["train_rows"], rows)],
        crossed.predicted[there],
        crossed.label[there],
        crossed.probability[there],
        crossed.weight[there],
    )


def _of_audit(scored: Scored, arrays: Arrays) -> Verdicts:
    """Of the audit records that the model did not learn from, `unseen_rows`."""
    weights = weigh(read_history(arrays))
    drawn = np.isin(arrays["asked_rows"], arrays["unseen_rows"]) & weights.drawn
    rows, part = arrays["asked_rows"][drawn], drawn_only(weights).weight[drawn[weights.drawn]]
    truth = arrays["train_targets"][np.searchsorted(arrays["train_rows"], rows)]
    weight = part / part.sum() if len(part) else part
    return verdicts_of(rows, truth, scored.probs[rows], weight, multi=scored.head.multi)
