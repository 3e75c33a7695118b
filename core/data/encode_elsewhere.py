"""Vectors for a whole pool by many jobs at once, here, on Modal or on Ray. Knows no encoder and no vector.

The pool is cut into pieces of so many record numbers, always at the same ones. Each is a job of the kind that encodes
here: texts in as Parquet, float16 out in files of some thousand rows. What comes back is copied from file to file into
the one file of vectors, piece after piece, and the manifest counts it: whoever is killed goes on at the next piece.
"""

import time
from dataclasses import replace
from functools import partial
from typing import TypedDict

from core.config.settings import Settings
from core.data.encode_job import (
    ENCODE,
    ENCODE_POOL,
    ENCODE_SAMPLE,
    EncodeParams,
    EncodeResult,
    PoolParams,
    PoolResult,
    carried_encoder,
)
from core.data.encoding import (
    LAST_CLEANING,
    Encoded,
    check_own,
    drop_foreign_vectors,
    encode,
    encode_for,
    encode_params,
    end_pool_jobs,
    renew,
    write_span,
    write_texts,
)
from core.errors import BadInput
from core.jobs.bundle import Bundle, Report
from core.jobs.fan_out import FanOut, Part, run_parts
from core.jobs.many_jobs import (
    LOCAL,
    SAMPLE,
    SPAN,
    JobsRequest,
    PoolEstimate,
    add_seconds,
    agree,
    check_request,
    estimate_pool,
    standing_row,
)
from core.models.encoders.encoder import BUNDLED
from core.models.vectors import append_shards, encoded_rows
from core.project import Project, runner_of
from core.store.record_numbers import NUMBERS
from core.tasks.tasks import task_of


def encode_elsewhere_estimate(  # noqa: PLR0913 - an option is an argument
    project: Project,
    report: Report,
    *,
    on: str = LOCAL,
    gpu: str | None = None,
    workers: int = 0,
    job_records: int = SPAN,
) -> PoolEstimate:
    """How long it will take and what it will cost, going by some texts of the pool that are encoded on this machine.

    Raises BadInput for what cannot be asked for, before anything is encoded.
    """
    request = _checked(project, project.settings(), JobsRequest(on, gpu, workers, job_records))
    return _estimate(project, report, request)


def encode_elsewhere(  # noqa: PLR0913 - an option is an argument
    project: Project,
    report: Report,
    *,
    on: str = LOCAL,
    gpu: str | None = None,
    workers: int = 0,
    job_records: int = SPAN,
    yes: bool = False,
) -> Encoded:
    """Encodes every record that has no vector yet by so many jobs at once; one that was stopped goes on where it was.

    gpu: "L4", say; none: the processors there. workers: 0 for WORKERS. job_records: of each job. yes: the price was
    agreed to. Raises Refused with the price where it was not, BadInput for what cannot be asked for; being stopped
    stops all jobs.
    """
    settings = project.settings()
    request = _checked(project, settings, JobsRequest(on, gpu, workers, job_records))
    with project.encoding_now:
        drop_foreign_vectors(project, settings.encoder)
        renewed = renew(project, report, settings)
        estimate = _estimate(project, report, request)
        agree(request, estimate, report, yes=yes)
        result = _encode_pool(project, report, settings, request)
        return replace(result, encoded=result.encoded + renewed)


def encode_if_needed(project: Project, report: Report) -> None:
    """While another thread is encoding, what it has finished is enough to continue with, unless a batch was drawn from
    more records than that: then the next one must be, too, or its audit would not be of all. Pieces that a former owner
    of the project began elsewhere are gone on with."""
    settings = project.settings()
    have = encoded_rows(project.vectors, settings.encoder)
    drawn_from = project.store.one("select coalesce(max(records), 0) from batches")
    if project.encoding_now.locked() and have and have >= drawn_from:
        return
    if begun := _begun_elsewhere(project):
        encode_elsewhere(project, report, **begun, yes=True)
    else:
        encode_for(project, report, settings)


def resume_encoding(project: Project, report: Report) -> Encoded:
    """Goes on with pieces that a former owner of the project began elsewhere. Where there are none, or records have
    come since, whose price nobody has agreed to, encodes here."""
    begun = _begun_elsewhere(project)
    return encode_elsewhere(project, report, **begun, yes=True) if begun else encode(project, report)


class _Begun(TypedDict):
    """Options of `encode_elsewhere`."""

    on: str
    gpu: str | None
    workers: int
    job_records: int


def _begun_elsewhere(project: Project) -> _Begun | None:
    settings = project.settings()
    rows = project.store.query(
        """select runner, params->>'gpu', (params->>'workers')::int, (params->>'job_records')::int from jobs
           where kind = ? and state = 'running' and params->>'encoder' = ?
               and not exists (select 1 from records r where r.imported_at > jobs.started_at)
           order by made_at desc limit 1""",
        [ENCODE_POOL.name, settings.encoder],
    )
    if not rows or rows[0][0] not in project.runners:
        return None
    on, gpu, workers, size = rows[0]
    return _Begun(on=on, gpu=gpu or None, workers=workers, job_records=size)


