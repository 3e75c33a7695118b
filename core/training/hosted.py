"""The verbs of hosted tuning: the training data, what it would cost, starting it, and what became of the models."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from core.errors import BadInput, Refused, RondoError
from core.hosted.dialects import ProviderJob
from core.hosted.fine_tuning import (
    HOSTED_LOOKUP,
    HOSTED_TUNING,
    TRAINING_FILE,
    HostedState,
    HostedTuningParams,
    HostedTuningResult,
    LookupParams,
    read_state,
)
from core.hosted.prices import estimate_price
from core.hosted.shutdowns import SHUTDOWNS, base_notice, shutdown_notice
from core.hosted.training_data import (
    Statistics,
    TrainingData,
    as_text,
    chat_lines,
    few_examples,
    require_enough,
)
from core.ids import JobId, ModelId
from core.jobs.bundle import Bundle, Report, Resources
from core.language_models.client import Patience
from core.language_models.providers import DEPLOYMENTS, Provider, account_of, provider_of, token_of
from core.models.hosted_models import Hosting, hosted_in_use, hostings, store_ends
from core.pairs.training_examples import DecidedPair, decided_pairs, training_examples
from core.project import Project, runner_of
from core.store.targets import refuse_target
from core.store.whole_files import write_whole
from core.training.entries import TrainingJob, read_row, read_training_job, set_state
from core.training.following import handing_over, job_cancel, refresh_job
from core.training.hosted_model import write_training_keys
from core.training.launch import submit, wait
from core.typed_json import from_json

RUNNER = "hosted"
MOST_EPOCHS = 50


@dataclass(frozen=True)
class TrainingText:
    """A file's content in `file_format`; empty where it was written to a file."""

    content: str
    file_format: str
    statistics: Statistics


def training_data(
    project: Project,
    report: Report,
    *,
    file_format: str = "openai_jsonl",
    statistics: bool = False,
    out: str = "",
) -> TrainingText:
    """The decided pairs that may train, as a file, which `out` writes. Raises Refused where there are too few, BadInput
    for the format or a place where no file may be written.
    """
    if out:
        refuse_target(project, out)
    data = training_set(project)
    content = as_text(data, file_format, statistics=statistics)
    if out:
        write_whole(Path(out), content.encode())
    return TrainingText("" if out else content, file_format, data.statistics)


def training_set(project: Project, others: Sequence[DecidedPair] = ()) -> TrainingData:
    """The decided pairs as examples, and others beside them. Raises Refused where people have decided too few."""
    decided = decided_pairs(project)
    require_enough(training_examples(decided).statistics)
    return training_examples([*decided, *others])


@dataclass(frozen=True)
class TuningRequest:
    """What is to be tuned. epochs: None lets the provider choose. note: for people. borrowed: examples that no person
    decided on, but another model."""

    provider: str
    base: str
    epochs: int | None = None
    note: str = ""
    borrowed: int = 0


@dataclass(frozen=True)
class HostedEstimate:
    """What is agreed to before a model is tuned. warnings: few examples, the end of the service."""

    provider: str
    base: str
    statistics: Statistics
    tokens: int
    dollars: float | None
    sentence: str
    warnings: tuple[str, ...]


def hosted_estimate(
    project: Project, report: Report, *, provider: str, base: str, epochs: int | None = None
) -> HostedEstimate:
    """Nothing is sent. Raises BadInput or Refused for all that would be refused when it is started."""
    return estimate_tuning(TuningRequest(provider, base, epochs), training_set(project))


def estimate_tuning(request: TuningRequest, data: TrainingData) -> HostedEstimate:
    """Nothing is sent. Raises BadInput or Refused for all that would be refused when it is started."""
    where = require_tunable(request.provider, request.base, request.epochs)
    price = estimate_price(data, where.name, request.base, request.epochs)
    today = datetime.now(UTC).date()
    ends = (shutdown_notice(where.name, today), base_notice(where.name, request.base, today))
    lines = (few_examples(data.statistics), *ends, DEPLOYMENTS.get(where.name, ""))
    warnings = tuple(line for line in lines if line)
    numbers = (data.statistics, price.tokens, price.dollars)
    return HostedEstimate(where.name, request.base, *numbers, price.sentence, warnings)


def require_tunable(provider: str, base: str, epochs: int | None = None) -> Provider:
    """Where it would be tuned. Raises BadInput, and Refused where a token is missing."""
    where = provider_of(provider)
    if not base.strip():
        raise BadInput("Which model is to be tuned? Name it: --base MODEL.")
    if epochs is not None and not 1 <= epochs <= MOST_EPOCHS:
        raise BadInput(f"{epochs} epochs are not possible; ask for 1 to {MOST_EPOCHS}.")
    token_of(where)
    if where.dialect == "fireworks":
        account_of()
    return where


