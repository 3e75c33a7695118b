"""Runs a round's job: its input, the lock, and rounds whose server died before they ended. Computes nothing."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

from core.arrays import Ints, Rows
from core.config.settings import Settings
from core.errors import BadInput, Refused, RondoError
from core.ids import ModelId
from core.jobs.bundle import Bundle, Report
from core.labelling.generated_answers import newest_language_model
from core.labelling.gold import UNASKED_TEST
from core.models.encoders.loading import encoder_source
from core.models.in_use import active_model
from core.models.vectors import encoded_rows
from core.project import Project
from core.rounds.draws import read_history
from core.rounds.feature_orders import compared_records, feature_order, write_texts
from core.rounds.plans import BatchRequest, RoundPlan, batch_choice, share_batch
from core.rounds.round_job import ROUND, PastModel, RoundParams
from core.rounds.round_results import RoundSummary, apply_result, queue_test_records
from core.rounds.weak_labels import weak_labels
from core.store.database import count
from core.store.record_numbers import NUMBERS
from core.tasks.task import AnswerSpace
from core.tasks.tasks import encode_stored, space_of, task_of, unready
from core.typed_json import from_json


def can_learn(project: Project) -> bool:
    """Is there an answer that a model may learn from?"""
    learns = space_of(project.settings()).learns
    return learns and bool(project.store.one("select count(*) from settled where stratum not in ('gold', 'recall')"))


def run_round(project: Project, report: Report, *, learn: bool, request: BatchRequest | None) -> RoundSummary:
    """Runs the job and stores its result in one transaction. Rounds are serial: the next one sees this result."""
    with hold_round_lock(project, report):
        settings = project.settings()
        plan = RoundPlan(learn, None if request is None else batch_choice(project, request))
        arrays, sources = known_now(project, settings)
        plan = share_batch(plan, len(arrays["pool_rows"]), project.store.one(f"select count(*) from ({UNASKED_TEST})"))
        _refuse(project, plan, arrays)
        if learn and not len(arrays["pool_rows"]):
            plan = replace(plan, choose=None)
        if plan.test and not (plan.learn or plan.choose):
            return queue_test_records(project, plan.test)
        params = _params(project, plan, settings, tuple(sources))
        order = feature_order(project, settings, len(arrays["train_rows"])) if learn else None
        if order:
            arrays |= compared_records(project, settings, arrays["train_rows"], np.random.default_rng(params.seed))
            params = replace(params, features=order if "compared_rows" in arrays else None)
        bundle = project.jobs.prepare(ROUND, params)
        if params.features:
            write_texts(project, bundle, arrays["compared_rows"])
        np.savez(bundle.path / "in" / "rows.npz", allow_pickle=False, **arrays)
        result = project.jobs.run(bundle, ROUND, report, "Learning" if learn else "Choosing")
        return apply_result(project, bundle, params, result, settings)


@contextmanager
def hold_round_lock(project: Project, report: Report) -> Iterator[None]:
    """Waits for the round or promotion that is running; `report` can end the wait."""
    while not project.round_lock.acquire(timeout=0.1):
        report("Waiting for the round before", 0, 0)
    try:
        yield
    finally:
        project.round_lock.release()


def _params(project: Project, plan: RoundPlan, settings: Settings, sources: tuple[str, ...]) -> RoundParams:
    model, task = active_model(project), task_of(settings)
    return RoundParams(
        encoder=settings.encoder,
        vectors=str(project.vectors),
        threads=settings.threads,
        task=settings.task,
        setup=task.setup(settings),
        choose=plan.choose,
        model=str(project.models / model) if model else None,
        learn=plan.learn,
        seed=plan.choose.seed if plan.choose else settings.seed,
        encoder_source=encoder_source(project.models, settings.encoder),
        use_names=settings.label_names,
        test=plan.test,
        round=project.store.one("select coalesce(max(batch), 0) from batches"),
        models=_models(project, settings) if plan.learn else (),
        sources=sources,
    )


def _models(project: Project, settings: Settings) -> tuple[PastModel, ...]:
    """The rounds' heads on these vectors, oldest first: the learning curve scores them all on the same records."""
    rows = project.store.query(
        "select id, labels, round from models where encoder = ? and trainer is null order by made_at",
        [settings.encoder],
    )
    return tuple(
        PastModel(ModelId(model), str(project.models / model), labels, number) for model, labels, number in rows
    )


def apply_finished_rounds(project: Project, report: Report) -> int:
    """For rounds whose server died: waits for the one that still runs, applies it unless a newer one came."""
    taken = 0
    unfinished = project.store.query(
        """select id, kind, params, made_at from jobs
           where state in ('draft', 'submitting', 'running') and kind not in ('encode', 'renew')
               and runner is null and parent is null
           order by made_at"""
    )
    with hold_round_lock(project, report):
        for job, kind, written, made_at in unfinished:
            bundle, values = Bundle(project.folder / "jobs" / job), json.loads(written)
            newer = project.store.one(
                """select count(*) from (select made_at from batches union all select since from champions)
                   where made_at > ?""",
                [made_at],
            )
            foreign = values.get("encoder") != project.settings().encoder
            if kind != ROUND.name or newer or foreign or not project.jobs.survived(bundle):
                project.jobs.give_up(bundle)
                continue
            with suppress(RondoError):  # it failed, and its row says so: the next round starts anew
                params = from_json(RoundParams, values, f"The parameters of {job}")
                result = project.jobs.run(bundle, ROUND, report, "Finishing a round")
                apply_result(project, bundle, params, result, project.settings())
                taken += 1
    return taken


