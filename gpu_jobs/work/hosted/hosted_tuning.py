"""The job that has a model tuned at a provider and follows it there. Knows files and a provider, no store."""

import time
from pathlib import Path

from core.errors import RondoError
from core.hosted.fine_tuning import HostedTuningParams, HostedTuningResult, forget, look_up, tune
from core.hosted.shutdowns import announced_end
from core.language_models.client import connect
from core.language_models.providers import provider_of
from gpu_jobs.trainers.trainer_types import Progress


def hosted_tuning(bundle: Path, params: HostedTuningParams, report: Progress) -> HostedTuningResult:
    """Raises Refused with the provider's message where it fails. An attempt that is begun again goes on following.

    The training file is deleted there when it has served.
    """
    started = time.monotonic()
    provider = provider_of(params.provider, params.base_url)
    connection = connect(provider, params.patience)
    job = tune(bundle, params, connection, lambda: report(0, 0))
    announced = announced_end(params.provider, params.base)
    shutdown = announced.isoformat() if announced else None
    try:
        forget(bundle, connection)  # people's texts; the model does not need them any more
    except RondoError as error:
        print(f"The training file {job.file} is still there: {error}")  # noqa: T201 - the job's log
    try:
        shutdown = look_up(connect(provider, params.patience, chat=True), job.model).shutdown or shutdown
    except RondoError as error:  # the model is there; when it ends can be asked later
        print(f"When {job.model} ends is not known: {error}")  # noqa: T201 - the job's log
    report(1, 1)
    return HostedTuningResult(
        model=job.model,
        provider=params.provider,
        base_url=params.base_url,
        base=params.base,
        job=job.id,
        file=job.file,
        shutdown=shutdown,
        trained_tokens=job.tokens,
        approved=params.approved,
        rejected=params.rejected,
        partial=params.partial,
        dollars=params.dollars,
        seconds=round(time.monotonic() - started, 3),
    )