def hosted_tune(  # noqa: PLR0913 - an option is an argument
    project: Project,
    report: Report,
    *,
    provider: str,
    base: str,
    epochs: int | None = None,
    yes: bool = False,
    agreed: str = "",
    detach: bool = False,
    note: str = "",
) -> "HostedJob":
    """Starts tuning and, unless `detach`, waits for its end. Being stopped leaves it running, here and there.

    yes, agreed: as in `Agreement`. Raises Refused with the price where it was not agreed to.
    """
    request = TuningRequest(provider, base, epochs, note)
    return tune_on(project, report, request, training_set(project), Agreement(yes, agreed), detach=detach)


@dataclass(frozen=True)
class Agreement:
    """yes: to what it costs. to: the estimate's sentence, where one was read; empty: to whatever it is by now."""

    yes: bool
    to: str = ""

    def require(self, at: str, sentence: str) -> None:
        """Raises Refused where it costs something that was not agreed to. at: whom it is paid to."""
        if self.yes and self.to not in ("", sentence):
            raise Refused(f"Nothing was started: what it takes has changed since it was agreed to. Now: {sentence}")
        if not self.yes:
            raise Refused(f"This costs money{f' at {at}' if at else ''}: {sentence} Say --yes to agree.")


def tune_on(  # noqa: PLR0913 - the verb's own
    project: Project, report: Report, request: TuningRequest, data: TrainingData, agreement: Agreement, *, detach: bool
) -> "HostedJob":
    """The same on any training data."""
    estimate = estimate_tuning(request, data)
    for warning in estimate.warnings:
        report(warning, 0, 0)
    agreement.require(estimate.provider, estimate.sentence)
    job = launch_hosted(project, tuning_params(request, data), data)
    if not detach:
        wait(project, report, job)
    return read_hosted_job(project, job)


def tuning_params(request: TuningRequest, data: TrainingData) -> HostedTuningParams:
    """Of a job that does it, with what it is likely to cost."""
    estimate, counts = estimate_tuning(request, data), data.statistics
    return HostedTuningParams(
        provider=request.provider,
        base_url="",
        base=request.base,
        epochs=request.epochs,
        approved=counts.approved,
        rejected=counts.rejected,
        partial=counts.partial,
        tokens=estimate.tokens,
        dollars=estimate.dollars,
        note=request.note,
        borrowed=request.borrowed,
    )


def launch_hosted(project: Project, params: HostedTuningParams, data: TrainingData) -> JobId:
    """Writes the bundle and hands it to the runner; returns the job's id."""
    runner, resources = runner_of(project, RUNNER), Resources()
    bundle = project.jobs.prepare(HOSTED_TUNING, params)
    job = bundle.id
    with handing_over(job):
        with project.store.transaction() as cursor:
            cursor.execute("update jobs set runner = ?, resources = '{}' where id = ?", [RUNNER, job])
        try:
            write_whole(bundle.path / "in" / TRAINING_FILE, chat_lines(data).encode(), alone=True)
            write_training_keys(bundle, data)
            bundle.seal()
            submit(project, bundle, runner, resources, "draft")
        except (RondoError, OSError) as error:
            set_state(project, job, "failed", str(error))
            bundle.empty()
            if isinstance(error, OSError):
                raise Refused(f"The job cannot be written: {error}. Free the disk, and start it again.") from None
            raise
    return job


@dataclass(frozen=True)
class HostedJob:
    """A tuning job. state: ours; status, word: the provider's, in the common words and in its own. message: why.

    job: the id at the provider, empty until it is known. result: None until it has succeeded.
    """

    id: JobId
    state: str
    provider: str
    base: str
    job: str
    status: str
    word: str
    message: str
    made_at: str
    ended_at: str | None
    approved: int
    rejected: int
    partial: int
    dollars: float | None
    result: HostedTuningResult | None
    note: str = ""


def hosted_job(project: Project, report: Report, *, job: str) -> HostedJob:
    """How a job stands now. job: our id, or the provider's. Raises BadInput for an unknown one."""
    ours = _our_id(project, job)
    refresh_job(project, ours)
    return read_hosted_job(project, ours)


def _our_id(project: Project, job: str) -> JobId:
    for known in _ids(project):
        if job in (known, read_state(project.folder / "jobs" / known).job):
            return known
    raise BadInput(f"There is no hosted job {job[:80]!r}. `rondo hosted jobs` lists them.")


def _ids(project: Project) -> list[JobId]:
    rows = project.store.query("select id from jobs where kind = ? order by made_at desc, id", [HOSTED_TUNING.name])
    return [job for (job,) in rows]


def read_hosted_job(project: Project, job: JobId) -> HostedJob:
    """As it was last seen."""
    row, entry = read_row(project, job), read_training_job(project, job)
    params = from_json(HostedTuningParams, row.params, f"The parameters of {job}")
    state = read_state(Bundle(project.folder / "jobs" / job).path)
    result = from_json(HostedTuningResult, row.result, f"The result of {job}") if row.result else None
    return HostedJob(
        id=job,
        state=entry.state,
        provider=params.provider,
        base=params.base,
        job=state.job,
        status=state.status,
        word=state.word,
        message=_reason(entry, state),
        made_at=entry.made_at,
        ended_at=entry.ended_at,
        approved=params.approved,
        rejected=params.rejected,
        partial=params.partial,
        dollars=params.dollars,
        result=result,
        note=params.note,
    )


