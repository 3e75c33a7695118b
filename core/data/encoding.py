"""Vectors for the records that have none yet, by jobs of some thousands of records each. Knows no encoder."""

import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from core.config.settings import Settings
from core.data.encode_job import (
    CARRIED,
    ENCODE,
    ENCODE_POOL,
    FEATURE_KINDS,
    RENEW,
    TEXTS_IN,
    EncodeParams,
    EncodeResult,
)
from core.errors import RondoError
from core.ids import JobId
from core.jobs.bundle import Bundle, Report
from core.jobs.fan_out import stop_parts
from core.jobs.job_states import change_state
from core.jobs.kinds import JobKind
from core.models.artifacts import check_model
from core.models.encoders.encoder import OWN
from core.models.encoders.loading import encoder_source
from core.models.feature_plans import decided_encoder
from core.models.vectors import (
    append_shards,
    cleaned_texts,
    encoded_rows,
    encoder_folder,
    renew_rows,
    replace_vectors,
    vectors_fingerprint,
)
from core.project import Project, runner_of
from core.store.database import utc_now
from core.store.record_numbers import NUMBERS
from core.store.tables import quoted
from core.tasks.task import PoolFeatures
from core.tasks.tasks import task_of

PIECE = 16_384
"""records per job: what is encoded can be chosen from while the rest is still going on"""
LAST_CLEANING = "select coalesce(max(run), 0) from cleanings"
"""run whose texts models read"""


@dataclass(frozen=True)
class Encoded:
    """records: all there are; encoded: how many of them got their vector now."""

    records: int
    encoded: int
    seconds: float


def encode(project: Project, report: Report) -> Encoded:
    """Encodes every record that has no vector yet, in parts; a killed part continues where it ended. Where rounds have
    decided on another encoder, with that as well."""
    settings = project.settings()
    result = encode_for(project, report, settings)
    if better := decided_encoder(project):
        other = encode_for(project, report, replace(settings, encoder=better))
        result = Encoded(result.records, result.encoded + other.encoded, result.seconds + other.seconds)
    return result


def encode_for(project: Project, report: Report, settings: Settings) -> Encoded:
    """The same with the encoder of these settings, which need not be the project's (yet).

    Raises Damaged where there is something to encode and the model that holds the encoder was changed since it was
    saved.
    """
    started, done = time.monotonic(), 0
    if features := task_of(settings).features:
        with project.encoding_now:
            return _compare_pool(project, report, settings, features)
    with project.encoding_now:
        drop_foreign_vectors(project, settings.encoder)
        renewed = renew(project, report, settings)
        while True:
            have = encoded_rows(project.vectors, settings.encoder)
            total = project.store.one(f"select {NUMBERS}")
            if have >= total:
                end_pool_jobs(project, settings.encoder)
                return Encoded(total, done + renewed, round(time.monotonic() - started, 3))
            if not done:  # its files are hashed once, not for every piece
                check_own(project, settings.encoder)
            done += _encode_piece(project, report, settings, (have, total))


def end_pool_jobs(project: Project, encoder: str) -> None:
    """Where every record has its vector nothing that was begun elsewhere, and never ended, is waited for any more: it
    is stopped there. Where nobody can be reached, the next time."""
    rows = project.store.query(
        "select id, runner from jobs where kind = ? and state = 'running' and params->>'encoder' = ?",
        [ENCODE_POOL.name, encoder],
    )
    for job, on in rows:
        with suppress(RondoError):
            stop_parts(replace(project.jobs, runner=runner_of(project, on)), JobId(job))
            with project.store.transaction() as cursor:
                change_state(cursor, JobId(job), "succeeded", ended_at=utc_now())


def check_own(project: Project, encoder: str) -> None:
    """An encoder that is part of a model is loaded only if its files are unchanged."""
    if encoder.startswith(OWN):
        encoder_source(project.models, encoder)
        check_model(project.models / encoder.removeprefix(OWN))


def drop_foreign_vectors(project: Project, encoder: str) -> None:
    """Deletes vectors that this database has no record of: after restoring a backup they belong to other texts."""
    value = project.store.one(
        "select max((params->>'stop')::bigint) from jobs where kind = 'encode' and params->>'encoder' = ?", [encoder]
    )
    texts = cleaned_texts(project.vectors, encoder)
    foreign = texts and not project.store.one("select count(*) from cleanings where run = ?", [texts])
    if encoded_rows(project.vectors, encoder) > (value or 0) or foreign:
        shutil.rmtree(encoder_folder(project.vectors, encoder))


