"""What is known of training jobs: rows and files, as they were last seen. Asks no runner."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any

import duckdb

from core.errors import BadInput
from core.evaluation.metrics import Metrics
from core.evaluation.reporting import best_score
from core.hosted.fine_tuning import HOSTED_TUNING
from core.ids import JobId, ModelId
from core.jobs.bundle import Bundle, Handle, Resources
from core.jobs.job_states import ENDED, OPEN, UNDER_WAY, change_state
from core.jobs.many_jobs import POOL_WORK
from core.project import Project
from core.store.database import count, utc_now
from core.training.model_kinds import MODEL_KINDS
from core.training.trainers import Value, in_todays_names
from core.typed_json import from_json, to_json

MAKING = (*MODEL_KINDS, HOSTED_TUNING.name)
"""kinds of jobs that make a model of the registry"""
SHOWN = 100
"""jobs in a list, newest first"""

_COLUMNS = """id, kind, state, runner, parent, error, params, resources, result, handle,
    strftime(made_at, '%Y-%m-%dT%H:%M:%SZ'), strftime(started_at, '%Y-%m-%dT%H:%M:%SZ'),
    strftime(ended_at, '%Y-%m-%dT%H:%M:%SZ')"""


@dataclass(frozen=True)
class JobRow:
    """A job as the store has it. error: message of its runner or of this machine. Times: ISO 8601, UTC."""

    id: JobId
    kind: str
    state: str
    runner: str
    parent: JobId | None
    error: str | None
    params: dict[str, Any]
    resources: Resources
    result: dict[str, Any]
    handle: Handle | None
    made_at: str
    started_at: str | None
    ended_at: str | None


@dataclass(frozen=True)
class TrainingJob:
    """A job as people and programs see it. message: the reason for its state. done, total: steps, of a search runs.

    values: of the trainer's parameters. model: the result, of a search the winner. remark: the trainer's own.
    dollars: spent so far. events: progress with figures, oldest first. runs, budget, sentence (its outcome): of a
    search. tried, score: of a run of one. step: that a language model is tuned for; else empty.
    """

    id: JobId
    kind: str
    state: str
    runner: str
    parent: JobId | None
    resources: Resources
    made_at: str
    started_at: str | None
    ended_at: str | None
    trainer: str
    values: dict[str, Value]
    note: str
    message: str
    model: ModelId | None
    metrics: Metrics
    seconds: float | None
    memory_mb: int | None
    remark: str
    dollars: float | None
    done: int = 0
    total: int = 0
    events: tuple[Mapping[str, float], ...] = ()
    runs: tuple["TrainingJob", ...] = ()
    budget: str = ""
    sentence: str = ""
    tried: dict[str, Value] = field(default_factory=dict)
    score: float | None = None
    step: str = ""


@dataclass(frozen=True)
class TrainingJobs:
    """Newest first."""

    jobs: tuple[TrainingJob, ...]


def list_training_jobs(project: Project) -> TrainingJobs:
    """The training jobs as they were last seen: reads rows, of files only how far those under way are.

    `events` is empty: `entry` has those of one job.
    """
    rows = project.store.query(
        f"select {_COLUMNS} from jobs where runner is not null order by made_at desc, id limit ?", [SHOWN]
    )
    jobs = []
    for row in map(_read_row, rows):
        bundle = Bundle(project.folder / "jobs" / row.id)
        done, total = bundle.progress if row.state in UNDER_WAY else (0, 0)
        jobs.append(replace(_job(project, row), done=done, total=total))
    return TrainingJobs(tuple(jobs))


def read_training_job(project: Project, job: JobId) -> TrainingJob:
    """A job as stored, without asking its runner."""
    row = read_row(project, job)
    events = Bundle(project.folder / "jobs" / job).events
    newest = events[-1] if events else {"done": 0, "total": 0}
    far = tuple(thin_events(events))
    return replace(_job(project, row), done=newest["done"], total=newest["total"], events=far)


def _job(project: Project, row: JobRow) -> TrainingJob:
    return TrainingJob(
        id=row.id,
        kind=row.kind,
        state=row.state,
        runner=row.runner,
        parent=row.parent,
        resources=row.resources,
        made_at=row.made_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        trainer=row.params.get("trainer", POOL_WORK[row.kind].doing if row.kind in POOL_WORK else ""),
        values=in_todays_names(row.params.get("values", {})),
        note=row.params.get("note", ""),
        message=row.error or "",
        model=ModelId(row.id) if row.state == "succeeded" and row.kind in MAKING else None,
        metrics=from_json(Metrics, row.result.get("metrics", {}), f"The metrics of {row.id}"),
        seconds=row.result.get("seconds"),
        memory_mb=row.result.get("memory_mb"),
        remark=row.result.get("remark", ""),
        dollars=_spent(project, row),
        step=row.params.get("step", ""),
    )


def summarise_metrics(metrics: Metrics) -> dict[str, object]:
    """For a program: with macro_f1 (where there is one) and accuracy at the top, as shares, of the best stratum."""
    best, everything = best_score(metrics), {name: to_json(value) for name, value in vars(metrics).items() if value}
    if best is None:
        return everything
    stratum, score = best
    macro = {"macro_f1": score.macro_f1.value} if score.macro_f1 else {}
    return {**macro, "accuracy": score.accuracy.value, "judged_on": stratum, **everything}


def _spent(project: Project, row: JobRow) -> float | None:
    """What it has cost so far, in US dollars, including the wait for a machine; None where it is free or nothing ran.

    Never more than its time limit: a lost job is billed no longer than that.
    """
    if not row.started_at or row.runner not in project.runners:
        return None
    if row.kind in POOL_WORK:  # many machines at once: their time, not the clock's
        return project.runners[row.runner](project.settings()).price(row.resources, row.result.get("seconds", 0.0))
    ended = datetime.fromisoformat(row.ended_at) if row.ended_at else datetime.now(UTC)
    seconds = max((ended - datetime.fromisoformat(row.started_at)).total_seconds(), 0.0)
    allowed = row.resources.seconds or seconds
    return project.runners[row.runner](project.settings()).price(row.resources, min(seconds, allowed))


def thin_events(events: list[dict[str, Any]], most: int = 500) -> list[dict[str, Any]]:
    """Those with figures, evenly spread where there are many; the last one always."""
    result = [event for event in events if len(event) > 3]
    step = max(1, len(result) // most)
    return result[::-1][::step][::-1]


def read_row(project: Project, job: JobId) -> JobRow:
    """Raises BadInput where there is no such job."""
    rows = project.store.query(f"select {_COLUMNS} from jobs where id = ? and runner is not null", [job])
    if not rows:
        raise BadInput(f"There is no training job {job[:80]!r}. `rondo jobs` lists them.")
    return _read_row(rows[0])


def _read_row(columns: tuple[Any, ...]) -> JobRow:
    values = dict(zip([field.name for field in fields(JobRow)], columns, strict=True))
    for name in ("params", "resources", "result"):
        values[name] = json.loads(values[name] or "{}")
    values["handle"] = json.loads(values["handle"]) if values["handle"] else None
    return from_json(JobRow, values, f"The job {values['id']}")


@dataclass(frozen=True)
class NewModel:
    """What a training job made, beside what its row says. encoder: empty for a model without vectors. parent: that it
    was made beside."""

    trainer: str
    encoder: str
    taxonomy: int
    labels: int
    seed: int
    metrics: Metrics
    seconds: float
    parent: ModelId | None
    note: str


def enter_model(cursor: duckdb.DuckDBPyConnection, job: JobId, made: NewModel) -> None:
    """Its row in the registry, under the id of its job; what came after the job began it could not know."""
    began = "(select made_at from jobs where id = ?)"
    cursor.execute(
        """insert into models (id, made_at, round, encoder, taxonomy, labels, seed, metrics, seconds,
                               trainer, parent, responses, notes)
           values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        [
            job,
            utc_now(),
            count(cursor, f"select coalesce(max(batch), 0) from batches where made_at <= {began}", [job]),
            made.encoder,
            made.taxonomy,
            made.labels,
            made.seed,
            json.dumps(to_json(made.metrics)),
            made.seconds,
            made.trainer,
            made.parent,
            count(cursor, f"select count(*) from responses where received_at <= {began}", [job]),
            made.note or None,
        ],
    )


def set_state(project: Project, job: JobId, state: str, message: str, before: str | None = None) -> bool:
    """False where the job has ended already, or is no longer in the state `before`: then nothing is written."""
    ended = utc_now() if state in ENDED else None
    with project.store.transaction() as cursor:
        return change_state(cursor, job, state, [before] if before else OPEN, error=message or None, ended_at=ended)
