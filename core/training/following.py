"""Jobs under way: state, log, cancelling, and storing the result. Starts none anew."""

import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta

from core import errors
from core.errors import Cancelled, Refused, RondoError
from core.ids import JobId
from core.jobs.bundle import Bundle, Handle, JobBroke, Report, Resources, Runner
from core.jobs.fan_out import cancel_parts
from core.jobs.job_states import ENDED, PATIENCE_DAYS, UNDER_WAY, change_state
from core.jobs.many_jobs import POOL_WORK
from core.project import Project, runner_of
from core.store.database import utc_now
from core.training.entries import JobRow, TrainingJob, read_row, read_training_job, set_state
from core.training.training_results import apply_result
from core.typed_json import to_json

GRID = "grid"
"""not a trainer but a search over one's parameters, and the kind of its row"""

locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
"""by job: two that bring the same files back, or start the same runs, would tread on each other"""
_handing_over: set[str] = set()
"""jobs that this process is giving to their runner just now: nobody else may take them for left behind"""


@contextmanager
def handing_over(job: JobId) -> Iterator[None]:
    """While it is held, `refresh_job` leaves the job alone."""
    _handing_over.add(job)
    try:
        yield
    finally:
        _handing_over.discard(job)


def jobs_to_follow(project: Project) -> list[JobId]:
    """Ids of the jobs that may still change by themselves, oldest first."""
    rows = project.store.query(
        """select id from jobs where runner is not null
             and (list_contains(?, state) or (state = 'lost' and made_at > ?))
           order by made_at""",
        [[*UNDER_WAY], utc_now() - timedelta(days=PATIENCE_DAYS)],
    )
    return [job for (job,) in rows]


def refresh_job(project: Project, job: JobId) -> TrainingJob:
    """The job's entry after asking its runner; stores its result if there is one."""
    with locks[job]:
        row = read_row(project, job)
        by_itself = row.kind not in (GRID, *POOL_WORK)
        if row.state not in ENDED and by_itself and job not in _handing_over:
            bundle, runner = Bundle(project.folder / "jobs" / job), runner_of(project, row.runner)
            if row.handle is not None:
                _see(project, bundle, runner, row, row.handle)
            elif row.state == "submitting":
                # its owner died before the handle was kept: a runner starts a bundle only once, so it is told again
                hand_over(project, bundle, runner, row.resources)
            else:
                set_state(project, job, "lost", "The app ended before it was handed over.", before=row.state)
    return read_training_job(project, job)


def _see(project: Project, bundle: Bundle, runner: Runner, row: JobRow, handle: Handle) -> None:
    """Asks the runner and stores what is new. A cancel that did not get through is sent again."""
    status, job = runner.poll(bundle.path, handle), row.id
    if row.state == "cancelling":
        if status.state in (*UNDER_WAY, "lost"):
            with suppress(RondoError):  # the runner cannot be reached: the next refresh tries again
                runner.cancel(bundle.path, handle)
        else:
            set_state(project, job, "cancelled", status.message, before="cancelling")
    elif status.state == "succeeded":
        apply_result(project, bundle)
    elif (status.state, status.message) != (row.state, row.error or ""):
        set_state(project, job, status.state, status.message, before=row.state)


def hand_over(project: Project, bundle: Bundle, runner: Runner, resources: Resources) -> None:
    """Starts a job whose row says `submitting` and keeps the handle. A cancel that came meanwhile is carried out."""
    handle = runner.start(bundle.path, resources)
    with project.store.transaction() as cursor:
        about = {"handle": json.dumps(to_json(handle)), "started_at": utc_now()}
        queued = change_state(cursor, bundle.id, "queued", ["submitting"], **about)
        if not queued:  # only with the handle can it be stopped
            cursor.execute("update jobs set handle = ?, started_at = ? where id = ?", [*about.values(), bundle.id])
    if not queued:
        runner.cancel(bundle.path, handle)


@dataclass(frozen=True)
class JobLog:
    """The last lines of what a job printed."""

    id: JobId
    lines: tuple[str, ...]


def job_log(project: Project, report: Report, *, job: JobId, lines: int = 200) -> JobLog:
    """The last lines of what the job printed."""
    refresh_job(project, job)
    return JobLog(job, tuple(Bundle(project.folder / "jobs" / job).log(lines)))


def job_cancel(project: Project, report: Report, *, job: JobId) -> TrainingJob:
    """Cancel means cancelled, however the job ends from now on. Raises the runner's error where it cannot be reached:
    then the row says `cancelling`, and the next refresh tries again.
    """
    row = read_row(project, job)
    if row.state in ENDED:
        raise Refused(f"Job {job} is {row.state.replace('_', ' ')} already.")
    if row.kind in POOL_WORK:
        runner = runner_of(project, row.runner)
        cancel_parts(replace(project.jobs, runner=runner), job)
        return read_training_job(project, job)
    if row.kind == GRID:
        set_state(project, job, "cancelled", "")
        runs = project.store.query(
            "select id from jobs where parent = ? and list_contains(?, state)", [job, [*UNDER_WAY, "lost"]]
        )
        for (run,) in runs:
            job_cancel(project, report, job=run)
        Bundle(project.folder / "jobs" / job).empty()
        return read_training_job(project, job)
    state = "cancelled" if row.handle is None else "cancelling"
    if not set_state(project, job, state, "", before=row.state):
        return job_cancel(project, report, job=job)  # it has changed since it was read
    if row.handle is None:
        return read_training_job(project, job)
    runner_of(project, row.runner).cancel(Bundle(project.folder / "jobs" / job).path, row.handle)
    return refresh_job(project, job)


def job_forget(project: Project, report: Report, *, job: JobId) -> TrainingJob:
    """Deletes what a job that is over was given and has left: texts, labels, checkpoints. Its row and log stay.

    Its files where it ran, too; where its runner cannot be reached it raises, and calling it again retries.
    """
    row = read_row(project, job)
    if row.state not in (*ENDED, "lost"):
        raise Refused(f"Job {job} is {row.state}. Cancel it first: `rondo jobs cancel {job}`.")
    bundle = Bundle(project.folder / "jobs" / job)
    bundle.empty()
    if row.handle is not None and row.kind != GRID:
        try:
            runner_of(project, row.runner).forget(bundle.path, row.handle)
        except RondoError as error:
            raise Refused(f"What was here is deleted. {error} Then `rondo jobs forget {job}` once more.") from None
    return read_training_job(project, job)


def raise_end(project: Project, current: TrainingJob) -> TrainingJob:
    """The entry of a job that succeeded; raises the error of any other."""
    job, state, message = current.id, current.state, current.message
    again = f"`rondo jobs retry {job}` goes on from its newest checkpoint."
    if state == "succeeded":
        return current
    if state == "cancelled":
        raise Cancelled(f"Job {job} was cancelled. {again}" if current.kind != GRID else f"Search {job} was cancelled.")
    if state == "timed_out":
        raise Refused(f"{message} {again}")
    if state == "lost":
        raise JobBroke(f"Job {job} was lost: {message} {again}")
    kind = (Bundle(project.folder / "jobs" / job).result or {}).get("kind", "")
    error = Refused if current.kind == GRID else getattr(errors, kind, None)
    if isinstance(error, type) and issubclass(error, RondoError):
        raise error(message)
    raise JobBroke(f"Job {job} failed: {message} See `rondo jobs logs {job}`.")
