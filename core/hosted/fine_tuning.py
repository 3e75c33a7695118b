"""A fine-tuning job at a provider: one upload, one job, followed to its end; and what became of models. Knows no store.

Nothing is done twice: what is known stands in `hosted.json` of the bundle as soon as it is known, and a job that was
created without our hearing of it is recognised by its training file.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from core.errors import BadInput, Damaged, Refused, Unreachable
from core.hosted.dialects import DIALECTS, ENDED, Dialect, ProviderJob, TuningOrder
from core.jobs.bundle import write_json
from core.jobs.kinds import JobKind
from core.language_models.client import Connection, Patience, call, call_or_none, fields_of, text_at
from core.typed_json import from_json, to_json

STATE = "hosted.json"
TRAINING_FILE = "train.jsonl"


@dataclass(frozen=True)
class HostedTuningParams:
    """The chats are `in/train.jsonl`. provider, base_url: as `provider_of` takes them. epochs: None: theirs to choose.

    approved, rejected, partial, tokens, dollars: what was estimated before; dollars None: unknown. borrowed: of the
    examples those that another model decided on. poll_seconds: between two looks. outages: looks in a row that may fail
    before the job gives up following.
    """

    provider: str
    base_url: str
    base: str
    epochs: int | None
    approved: int
    rejected: int
    partial: int
    tokens: int
    dollars: float | None
    note: str = ""
    trainer: str = "hosted"
    borrowed: int = 0
    poll_seconds: float = 20.0
    outages: int = 180
    patience: Patience = field(default_factory=Patience)


@dataclass(frozen=True)
class HostedTuningResult:
    """model: its name at the provider. shutdown: the day it stops answering, ISO 8601, where the provider says one.

    job, file: ids there. trained_tokens: as counted there. The counts and dollars are those of the parameters.
    """

    model: str
    provider: str
    base_url: str
    base: str
    job: str
    file: str
    shutdown: str | None
    trained_tokens: int | None
    approved: int
    rejected: int
    partial: int
    dollars: float | None
    seconds: float


@dataclass(frozen=True)
class HostedState:
    """What is known of the job at the provider. status: one of STATUSES, word: the provider's; message: why."""

    file: str = ""
    job: str = ""
    status: str = ""
    word: str = ""
    message: str = ""
    model: str = ""


HOSTED_TUNING = JobKind("hosted_tuning", HostedTuningParams, HostedTuningResult)


def read_state(bundle: Path) -> HostedState:
    """Empty where nothing is known yet. Raises Damaged."""
    try:
        written = json.loads((bundle / STATE).read_text(encoding="utf-8"))
        return from_json(HostedState, written, str(bundle / STATE))
    except FileNotFoundError:
        return HostedState()
    except (ValueError, BadInput) as error:
        raise Damaged(f"{bundle / STATE} cannot be read ({error}). Look for the job at the provider.") from None


def _write(bundle: Path, state: HostedState) -> HostedState:
    write_json(bundle / STATE, to_json(state))
    return state


def _with_job(state: HostedState, job: ProviderJob) -> HostedState:
    return replace(state, job=job.id, status=job.status, word=job.word, message=job.message, model=job.model)


def tune(bundle: Path, params: HostedTuningParams, connection: Connection, report: Callable[[], None]) -> ProviderJob:
    """Uploads, creates and follows, from wherever a former attempt came to. Returns the job that succeeded.

    Raises Refused with the provider's message where it failed or was cancelled there.
    """
    dialect, state = DIALECTS[connection.provider.dialect], read_state(bundle)
    if not state.file and not state.job:
        content = (bundle / "in" / TRAINING_FILE).read_bytes()
        name = f"{bundle.name}.jsonl"
        file = call(connection, "Uploading the examples", lambda: dialect.upload(connection.client, content, name))
        state = _write(bundle, replace(state, file=file))
    if not state.job:
        order = TuningOrder(params.base, state.file, params.epochs, bundle.name)
        state = _write(bundle, _with_job(state, create_once(connection, order)))
    job = _follow(bundle, params, connection, report)
    if job.status == "succeeded" and job.model:
        return job
    reason = job.message or f"no reason given; its status is {job.word}"
    if job.status == "cancelled":
        raise Refused(f"The job {job.id} was cancelled at {connection.provider.name}.")
    raise Refused(f"{connection.provider.name} says of the job {job.id}: {job.status}: {reason}")


