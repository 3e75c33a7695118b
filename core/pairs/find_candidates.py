"""The verb that pairs the records of sources: candidates become records that people are asked about."""

import time
from dataclasses import dataclass

import duckdb

from core.data.import_parts import begin_import, continue_import, finish_imports
from core.data.ingest_job import ExactDuplicates, FileReport, RepeatedIds
from core.data.records import number_records
from core.errors import BadInput, Refused
from core.jobs.bundle import Bundle, Report
from core.models.encoders.loading import encoder_source
from core.pairs.candidate_job import CANDIDATES, CandidateParams, CandidateResult
from core.pairs.sides import count_sources
from core.project import Project
from core.store.tables import quoted
from core.tasks.tasks import task_of

PER_RECORD, MOST = 5, 200_000
"""neighbours of a record in either space; pairs that are kept"""


@dataclass(frozen=True)
class Candidates:
    """sources: name -> records. distinct: texts that differ. candidates: pairs found, of which `added` are new;
    left_out: less alike than those that were kept. per_record: pairs over records."""

    sources: dict[str, int]
    within: bool
    distinct: int
    candidates: int
    added: int
    left_out: int
    per_record: float
    seconds: float


def candidates(
    project: Project, report: Report, *, per_record: int = PER_RECORD, most: int = MOST, within: bool | None = None
) -> Candidates:
    """Pairs each record with those nearest to it by characters and by encoder, and adds the pairs that are new.

    within: pairs of one source's records, too; default: only where there is one source, or more than two.
    """
    started, settings = time.monotonic(), project.settings()
    if not task_of(settings).two_sides:
        raise Refused(f"Records of the task {settings.task!r} are not paired.")
    for name, value in (("per record", per_record), ("most", most)):
        if value < 1:
            raise BadInput(f"{value} {name} is too few; at least 1 is needed.")
    with project.store.reading() as cursor:
        sources = count_sources(cursor)
    if sum(sources.values()) < 2:
        raise Refused(
            f"There {'is one record' if sources else 'are no records'} to pair. Bring some in: "
            "`rondo import FILE --text COLUMN`."
        )
    inside = len(sources) != 2 if within is None else within
    if not inside and len(sources) < 2:
        raise BadInput("There is one source; records of different ones cannot be paired. Leave --across out.")
    params = CandidateParams(
        encoder=settings.encoder,
        encoder_source=encoder_source(project.models, settings.encoder),
        threads=settings.threads,
        cache=str(project.vectors / "cache"),
        vectors=str(project.vectors),
        sources=len(sources),
        within=inside,
        per_record=per_record,
        most=most,
    )
    bundle = project.jobs.prepare(CANDIDATES, params)
    with project.store.reading() as cursor:
        target = quoted(bundle.path / "in" / "sides.parquet")
        cursor.execute(f"copy (select side, source, id, text from sides order by side) to '{target}'")
    result = project.jobs.run(bundle, CANDIDATES, report, "Finding candidates")
    added = _take_in(project, bundle, result, report)
    return Candidates(
        sources=sources,
        within=inside,
        distinct=result.distinct,
        candidates=result.candidates,
        added=added,
        left_out=result.left_out,
        per_record=round(result.candidates / max(result.sides, 1), 2),
        seconds=round(time.monotonic() - started, 3),
    )


def _take_in(project: Project, bundle: Bundle, result: CandidateResult, report: Report) -> int:
    """As an import takes in a file: part by part, and all of it once it has begun. Returns how many pairs are new."""
    with project.storing:
        finish_imports(project.store, project.folder, project.holding_settings)
        with project.store.reading() as cursor:
            sizes = number_records(cursor, bundle.path / "out", "candidates") if result.candidates else (0, 0)
        with project.changing_settings() as (current, cursor):
            if not project.jobs.claim_result(bundle, cursor):
                raise Refused("These candidates were taken in already.")
            if result.candidates:
                _enter_pairs(cursor, bundle)
                begin_import(cursor, bundle.path.name, _as_file(result), current, sizes)
        if not result.candidates:
            bundle.empty()
            return 0
        added = continue_import(project.store, bundle, project.holding_settings, report).added
    project.label_queue.reload()
    return added


def _enter_pairs(cursor: duckdb.DuckDBPyConnection, bundle: Bundle) -> None:
    """Which sides each record has, before the records: their numbers are fixed by `number_records`."""
    out = bundle.path / "out"
    cursor.execute(
        f"""insert into pairs
            select places.n, found.left_side, found.right_side, found.similarity
            from read_parquet('{quoted(out / "pairs.parquet")}') found
            join read_parquet('{quoted(out / "records.parquet")}') records using (id)
            join read_parquet('{quoted(out / "places.parquet")}') places using (position)
            where places.n is not null"""
    )


def _as_file(result: CandidateResult) -> FileReport:
    """What an import would report of them."""
    return FileReport(
        file="candidates",
        rows=result.candidates,
        records=result.candidates,
        blank_rows=0,
        repeated_ids=RepeatedIds(0, 0),
        relabelled_rows=(),
        exact_duplicates=ExactDuplicates(0, 0),
        splits={},
        unknown_splits={},
        answers=0,
        annotators=0,
        known_answers=0,
        repeated_answers=0,
    )
