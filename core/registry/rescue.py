"""A hosted model that ends hands on what it knows: its word is recorded, another is trained, and the gate compares.

Every step goes on where it was stopped: recorded answers are asked once, a tuning job is followed, not begun again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from core.data.encode_elsewhere import encode_if_needed
from core.errors import BadInput, Refused
from core.evaluation.gate_verdict import GateVerdict
from core.ids import JobId, ModelId
from core.jobs.bundle import Report
from core.models.hosted_models import Hosting, hosted_in_use, hostings, require_hosting
from core.models.in_use import active_model
from core.pairs.pair_keys import pair_key
from core.pairs.recorded_answers import (
    BUDGET,
    AskingLimits,
    Pair,
    known_answers,
    measuring_pairs,
    record_answers,
    unrecorded,
)
from core.pairs.training_examples import DecidedPair
from core.project import Project
from core.registry.activation import log_refusal
from core.registry.champions import find_model
from core.registry.deciders import DeciderChange, decide_by
from core.registry.gate import gate
from core.registry.hosted_promotion import record_measuring, who_decides
from core.rounds.run_round import can_learn, run_round
from core.store.database import note, utc_now
from core.training.hosted import (
    Agreement,
    HostedEstimate,
    TunedModel,
    TuningRequest,
    estimate_tuning,
    hosted_models,
    launch_hosted,
    list_hosted_jobs,
    training_set,
    tuning_params,
)
from core.training.launch import wait

LOCAL, HOSTED = "local", "hosted"
SURE = 0.9
"""probability from which an answer of the old model is an example for the new one"""
MOST_POOL = 50_000


@dataclass(frozen=True)
class RescuePlan:
    """What a rescue would do. model: id, name: at the provider; shutdown: the day it ends; ended: why it answers no
    more, or empty. questions: gold, audit and pool pairs that it is still to be asked about. estimate: of the other
    model to be tuned, None where none is. models: all tuned ones with their ends; notices, errors: of providers.
    sentence: what is agreed to.
    """

    model: ModelId
    name: str
    provider: str
    shutdown: str | None
    ended: str
    questions: int
    estimate: HostedEstimate | None
    models: tuple[TunedModel, ...]
    notices: tuple[str, ...]
    errors: tuple[str, ...]
    sentence: str


@dataclass(frozen=True)
class Rescue:
    """What came of it. measured: gold and audit pairs that the old model's word is recorded of, out of measuring; pool:
    undecided ones. borrowed: those of the pool that the new model trained on. replacement: the model that was trained.
    gate: it against the old one. switched: whether another model decides for programs now.
    """

    model: ModelId
    name: str
    measured: int
    measuring: int
    pool: int
    borrowed: int
    requests: int
    replacement: ModelId
    gate: GateVerdict
    switched: bool
    sentence: str


@dataclass(frozen=True)
class _Task:
    """pool: undecided pairs to ask about, too. request: None: the local champion is fitted in its place."""

    where: Hosting
    measuring: tuple[Pair, ...]
    pool: tuple[Pair, ...]
    request: TuningRequest | None

    @property
    def ended(self) -> str:
        return self.where.ended(datetime.now(UTC).date())


def rescue_plan(  # noqa: PLR0913 - an option is an argument
    project: Project,
    report: Report,
    *,
    model: str | None = None,
    to: str = LOCAL,
    provider: str = "",
    base: str = "",
    epochs: int | None = None,
    pool: int = 0,
) -> RescuePlan:
    """Asks providers when models end, and no model anything. Raises Refused where there is nothing to rescue."""
    known = hosted_models(project, report)
    task = _task(project, model, to, TuningRequest(provider, base, epochs), pool)
    where, ended = task.where, task.ended
    with project.store.reading() as cursor:
        questions = 0 if ended else len(unrecorded(cursor, where.model, (*task.measuring, *task.pool)))
    estimate = None
    if task.request and not _former_job(project, task.request):
        estimate = estimate_tuning(task.request, training_set(project, _examples(project, task, at_most=not ended)))
    steps = [f"{where.name} at {where.provider} is asked about {questions:,} pairs." if questions else ended]
    steps += [f"{estimate.base} at {estimate.provider} is tuned, at most: {estimate.sentence}"] if estimate else []
    return RescuePlan(
        model=where.model,
        name=where.name,
        provider=where.provider,
        shutdown=where.shutdown,
        ended=ended,
        questions=questions,
        estimate=estimate,
        models=known.models,
        notices=known.notices,
        errors=known.errors,
        sentence=" ".join(step for step in steps if step),
    )


def rescue(  # noqa: PLR0913 - an option is an argument
    project: Project,
    report: Report,
    *,
    model: str | None = None,
    to: str = LOCAL,
    provider: str = "",
    base: str = "",
    epochs: int | None = None,
    pool: int = 0,
    budget: int = BUDGET,
    yes: bool = False,
    agreed: str = "",
    user: str = "local",
) -> Rescue:
    """Records what a hosted model says of gold and audit pairs, trains another in its place, compares the two, and lets
    the gate decide whether the other takes over.

    model: None: the one in use, else the newest. to: local: the champion is fitted anew; hosted: `base` at `provider`
    is tuned on people's decisions. pool: so many undecided pairs are asked about, too; of those that it is sure of a
    hosted replacement learns, while the local champion learns from people alone. budget: requests at most, for each
    model. yes, agreed: as in `Agreement`. Raises Refused with the plan where it was not agreed to, or where the model
    cannot be asked: what was recorded stays. A model that has ended is not asked; what was recorded of it serves.
    """
    options = {"model": model, "to": to, "provider": provider, "base": base, "epochs": epochs, "pool": pool}
    plan = rescue_plan(project, report, **options)  # type: ignore[arg-type]
    if plan.questions or plan.estimate:
        Agreement(yes, agreed).require("", plan.sentence)
    task = _task(project, plan.model, to, TuningRequest(provider, base, epochs), pool)
    requests = _record(project, report, task, budget)
    examples = _examples(project, task)
    replacement = _tune(project, report, task, examples, budget) if task.request else _fit(project, report)
    verdict = gate(project, model=replacement, against=task.where.model)
    switched, sentence = _switch(project, task, replacement, verdict, user)
    counts = _recorded(project, task)
    with project.store.transaction() as cursor:
        note(cursor, user, "rescue", {"model": plan.model, "replacement": replacement, "switched": switched})
    return Rescue(
        model=plan.model,
        name=plan.name,
        measured=counts[0],
        measuring=len(task.measuring),
        pool=counts[1],
        borrowed=len(examples),
        requests=requests,
        replacement=replacement,
        gate=verdict,
        switched=switched,
        sentence=sentence,
    )


def _task(project: Project, model: str | None, to: str, request: TuningRequest, pool: int) -> _Task:
    """Raises BadInput for options that do not fit together, Refused where no hosted model is there."""
    if to not in (LOCAL, HOSTED):
        raise BadInput(f"The replacement is {to[:40]!r}, but it must be {LOCAL} or {HOSTED}.")
    if to == LOCAL and (request.provider or request.base or request.epochs):
        raise BadInput(f"A provider, a base and epochs are for a {HOSTED} replacement: --to {HOSTED}.")
    if not 0 <= pool <= MOST_POOL:
        raise BadInput(f"Asked for {pool:,} undecided pairs; it must lie between 0 and {MOST_POOL:,}.")
    where = require_hosting(project, _chosen(project, model))
    with project.store.reading() as cursor:
        measuring = measuring_pairs(cursor).pairs
        rows = cursor.execute(
            """select fields->>'left', fields->>'right' from records where n in (from pool) order by hash(n), n
               limit ?""",
            [pool],
        ).fetchall()
    marked = replace(request, note=f"in place of {where.model}") if to == HOSTED else None
    return _Task(where, measuring, tuple((left or "", right or "") for left, right in rows), marked)


def _chosen(project: Project, model: str | None) -> ModelId:
    if model:
        return find_model(project, model)
    newest: ModelId | None = project.store.one(
        "select id from models where id in (select model from hosted_models) order by made_at desc limit 1"
    )
    chosen = hosted_in_use(project) or newest
    if chosen is None or chosen not in hostings(project):
        raise Refused("There is no hosted model to rescue. `rondo hosted models` lists them.")
    return chosen


def _record(project: Project, report: Report, task: _Task, budget: int) -> int:
    """Requests that it took. Raises Refused where a model that has not ended cannot be asked."""
    if task.ended:
        return 0
    recorded = record_answers(project, report, task.where, [*task.measuring, *task.pool], AskingLimits(budget))
    if recorded.failure:
        raise Refused(f"{recorded.failure} What was recorded stays; the same command goes on with the rest.")
    return recorded.requests


def _recorded(project: Project, task: _Task) -> tuple[int, int]:
    """How many gold and audit pairs, and how many of the pool."""
    with project.store.reading() as cursor:
        return tuple(  # type: ignore[return-value]
            len(known_answers(cursor, task.where.model, [pair_key(*pair) for pair in pairs]))
            for pairs in (task.measuring, task.pool)
        )


def _examples(project: Project, task: _Task, *, at_most: bool = False) -> Sequence[DecidedPair]:
    """What the old model is sure of among undecided pairs, for a hosted replacement. at_most: and what it has not been
    asked yet, as if it were sure."""
    if task.request is None:
        return ()
    by_key = {pair_key(*pair): pair for pair in task.pool}
    with project.store.reading() as cursor:
        known = known_answers(cursor, task.where.model, list(by_key))
    if at_most:
        known = {**dict.fromkeys(by_key, 1.0), **known}
    sure = {key: same for key, same in known.items() if same is not None and max(same, 1 - same) >= SURE}
    return [DecidedPair(*by_key[key], same > 0.5) for key, same in sorted(sure.items())]


def _fit(project: Project, report: Report) -> ModelId:
    """The champion, fitted on all decisions; it is not fitted again where no answer has come since it was."""
    champion = active_model(project)
    newer = project.store.one(
        "select count(*) from responses where received_at > (select made_at from models where id = ?)", [champion]
    )
    if champion is None or newer:
        if not can_learn(project):
            raise Refused("There is no decision to learn from yet. Decide on some pairs first: `rondo up`.")
        encode_if_needed(project, report)
        run_round(project, report, learn=True, request=None)
        champion = active_model(project)
    if champion is None:
        raise Refused("The round left no model. `rondo status` says why.")
    return champion


def _tune(project: Project, report: Report, task: _Task, examples: Sequence[DecidedPair], budget: int) -> ModelId:
    """The other hosted model, from the job that was begun for it or a new one, and its word on gold and audit pairs."""
    request = task.request
    if request is None:
        raise ValueError("only a hosted replacement is tuned")
    job = _former_job(project, request)
    if job is None:
        data = training_set(project, examples)
        job = launch_hosted(project, tuning_params(replace(request, borrowed=len(examples)), data), data)
    wait(project, report, job)
    made = ModelId(job)
    record_measuring(project, report, require_hosting(project, made), budget)
    return made


def _former_job(project: Project, request: TuningRequest) -> JobId | None:
    """The newest job of an earlier call with the same options that is under way, lost from sight or has succeeded."""
    for job in list_hosted_jobs(project):
        same = (job.note, job.provider, job.base) == (request.note, request.provider, request.base)
        if same and job.state not in ("failed", "cancelled", "timed_out"):
            return job.id
    return None


def _switch(project: Project, task: _Task, replacement: ModelId, verdict: GateVerdict, user: str) -> tuple[bool, str]:
    """Whether another model decides for programs now, and who does."""
    decider, where, ended = hosted_in_use(project), task.where, task.ended
    if task.request is None:
        if decider == where.model and (verdict.passes or ended):
            reason = ended or "The gate finds the champion better."
            decide_by(project, DeciderChange(utc_now(), None, user, "deactivated", reason, verdict))
            return True, who_decides(project)
        if decider != where.model:
            return False, who_decides(project)
        until = f" until {where.shutdown}" if where.shutdown else ""
        return False, (
            f"{where.name} goes on deciding{until}, for the gate does not find the champion better. When it has ended "
            "the champion answers by itself; at once: `rondo models deactivate`."
        )
    rival = active_model(project) if decider is None or (decider == where.model and ended) else decider
    deciding = verdict if rival == where.model else gate(project, model=replacement, against=rival)
    if deciding.passes:
        decide_by(project, DeciderChange(utc_now(), replacement, user, "promoted", None, deciding))
        return True, who_decides(project)
    log_refusal(project, user, deciding)
    return False, (
        f"The gate does not let it in. {deciding.sentence} {who_decides(project)} "
        f"To overrule it: `rondo models promote {replacement} --force --reason TEXT`."
    )
