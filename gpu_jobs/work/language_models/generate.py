"""The job that has a language model answer requests. Knows files, a model and a server, no store and no task."""

import time
from pathlib import Path

from core.language_models.answer_cache import AnswerCache
from core.language_models.client import connect
from core.language_models.generate_job import (
    ADAPTER_FOLDER,
    ANSWERS_FILE,
    CACHE_FILE,
    CALLS_FILE,
    LOCAL,
    MODEL_FOLDER,
    REQUESTS_FILE,
    GenerateParams,
    GenerateResult,
)
from core.language_models.providers import provider_of
from core.language_models.remote_model import RemoteModel
from core.language_models.requests import count_answers, read_requests, write_completions
from core.language_models.spending import Budget, CallLog, Price
from gpu_jobs.language_models.bases import find_base, user_cache
from gpu_jobs.trainers.memory import peak_memory_mb
from gpu_jobs.trainers.trainer_types import Progress
from gpu_jobs.work.language_models.local_model import LocalModel, load_model


def generate(bundle: Path, params: GenerateParams, report: Progress) -> GenerateResult:
    """An attempt that begins again goes on with what is not in its cache. Raises BadInput for a model that is none,
    Refused without a token; where a server fails, the rest of the answers say so.
    """
    requests = read_requests(bundle / "in" / REQUESTS_FILE)
    cache = AnswerCache(Path(params.cache) if params.cache else bundle / "ckpt" / CACHE_FILE)
    log = CallLog(Path(params.log) if params.log else bundle / "out" / CALLS_FILE, params.purpose)
    started, known = time.monotonic(), len(requests)

    def advance(done: int, total: int) -> None:
        nonlocal known
        known = min(known, done)  # the first report counts what is in the cache
        seconds = time.monotonic() - started
        report(done, total, answers_per_second=(done - known) / seconds if seconds else 0.0)

    form, cost = "", None
    if params.endpoint == LOCAL:
        model = _open(bundle, params, cache)
        model.log, model.batch = log, params.batch
        completions = model.complete(requests, advance)
        calls, cost = model.calls, 0.0
    else:
        budget = Budget(params.calls, params.dollars, Price(*params.price) if params.price else None)
        connection = connect(provider_of(params.endpoint), params.patience, chat=True)
        remote = RemoteModel(params.model, connection, cache, budget, log, params.workers)
        completions = remote.complete(requests, advance)
        form, calls, cost = remote.form or "", budget.made, budget.cost if params.price else None
    write_completions(bundle / "out" / ANSWERS_FILE, completions)
    counts = count_answers(completions)
    return GenerateResult(
        states=counts.states,
        calls=calls,
        known=known,
        tokens_in=counts.tokens_in,
        tokens_out=counts.tokens_out,
        cost=cost,
        seconds=round(time.monotonic() - started, 3),
        form=form,
        failure=counts.failure,
        memory_mb=peak_memory_mb(),
    )


def _open(bundle: Path, params: GenerateParams, cache: AnswerCache) -> LocalModel:
    """The model that came with the job, or the folder that it names."""
    here, adapter = bundle / "in" / MODEL_FOLDER, bundle / "in" / ADAPTER_FOLDER
    folder = here if here.is_dir() else find_base(params.model, user_cache()).folder
    tuned = adapter if adapter.is_dir() else Path(params.adapter) if params.adapter else None
    return load_model(folder, tuned, cache, name=Path(params.model).name, threads=params.threads)
