"""The first batches of a project whose records are not encoded yet: people need not wait until all of them are.

Some hundreds of records, drawn at random from the whole pool, are encoded at once, and the batch is chosen among them:
the order of the file plays no part. Its audit records are a random part of a random part, so they are drawn uniformly
from all. Nothing is learnt before everything is encoded; until then every batch that is due is drawn so.
"""

from dataclasses import replace

import numpy as np

from core.config.settings import Settings
from core.data.encoding import encode_params, write_texts
from core.jobs.bundle import Report
from core.labelling.gold import UNASKED_TEST
from core.models.encoders.encoder import OWN
from core.models.encoders.loading import encoder_source
from core.models.in_use import active_model
from core.models.vectors import encoded_rows
from core.project import Project
from core.rounds.plans import BatchRequest, RoundPlan, batch_choice, share_batch
from core.rounds.round_job import EARLY, EarlyParams, RoundParams
from core.rounds.round_results import RoundSummary, apply_result
from core.rounds.run_round import hold_round_lock
from core.store.record_numbers import NUMBERS
from core.tasks.tasks import space_of, task_of, unready

SAMPLE = 320
"""records that are encoded for a batch: twenty are asked at first, and as many as there are spare while the rest is"""
FEW = 1_000
"""records without a vector that are encoded before anybody is asked: it takes a second or two"""


def early_batch(project: Project, report: Report, request: BatchRequest) -> RoundSummary | None:
    """Chooses and queues a batch; None, and nothing is done, where there is a model, or little to encode.

    Raises what a round raises.
    """
    settings = project.settings()
    if not _is_early(project, settings):
        return None
    with hold_round_lock(project, report):
        choice = batch_choice(project, request)
        rng = np.random.default_rng([choice.seed, SAMPLE])
        with project.store.reading() as cursor:
            pool = np.asarray(cursor.execute("select n from pool order by n").fetchnumpy()["n"], np.int64)
        unasked = project.store.one(f"select count(*) from ({UNASKED_TEST})")
        plan = share_batch(RoundPlan(False, choice), len(pool), unasked)
        if plan.choose is None or not len(pool) or plan.choose.size > SAMPLE:
            return None
        rows = np.sort(rng.choice(pool, size=min(SAMPLE, len(pool)), replace=False))
        params = _params(project, settings, plan, len(rows))
        bundle = project.jobs.prepare(EARLY, params)
        numbered = "select row_number() over (order by n) - 1 as n, text from model_texts"
        write_texts(project, bundle, f"{numbered} where n in (select unnest(?::bigint[])) order by 1", [rows.tolist()])
        np.savez(bundle.path / "in" / "rows.npz", allow_pickle=False, pool_rows=rows, **_nobody(settings))
        result = project.jobs.run(bundle, EARLY, report, "Choosing the first records")
        if result.chosen:
            result = replace(result, chosen=replace(result.chosen, pool=len(pool)))
        return apply_result(project, bundle, params.round, result, settings)


def _is_early(project: Project, settings: Settings) -> bool:
    """Is a good part of the records without a vector, and no model there that a round should ask?"""
    if task_of(settings).features or unready(settings) or space_of(settings).prior or settings.encoder.startswith(OWN):
        return False
    missing = project.store.one(f"select {NUMBERS}") - encoded_rows(project.vectors, settings.encoder)
    return missing > FEW and active_model(project) is None


def _nobody(settings: Settings) -> dict[str, np.ndarray]:
    """No record that is labelled, and none that only an audit may ask."""
    none = np.empty(0, np.int64)
    targets = np.asarray(space_of(settings).encode(()))
    return {"train_rows": none, "machine_rows": none, "audit_rows": none, "train_targets": targets}


def _params(project: Project, settings: Settings, plan: RoundPlan, sample: int) -> EarlyParams:
    task = task_of(settings)
    round_params = RoundParams(
        encoder=settings.encoder,
        vectors="",
        threads=settings.threads,
        task=settings.task,
        setup=task.setup(settings),
        choose=plan.choose,
        model=None,
        seed=plan.choose.seed if plan.choose else settings.seed,
        encoder_source=encoder_source(project.models, settings.encoder),
        test=plan.test,
    )
    return EarlyParams(
        replace(encode_params(project, settings, 0, sample), version="early"),
        round_params,
        project.store.one(f"select {NUMBERS}"),
    )