def renew(project: Project, report: Report, settings: Settings) -> int:
    """Encodes records again whose text was cleaned, or came back, since their vector was made; returns how many."""
    encoder, run = settings.encoder, project.store.one(LAST_CLEANING)
    have, texts = encoded_rows(project.vectors, encoder), cleaned_texts(project.vectors, encoder)
    if not have or texts >= run:
        return 0
    stale = f"select n from cleaned where run > {texts} and run <= {run} and n < {have} order by n"
    rows = np.array([n for (n,) in project.store.query(stale)], np.int64)
    if not len(rows):
        renew_rows(project.vectors, encoder, rows, None, run)
        return 0
    check_own(project, encoder)
    params = replace(encode_params(project, settings, 0, len(rows)), version=str(run))
    bundle = _unfinished(project, RENEW, params)
    if bundle is None:
        bundle = project.jobs.prepare(RENEW, params)
        numbered = "select row_number() over (order by n) - 1 as n, text"
        write_texts(
            project,
            bundle,
            f"{numbered} from model_texts where n in (select unnest(?::bigint[])) order by 1",
            [rows.tolist()],
        )
    project.jobs.run(bundle, RENEW, report, "Encoding cleaned texts")
    renew_rows(project.vectors, encoder, rows, bundle.path / "out", run)
    with project.store.transaction() as cursor:
        project.jobs.claim_result(bundle, cursor)
    bundle.empty()
    return len(rows)


def _encode_piece(project: Project, report: Report, settings: Settings, span: tuple[int, int]) -> int:
    """span: (records that have a vector, records in all)."""
    start, total = span
    stop = min(start + PIECE, total)
    run = project.store.one(LAST_CLEANING)
    params = replace(encode_params(project, settings, start, stop), version=str(run or ""))
    bundle = _unfinished(project, ENCODE, params)
    if bundle is None:
        bundle = project.jobs.prepare(ENCODE, params)
        write_span(project, bundle, (start, stop))

    def count_all(what: str, done: int, _: int) -> None:
        report(what, start + done, total)

    project.jobs.run(bundle, ENCODE, count_all, "Encoding")
    append_shards(project.vectors, settings.encoder, bundle.path / "out", start, run)
    with project.store.transaction() as cursor:
        project.jobs.claim_result(bundle, cursor)
    bundle.empty()
    return stop - start


def _compare_pool(project: Project, report: Report, settings: Settings, features: PoolFeatures) -> Encoded:
    """All records anew where there are new ones, or where the vectors are of other fields."""
    started, total = time.monotonic(), project.store.one(f"select {NUMBERS}")
    setup = task_of(settings).setup(settings)
    version = features.version(setup)
    current = vectors_fingerprint(project.vectors, settings.encoder).endswith(version)
    if not total or (current and encoded_rows(project.vectors, settings.encoder) == total):
        return Encoded(total, 0, round(time.monotonic() - started, 3))
    check_own(project, settings.encoder)
    params = replace(encode_params(project, settings, 0, total), setup=setup, version=version)
    kind = FEATURE_KINDS[features.job]
    bundle = project.jobs.prepare(kind, params)
    with project.store.reading() as cursor:
        cursor.execute(f"copy ({features.query}) to '{quoted(bundle.path / 'in' / 'records.parquet')}'")
    project.jobs.run(bundle, kind, report, "Comparing records")
    replace_vectors(project.vectors, settings.encoder, bundle.path / "out")
    with project.store.transaction() as cursor:
        project.jobs.claim_result(bundle, cursor)
    bundle.empty()
    return Encoded(total, total, round(time.monotonic() - started, 3))


# What was erased has a vector too, of no text: row n of the vectors stays record number n.
_TEXTS = "select n, text from (select n, text from model_texts union all select n, '' from erased)"


def write_span(project: Project, bundle: Bundle, span: tuple[int, int], encoder: Path | None = None) -> None:
    """The texts of the record numbers from span[0] up to span[1]. encoder: a folder that travels with them."""
    write_texts(project, bundle, f"{_TEXTS} where n >= {span[0]} and n < {span[1]} order by n")
    if encoder:
        shutil.copytree(encoder, bundle.path / "in" / CARRIED)


def encode_params(project: Project, settings: Settings, start: int, stop: int) -> EncodeParams:
    """Of a job for the record numbers from start up to stop, on this machine."""
    return EncodeParams(
        encoder=settings.encoder,
        encoder_source=encoder_source(project.models, settings.encoder),
        threads=settings.threads,
        cache=str(project.vectors / "cache"),
        start=start,
        stop=stop,
    )


def write_texts(project: Project, bundle: Bundle, query: str, parameters: Sequence[object] = ()) -> None:
    """What the query gives: n, which is dense, and text."""
    with project.store.reading() as cursor:
        cursor.execute(f"copy ({query}) to '{quoted(bundle.path / 'in' / 'texts.parquet')}'", parameters)


def _unfinished(project: Project, kind: JobKind[EncodeParams, EncodeResult], params: EncodeParams) -> Bundle | None:
    """The bundle of a killed or cancelled attempt at the same texts, whose finished shards can be used."""
    rows = project.store.query(
        """select id from jobs where kind = ? and state in ('lost', 'cancelled', 'running', 'submitting')
             and params->>'encoder' = ? and (params->>'start')::bigint = ? and (params->>'stop')::bigint = ?
             and coalesce(params->>'version', '') = ? and parent is null order by made_at desc limit 1""",
        [kind.name, params.encoder, params.start, params.stop, params.version],
    )
    bundle = Bundle(project.folder / "jobs" / rows[0][0]) if rows else None
    return bundle if bundle and (bundle.path / TEXTS_IN).exists() else None
