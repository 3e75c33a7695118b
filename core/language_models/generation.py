"""Having a language model answer requests in a job, within what the project allows. Knows no task."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from core.config.settings import Settings
from core.errors import BadInput, Refused, RondoError
from core.jobs.bundle import Bundle, Report, Resources
from core.language_models.client import Patience
from core.language_models.generate_job import (
    ADAPTER_FOLDER,
    ANSWERS_FILE,
    CALLS_FILE,
    GENERATE,
    LOCAL,
    MODEL_FOLDER,
    REQUESTS_FILE,
    GenerateParams,
    GenerateResult,
)
from core.language_models.providers import LOCAL_HOSTS, provider_of
from core.language_models.remote_model import longest_answer
from core.language_models.requests import ChatRequest, Completion, read_completions, write_requests
from core.language_models.spending import FREE, Estimate, Price, Spent, append_line, estimate, read_spent
from core.project import Project, runner_of
from core.store.private_files import private_folder

CACHE = "language-model-answers.jsonl"
LOG = "language-model-calls.jsonl"


@dataclass(frozen=True)
class ModelChoice:
    """Which language model answers, and where. model: its name at `url`, or a folder where `url` is empty. adapter: a
    folder on top of it. on: the runner; elsewhere than here a folder travels with the job.
    """

    model: str
    url: str = ""
    adapter: str = ""
    on: str = "local"
    patience: Patience = field(default_factory=Patience)

    @property
    def name(self) -> str:
        """As answers are stored under it: no path of this machine is in it."""
        if self.url:
            return self.model
        tuned = f"+{Path(self.adapter).name}" if self.adapter else ""
        return f"{Path(self.model).name}{tuned}"

    @property
    def remote(self) -> bool:
        """Whether texts leave this machine for a server. A known provider's name is an address elsewhere."""
        return bool(self.url) and urlsplit(provider_of(self.url).chat_url).hostname not in LOCAL_HOSTS


@dataclass(frozen=True)
class Generation:
    """completions: one a request, in order. result: of the job; None where nothing was requested."""

    completions: list[Completion]
    result: GenerateResult | None


def chosen_model(settings: Settings, model: str = "", url: str = "", adapter: str = "") -> ModelChoice:
    """What is named, else what the settings name. Raises BadInput where neither does."""
    if not model:
        model, url = settings.llm_model, url or settings.llm_url
    if not model:
        raise BadInput(
            "No language model is named: set llm_model (and llm_url for a server) in [language_model] of rondo.toml, "
            "or say --model NAME --url http://127.0.0.1:11434/v1."
        )
    return ModelChoice(model, url, adapter)


def require_allowed(settings: Settings, choice: ModelChoice) -> None:
    """Raises Refused where texts would leave this machine and the project does not say that they may."""
    if choice.remote and not settings.allow_remote:
        raise Refused(
            f"The records' texts would be sent to {choice.url}, and this project does not allow it. If they may leave "
            "this machine, set allow_remote = true in [language_model] of rondo.toml."
        )


def price_of(settings: Settings, choice: ModelChoice) -> Price | None:
    """From the settings; free where the server, or the model, is here. None where it is unknown."""
    if settings.price_in >= 0 and settings.price_out >= 0:
        return Price(settings.price_in, settings.price_out)
    return None if choice.remote else FREE


def spent(project: Project, purpose: str | None = None) -> Spent:
    """By the project's log of calls."""
    return read_spent(private_folder(project.folder) / LOG, purpose)


def planned(project: Project, choice: ModelChoice, requests: Sequence[ChatRequest]) -> Estimate:
    """A dry run: what the requests would take; nothing is sent, and the cache is not counted."""
    distinct = {request.key(choice.model, choice.url): request for request in requests}
    longest = [longest_answer(request) for request in distinct.values()]
    return estimate(list(distinct.values()), 0, longest, price_of(project.settings(), choice))


def generate(
    project: Project, report: Report, choice: ModelChoice, requests: Sequence[ChatRequest], purpose: str
) -> Generation:
    """The answers, from a job that a stop or a kill does not cost what was answered. purpose: of these calls, for the
    log.

    Raises Refused where texts may not leave this machine; what a server fails at, or the budget does not allow, is in
    the completions.
    """
    settings = project.settings()
    require_allowed(settings, choice)
    if not requests:
        return Generation([], None)
    here = choice.on == "local"
    if choice.url and not here:
        raise BadInput(f"A server is asked from this machine; {choice.on} is for a model in a folder.")
    private, before, price = private_folder(project.folder), spent(project), price_of(settings, choice)
    params = GenerateParams(
        endpoint=choice.url or LOCAL,
        model=choice.model,
        adapter=choice.adapter,
        cache=str(private / CACHE) if here else "",
        log=str(private / LOG) if here else "",
        purpose=purpose,
        calls=max(settings.llm_calls - before.calls, 0),
        dollars=max(settings.llm_dollars - before.dollars, 0.0) if settings.llm_dollars else None,
        price=(price.tokens_in, price.tokens_out) if price else None,
        threads=settings.threads,
        patience=choice.patience,
    )
    bundle = project.jobs.prepare(GENERATE, params)
    try:
        write_requests(bundle.path / "in" / REQUESTS_FILE, requests)
        if not here:
            _carry(bundle, choice)
        jobs = project.jobs if here else replace(project.jobs, runner=runner_of(project, choice.on))
        what = f"{choice.name} answers {len(requests):,} requests"
        resources = Resources() if here else Resources(settings.job_seconds, settings.gpu)
        result = jobs.run(bundle, GENERATE, report, what, resources)
        completions = read_completions(bundle.path / "out" / ANSWERS_FILE)
        with project.store.transaction() as cursor:
            fresh = project.jobs.claim_result(bundle, cursor)
        if fresh and not here:
            _add_calls(bundle, private / LOG)
    finally:
        bundle.empty()
    return Generation(completions, result)


def _carry(bundle: Bundle, choice: ModelChoice) -> None:
    """A model in a folder travels with its job."""
    for name, source in ((MODEL_FOLDER, "" if choice.url else choice.model), (ADAPTER_FOLDER, choice.adapter)):
        if Path(source).is_dir() and source:  # other names mean the same model there
            shutil.copytree(source, bundle.path / "in" / name)


def _add_calls(bundle: Bundle, log: Path) -> None:
    """The calls that a job made elsewhere, to the project's log."""
    calls = bundle.path / "out" / CALLS_FILE
    for line in calls.read_text(encoding="utf-8").splitlines() if calls.exists() else ():
        append_line(log, line)


def require_answers(generation: Generation) -> None:
    """Raises Refused, with the reason, where nothing was answered at all."""
    failures = [one for one in generation.completions if one.state == "failed"]
    if failures and len(failures) == len(generation.completions):
        raise RondoError(failures[0].message)
