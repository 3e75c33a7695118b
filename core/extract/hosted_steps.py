"""Tuning a model at a provider for one step: what it would cost, and starting it. Knows no provider's API."""

from core.errors import Refused
from core.extract.prepare import PreparedExample, find_step, training_rows
from core.hosted.training_data import FEWEST, Example, TrainingData, make_training_data
from core.jobs.bundle import Report
from core.language_models.generation import ModelChoice, require_allowed
from core.language_models.requests import Message
from core.project import Project
from core.tasks.tasks import task_of
from core.training.hosted import (
    Agreement,
    HostedEstimate,
    HostedJob,
    TuningRequest,
    estimate_tuning,
    tune_on,
)


def step_data(project: Project, step: str) -> TrainingData:
    """The prompts and completions that tune a model here, too. Raises Refused below FEWEST."""
    settings = project.settings()
    if not task_of(settings).steps:
        raise Refused(f"Only tasks with steps are tuned step by step, and this project's is {settings.task!r}.")
    rows = training_rows(project, find_step(settings.steps, step).name)
    if len(rows) < FEWEST:
        raise Refused(
            f"Insufficient training data: the step {step!r} has {len(rows)} answers to learn from, and at least "
            f"{FEWEST} are needed. Answer more: `rondo up`, or import annotations."
        )
    return make_training_data(tuple(_example(row) for row in rows))


def _example(row: PreparedExample) -> Example:
    turns = tuple(Message(**turn) for turn in (*row.prompt, *row.completion))
    return Example(turns, "approved", {"id": row.id})


def step_hosted_estimate(  # noqa: PLR0913 - an option is an argument
    project: Project, report: Report, *, step: str, provider: str, base: str, epochs: int | None = None
) -> HostedEstimate:
    """Nothing is sent. Raises BadInput or Refused for all that would be refused when it is started."""
    require_allowed(project.settings(), ModelChoice(base, provider))
    return estimate_tuning(TuningRequest(provider, base, epochs), step_data(project, step))


def step_hosted_tune(  # noqa: PLR0913 - an option is an argument
    project: Project,
    report: Report,
    *,
    step: str,
    provider: str,
    base: str,
    epochs: int | None = None,
    yes: bool = False,
    agreed: str = "",
    detach: bool = False,
    note: str = "",
) -> HostedJob:
    """As `hosted_tune` for pairs: the price must be agreed to, and being stopped leaves it running.

    The model is one of the registry then; `rondo extract suggest --model ID` asks it.
    """
    require_allowed(project.settings(), ModelChoice(base, provider))
    request = TuningRequest(provider, base, epochs, note or f"step {step}")
    return tune_on(project, report, request, step_data(project, step), Agreement(yes, agreed), detach=detach)
