"""What becomes of a round's result: model, suggestions, re-ranked queue, next batch; all of it in one transaction."""

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb

from core.jobs import Bundle
from core.project import Project
from core.records import FREE_SPARE, HELD
from core.rounds.plans import Choice, Plan, active_model
from core.rounds.rechoosing import keep_choice
from core.settings import Settings
from core.store import utc_now


def take_in(project: Project, bundle: Bundle, plan: Plan, result: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """Once per job; a second call changes nothing. Returns what a person is told."""
    out = bundle.path / "out"
    told: dict[str, Any] = {"seconds": result["seconds"], "queued": 0}
    model = active_model(project)
    if plan.learn:
        model = bundle.path.name
        _keep_model(project, out / "model", model)
        _load_suggestions(project, out / "suggestions.parquet", model)
    if plan.choose:
        keep_choice(project, bundle, plan.choose.batch, model)
    with project.desk.changing() as cursor:
        if project.jobs.taken_in(bundle, cursor):
            if plan.learn:
                told |= _insert_model(cursor, model, result, settings)
                _rank_again(cursor, str(out / "ranked.parquet"), model)
                _insert_verdicts(cursor, str(out / "judged.parquet"), model)
            if plan.choose:
                chosen = result["chosen"] | {"file": str(out / "queue.parquet")}
                told |= _insert_batch(cursor, plan.choose, chosen, model)
    bundle.empty()
    return told


def _keep_model(project: Project, made: Path, model: str) -> None:
    """Renamed into place, so that a folder under models/ is whole."""
    target, partial = project.models / model, project.models / f"{model}.partial"
    if target.exists():
        return
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(made, partial)
    partial.rename(target)


def _load_suggestions(project: Project, file: Any, model: str | None) -> None:
    """Beside the old ones, so that the swap in the transaction is one rename."""
    with project.store.transaction() as cursor:
        cursor.execute("drop table if exists incoming")
        cursor.execute(
            "create table incoming as select *, ?::varchar as model from read_parquet(?)", [model, str(file)]
        )


def _insert_model(
    cursor: duckdb.DuckDBPyConnection, model: str | None, result: dict[str, Any], settings: Settings
) -> dict[str, Any]:
    cursor.execute("drop table suggestions")
    cursor.execute("alter table incoming rename to suggestions")
    before = cursor.execute("select labels from models order by made_at desc limit 1").fetchone()
    row = cursor.execute("select coalesce(max(batch), 0) from batches").fetchone()
    cursor.execute(
        """insert into models (id, made_at, round, encoder, taxonomy, labels, seed, metrics, seconds)
           values (?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        [
            model,
            utc_now(),
            row[0] if row else 0,
            settings.encoder,
            settings.taxonomy.version,
            result["labels"],
            result["seed"],
            json.dumps(result["metrics"]),
            result["seconds"],
        ],
    )
    told = {"model": model, "labels": result["labels"], "metrics": result["metrics"]}
    return told | {"labels_before": before[0] if before else 0}


def _rank_again(cursor: duckdb.DuckDBPyConnection, ranked: str, model: str | None) -> None:
    """New suggestions for all that waits; the order changes among records that nobody holds and that are not audit."""
    cursor.execute("create or replace temp table ranked as select * from read_parquet(?)", [ranked])
    cursor.execute(
        """update queue set score = ranked.score, suggestion = ranked.suggestion, model = ?
           from ranked where ranked.n = queue.n""",
        [model],
    )
    cursor.execute(
        f"""
        create or replace temp table places as
        with free as (
            select q.n, q.position, q.score, q.spare from queue q join ranked using (n)
            where not q.audit and q.purpose is null and q.n not in ({HELD})
        ),
        slots as (select position, spare, row_number() over (partition by spare order by position) as k from free),
        wanted as (select n, spare, row_number() over (partition by spare order by score desc, n) as k from free)
        select wanted.n, slots.position from wanted join slots using (spare, k)
        """
    )
    cursor.execute("update queue set position = places.position from places where places.n = queue.n")


def _insert_verdicts(cursor: duckdb.DuckDBPyConnection, judged: str, model: str | None) -> None:
    """Those of the newest model replace the ones before."""
    cursor.execute("delete from judged")
    cursor.execute(
        """insert into judged
           select j.n, s.stratum, j.weight, j.truth, j.said, j.label, j.probability, ?
           from read_parquet(?) j join settled s using (n)""",
        [model, judged],
    )


def _insert_batch(
    cursor: duckdb.DuckDBPyConnection, plan: Choice, chosen: dict[str, Any], model: str | None
) -> dict[str, Any]:
    """Spare records of older batches that nobody holds or answered go back to the pool: they compete again."""
    cursor.execute(f"delete from queue q where {FREE_SPARE}")
    cursor.execute(
        """insert into queue
           select c.n, ?, c.place + (select coalesce(max(position), 0) from queue), c.audit, c.spare, c.score,
                  c.suggestion::json, ?, null, null
           from read_parquet(?) c
           where c.n not in (select n from queue) and c.n not in (select n from settled)
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
