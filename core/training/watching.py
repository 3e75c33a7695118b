"""The verbs that look at all training jobs at once: what each does, what has come back, which runs are next."""

from typing import Any

from core.errors import RondoError
from core.jobs import Report
from core.project import Project
from core.training.entries import entry, listing, set_state
from core.training.following import followed, look
from core.training.grid import advance_all


def jobs(project: Project, report: Report) -> dict[str, Any]:
    """The training jobs, newest first, each as it stands now."""
    follow(project, report)
    return listing(project)


def follow(project: Project, report: Report) -> dict[str, Any]:
    """Looks at every job that is under way or lost from sight elsewhere, takes in what has come back, starts the next
    runs of a search."""
    for job in followed(project):
        try:
            look(project, job)
        except RondoError as error:  # of one job: the others are looked at all the same
            seen = entry(project, job)
            if seen["state"] != "cancelling" and seen["message"] != str(error):
                set_state(project, job, "lost", str(error), before=seen["state"])
    advance_all(project)
    return {"under_way": len(followed(project))}
