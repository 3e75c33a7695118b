"""Stores a round's result: model, suggestions, re-ranked queue, next batch; all of it in one transaction."""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from core.config.settings import Settings
from core.evaluation.metrics import Metrics
from core.ids import ModelId
from core.jobs.bundle import Bundle
from core.labelling.calibrating import insert_gold_checks, share_of
from core.labelling.gold import ask_non_candidates, ask_test_records
from core.models.in_use import active_model
from core.project import Project
from core.rounds.champion_log import (
    Activation,
    load_suggestions,
    log_activation,
    rank_again,
    store_held_out_predictions,
)
from core.rounds.rechoosing import store_choice
from core.rounds.round_job import BatchChoice, Chosen, RoundParams, RoundResult
from core.sampling.selftest import SelfTest
from core.store.database import utc_now
from core.typed_json import to_json


@dataclass(frozen=True)
class RoundSummary:
    """What the verbs next, fit and round did.

    queued: records of the batch and test records, test: the latter alone, calibration: gold records beside them,
    recall: pairs beside them that no search had found.
    batch, audit, self_test: where a batch was chosen. model, labels (that it trained on), labels_before (those of the
    head before), metrics: where a head was fitted.
    """

    seconds: float
    queued: int = 0
    test: int = 0
    calibration: int = 0
    recall: int = 0
    batch: int | None = None
    audit: int | None = None
    self_test: SelfTest | None = None
    model: ModelId | None = None
    labels: int | None = None
    labels_before: int | None = None
    metrics: Metrics | None = None


def apply_result(
    project: Project, bundle: Bundle, params: RoundParams, result: RoundResult, settings: Settings
) -> RoundSummary:
    """Once per job; a second call changes nothing."""
    out, choice = bundle.path / "out", params.choose
    before = active_model(project)
    model = ModelId(bundle.id) if params.learn else before
    if params.learn:
        _keep_model(project, out / "model", ModelId(bundle.id))
        load_suggestions(project, out / "suggestions.parquet", ModelId(bundle.id))
    if choice:
        store_choice(project, bundle, params, choice.batch, model)
    summary = RoundSummary(result.seconds)
    with project.label_queue.changing() as cursor:
        if project.jobs.claim_result(bundle, cursor):
            if params.learn:
                labels_before = _enter_model(cursor, bundle, result, settings, before)
                summary = replace(
                    summary,
                    model=ModelId(bundle.id),
                    labels=result.labels,
                    labels_before=labels_before,
                    metrics=result.metrics,
                )
            if choice and result.chosen:
                queued, audit = _insert_batch(cursor, choice, result.chosen, out / "queue.parquet", model)
                known = share_of(queued, settings.calibration_share, choice.seed)
                summary = replace(
                    summary,
                    batch=choice.batch,
                    queued=queued,
                    audit=audit,
                    self_test=result.chosen.self_test,
                    calibration=insert_gold_checks(cursor, known, choice.seed) if known else 0,
                    recall=ask_non_candidates(cursor, queued, settings.seed),
                )
            if params.test:
                test = ask_test_records(cursor, params.test, settings.seed)
                summary = replace(summary, test=test, queued=summary.queued + test)
    bundle.empty()
    return summary


def queue_test_records(project: Project, size: int) -> RoundSummary:
    """Queues them where nothing else is left to ask; needs no job, batch or model."""
    with project.label_queue.changing() as cursor:
        queued = ask_test_records(cursor, size, project.settings().seed)
    return RoundSummary(0.0, queued, test=queued)


def _keep_model(project: Project, made: Path, model: ModelId) -> None:
    """Renamed into place, so that a folder under models/ is whole."""
    target, partial = project.models / model, project.models / f"{model}.partial"
    if target.exists():
        return
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(made, partial)
    partial.rename(target)


def _enter_model(
    cursor: duckdb.DuckDBPyConnection, bundle: Bundle, result: RoundResult, settings: Settings, before: ModelId | None
) -> int:
    """A round's head follows the champion without a gate: the same recipe, trained on more labels.

    Returns how many labels the newest earlier round's head on the same vectors was trained on.
    """
    model, out = ModelId(bundle.id), bundle.path / "out"
    newest = cursor.execute(
        "select labels from models where encoder = ? and trainer is null order by made_at desc limit 1",
        [settings.encoder],
    ).fetchone()
    cursor.execute(
        """insert into models (id, made_at, round, encoder, taxonomy, labels, seed, metrics, seconds, parent, responses)
           select ?, ?, (select coalesce(max(batch), 0) from batches), ?, ?, ?, ?, ?, ?, ?, (
               select count(*) from responses where received_at <= (select made_at from jobs where id = ?))""",
        [
            model,
            utc_now(),
            settings.encoder,
            settings.taxonomy.version,
            result.labels,
            result.seed,
            json.dumps(to_json(result.metrics)),
            result.seconds,
            before,
            model,
        ],
    )
    log_activation(cursor, Activation(model, settings.encoder, "round"), before)
    rank_again(cursor, str(out / "ranked.parquet"), model)
    store_held_out_predictions(cursor, str(out / "held_out_predictions.parquet"), model)
    return newest[0] if newest else 0


def _insert_batch(
    cursor: duckdb.DuckDBPyConnection, choice: BatchChoice, chosen: Chosen, file: Path, model: ModelId | None
) -> tuple[int, int]:
    """Returns how many records were queued, spare ones apart, and how many of them are audit.

    Spare records of older batches that nobody holds or answered go back to the pool: they compete again.
    """
    cursor.execute("delete from queue where is_free_spare(n, spare, purpose)")
    cursor.execute(
        """insert into queue
           select c.n, ?, c.place + (select coalesce(max(position), 0) from queue), c.audit, c.spare, c.score,
                  c.suggestion::json, ?, null, null
           from read_parquet(?) c
           where c.n not in (select n from queue) and not is_labelled(c.n)
             and (c.audit or c.n not in (select n from machine_labels))""",
        [choice.batch, model, str(file)],
    )
    cursor.execute(
        """insert into batches
           select ?, ?, ?, ?, count(*), count(*) filter (audit), ?, ?, ?, ?, list(n order by place), ?
           from read_parquet(?) where not spare""",
        [
            choice.batch,
            utc_now(),
            choice.seed,
            choice.strategy,
            chosen.pool,
            chosen.labelled,
            model,
            json.dumps(to_json(chosen.self_test)),
            chosen.records,
            str(file),
        ],
    )
    row = cursor.execute(
        "select count(*), count(*) filter (audit) from queue where batch = ? and not spare", [choice.batch]
    ).fetchone()
    return row or (0, 0)
