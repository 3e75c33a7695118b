"""Starting a training job and waiting for it: the order, its bundle, its runner. Knows no trainer's work."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.config.settings import Settings
from core.errors import BadInput, Cancelled, Refused, RondoError
from core.ids import JobId
from core.jobs.bundle import LOG, Bundle, Report, Resources, Runner
from core.jobs.job_states import ENDED, change_state
from core.jobs.many_jobs import POOL_WORK
from core.project import Project, runner_of
from core.training.entries import TrainingJob, read_row, read_training_job, set_state
from core.training.following import (
    GRID,
    hand_over,
    handing_over,
    locks,
    raise_end,
    refresh_job,
)
from core.training.pair_training_files import pair_training_params, write_pair_training_files
from core.training.train_job import ON_DEVICE, TRAIN, TRAIN_PAIRS
from core.training.trainers import TRAINERS, entries_in, read_values
from core.training.training_files import (
    Order,
    carry_encoder,
    copy_training_files,
    refuse_too_little,
    training_params,
    write_training_files,
)
from core.typed_json import to_json

POLL_SECONDS = 0.5
ON_THIS_MACHINE = ("local", "hosted")
"""runners whose lost jobs do not come back by themselves"""


@dataclass(frozen=True)
class TrainingRequest:
    """What a person asked for besides the trainer; None takes the settings' value. values: "key=value". tried: against
    the encoder in use, in the same job."""

    values: Sequence[str] = ()
    on: str = "local"
    gpu: str | None = None
    seed: int | None = None
    note: str = ""
    tried: bool = False


def order_of(project: Project, trainer: str, request: TrainingRequest) -> Order:
    """The request, checked, with the settings' GPU, time limit and parameters of the trainer filled in."""
    settings = project.settings()
    if request.seed is not None and not 0 <= request.seed < 2**32:
        raise BadInput(f"The seed is {request.seed}; it must lie between 0 and {2**32 - 1:,}.")
    if request.on == "local" and request.gpu:
        raise BadInput("--gpu asks for a GPU elsewhere (--on modal, --on ray); this machine uses the one it has.")
    gpu = request.gpu or settings.gpu if request.on == "modal" or request.gpu else None
    evened = _evening_values(trainer) if settings.oversample else []
    resources = Resources(settings.job_seconds, gpu)
    values = read_values(trainer, [*evened, *entries_in(settings, trainer), *request.values])
    return Order(trainer, values, request.on, resources, request.seed, None, request.note, request.tried)


def _evening_values(trainer: str) -> list[str]:
    """As "key=value": what makes this trainer repeat or weigh rare labels, where it can."""
    known = TRAINERS[trainer].parameters if trainer in TRAINERS else {}
    return [f"{name}=true" for name in ("oversample", "class_weights") if name in known]


def price_line(project: Project, on: str, gpu: str | None = None) -> str:
    """The price in a sentence; empty where it is free. Raises BadInput for a GPU that is not on offer."""
    gpu = gpu or project.settings().gpu
    hour = runner_of(project, on).price(Resources(gpu=gpu), 3600)
    return f"About {hour:.2f} USD an hour on {gpu} (an estimate from list prices)." if hour else ""


def launch(project: Project, order: Order) -> JobId:
    """Writes the bundle and hands it to the runner; returns the job's id. Raises where it cannot be started at all."""
    runner_of(project, order.on).price(order.resources, 1)
    bundle = _prepare(project, project.settings(), order)
    return start(project, order, bundle, lambda: _write_files(project, bundle, order))


def start(project: Project, order: Order, bundle: Bundle, write_files: Callable[[], object]) -> JobId:
    """Hands a new bundle to the runner, once `write_files` has written its input. As `launch`."""
    runner = runner_of(project, order.on)
    with handing_over(bundle.id):
        with project.store.transaction() as cursor:
            cursor.execute(
                "update jobs set runner = ?, resources = ?, parent = ? where id = ?",
                [order.on, json.dumps(to_json(order.resources)), order.parent, bundle.id],
            )
        try:
            write_files()
            bundle.seal()
            submit(project, bundle, runner, order.resources, "draft")
        except RondoError as error:
            _give_up(project, bundle, error)
            raise
        except OSError as error:
            full = Refused(f"The job cannot be written: {error}. Free the disk, and start it again.")
            _give_up(project, bundle, full)
            raise full from None
    return bundle.id


