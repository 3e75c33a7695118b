"""The verbs that look at all training jobs at once: what each does, what has come back, which runs are next."""

from dataclasses import dataclass

import duckdb

from core.errors import Refused, RondoError
from core.jobs.bundle import Report
from core.project import Project
from core.training.entries import TrainingJob, TrainingJobs, entry, listing, read_row, set_state
from core.training.following import GRID, followed, look
from core.training.grid import advance_all, search_summary


def jobs(project: Project, report: Report) -> TrainingJobs:
    """The training jobs, newest first, each as it stands now."""
    follow(project, report)
    return listing(project)


def job(project: Project, report: Report, *, job: str) -> TrainingJob:
    """One job as it stands now: a search with its runs, any other with its figures."""
    if read_row(project, job).kind == GRID:
        return search_summary(project, job)
    return look(project, job)


@dataclass(frozen=True)
class Followed:
    """How many jobs may still change by themselves."""

    under_way: int


def follow(project: Project, report: Report) -> Followed:
    """Looks at every job that is under way or lost from sight elsewhere, takes in what has come back, starts the next
    runs of a search. Raises Refused, when all were looked at, for one that this machine could not take in."""
    trouble = [predicted for job in followed(project) if (predicted := _look(project, job))]
    advance_all(project)
    if trouble:
        raise Refused(trouble[0])
    return Followed(len(followed(project)))


def _look(project: Project, job: str) -> str | None:
    """What this machine's disk or database said against it; the job is looked at again."""
    try:
        look(project, job)
    except RondoError as error:
        seen = entry(project, job)
        if seen.state != "cancelling" and seen.message != str(error):
            set_state(project, job, "lost", str(error), before=seen.state)
    except (OSError, duckdb.Error) as error:
        return f"Job {job} could not be taken in: {error}. It is tried again; free the disk if it is full."
    return None
