"""A search over a trainer's parameters: its runs as jobs, some at a time, and the winner. Knows no trainer's work.

The winner is chosen on records that the runs held out of training, never on gold or audit: selecting among many runs on
the test records would bias the test score.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from core.data.encode_elsewhere import encode_if_needed
from core.errors import BadInput, Cancelled, RondoError
from core.evaluation.metrics import Metrics
from core.evaluation.reporting import STRATA, in_words, shown_score
from core.ids import JobId, ModelId
from core.jobs.bundle import Bundle, Report
from core.jobs.job_states import ENDED, change_state
from core.jobs.kinds import JobKind
from core.project import Project, runner_of
from core.store.database import utc_now
from core.training.entries import TrainingJob, read_training_job
from core.training.following import GRID, job_cancel, locks, raise_end, refresh_job
from core.training.launch import POLL_SECONDS, TrainingRequest, launch, order_of
from core.training.space import Outcome, choose, lay_out, read_search
from core.training.trainers import TRAINERS, Value, entries_in
from core.training.training_files import Order, refuse_too_little, write_training_files
from core.typed_json import from_json, to_json


@dataclass(frozen=True)
class SearchParams:
    """order: what all runs have in common. plan: the values that differ, per run. values: as a person typed them."""

    trainer: str
    values: dict[str, str]
    note: str
    order: Order
    plan: list[dict[str, Value]]
    at_once: int
    budget: str


@dataclass(frozen=True)
class SearchResult:
    """winner: id of the run. seconds: of all runs; memory_mb: of the largest."""

    winner: ModelId
    metrics: Metrics
    seconds: float
    memory_mb: int
    sentence: str


SEARCH = JobKind(GRID, SearchParams, SearchResult)


def search(project: Project, report: Report, request: TrainingRequest, *, detach: bool = False) -> TrainingJob:
    """Reports the budget, starts the runs, and waits for the winner unless `detach`. Being stopped leaves it
    running.
    """
    read_search(request.values)
    encode_if_needed(project, report)
    job = start(project, request)
    report(_params(project, job).budget, 0, 0)
    if detach:
        return advance(project, job)
    try:
        while (current := advance(project, job)).state not in ENDED:
            report(f"Searching, {len(current.runs) - current.done} under way", current.done, current.total)
            time.sleep(POLL_SECONDS)
    except (Cancelled, KeyboardInterrupt):
        raise Cancelled(
            f"The runs under way go on, and the others begin while Rondo is open: `rondo jobs` shows them, "
            f"`rondo jobs cancel {job}` stops all."
        ) from None
    return raise_end(project, current)


def start(project: Project, request: TrainingRequest) -> JobId:
    """Enters the search as a job; `advance` starts its runs. Raises for a wrong request before any run.

    All runs train on the labels of now and hold out the same ones, whatever comes in.
    """
    search_space, settings = read_search(request.values), project.settings()
    seed = settings.seed if request.seed is None else request.seed
    plan = lay_out(search_space, seed)
    known = TRAINERS[search_space.trainer].parameters
    # where runs are compared, few held-out records are better than none
    named = {*search_space.space, *(one.partition("=")[0] for one in entries_in(settings, search_space.trainer))}
    few = {"fewest_held_out": 10} if "fewest_held_out" in known and "fewest_held_out" not in named else {}
    fixed = [f"{name}={value}" for name, value in {**few, **search_space.fixed}.items()]
    order = order_of(project, search_space.trainer, TrainingRequest(fixed, request.on, request.gpu, seed, request.note))
    if order.values.get("test_size", 1) == 0:
        raise BadInput("With test_size=0 nothing is held out that could say which run is best: --set test_size=0.2.")
    runner_of(project, order.on).price(order.resources, 1)
    refuse_too_little(project, settings, search_space.trainer)
    params = SearchParams(
        trainer=GRID,
        values=dict(supplied.split("=", 1) for supplied in request.values),
        note=request.note,
        order=order,
        plan=plan,
        at_once=search_space.at_once,
        budget=budget(project, order, len(plan), search_space.at_once),
    )
    bundle = project.jobs.prepare(SEARCH, params)
    write_training_files(project, bundle, settings)
    with project.store.transaction() as cursor:
        change_state(cursor, bundle.id, "running", runner=order.on)
    return bundle.id


def budget(project: Project, order: Order, runs: int, at_once: int) -> str:
    """The cost of the search in a sentence; time and money are estimated from earlier runs of the trainer."""
    rows = project.store.query(
        """select count(*), coalesce(avg(epoch(ended_at) - epoch(started_at)), 0) from jobs
           where kind = 'train' and state = 'succeeded' and runner = ? and params ->> 'trainer' = ?""",
        [order.on, order.trainer],
    )
    (count, seconds), runner = rows[0], runner_of(project, order.on)
    result = f"{runs} runs of {order.trainer}, {min(at_once, runs)} at once, on {order.on}"
    if not count:
        hour = runner.price(order.resources, 3600)
        price = f"; an hour of each costs about {hour:.2f} USD" if hour else ""
        return f"{result}. How long one takes is not known: none has ended there yet{price}."
    dollars = runner.price(order.resources, seconds * runs)
    price = f" and {dollars:.2f} USD" if dollars else ""
    minutes = seconds * -(-runs // at_once) / 60
    return f"{result}: about {minutes:,.1f} min{price} in all, going by {count} earlier ones."


def advance(project: Project, job: JobId) -> TrainingJob:
    """Looks at the runs, starts more, and names the winner once all have ended; safe to call any number of times."""
    with locks[job]:
        runs = [refresh_job(project, run) for run in _runs(project, job)]
        params, state = _params(project, job), read_training_job(project, job).state
        if state == "running":
            runs += _start_more(project, job, params, runs)
            done = sum(_has_ended(run) for run in runs)
            events = project.folder / "jobs" / job / "events.jsonl"
            events.write_text(
                json.dumps({"done": done, "total": len(params.plan), "at": round(time.time(), 3)}) + "\n",
                encoding="utf-8",
            )
            if done == len(runs) and (len(runs) == len(params.plan) or read_training_job(project, job).message):
                _finish(project, job, params, runs)
        elif state == "cancelled":
            for run in (run for run in runs if not _has_ended(run)):
                job_cancel(project, lambda *_: None, job=run.id)
    return search_summary(project, job)


def advance_all(project: Project) -> None:
    """Every unfinished search; called now and then."""
    for (job,) in project.store.query("select id from jobs where kind = ? and state = 'running'", [GRID]):
        advance(project, job)


def _start_more(project: Project, job: JobId, params: SearchParams, runs: Sequence[TrainingJob]) -> list[TrainingJob]:
    """Runs that were started now. One that cannot be started ends the starting: those under way may still win."""
    started: list[TrainingJob] = []
    under_way = sum(not _has_ended(run) for run in runs)
    while len(runs) + len(started) < len(params.plan) and under_way + len(started) < params.at_once:
        if read_training_job(project, job).state != "running" or read_training_job(project, job).message:
            break
        number = len(runs) + len(started)
        try:
            order, tried = params.order, params.plan[number]
            note = f"Run {number + 1} of {len(params.plan)}: {_in_words(tried)}"
            run = launch(project, replace(order, values={**order.values, **tried}, parent=job, note=note))
        except RondoError as error:
            _set(project, job, "running", f"Run {number + 1} could not be started: {error}")
            break
        started.append(read_training_job(project, run))
    return started


def _in_words(tried: Mapping[str, Value]) -> str:
    return ", ".join(
        f"{name}={value:g}" if type(value) is float else f"{name}={value}" for name, value in tried.items()
    )


def _has_ended(run: TrainingJob) -> bool:
    """A job `lost` on this machine has ended too: it does not come back."""
    return run.state in ENDED or (run.state == "lost" and run.runner == "local")


def _finish(project: Project, job: JobId, params: SearchParams, runs: Sequence[TrainingJob]) -> None:
    outcomes = [_outcome(run) for run in runs]
    best = choose(outcomes)
    if best is None:
        why = next((run.message for run in runs if run.message), "they held no record out: too few are labelled")
        _set(project, job, "failed", f"None of the {len(runs)} runs can be the best: {why}")
    else:
        winner, outcome = runs[best], outcomes[best]
        scores = {stratum: shown_score(score).macro_f1 for stratum in STRATA if (score := winner.metrics.on(stratum))}
        scored = [f"{in_words(score)} on {stratum}" for stratum, score in scores.items()]
        result = SearchResult(
            winner=ModelId(winner.id),
            metrics=winner.metrics,
            seconds=sum(run.seconds or 0 for run in runs),
            memory_mb=max(run.memory_mb or 0 for run in runs),
            sentence=f"The best of {len(runs)} runs is {winner.id}: {_in_words(params.plan[best])}. Macro F1 "
            f"{outcome.score or 0:.3f} on the {outcome.held_out} held-out records that chose it, which flatters it; "
            f"{', '.join(scored) or 'no gold or audit judges it'}.",
        )
        _set(project, job, "succeeded", read_training_job(project, job).message, result)
    Bundle(project.folder / "jobs" / job).empty()


def _outcome(run: TrainingJob) -> Outcome:
    held_out = run.metrics.on("held_out") if run.state == "succeeded" else None
    return Outcome(held_out.macro_f1.value, held_out.n) if held_out and held_out.macro_f1 else Outcome(None, 0)


def search_summary(project: Project, job: JobId) -> TrainingJob:
    """The search's entry with its budget, its winner, and its runs: entries, what was tried, the held-out score."""
    params, current = _params(project, job), read_training_job(project, job)
    runs = [replace(read_training_job(project, run), events=()) for run in _runs(project, job)]
    stored = project.store.one("select result from jobs where id = ?", [job])
    result = from_json(SearchResult, json.loads(stored), f"The result of {job}") if stored else None
    return replace(
        current,
        budget=params.budget,
        runs=tuple(
            replace(run, tried=tried, score=_outcome(run).score)
            for run, tried in zip(runs, params.plan, strict=False)  # values that are not started yet have no run
        ),
        done=sum(_has_ended(run) for run in runs),
        total=len(params.plan),
        model=result.winner if result else None,
        dollars=sum(run.dollars or 0 for run in runs) or None,
        sentence=result.sentence if result else current.message or params.budget,
    )


def _runs(project: Project, job: JobId) -> list[JobId]:
    """Ids of its runs, in the order of the plan, which is that in which they were started."""
    return [run for (run,) in project.store.query("select id from jobs where parent = ? order by made_at, id", [job])]


def _params(project: Project, job: JobId) -> SearchParams:
    stored = project.store.one("select params from jobs where id = ?", [job])
    return from_json(SearchParams, json.loads(stored), f"The parameters of {job}")


def _set(project: Project, job: JobId, state: str, message: str, result: SearchResult | None = None) -> None:
    """Unless it was cancelled meanwhile."""
    ended = utc_now() if state in ENDED else None
    with project.store.transaction() as cursor:
        written = json.dumps(to_json(result)) if result else None
        change_state(cursor, job, state, ["running"], error=message or None, ended_at=ended, result=written)