def records_without_vector(project: Project) -> int:
    """How many could be encoded so; none where vectors come from comparing records."""
    settings = project.settings()
    have, total = _have_and_total(project, settings)
    return 0 if task_of(settings).features else max(total - have, 0)


def _checked(project: Project, settings: Settings, request: JobsRequest) -> JobsRequest:
    """With the number of workers filled in."""
    if task_of(settings).features:
        raise BadInput(
            f"Records of the task {settings.task!r} become vectors by comparing them, which one job does: run "
            "`rondo encode` without --on."
        )
    on_processors = settings.encoder if settings.encoder in BUNDLED else ""
    return check_request(request, runner_of(project, request.on), on_processors)


def _estimate(project: Project, report: Report, request: JobsRequest) -> PoolEstimate:
    settings = project.settings()
    have, total = _have_and_total(project, settings)
    jobs = len(_spans(have, total, request.job_records))
    if not jobs:
        return PoolEstimate(0, 0, 0.0, 0.0, None, "Every record has a vector.")
    rate = _measured_rate(project, report, settings, total)
    runner, sampled = runner_of(project, request.on), min(SAMPLE, total)
    return estimate_pool(request, runner, total - have, jobs, rate, sampled, settings.job_seconds)


def _measured_rate(project: Project, report: Report, settings: Settings, total: int) -> float:
    """Texts a second of one job on this machine, the loading of the encoder apart."""
    check_own(project, settings.encoder)
    count = min(SAMPLE, total)
    params = replace(encode_params(project, settings, 0, count), shard_rows=count)
    bundle = project.jobs.prepare(ENCODE_SAMPLE, params)
    step = max(total // count, 1)  # spread over the pool: files are often sorted
    numbered = "select row_number() over (order by n) - 1 as n, text from model_texts"
    write_texts(project, bundle, f"select * from ({numbered} where n % {step} = 0) where n < {count} order by n")
    try:
        result = project.jobs.finish(bundle, ENCODE_SAMPLE, report, "Measuring how quick the encoder is")
    finally:
        bundle.empty()
    return max(result.texts_per_second, 0.1)


def _have_and_total(project: Project, settings: Settings) -> tuple[int, int]:
    """(records that have a vector, records in all)."""
    return encoded_rows(project.vectors, settings.encoder), project.store.one(f"select {NUMBERS}")


def _spans(have: int, total: int, size: int) -> list[tuple[int, int]]:
    """Cut at multiples of the size, so that a run that goes on has the pieces of the one before."""
    starts = [have, *range((have // size + 1) * size, total, size)]
    return [(start, min((start // size + 1) * size, total)) for start in starts if start < total]


def _encode_pool(project: Project, report: Report, settings: Settings, request: JobsRequest) -> Encoded:
    started, (have, total) = time.monotonic(), _have_and_total(project, settings)
    if have >= total:
        end_pool_jobs(project, settings.encoder)
        return Encoded(total, 0, 0.0)
    check_own(project, settings.encoder)
    run = project.store.one(LAST_CLEANING)
    spans = _spans(have, total, request.job_records)
    parts = [_part(project, settings, request, span, str(run or "")) for span in spans]
    params = PoolParams(settings.encoder, str(run or ""), request.gpu or "", request.workers, request.job_records)
    job = standing_row(project.jobs, ENCODE_POOL, params, request, settings.job_seconds, ("encoder", "version"))
    jobs = replace(project.jobs, runner=runner_of(project, request.on))
    fan_out = FanOut(job, ENCODE, parts, request.workers, request.resources(settings.job_seconds), "Encoding")

    def take(number: int, bundle: Bundle, result: EncodeResult) -> None:
        append_shards(project.vectors, settings.encoder, bundle.path / "out", spans[number][0], run)
        add_seconds(jobs, job, result.seconds, partial(PoolResult, spans[number][1]))

    run_parts(jobs, fan_out, report, take)
    return Encoded(total, total - have, round(time.monotonic() - started, 3))


def _part(
    project: Project, settings: Settings, request: JobsRequest, span: tuple[int, int], version: str
) -> Part[EncodeParams]:
    """A machine elsewhere has no folder of ours: an encoder that was trained here travels with the texts."""
    start, stop = span
    params = replace(encode_params(project, settings, start, stop), version=version)
    carried = None
    if request.on != LOCAL:
        params, carried = carried_encoder(params, request.threads(settings.threads))
    return Part(params, stop - start, lambda bundle: write_span(project, bundle, span, carried))
