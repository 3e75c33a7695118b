"""A round's bundle and what its result becomes: model, suggestions, re-ranked queue, next batch. Computes nothing."""

import json
import shutil
from dataclasses import asdict, dataclass
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

from core.errors import Refused
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


def play(project: Project, report: Report, plan: Plan) -> dict[str, Any]:
    """Runs the job and takes its result in, in one transaction."""
    settings = project.settings()
    arrays = _arrays(project, settings)
    _refuse(project, plan, arrays)
    if plan.learn and not len(arrays["pool_rows"]):
        plan = Plan(learn=True, choose=None)
    model = active_model(project)
    params = {
        "encoder": settings.encoder,
        "vectors": str(project.vectors),
        "threads": settings.threads,
        "labels": [label.id for label in settings.taxonomy.active],
        "names": [f"{label.name} {label.description}".strip() for label in settings.taxonomy.active],
        "use_names": settings.label_names,
        "multi": settings.multi,
        "seed": plan.choose.seed if plan.choose else settings.seed,
        "learn": plan.learn,
        "model": str(project.models / model) if model else None,
        "choose": asdict(plan.choose) if plan.choose else None,
    }
    bundle = project.jobs.prepare("round", params)
    np.savez(bundle.path / "in" / "rows.npz", allow_pickle=False, **arrays)
    result = project.jobs.run(bundle, report, "Learning" if plan.learn else "Choosing")
    return _take_in(project, bundle, plan, result, settings)


def take_in_finished(project: Project, report: Report) -> int:
    """Jobs that outlived their owner: waits for those that still run, takes in what is finished, says what is lost."""
    taken = 0
    for job, written in project.store.query(
        """select id, params from jobs
           where state in ('draft', 'submitting', 'running') and kind <> 'encode' order by made_at"""
    ):
        bundle, params = Bundle(project.folder / "jobs" / job), json.loads(written)
        if params.get("learn") is None or not project.jobs.survived(bundle):
            project.jobs.give_up(bundle)
            continue
        plan = Plan(params["learn"], Choice(**params["choose"]) if params["choose"] else None)
        _take_in(project, bundle, plan, project.jobs.run(bundle, report, "Finishing a round"), project.settings())
        taken += 1
    return taken


def active_model(project: Project) -> str | None:
    """The id of the champion: the newest model."""
    model: str | None = project.store.one("select id from models order by made_at desc limit 1")
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


def _labelled(
    cursor: duckdb.DuckDBPyConnection, strata: tuple[str, ...], column: dict[str, int], stop: int
) -> tuple[Ints, npt.NDArray[np.bool_]]:
    found = cursor.execute(
        "select n, labels from settled where n < ? and list_contains(?, stratum) order by n", [stop, list(strata)]
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
        project.models.mkdir(exist_ok=True)
        if not (project.models / model).exists():
            shutil.copytree(out / "model", project.models / model)
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
    shutil.rmtree(bundle.path / "in")
    shutil.rmtree(out)
    return told


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
