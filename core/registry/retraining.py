"""Retraining after so many labels or hours, and tuning the encoder: train, ask the gate, put to use."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from core.errors import BadInput, Cancelled, Damaged, Refused, RondoError
from core.evaluation.gate_verdict import GateVerdict
from core.ids import JobId, ModelId
from core.jobs.bundle import Report
from core.jobs.job_states import UNDER_WAY
from core.models.in_use import active_model
from core.project import Project
from core.registry.activation import activate, check_usable, log_refusal
from core.registry.gate import gate
from core.registry.tuning import FAILED, TUNER, answered_since, enough_labels, tunable, tuning_values, untunable
from core.rounds.champion_log import Activation
from core.store.database import note, utc_now
from core.training.model_kinds import MODEL_KINDS
from core.training.train import train

BY_POLICY = "retraining"
"""the note of jobs that the policy started: what it leaves undone when the app is killed, it finishes the next time"""


@dataclass(frozen=True)
class Retrained:
    """The outcome. new: labels since the last training. job, model: of the training. gate: its verdict."""

    trained: bool
    new: int
    job: JobId | None
    model: ModelId | None
    promoted: bool
    gate: GateVerdict | None
    champion: ModelId | None
    sentence: str


def retrain(  # noqa: PLR0913 - an option is an argument
    project: Project,
    report: Report,
    *,
    user: str = "rondo",
    if_new: int = 0,
    trainer: str | None = None,
    on: str | None = None,
    gpu: str | None = None,
    values: Sequence[str] = (),
    tune: bool = False,
) -> Retrained:
    """Trains, asks the gate and puts the model to use if it passes; with too few new labels it only reports that.

    if_new: how many new labels it takes. trainer, on, gpu, values: as of `train`; None takes the settings' value.
    tune: fine-tune the encoder that the project began with, within the budget of the settings, and try it out against
    the one in use; of the rest only `on`, `gpu` and `values` count then.

    Raises what a step raises; the champion then stays in use. Made for cron: what an earlier call left undone is
    finished first.
    """
    if if_new < 0:
        raise BadInput(f"--if-new is {if_new}, but a number of labels is 0 or more.")
    new, model = new_labels(project), undecided_model(project)
    if model is not None:
        decided = replace(_decide(project, report, model, user), new=new, job=JobId(model))
        return _noted(project, decided, user)
    why = _why_not(project, if_new, new) if not tune else _UNDER_WAY if _under_way(project) else untunable(project)
    if why:
        return _nothing(project, new, why)
    settings = project.settings()
    try:
        trained = train(
            project,
            report,
            trainer=TUNER if tune else trainer or settings.retrain_trainer,
            on=on or settings.retrain_on,
            gpu=gpu,
            values=[*(tuning_values(project) if tune else ()), *values],
            note=BY_POLICY,
            tried=tune,
        )
    except (RondoError, OSError) as error:  # it may have left no job, but counts as an attempt
        with project.store.transaction() as cursor:
            note(cursor, user, FAILED, {"sentence": str(error)})
        raise
    model = trained.model
    if model is None:  # for example a search none of whose runs gave a model
        result = _nothing(project, new, "The training gave no model.")
    else:
        result = _decide(project, report, model, user)
    return _noted(project, replace(result, new=new, job=trained.id, trained=True), user)


def _noted(project: Project, result: Retrained, user: str) -> Retrained:
    """In the history: who had it done, and what came of it."""
    with project.store.transaction() as cursor:
        came = {"job": result.job, "model": result.model, "new": result.new, "promoted": result.promoted}
        note(cursor, user, "retrain", came)
    return result


@dataclass(frozen=True)
class RetrainingPlan:
    """What `retrain` would do now. new: labels since the last training. due: would the app begin by itself? undecided:
    a model of an earlier call, on which is decided before anything is trained. why_not: nothing would be done; or ''.
    """

    new: int
    due: bool
    undecided: ModelId | None
    why_not: str

    @property
    def sentence(self) -> str:
        """For people."""
        if self.undecided:
            return (
                f"{self.undecided} was trained and waits for its decision: the gate is asked, and nothing is trained."
            )
        labels = f"{self.new:,} label has" if self.new == 1 else f"{self.new:,} labels have"
        return f"{labels} come since the last training."


def retraining_plan(project: Project) -> RetrainingPlan:
    """Begins nothing."""
    new, model = new_labels(project), undecided_model(project)
    why = "" if model else _why_not(project, 0, new) or ""
    return RetrainingPlan(new, is_due(project), model, why)


def tuning_due(project: Project) -> bool:
    """Should the encoder be tuned now, or a model that was trained be decided on? It should be tuned where the labels
    are enough, and half as many again as at the last attempt."""
    if not tunable(project) or _under_way(project):
        return False
    return undecided_model(project) is not None or enough_labels(project)


def is_due(project: Project) -> bool:
    """Should the server retrain now? Runs no query where the settings disable retraining.

    Counted from the newest attempt, however it ended: a failed training is not retried before so many new labels or
    hours.
    """
    settings = project.settings()
    if not settings.retrain_after and not settings.retrain_hours:
        return False
    if _under_way(project):
        return False
    if undecided_model(project) is not None:
        return True
    # the newest attempt: a person's that gave a model, or the policy's, whatever came of it; never earlier than what
    # `new_labels` counts from, so that what is due here finds its labels there
    last: datetime | None = project.store.one(
        f"""select max(moment) from (
               select made_at as moment from jobs where list_contains(?, kind) and params->>'note' = ?
               union all select logged_at from audit_log where what = ?
               union all ({_BEGAN}))""",
        [list(MODEL_KINDS), BY_POLICY, FAILED],
    )
    new = answered_since(project, last)
    if settings.retrain_after and new >= settings.retrain_after:
        return True
    if not settings.retrain_hours or not new:
        return False
    start = last or project.store.one("select min(made_at) from batches")
    return start is not None and utc_now() - start >= timedelta(hours=settings.retrain_hours)


def new_labels(project: Project) -> int:
    """Records, gold left out, that were answered after the newest trained model was begun and have a label now."""
    return answered_since(project, project.store.one(_BEGAN))


# When the newest trained model was begun.
_BEGAN = """
    select max(coalesce(j.made_at, m.made_at)) as moment from models m left join jobs j using (id)
    where m.trainer is not null and m.id not in (select model from hosted_models)