def _refuse(project: Project, plan: RoundPlan, arrays: dict[str, npt.NDArray[Any]]) -> None:
    settings = project.settings()
    if reason := unready(settings):
        raise Refused(reason)
    if not project.store.one("select count(*) from records"):
        raise Refused("The project has no records yet. Bring some with `rondo import FILE --text COLUMN`.")
    if plan.learn and not space_of(settings).learns:
        raise Refused(
            "No field is an enumeration, so there is nothing that a round could learn: train a language model."
        )
    if plan.learn and not len(arrays["train_rows"]):
        raise Refused(
            "There is no label to learn from yet (gold labels only judge). Label some records first: `rondo up`."
        )
    if plan.choose and plan.choose.size < 1:
        raise Refused(f"Asked for {plan.choose.size} records; a batch has at least 1.")
    if plan.choose and plan.choose.seed < 0:
        raise BadInput(f"The seed is {plan.choose.seed}; it must be 0 or more.")
    if plan.choose and not plan.learn and not len(arrays["pool_rows"]):
        raise Refused("Every record is labelled or queued already. Import more records to go on.")


def known_now(project: Project, settings: Settings) -> tuple[dict[str, npt.NDArray[Any]], list[str]]:
    """The job's input, read at one moment: answered records with targets, how they left the pool, the pool, the queue;
    and the names of the sources that the records came from.
    """
    space = space_of(settings)
    stop = encoded_rows(project.vectors, settings.encoder)
    arrays: dict[str, npt.NDArray[Any]] = {}
    with project.store.reading() as cursor:
        for name, strata in (("train", ("chosen", "file", "audit", "check")), ("gold", ("gold",))):
            arrays[f"{name}_rows"], arrays[f"{name}_targets"] = _labelled(cursor, strata, space, stop)
        if space.texts:  # categories that one can look for
            arrays["label_counts"] = arrays["train_targets"].sum(axis=0, dtype=np.int64)
        arrays["audit_rows"] = _labelled(cursor, ("audit",), space, stop)[0]
        arrays["asked_rows"], history = read_history(cursor, arrays["train_rows"].tolist())
        sources = [name for (name,) in cursor.execute("select distinct source from records order by 1").fetchall()]
        for name, query in _ROWS.items():
            n = cursor.execute(query, {"stop": stop}).fetchnumpy()["n"]
            arrays[f"{name}_rows"] = np.asarray(n, np.int64)
        weak = weak_labels(cursor, settings, newest_language_model(cursor), stop, _JUDGES)
        arrays |= {"weak_rows": weak.rows, "weak_targets": weak.targets, "weak_weight": weak.weight}
        of_all = _sources(cursor, sources)
        for name in ("asked", "pool"):
            arrays[f"{name}_sources"] = of_all[arrays[f"{name}_rows"]]
    return arrays | {f"history_{name}": values for name, values in vars(history).items()}, sources


_ROWS = {
    "pool": "select n from pool where n < $stop order by n",
    "machine": "select n from audit_pool where n < $stop and n in (select n from machine_labels) order by n",
    "waiting": """select q.n from queue q where q.n < $stop and not exists (select 1 from settled s where s.n = q.n)
                  order by q.n""",
}


def _sources(cursor: duckdb.DuckDBPyConnection, names: list[str]) -> npt.NDArray[np.int16]:
    """(numbers,) position of each record's source among the names; 0 where there is no such record any more."""
    query = "select n, (list_position($names::varchar[], source) - 1)::smallint as position from records"
    columns = cursor.execute(query, {"names": names}).fetchnumpy()
    source_of = np.zeros(count(cursor, f"select {NUMBERS}"), np.int16)
    source_of[np.asarray(columns["n"], np.int64)] = columns["position"]
    return source_of


# A record with the text of a gold or audit record must not train: the test text would leak into training. Nor does what
# cleaning or balancing left out.
_JUDGES = "select t.hash from records t join settled z using (n) where z.stratum in ('gold', 'audit')"


def _labelled(
    cursor: duckdb.DuckDBPyConnection, strata: tuple[str, ...], space: AnswerSpace, stop: int
) -> tuple[Ints, Rows]:
    rows = cursor.execute(
        f"""select n, s.answer from settled s join records r using (n)
            where n < ? and list_contains(?, stratum) and (stratum in ('gold', 'audit')
                or r.hash not in ({_JUDGES}) and n not in (select n from left_out))
            order by n""",
        [stop, list(strata)],
    ).fetchall()
    return np.asarray([n for n, _ in rows], np.int64), encode_stored(space, [answer for _, answer in rows])