def _prepare(project: Project, settings: Settings, order: Order) -> Bundle:
    """Raises Refused where there is too little to learn from."""
    if TRAINERS[order.trainer].two_sides:
        return project.jobs.prepare(TRAIN_PAIRS, pair_training_params(project, settings, order))
    refuse_too_little(project, settings, order.trainer)
    return project.jobs.prepare(TRAIN, training_params(settings, order))


def _write_files(project: Project, bundle: Bundle, order: Order) -> None:
    if TRAINERS[order.trainer].two_sides:
        write_pair_training_files(project, bundle, project.settings())
        return
    if order.parent:
        copy_training_files(Bundle(project.folder / "jobs" / order.parent), bundle)
    else:
        tried = bundle.params(TRAIN).trial is not None
        write_training_files(project, bundle, project.settings(), tried=tried)
    carry_encoder(project, bundle, bundle.params(TRAIN).encoder)


def _give_up(project: Project, bundle: Bundle, error: RondoError) -> None:
    if read_row(project, bundle.id).state not in ENDED:
        set_state(project, bundle.id, "failed", str(error))
    bundle.empty()


def submit(project: Project, bundle: Bundle, runner: Runner, resources: Resources, before: str) -> None:
    """Writes the row first and the handle right after: after a kill the server finds the job again, or starts it once.

    Raises Cancelled for a row that is no longer in the state `before`.
    """
    with project.store.transaction() as cursor:
        fresh: dict[str, object] = dict.fromkeys(("error", "handle", "started_at", "ended_at"))
        begun = change_state(cursor, bundle.id, "submitting", [before], **fresh)
    if not begun:
        raise Cancelled(f"Job {bundle.id} was cancelled before it began.")
    hand_over(project, bundle, runner, resources)


def wait(project: Project, report: Report, job: JobId) -> TrainingJob:
    """The job's entry when it has ended well. Raises the job's error, or Cancelled, which leaves it running."""
    device = ""
    try:
        while True:
            current = refresh_job(project, job)
            if not device and (device := device_line(Bundle(project.folder / "jobs" / job))):
                report(device, 0, 0)
            why = (
                "" if current.state == "running" else f" ({': '.join(filter(None, [current.state, current.message]))})"
            )
            whose = f" for {current.step}" if current.step else ""
            report(f"Training {current.trainer}{whose}{why}", current.done, current.total)
            if current.state in ENDED or (current.state == "lost" and current.runner in ON_THIS_MACHINE):
                return raise_end(project, current)
            time.sleep(POLL_SECONDS)
    except (Cancelled, KeyboardInterrupt):
        raise Cancelled(
            f"The job goes on without you: `rondo jobs` shows it, `rondo jobs cancel {job}` stops it."
        ) from None


def device_line(bundle: Bundle) -> str:
    """What the training runs on, as its log begins; empty before it is known."""
    try:
        with (bundle.path / LOG).open("rb") as file:
            lines = file.read(1 << 16).decode("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return ""
    return next((line for line in lines if line.startswith(ON_DEVICE)), "")


def job_retry(project: Project, report: Report, *, job: JobId) -> TrainingJob:
    """Starts a job that was lost, failed, cancelled or timed out once more; it resumes from its newest checkpoint."""
    row = read_row(project, job)
    bundle = Bundle(project.folder / "jobs" / job)
    if row.kind == GRID:
        raise Refused("A search is not tried again as a whole. Retry its runs, or start it again.")
    if row.kind in POOL_WORK:
        command = POOL_WORK[row.kind].command
        raise Refused(f"It goes on where it was when you run it again: `{command} --on {row.runner}`.")
    if row.state not in ("lost", "failed", "cancelled", "timed_out"):
        raise Refused(f"Job {job} is {row.state}: there is nothing to try again.")
    if not bundle.sealed:
        raise Refused(f"What job {job} was given is gone. Start a new one with `rondo train`.")
    with handing_over(job), locks[job]:
        for name in ("result.json", "events.jsonl"):
            (bundle.path / name).unlink(missing_ok=True)
        try:
            submit(project, bundle, runner_of(project, row.runner), row.resources, row.state)
        except RondoError:
            set_state(project, job, row.state, row.error or "", before="submitting")
            raise
    return read_training_job(project, job)
