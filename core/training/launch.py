"""Starting a training job and waiting for it: what was ordered, its bundle, its runner. Knows no trainer's work."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.encoding import encode_if_needed
from core.errors import BadInput, Cancelled, Refused, RondoError
from core.jobs import ENDED, Bundle, Report, Runner
from core.project import Project
from core.store import utc_now
from core.training.following import entry, look, raise_end, set_state
from core.training.material import (
    carry_encoder,
    copy_material,
    refuse_too_little,
    training_params,
    write_material,
)
from core.training.trainers import Value, read_values

POLL_SECONDS = 0.5
GRID = "grid"
"""not a trainer but a search over one's parameters"""


@dataclass(frozen=True)
class Order:
    """A training job as a person wants it. resources: gpu, seconds. parent: the search that it is part of."""

    trainer: str
    values: Mapping[str, Value]
    on: str = "local"
    resources: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    parent: str | None = None
    note: str = ""


def runner_of(project: Project, name: str) -> Runner:
    """What carries jobs there. Raises BadInput for a name that is none."""
    if name not in project.runners:
        raise BadInput(f"There is no runner {name!r}; there are {', '.join(project.runners)}.")
    return project.runners[name](project.settings())


@dataclass(frozen=True)
class Asked:
    """What a person asked for besides the trainer; None stands for what the settings say. values: "key=value"."""

    values: Sequence[str] = ()
    on: str = "local"
    gpu: str | None = None
    seed: int | None = None
    note: str = ""


def order_of(project: Project, trainer: str, asked: Asked) -> Order:
    """What was asked, checked, with the settings' GPU and time limit."""
    settings = project.settings()
    resources: dict[str, Any] = {"seconds": settings.job_seconds}
    if asked.on == "modal" or asked.gpu:
        resources["gpu"] = asked.gpu or settings.gpu
    values = read_values(trainer, asked.values)
    return Order(trainer, values, asked.on, resources, asked.seed, None, asked.note)


def price_line(project: Project, on: str, gpu: str | None = None) -> str:
    """What it will cost, in a sentence; empty where nobody is paid. Raises BadInput for a GPU that is not on offer."""
    gpu = gpu or project.settings().gpu
    hour = runner_of(project, on).price({"gpu": gpu}, 3600)
    return f"About {hour:.2f} USD an hour on {gpu} (an estimate from list prices)." if hour else ""


def launch(project: Project, order: Order) -> str:
    """Writes the bundle and hands it to the runner; returns the job's id. Raises where it cannot be started at all."""
    settings, runner = project.settings(), runner_of(project, order.on)
    refuse_too_little(project, settings, order.trainer)
    runner.price(order.resources, 1)
    params = training_params(settings, dict(order.values), order.trainer, order.seed) | {"note": order.note}
    bundle = project.jobs.prepare("train", params)
    with project.store.transaction() as cursor:
        cursor.execute(
            "update jobs set runner = ?, resources = ?, parent = ? where id = ?",
            [order.on, json.dumps(dict(order.resources)), order.parent, bundle.path.name],
        )
    try:
        if order.parent:
            copy_material(Bundle(project.folder / "jobs" / order.parent), bundle)
        else:
            write_material(project, bundle, settings)
        carry_encoder(project, bundle, params["encoder"])
        bundle.seal()
        submit(project, bundle, runner, order.resources)
    except RondoError as error:
        project.jobs.refuse(bundle, error)
        raise
    return bundle.path.name


def submit(project: Project, bundle: Bundle, runner: Runner, resources: Mapping[str, Any]) -> None:
    """The row says so before, and has the handle right after: a killed owner finds the job again, or starts it once."""
    with project.store.transaction() as cursor:
        cursor.execute("update jobs set state = 'submitting', error = null where id = ?", [bundle.path.name])
    handle = runner.start(bundle.path, resources)
    with project.store.transaction() as cursor:
        cursor.execute(
            "update jobs set state = 'queued', handle = ?, started_at = ? where id = ?",
            [json.dumps(handle), utc_now(), bundle.path.name],
        )


def train(project: Project, report: Report, *, trainer: str, detach: bool = False, **asked: Any) -> dict[str, Any]:
    """Starts a training job; waits for its model unless `detach`. Being stopped leaves the job running.

    asked: as `Asked` names them.
    """
    encode_if_needed(project, report)  # what has no vector yet is in no round, and so in no training either
    if trainer == GRID:
        from core.training.grid import search

        return search(project, report, Asked(**asked), detach=detach)
    job = launch(project, order_of(project, trainer, Asked(**asked)))
    return entry(project, job) if detach else wait(project, report, job)


def wait(project: Project, report: Report, job: str) -> dict[str, Any]:
    """The job's entry when it has ended well. Raises what it ended with, or Cancelled, which leaves it running."""
    try:
        while True:
            seen = look(project, job)
            report(_what(seen), seen["done"], seen["total"])
            if seen["state"] in ENDED or (seen["state"] == "lost" and seen["runner"] == "local"):
                return raise_end(seen)
            time.sleep(POLL_SECONDS)
    except (Cancelled, KeyboardInterrupt):
        raise Cancelled(
            f"The job goes on without you: `rondo jobs` shows it, `rondo jobs cancel {job}` stops it."
        ) from None


def _what(seen: Mapping[str, Any]) -> str:
    if seen["state"] == "running":
        return f"Training {seen['trainer']}"
    return f"Training {seen['trainer']} ({seen['state']}{': ' + seen['message'] if seen['message'] else ''})"


def job_retry(project: Project, report: Report, *, job: str) -> dict[str, Any]:
    """Starts a job that was lost, failed, cancelled or timed out once more; it goes on from its newest checkpoint."""
    seen = entry(project, job)
    bundle = Bundle(project.folder / "jobs" / job)
    if seen["state"] not in ("lost", "failed", "cancelled", "timed_out"):
        raise Refused(f"Job {job} is {seen['state']}: there is nothing to try again.")
    if not (bundle.path / "in").is_dir():
        raise Refused(f"What job {job} was given is gone. Start a new one with `rondo train`.")
    for name in ("result.json", "events.jsonl"):
        (bundle.path / name).unlink(missing_ok=True)
    try:
        submit(project, bundle, runner_of(project, seen["runner"]), seen["resources"])
    except RondoError:
        set_state(project, job, seen["state"], seen["message"])
        raise
    return entry(project, job)
