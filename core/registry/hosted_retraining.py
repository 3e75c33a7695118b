"""Retraining of a hosted model after so many labels: tune, ask the gate, put to use. Made for cron; it costs money."""

from dataclasses import replace

from core.errors import BadInput
from core.ids import JobId, ModelId
from core.jobs.bundle import Report
from core.jobs.job_states import UNDER_WAY
from core.models.hosted_models import hosted_in_use, require_hosting
from core.models.in_use import active_model
from core.pairs.recorded_answers import BUDGET
from core.project import Project
from core.registry.activation import log_refusal
from core.registry.deciders import DeciderChange, decide_by
from core.registry.gate import gate
from core.registry.hosted_promotion import record_measuring, who_decides
from core.registry.retraining import BY_POLICY, Retrained
from core.registry.tuning import answered_since
from core.store.database import utc_now
from core.training.hosted import hosted_tune, list_hosted_jobs


def retrain_hosted(  # noqa: PLR0913 - an option is an argument
    project: Project,
    report: Report,
    *,
    provider: str,
    base: str,
    epochs: int | None = None,
    if_new: int = 0,
    budget: int = BUDGET,
    yes: bool = False,
    user: str = "rondo",
) -> Retrained:
    """Has a model tuned on the decisions so far, asks it about gold and audit pairs, and lets it answer programs if the
    gate passes it; with too few new labels it only reports that.

    if_new: how many labels since the newest hosted model was begun. budget: requests at most. yes: the price was agreed
    to. Raises what a step raises; who decides then stays. What an earlier call left undone is finished first.
    """
    if if_new < 0:
        raise BadInput(f"--if-new is {if_new}, but a number of labels is 0 or more.")
    new = answered_since(project, project.store.one(_BEGAN))
    waiting = _undecided(project)
    if waiting is not None:
        return replace(_decide(project, report, waiting, budget, user), new=new, job=JobId(waiting))
    if any(job.state in UNDER_WAY for job in list_hosted_jobs(project)):
        return _nothing(project, new, "A tuning job is under way already: `rondo hosted jobs` shows it.")
    if new < max(if_new, 1):
        return _nothing(project, new, f"{new:,} labels have come since the last tuning; {max(if_new, 1):,} are wanted.")
    job = hosted_tune(project, report, provider=provider, base=base, epochs=epochs, yes=yes, note=BY_POLICY)
    return replace(_decide(project, report, ModelId(job.id), budget, user), new=new, job=job.id, trained=True)


_BEGAN = """
    select max(j.made_at) from jobs j where j.id in (select model from hosted_models)
"""
"""when the newest hosted model was begun"""


def _undecided(project: Project) -> ModelId | None:
    """The newest hosted model that retraining made and nobody has decided on."""
    value: ModelId | None = project.store.one(
        """select j.id from jobs j where j.id in (select model from hosted_models) and j.params->>'note' = ?
             and j.id not in (select model from deciders where model is not null)
             and j.id not in (select detail->>'model' from audit_log where what = 'gate')
           order by j.made_at desc limit 1""",
        [BY_POLICY],
    )
    return value


def _decide(project: Project, report: Report, model: ModelId, budget: int, user: str) -> Retrained:
    """Asks the gate and acts on its verdict."""
    record_measuring(project, report, require_hosting(project, model), budget)
    verdict = gate(project, model=model)
    if not verdict.passes:
        log_refusal(project, user, verdict)
        sentence = f"The gate keeps what decides now. {verdict.sentence} {who_decides(project)}"
    else:
        decide_by(project, DeciderChange(utc_now(), model, user, "retrained", None, verdict))
        sentence = f"{who_decides(project)} {verdict.sentence}"
    champion = active_model(project)
    return Retrained(False, 0, None, model, verdict.passes, verdict, champion, sentence)


def _nothing(project: Project, new: int, why: str) -> Retrained:
    model = hosted_in_use(project)
    return Retrained(False, new, None, model, False, None, active_model(project), f"Nothing was done. {why}")
