"""The verbs over all training jobs: list, refresh, store results, start the next runs of a search."""

from dataclasses import dataclass

import duckdb

from core.errors import Refused, RondoError
from core.ids import JobId
from core.jobs.bundle import Report
from core.project import Project
from core.training.entries import TrainingJob, TrainingJobs, list_training_jobs, read_row, read_training_job, set_state
from core.training.following import GRID, jobs_to_follow, refresh_job
from core.training.grid import advance_all, search_summary


def jobs(project: Project, report: Report) -> TrainingJobs:
    """The training jobs, newest first, each refreshed."""
    follow(project, report)
    return list_training_jobs(project)


def job(project: Project, report: Report, *, job: JobId) -> TrainingJob:
    """One job, refreshed: a search with its runs, any other with its figures."""
    if read_row(project, job).kind == GRID:
        return search_summary(project, job)
    return refresh_job(project, job)


@dataclass(frozen=True)
class Followed:
    """How many jobs may still change by themselves."""

    under_way: int


def follow(project: Project, report: Report) -> Followed:
    """Refreshes every job that is under way or lost elsewhere, stores finished results, starts the next runs of a
    search. Raises Refused, after all were refreshed, for one whose result could not be stored here.
    """
    errors = [error for job in jobs_to_follow(project) if (error := _refresh_or_lose(project, job))]
    advance_all(project)
    if errors:
        raise Refused(errors[0])
    return Followed(len(jobs_to_follow(project)))


def _refresh_or_lose(project: Project, job: JobId) -> str | None:
    """Refreshes one job; returns the error of this machine's disk or database, after which it is tried again."""
    try:
        refresh_job(project, job)
    except RondoError as error:
        current = read_training_job(project, job)
        if current.state != "cancelling" and current.message != str(error):
            set_state(project, job, "lost", str(error), before=current.state)
    except (OSError, duckdb.Error) as error:
        return f"Job {job} could not be taken in: {error}. It is tried again; free the disk if it is full."
    return None