def _reason(entry: TrainingJob, state: HostedState) -> str:
    """Why it stands so: ours where it has ended or is lost, else the provider's."""
    return state.message if entry.state in ("running", "queued") else entry.message


def list_hosted_jobs(project: Project) -> list[HostedJob]:
    """As they were last seen, newest first."""
    return [read_hosted_job(project, job) for job in _ids(project)]


@dataclass(frozen=True)
class HostedJobs:
    """Newest first."""

    jobs: tuple[HostedJob, ...]


def hosted_jobs(project: Project, report: Report) -> HostedJobs:
    """The tuning jobs, each looked at again where it runs."""
    ids = _ids(project)
    for job in ids:
        refresh_job(project, job)
    return HostedJobs(tuple(list_hosted_jobs(project)))


@dataclass(frozen=True)
class TunedModel:
    """A model that was tuned for this project. job: its id in the registry, too. there: whether its provider still has
    it, None where nobody was asked. in_use: it decides on pairs for programs.

    shutdown: the day it stops answering, ISO 8601, as far as it is known.
    """

    job: JobId
    model: str
    provider: str
    base: str
    made_at: str
    approved: int
    rejected: int
    partial: int
    shutdown: str | None
    there: bool | None
    in_use: bool = False


@dataclass(frozen=True)
class HostedModels:
    """Newest first. notices: what providers announced; errors: those that could not be asked, and why.

    at_provider: jobs there, ours and others', where they were listed.
    """

    models: tuple[TunedModel, ...]
    notices: tuple[str, ...]
    errors: tuple[str, ...] = ()
    at_provider: tuple[ProviderJob, ...] = ()


def hosted_models(project: Project, report: Report, *, ask: bool = True, provider: str = "") -> HostedModels:
    """ask: the providers, what became of each model. provider: one whose jobs are listed, too, whoever began them."""
    jobs = list_hosted_jobs(project)
    decider, ends = hosted_in_use(project), hostings(project)
    models = [_tuned(job, decider, ends.get(ModelId(job.id))) for job in jobs if job.result is not None]
    today = datetime.now(UTC).date()
    notices = tuple(line for name in SHUTDOWNS if (line := shutdown_notice(name, today)))
    if not ask:
        return HostedModels(tuple(models), notices)
    listed: tuple[ProviderJob, ...] = ()
    errors: list[str] = []
    for name in dict.fromkeys([*(model.provider for model in models), *([provider] if provider else [])]):
        try:
            known, jobs_there = _look_up(
                project, report, name, [one for one in models if one.provider == name], name == provider
            )
        except RondoError as error:
            errors.append(str(error))
            continue
        models = [known.get(model.model, model) if model.provider == name else model for model in models]
        listed += jobs_there
    return HostedModels(tuple(models), notices, tuple(errors), listed)


def _tuned(job: HostedJob, decider: ModelId | None, where: Hosting | None) -> TunedModel:
    if job.result is None:
        raise ValueError("only a job that succeeded has a model")
    counts = (job.approved, job.rejected, job.partial)
    shutdown = where.shutdown if where else job.result.shutdown
    facts = (job.id, job.result.model, job.provider, job.base, job.made_at)
    return TunedModel(*facts, *counts, shutdown, False if where and where.gone else None, ModelId(job.id) == decider)


def _look_up(
    project: Project, report: Report, provider: str, models: list[TunedModel], tuning: bool
) -> tuple[dict[str, TunedModel], tuple[ProviderJob, ...]]:
    """In a job: the server loads no client."""
    token_of(provider_of(provider))
    names = tuple(dict.fromkeys(model.model for model in models))
    patience = Patience(tries=2, longest=10.0, timeout=20.0)
    bundle = project.jobs.prepare(HOSTED_LOOKUP, LookupParams(provider, "", names, tuning, patience))
    result = project.jobs.finish(bundle, HOSTED_LOOKUP, report, f"Asking {provider}")
    bundle.empty()
    states = {state.model: state for state in result.models}
    known = {
        model.model: replace(
            model, there=states[model.model].there, shutdown=states[model.model].shutdown or model.shutdown
        )
        for model in models
    }
    if provider not in DEPLOYMENTS:  # there a model that is not deployed is not listed either
        store_ends(project, [(model.job, states[model.model].there, states[model.model].shutdown) for model in models])
    return known, result.jobs


def hosted_cancel(project: Project, report: Report, *, job: str) -> HostedJob:
    """Here and at the provider. Raises Refused where the provider cannot be reached; then it is tried again."""
    ours = _our_id(project, job)
    job_cancel(project, report, job=ours)
    return read_hosted_job(project, ours)
