"""The verb `train`: one job, or a search of several. Knows no trainer's work."""

from typing import Any

from core.data.encoding import encode_if_needed
from core.jobs.bundle import Report
from core.project import Project
from core.training.entries import entry
from core.training.following import GRID
from core.training.grid import search
from core.training.launch import TrainingRequest, launch, order_of, price_line, wait


def train(project: Project, report: Report, *, trainer: str, detach: bool = False, **query: Any) -> dict[str, Any]:
    """Starts a training job; waits for its model unless `detach`. Being stopped leaves the job running.

    query: as `TrainingRequest` names it.
    """
    requested = TrainingRequest(**query)
    if trainer == GRID:
        return search(project, report, requested, detach=detach)
    order = order_of(project, trainer, requested)
    encode_if_needed(project, report)  # what has no vector yet is in no round, and so in no training either
    if line := price_line(project, requested.on, requested.gpu):
        report(line, 0, 0)
        report(
            f"Starting it on {requested.on}: the first start of a version builds its image there, some minutes.", 0, 0
        )
    job = launch(project, order)
    return entry(project, job) if detach else wait(project, report, job)
