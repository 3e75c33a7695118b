"""A round's bundle and what its result becomes: model, suggestions, re-ranked queue, next batch. Computes nothing."""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

from core.errors import BadInput, Refused, RondoError
from core.jobs import Bundle, Report
from core.project import Project
from core.records import FREE_SPARE, HELD, POOL
from core.settings import Settings
from core.store import utc_now
from core.vectors import encoded_rows

SPARE = 200
"""records chosen behind each batch, so that ten fast people have work while the next round is played"""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Choice:
    """What to choose: `size` records by `strategy`; the seed makes it repeatable."""

    size: int
    strategy: str
    seed: int
    audit_share: float
    spare: int
    batch: int


@dataclass(frozen=True)
class Plan:
    """What one job does: refit, or choose, or both in this order."""

    learn: bool
    choose: Choice | None


@dataclass(frozen=True)
class Request:
    """What a person asked of the next batch; None stands for what the settings say."""

    size: int | None = None
    strategy: str | None = None
    seed: int | None = None
    spare: int = SPARE


def choice(project: Project, request: Request) -> Choice:
    """Fills in from the settings; the seed of batch b is the project's seed + b."""
    settings = project.settings()
    batch = (project.store.one("select max(batch) from batches") or 0) + 1
    return Choice(
        size=settings.batch_size if request.size is None else request.size,
        strategy=request.strategy or settings.strategy,
        seed=settings.seed + batch if request.seed is None else request.seed,
        audit_share=settings.audit_share,
        spare=request.spare,
        batch=batch,
    )


def can_learn(project: Project) -> bool:
    """Is there a label that a model may learn from?"""
    return bool(project.store.one("select count(*) from settled where stratum in ('chosen', 'file')"))


def play(project: Project, report: Report, *, learn: bool, request: Request | None) -> dict[str, Any]:
    """Runs the job and takes its result in, in one transaction. Rounds take turns: the next one sees what this did."""
    with _turn(project, report):
        settings = project.settings()
        plan = Plan(learn, choice(project, request) if request else None)
        arrays = _arrays(project, settings)
        _refuse(project, plan, arrays)
        if learn and not len(arrays["pool_rows"]):
            plan = Plan(learn=True, choose=None)
        bundle = project.jobs.prepare("round", _params(project, plan, settings))
        np.savez(bundle.path / "in" / "rows.npz", allow_pickle=False, **arrays)
        result = project.jobs.run(bundle, report, "Learning" if learn else "Choosing")
        return _take_in(project, bundle, plan, result, settings)


@contextmanager
def _turn(project: Project, report: Report) -> Iterator[None]:
    """Waits for the round that is being played; `report` can end the wait."""
    while not project.turn.acquire(timeout=0.1):
        report("Waiting for the round before", 0, 0)
    try:
        yield
    finally:
        project.turn.release()


def _params(project: Project, plan: Plan, settings: Settings) -> dict[str, Any]:
    model = active_model(project)
    return {
        "encoder": settings.encoder,
        "vectors": str(project.vectors),
        "threads": settings.threads,
        "labels": [label.id for label in settings.taxonomy.active],
        "names": [spoken(f"{label.name} {label.description}") for label in settings.taxonomy.active],
        "use_names": settings.label_names,
        "multi": settings.multi,
        "seed": plan.choose.seed if plan.choose else settings.seed,
        "learn": plan.learn,
        "model": str(project.models / model) if model else None,
        "choose": asdict(plan.choose) if plan.choose else None,
    }


def spoken(name: str) -> str:
    """As a person would say it, for the encoder: 'playMusic_now' is 'play Music now'."""
    return " ".join(re.sub(r"(?<=[a-z])(?=[A-Z])|[_/-]+", " ", name).split())


def take_in_finished(project: Project, report: Report) -> int:
    """Rounds that outlived their owner: waits for the one that still runs, takes it in unless a newer one came."""
    taken = 0
    unfinished = project.store.query(
        """select id, kind, params, made_at from jobs
           where state in ('draft', 'submitting', 'running') and kind <> 'encode' order by made_at"""
    )
    with _turn(project, report):
        for job, kind, written, made_at in unfinished:
            bundle, params = Bundle(project.folder / "jobs" / job), json.loads(written)
            newer = project.store.one(
                """select count(*) from (select made_at from batches union all select made_at from models)
                   where made_at > ?""",
                [made_at],
            )
            if kind != "round" or newer or not project.jobs.survived(bundle):
                project.jobs.give_up(bundle)
                continue
            plan = Plan(params["learn"], Choice(**params["choose"]) if params["choose"] else None)
            with suppress(RondoError):  # it failed, and its row says so: the next round is played anew
                result = project.jobs.run(bundle, report, "Finishing a round")
                _take_in(project, bundle, plan, result, project.settings())
                taken += 1
    return taken


def active_model(project: Project) -> str | None:
    """The id of the champion: the newest model on the vectors of the encoder that is in use."""
    model: str | None = project.store.one(
        "select id from models where encoder = ? order by made_at desc limit 1", [project.settings().encoder]
    )
    return model


