"""The verb `train`: one job, or a search of several. Knows no trainer's work."""

from collections.abc import Sequence
from typing import TypedDict, Unpack

from core.config.settings import Settings
from core.data.encode_elsewhere import encode_if_needed
from core.errors import Refused
from core.jobs.bundle import Report
from core.project import Project
from core.tasks.tasks import require_labels, task_of
from core.training.entries import TrainingJob, read_training_job
from core.training.following import GRID
from core.training.grid import search
from core.training.launch import TrainingRequest, launch, order_of, price_line, wait
from core.training.trainers import TRAINERS, trainers_for


class TrainingOptions(TypedDict, total=False):
    """The fields of `TrainingRequest`."""

    values: Sequence[str]
    on: str
    gpu: str | None
    seed: int | None
    note: str
    tried: bool


def train(
    project: Project, report: Report, *, trainer: str, detach: bool = False, **options: Unpack[TrainingOptions]
) -> TrainingJob:
    """Starts a training job; waits for its model unless `detach`. Being stopped leaves the job running.

    options: as `TrainingRequest` has it.
    """
    _require_fit(project.settings(), trainer)
    requested = TrainingRequest(**options)
    if trainer == GRID:
        return search(project, report, requested, detach=detach)
    order = order_of(project, trainer, requested)
    encode_if_needed(project, report)  # training uses the records that rounds use: those with a vector
    if line := price_line(project, requested.on, requested.gpu):
        report(line, 0, 0)
        report(
            f"Starting it on {requested.on}: the first start of a version builds its image there, some minutes.", 0, 0
        )
    job = launch(project, order)
    return read_training_job(project, job) if detach else wait(project, report, job)


def _require_fit(settings: Settings, trainer: str) -> None:
    """Raises Refused for a trainer of another kind of records."""
    if trainer in TRAINERS and TRAINERS[trainer].by_step:
        raise Refused(f"The trainer {trainer} tunes a language model for one step: name it, `--step NAME`.")
    if task_of(settings).steps:
        raise Refused(f"Answers of the task {settings.task!r} are learnt step by step: `--trainer lora --step NAME`.")
    two_sides = task_of(settings).two_sides
    of_these = trainers_for(two_sides=two_sides)
    if two_sides and trainer not in of_these:
        raise Refused(
            f"Records of the task {settings.task!r} have two sides; {', '.join(of_these)} trains on them, and hosted "
            f"tunes a model elsewhere. `rondo fit` refits the round's own model."
        )
    if trainer in TRAINERS and trainer not in of_these:
        raise Refused(f"The trainer {trainer} reads both sides of a record, and records of {settings.task!r} have one.")
    if not two_sides:
        require_labels(settings, "Training a model")
