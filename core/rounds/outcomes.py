"""What becomes of a round's result: model, suggestions, re-ranked queue, next batch; all of it in one transaction."""

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb

from core.config.settings import Settings
from core.jobs.bundle import Bundle
from core.labelling.calibrating import insert_gold_checks, share_of
from core.labelling.gold import ask_test_records
from core.models.in_use import active_model
from core.project import Project
from core.rounds.champion_log import (
    Activation,
    load_suggestions,
    log_activation,
    rank_again,
    store_held_out_predictions,
)
from core.rounds.plans import Choice, Plan
from core.rounds.rechoosing import keep_choice
from core.store.database import utc_now


def apply_result(
    project: Project, bundle: Bundle, plan: Plan, result: dict[str, Any], settings: Settings
) -> dict[str, Any]:
    """Once per job; a second call changes nothing. Returns what a person is told."""
    out = bundle.path / "out"
    summary: dict[str, Any] = {"seconds": result["seconds"], "queued": 0}
    before = active_model(project)
    model = bundle.path.name if plan.learn else before
    if plan.learn:
        _keep_model(project, out / "model", bundle.path.name)
        load_suggestions(project, out / "suggestions.parquet", bundle.path.name)
    if plan.choose:
        keep_choice(project, bundle, plan.choose.batch, model)
    with project.desk.changing() as cursor:
        if project.jobs.taken_in(bundle, cursor):
            if plan.learn:
                summary |= _enter_model(cursor, bundle, result, settings, before)
            if plan.choose:
                chosen = result["chosen"] | {"file": str(out / "queue.parquet")}
                summary |= _insert_batch(cursor, plan.choose, chosen, model)
                known = share_of(summary["queued"], settings.calibration_share, plan.choose.seed)
                summary |= {"calibration": insert_gold_checks(cursor, known, plan.choose.seed)} if known else {}
            if plan.test:
                summary["test"] = ask_test_records(cursor, plan.test, settings.seed)
                summary["queued"] += summary["test"]
    bundle.empty()
    return summary


def queue_test_records(project: Project, size: int) -> dict[str, Any]:
    """Where nothing else is left to ask: no job, no batch, no model."""
    with project.desk.changing() as cursor:
        queued = ask_test_records(cursor, size, project.settings().seed)
    return {"seconds": 0.0, "queued": queued, "test": queued}


def _keep_model(project: Project, made: Path, model: str) -> None:
    """Renamed into place, so that a folder under models/ is whole."""
    target, partial = project.models / model, project.models / f"{model}.partial"
    if target.exists():
        return
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(made, partial)
    partial.rename(target)


def _enter_model(
    cursor: duckdb.DuckDBPyConnection,
    bundle: Bundle,
    result: dict[str, Any],
    settings: Settings,
    before: str | None,
) -> dict[str, Any]:
    """A round's head follows the champion without a gate: the same recipe, taught by more labels."""
    model, out = bundle.path.name, bundle.path / "out"
    summary = _insert_model(cursor, model, result, settings, before)
    log_activation(cursor, Activation(model, settings.encoder, "round"), before)
    rank_again(cursor, str(out / "ranked.parquet"), model)
    store_held_out_predictions(cursor, str(out / "held_out_predictions.parquet"), model)
    return summary


def _insert_model(
    cursor: duckdb.DuckDBPyConnection, model: str, result: dict[str, Any], settings: Settings, parent: str | None
) -> dict[str, Any]:
    """labels_before: of the newest round's head on the same vectors."""
    before = cursor.execute(
        "select labels from models where encoder = ? and trainer is null order by made_at desc limit 1",
        [settings.encoder],
    ).fetchone()
    metrics = json.dumps(result["metrics"])
    cursor.execute(
        """insert into models (id, made_at, round, encoder, taxonomy, labels, seed, metrics, seconds, parent, responses)
           select ?, ?, (select coalesce(max(batch), 0) from batches), ?, ?, ?, ?, ?, ?, ?, (
               select count(*) from responses where received_at <= (select made_at from jobs where id = ?))""",
        [
            model,
            utc_now(),
            settings.encoder,
            settings.taxonomy.version,
            result["labels"],
            result["seed"],
            metrics,
            result["seconds"],
            parent,
            model,
        ],
    )
    summary = {"model": model, "labels": result["labels"], "metrics": result["metrics"]}
    return summary | {"labels_before": before[0] if before else 0}


def _insert_batch(
    cursor: duckdb.DuckDBPyConnection, plan: Choice, chosen: dict[str, Any], model: str | None
) -> dict[str, Any]:
    """Spare records of older batches that nobody holds or answered go back to the pool: they compete again."""
    cursor.execute("delete from queue where is_free_spare(n, spare, purpose)")
    cursor.execute(
        """insert into queue
           select c.n, ?, c.place + (select coalesce(max(position), 0) from queue), c.audit, c.spare, c.score,
                  c.suggestion::json, ?, null, null
           from read_parquet(?) c
           where c.n not in (select n from queue) and not is_labelled(c.n)
             and (c.audit or c.n not in (select n from machine_labels))""",
        [plan.batch, model, chosen["file"]],
    )
    cursor.execute(
        """insert into batches
           select ?, ?, ?, ?, count(*), count(*) filter (audit), ?, ?, ?, ?, list(n order by place), ?
           from read_parquet(?) where not spare""",
        [
            plan.batch,
            utc_now(),
            plan.seed,
            plan.strategy,
            chosen["pool"],
            chosen["labelled"],
            model,
            json.dumps(chosen["self_test"]),
            chosen["records"],
            chosen["file"],
        ],
    )
    row = cursor.execute(
        "select count(*), count(*) filter (audit) from queue where batch = ? and not spare", [plan.batch]
    ).fetchone()
    queued, audit = row if row else (0, 0)
    return {"batch": plan.batch, "queued": queued, "audit": audit, "self_test": chosen["self_test"]}