def _refuse(project: Project, plan: Plan, arrays: dict[str, npt.NDArray[Any]]) -> None:
    settings = project.settings()
    if not settings.taxonomy.active:
        raise Refused(
            "The project has no labels to choose from. Add some on the Settings page or with `rondo init --labels`."
        )
    if not project.store.one("select count(*) from records"):
        raise Refused("The project has no records yet. Bring some with `rondo import FILE --text COLUMN`.")
    if plan.learn and not len(arrays["train_rows"]):
        raise Refused(
            "There is no label to learn from yet (audit and gold labels only judge). "
            "Label some records first: `rondo up`."
        )
    if plan.choose and plan.choose.size < 1:
        raise Refused(f"Asked for {plan.choose.size} records; a batch has at least 1.")
    if plan.choose and plan.choose.seed < 0:
        raise BadInput(f"The seed is {plan.choose.seed}; it must be 0 or more.")
    if plan.choose and not plan.learn and not len(arrays["pool_rows"]):
        raise Refused("Every record is labelled or queued already. Import more records to go on.")


def _arrays(project: Project, settings: Settings) -> dict[str, npt.NDArray[Any]]:
    """What the job may know, all of one moment: who is labelled how, who is in the pool, who waits."""
    labels = [label.id for label in settings.taxonomy.active]
    column = {label: index for index, label in enumerate(labels)}
    stop = encoded_rows(project.vectors, settings.encoder)
    arrays: dict[str, npt.NDArray[Any]] = {}
    with project.store.reading() as cursor:
        for name, strata in (("train", ("chosen", "file")), ("audit", ("audit",)), ("gold", ("gold",))):
            rows, targets = _labelled(cursor, strata, column, stop)
            arrays[f"{name}_rows"], arrays[f"{name}_targets"] = rows, targets
        pool = cursor.execute(f"select n from ({POOL}) where n < ? order by n", [stop]).fetchnumpy()["n"]
        waiting = cursor.execute(
            """select q.n from queue q where q.n < ? and not exists (select 1 from settled s where s.n = q.n)
               order by q.n""",
            [stop],
        ).fetchnumpy()["n"]
    arrays["pool_rows"], arrays["waiting_rows"] = np.asarray(pool, np.int64), np.asarray(waiting, np.int64)
    return arrays


# A record whose twin judges may not teach: the model would be asked what it was told.
_JUDGES = "select t.hash from records t join settled z using (n) where z.stratum in ('gold', 'audit')"


def _labelled(
    cursor: duckdb.DuckDBPyConnection, strata: tuple[str, ...], column: dict[str, int], stop: int
) -> tuple[Ints, npt.NDArray[np.bool_]]:
    found = cursor.execute(
        f"""select n, s.labels from settled s join records r using (n)
            where n < ? and list_contains(?, stratum) and (stratum in ('gold', 'audit') or r.hash not in ({_JUDGES}))
            order by n""",
        [stop, list(strata)],
    ).fetchall()
    targets = np.zeros((len(found), len(column)), np.bool_)
    for index, (_, labels) in enumerate(found):
        for label in labels:
            if label in column:
                targets[index, column[label]] = True
    return np.asarray([n for n, _ in found], np.int64), targets


def _take_in(
    project: Project, bundle: Bundle, plan: Plan, result: dict[str, Any], settings: Settings
) -> dict[str, Any]:
    out = bundle.path / "out"
    told: dict[str, Any] = {"seconds": result["seconds"], "queued": 0}
    model = active_model(project)
    if plan.learn:
        model = bundle.path.name
        _keep_model(project, out / "model", model)
        _load_suggestions(project, out / "suggestions.parquet", model)
    with project.store.transaction() as cursor:
        if project.jobs.taken_in(bundle, cursor):
            if plan.learn:
                told |= _insert_model(cursor, model, result, settings)
                _rank_again(cursor, str(out / "ranked.parquet"), model)
            if plan.choose:
                chosen = result["chosen"] | {"file": str(out / "queue.parquet")}
                told |= _insert_batch(cursor, plan.choose, chosen, model)
    project.desk.reload()
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
    row = cursor.execute("select coalesce(max(batch), 0) from batches").fetchone()
    cursor.execute(
        "insert into models values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
    return {"model": model, "labels": result["labels"], "metrics": result["metrics"]}


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
            where not q.audit and q.n not in ({HELD})
        ),
        slots as (select position, spare, row_number() over (partition by spare order by position) as k from free),
        wanted as (select n, spare, row_number() over (partition by spare order by score desc, n) as k from free)
        select wanted.n, slots.position from wanted join slots using (spare, k)
        """
    )
    cursor.execute("update queue set position = places.position from places where places.n = queue.n")


def _insert_batch(
    cursor: duckdb.DuckDBPyConnection, plan: Choice, chosen: dict[str, Any], model: str | None
) -> dict[str, Any]:
    """Spare records of older batches that nobody holds or answered go back to the pool: they compete again."""
    cursor.execute(f"delete from queue q where {FREE_SPARE}")
    cursor.execute(
        """insert into queue
           select c.n, ?, c.place + (select coalesce(max(position), 0) from queue), c.audit, c.spare, c.score,
                  c.suggestion::json, ?
           from read_parquet(?) c
           where c.n not in (select n from queue) and c.n not in (select n from settled)""",
        [plan.batch, model, chosen["file"]],
    )
    cursor.execute(
        """insert into batches
           select ?, ?, ?, ?, count(*), count(*) filter (audit), ?, ?, ?, ?, list(n order by place)
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
            chosen["file"],
        ],
    )
    row = cursor.execute(
        "select count(*), count(*) filter (audit) from queue where batch = ? and not spare", [plan.batch]
    ).fetchone()
    queued, audit = row if row else (0, 0)
    return {"batch": plan.batch, "queued": queued, "audit": audit, "self_test": chosen["self_test"]}