def create_once(connection: Connection, order: TuningOrder) -> ProviderJob:
    """Creates the job, unless one of this training file is there. Each try looks first: the answer to the one before
    may have been lost, but not the job.
    """
    dialect = DIALECTS[connection.provider.dialect]

    def create() -> ProviderJob:
        jobs = dialect.jobs(connection.client)
        return next((job for job in jobs if job.file == order.file), None) or dialect.create(connection.client, order)

    return call(connection, "Creating the fine-tuning job", create)


def job_of_file(connection: Connection, dialect: Dialect, file: str) -> ProviderJob | None:
    """The job that trains on this file, among the newest hundred."""
    jobs = call(connection, "Listing the fine-tuning jobs", lambda: dialect.jobs(connection.client))
    return next((job for job in jobs if job.file == file), None)


def _follow(
    bundle: Path, params: HostedTuningParams, connection: Connection, report: Callable[[], None]
) -> ProviderJob:
    """Looks until it has ended. An outage is waited out, as `params` has it: the job goes on without us."""
    dialect, failed = DIALECTS[connection.provider.dialect], 0
    while True:
        state = read_state(bundle)
        try:
            job = _retrieve(connection, dialect, state.job)
            failed = 0
            _write(bundle, _with_job(state, job))
            report()
            if job.status in ENDED:
                return job
        except Unreachable as error:
            failed += 1
            _write(bundle, replace(state, message=str(error)))
            if failed >= params.outages:
                raise
        connection.sleep(params.poll_seconds)


def cancel(bundle: Path, connection: Connection) -> HostedState:
    """Cancels the job at the provider, however far the attempt came; one that has ended there is left as it is."""
    dialect, state = DIALECTS[connection.provider.dialect], read_state(bundle)
    if not state.file and not state.job:
        return state
    job = job_of_file(connection, dialect, state.file) if not state.job else _retrieve(connection, dialect, state.job)
    if job is not None and job.status not in ENDED:
        job_id = job.id
        job = call(connection, "Cancelling the job", lambda: dialect.cancel(connection.client, job_id))
    return state if job is None else _write(bundle, _with_job(state, job))


def _retrieve(connection: Connection, dialect: Dialect, job: str) -> ProviderJob:
    return call(connection, "Looking at the job", lambda: dialect.retrieve(connection.client, job))


def forget(bundle: Path, connection: Connection) -> None:
    """Deletes the training file at the provider; one that is gone is no error."""
    dialect, state = DIALECTS[connection.provider.dialect], read_state(bundle)
    if state.file:
        call_or_none(connection, "Deleting the training file", lambda: dialect.forget(connection.client, state.file))
        _write(bundle, replace(state, file=""))


def list_jobs(connection: Connection) -> list[ProviderJob]:
    """The newest hundred at the provider, whoever began them."""
    dialect = DIALECTS[connection.provider.dialect]
    return call(connection, "Listing the fine-tuning jobs", lambda: dialect.jobs(connection.client))


@dataclass(frozen=True)
class LookupParams:
    """Models of one provider, by name. tuning: whether its fine-tuning jobs are listed, too."""

    provider: str
    base_url: str
    models: tuple[str, ...]
    tuning: bool = False
    patience: Patience = field(default_factory=Patience)


@dataclass(frozen=True)
class ModelState:
    """A model at its provider. there: whether it answers still. shutdown: the day it will stop, ISO 8601, if known."""

    model: str
    there: bool
    shutdown: str | None


@dataclass(frozen=True)
class LookupResult:
    """models: in the order of the request. jobs: newest first, empty unless they were requested."""

    models: tuple[ModelState, ...]
    jobs: tuple[ProviderJob, ...]


HOSTED_LOOKUP = JobKind("hosted_lookup", LookupParams, LookupResult)


def look_up(connection: Connection, model: str) -> ModelState:
    """`GET /v1/models/MODEL`, with its field `shutdown_date` where the provider has one."""
    fields = call_or_none(
        connection, f"Looking up {model}", lambda: fields_of(connection.client.models.retrieve(model))
    )
    return ModelState(model, fields is not None, _day(text_at(fields or {}, "shutdown_date")))


def _day(written: str) -> str | None:
    try:
        return date.fromisoformat(written[:10]).isoformat() if written else None
    except ValueError:
        return None
