"""The job that asks a provider what became of models and jobs there. Knows no store."""

from pathlib import Path

from core.hosted.fine_tuning import LookupParams, LookupResult, list_jobs, look_up
from core.language_models.client import connect
from core.language_models.providers import provider_of
from gpu_jobs.trainers.trainer_types import Progress


def hosted_lookup(bundle: Path, params: LookupParams, report: Progress) -> LookupResult:
    """Raises Refused or Unreachable where the provider says nothing."""
    provider = provider_of(params.provider, params.base_url)
    jobs = tuple(list_jobs(connect(provider, params.patience))) if params.tuning else ()
    chat = connect(provider, params.patience, chat=True)
    models = []
    for number, model in enumerate(params.models):
        report(number, len(params.models))
        models.append(look_up(chat, model))
    return LookupResult(tuple(models), jobs)