"""


def undecided_model(project: Project) -> ModelId | None:
    """The newest model trained by the policy that has no decision of the gate or a person."""
    value: ModelId | None = project.store.one(
        """select m.id from models m join jobs j using (id)
           where j.params->>'note' = ? and m.id not in (select model from champions)
             and m.id not in (select detail->>'model' from audit_log where what = 'gate')
             and m.id not in (select model from hosted_models)
             and m.made_at >= (select max(made_at) from models
                               where trainer is not null and id not in (select model from hosted_models))
           order by m.made_at desc limit 1""",
        [BY_POLICY],
    )
    return value


_UNDER_WAY = "A training job is under way already: `rondo jobs` shows it."


def _under_way(project: Project) -> bool:
    return bool(
        project.store.one(
            "select count(*) from jobs where list_contains(?, kind) and list_contains(?, state)",
            [list(MODEL_KINDS), list(UNDER_WAY)],
        )
    )


def _why_not(project: Project, least: int, new: int) -> str | None:
    if _under_way(project):
        return _UNDER_WAY
    if not new:
        return "No label has come since the last training."
    if new < least:
        labels = f"{new} label has" if new == 1 else f"{new} labels have"
        return f"{labels} come since the last training; {least} are wanted."
    return None


def _nothing(project: Project, new: int, why: str) -> Retrained:
    sentence = f"Nothing was done. {why}"
    return Retrained(False, new, None, None, False, None, active_model(project), sentence)


def _decide(project: Project, report: Report, model: ModelId, user: str) -> Retrained:
    """Asks the gate and acts on its verdict."""
    try:
        check_usable(project, model)
        verdict = gate(project, model=model)
    except (BadInput, Refused, Damaged) as error:  # it cannot pass later either
        log_refusal(project, user, GateVerdict(model, passes=False, sentence=str(error)))
        return _decided(project, model, None, str(error))
    if not verdict.passes:
        log_refusal(project, user, verdict)
        return _decided(project, model, verdict, f"The gate keeps the champion. {verdict.sentence}")
    encoder = project.store.one("select encoder from models where id = ?", [model])
    try:
        activated = activate(project, report, Activation(model, encoder, "retrained", user, None, verdict))
    except Cancelled:
        raise
    except (RondoError, OSError) as error:  # logged, so that it is not tried for ever: a person may promote it
        sentence = f"It passed the gate but could not be put to use: {error}"
        log_refusal(project, user, replace(verdict, passes=False, sentence=sentence))
        raise
    result = _decided(project, model, verdict, f"{activated.sentence} {verdict.sentence}")
    return replace(result, promoted=True)


def _decided(project: Project, model: ModelId, verdict: GateVerdict | None, sentence: str) -> Retrained:
    """trained, new and job: for the caller to fill in."""
    return Retrained(False, 0, None, model, False, verdict, active_model(project), sentence)
