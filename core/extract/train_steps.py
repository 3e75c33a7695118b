"""The verb `train_steps`: a language model is tuned for a step, or one for each. Knows no trainer's work."""

import shutil
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

from core.config.settings import Settings
from core.errors import BadInput, Cancelled, Refused, RondoError
from core.extract.prepare import PreparedExample, find_step, find_steps, lora_examples, training_rows
from core.extract.prompts import answer_schema
from core.ids import JobId
from core.jobs.bundle import Bundle, Report
from core.project import Project
from core.tasks.tasks import task_of
from core.training.entries import TrainingJob, read_training_job
from core.training.launch import TrainingRequest, order_of, price_line, start, wait
from core.training.lora_job import BASE, TRAIN_LORA, LoraParams, write_lora_files
from core.training.train import TrainingOptions
from core.training.trainers import LORA
from core.training.training_files import Order

FEWEST = 2
"""examples of a step, below which there is nothing to tune on"""
LOCAL = "local"


@dataclass(frozen=True)
class TrainedSteps:
    """jobs: one a step, in the order of the steps. left_out: steps with too few answers, each in a sentence."""

    jobs: tuple[TrainingJob, ...]
    left_out: tuple[str, ...] = ()


def train_steps(
    project: Project,
    report: Report,
    *,
    steps: Sequence[str] = (),
    detach: bool = False,
    **options: Unpack[TrainingOptions],
) -> TrainedSteps:
    """Tunes a model for each of the steps, none meaning all; waits for them unless `detach`. Elsewhere they run side by
    side, on this machine one after the other. Being stopped leaves the job under way running, and begins no other.

    options: as `TrainingRequest` has it. A step with too few answers is left out where all are meant, else refused.
    One job that fails does not keep the others from being waited for.
    """
    settings, request = project.settings(), TrainingRequest(**options)
    if not task_of(settings).steps:
        raise Refused(f"The trainer {LORA} is for tasks with steps, and this project's is {settings.task!r}.")
    chosen = [step.name for step in find_steps(settings.steps, steps)]
    here = request.on == LOCAL
    if here and detach and len(chosen) > 1:
        raise Refused(
            "On this machine steps are tuned one after the other, so that only one can be left running. Name one with "
            "--step, wait for all, or tune them elsewhere: --on modal."
        )
    order = order_of(project, LORA, request)
    rows = {name: training_rows(project, name) for name in chosen}
    few = [name for name in chosen if len(rows[name]) < FEWEST]
    left_out = tuple(_too_few(name, rows[name]) for name in few)
    if few and (steps or len(few) == len(chosen)):
        raise Refused(" ".join(left_out) + " Answer some first: `rondo up`, or import annotations.")
    if line := price_line(project, request.on, request.gpu):
        report(f"{line} One machine for each of {len(chosen) - len(few)} steps.", 0, 0)
    jobs: list[JobId] = []
    for name in (one for one in chosen if one not in few):
        jobs.append(_launch(project, settings, order, name, rows[name]))
        if here and not detach:
            _wait(project, report, jobs[-1], last=len(chosen) == 1)
    if not here and not detach:
        for job in jobs:
            _wait(project, report, job, last=len(jobs) == 1)
    return TrainedSteps(tuple(read_training_job(project, job) for job in jobs), left_out)


def _wait(project: Project, report: Report, job: JobId, *, last: bool) -> None:
    """last: nothing else depends on it, so its error is raised."""
    try:
        wait(project, report, job)
    except Cancelled:
        raise
    except RondoError as error:
        if last:
            raise
        report(str(error), 0, 0)


def _too_few(step: str, rows: Sequence[PreparedExample]) -> str:
    return f"The step {step!r} has {len(rows)} answers to learn from, and tuning needs {FEWEST}."


def _launch(project: Project, settings: Settings, order: Order, step: str, rows: Sequence[PreparedExample]) -> JobId:
    params = LoraParams(
        trainer=order.trainer,
        values=dict(order.values),
        step=step,
        seed=settings.seed if order.seed is None else order.seed,
        threads=settings.threads,
        taxonomy=settings.taxonomy.version,
        fed=_fed(rows),
        note=order.note,
    )
    bundle = project.jobs.prepare(TRAIN_LORA, params)
    schema = answer_schema(find_step(settings.steps, step))

    def write_files() -> None:
        write_lora_files(bundle.path / "in", step, lora_examples(rows), schema)
        if order.on != LOCAL:
            _carry_base(bundle, str(order.values["base"]))

    return start(project, order, bundle, write_files)


def _carry_base(bundle: Bundle, base: str) -> None:
    """A folder of this machine travels with the job; a name does not."""
    if not Path(base).is_dir():
        if base.startswith((".", "/", "~")):
            raise BadInput(f"There is no folder {base} to start from.")
        return
    target = bundle.path / "in" / BASE
    target.mkdir()
    for file in Path(base).iterdir():
        if file.suffix in (".json", ".safetensors", ".jinja", ".txt", ".model"):
            shutil.copyfile(file, target / file.name)


def _fed(rows: Sequence[PreparedExample]) -> Mapping[str, Mapping[str, int]]:
    """Earlier step -> whose answers to it the prompts hold -> examples."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        for name, origin in row.inputs.items():
            counts[name][origin] += 1
    return {name: dict(origins) for name, origins in counts.items()}
