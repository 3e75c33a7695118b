"""The verb that pairs the records of sources: candidates become records that people are asked about."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypedDict, Unpack

import duckdb

from core.config.settings import Settings
from core.data.import_parts import begin_import, continue_import, finish_imports
from core.data.ingest_job import records_alone
from core.data.records import number_records
from core.errors import BadInput, Refused
from core.jobs.bundle import Bundle, Report
from core.labelling.gold import ask_non_candidates
from core.labelling.settling import settle
from core.pairs.blocking.blocking_recall import BlockingRecall, blocking_recall, require_paired
from core.pairs.blocking.candidate_job import CANDIDATES, KNOWN, SIDES, CandidateParams, CandidateResult
from core.pairs.scorer import text_encoder
from core.pairs.sides import count_sources
from core.project import Project
from core.store.database import count, utc_now
from core.store.tables import quoted

PER_RECORD, MOST = 5, 200_000
"""neighbours of a record in either space; pairs that are kept"""
NEAR, FAR = 30, 20
"""pairs to draw that no search found: of those next in rank, and of all others"""


@dataclass(frozen=True)
class Candidates:
    """sources: name -> records. distinct: texts that differ. candidates: pairs found, of which `added` are new;
    left_out: less alike than those that were kept. per_record: pairs over records. drawn: pairs that are no candidates,
    to be asked for the recall. large: texts were looked up by words and in alphabetical order, not by the encoder.
    recall: what is known of it by the decisions there are."""

    sources: dict[str, int]
    within: bool
    distinct: int
    candidates: int
    added: int
    left_out: int
    per_record: float
    seconds: float
    drawn: int
    large: bool
    recall: BlockingRecall


class CandidateOptions(TypedDict, total=False):
    """per_record: neighbours of each. most: pairs that are kept. within: pairs of one source's records, too; default:
    only where there is one source, or more than two. near, far: pairs to draw at random that are no candidates, of
    those next in rank and of all others; people are asked about them beside the batches, blind, and `blocking_recall`
    says what follows."""

    per_record: int
    most: int
    within: bool | None
    near: int
    far: int


@dataclass(frozen=True)
class _Request:
    per_record: int = PER_RECORD
    most: int = MOST
    within: bool | None = None
    near: int = NEAR
    far: int = FAR


def candidates(project: Project, report: Report, **options: Unpack[CandidateOptions]) -> Candidates:
    """Pairs each record with those nearest to it by characters and by encoder, and adds the pairs that are new. Every
    source is paired with every other."""
    started = time.monotonic()
    sources, params = candidate_search(project, options)
    bundle = project.jobs.prepare(CANDIDATES, params)
    write_sides(project, bundle)
    return finish_candidates(project, report, bundle, sources, started)


def candidate_search(project: Project, options: CandidateOptions) -> tuple[dict[str, int], CandidateParams]:
    """Name -> records of each source, and what the job is given here. Raises BadInput, or Refused where there is
    nothing to pair."""
    settings = project.settings()
    request = _Request(**options)
    _check(settings, {"per record": request.per_record, "most": request.most}, (request.near, request.far))
    sources, within = _read_sources(project, request.within)
    return sources, CandidateParams(
        encoder=settings.encoder,
        encoder_source=text_encoder(project.models, settings.encoder),
        threads=settings.threads,
        cache=str(project.vectors / "cache"),
        vectors=str(project.vectors),
        sources=len(sources),
        within=within,
        per_record=request.per_record,
        most=request.most,
        near=request.near,
        far=request.far,
        seed=settings.seed,
    )


def write_sides(project: Project, bundle: Bundle) -> None:
    """The records of all sources, and which pairs there are."""
    with project.store.reading() as cursor:
        sides, known = quoted(bundle.path / SIDES), quoted(bundle.path / KNOWN)
        cursor.execute(f"copy (select side, source, id, text from sides order by side) to '{sides}'")
        cursor.execute(f"copy (select left_side, right_side from pairs where beyond is null) to '{known}'")


def finish_candidates(
    project: Project, report: Report, bundle: Bundle, sources: dict[str, int], started: float
) -> Candidates:
    """Runs the job of the bundle, and takes its pairs in. started: by the monotonic clock."""
    result = project.jobs.run(bundle, CANDIDATES, report, "Finding candidates")
    added = _take_in(project, bundle, result, report)
    return Candidates(
        sources=sources,
        within=bundle.params(CANDIDATES).within,
        distinct=result.distinct,
        candidates=result.candidates,
        added=added,
        left_out=result.left_out,
        per_record=round(result.candidates / max(result.sides, 1), 2),
        seconds=round(time.monotonic() - started, 3),
        drawn=result.near_drawn + result.far_drawn,
        large=result.large,
        recall=blocking_recall(project, report),
    )


def _check(settings: Settings, least_one: Mapping[str, int], drawn: tuple[int, int]) -> None:
    require_paired(settings)
    for name, value in least_one.items():
        if value < 1:
            raise BadInput(f"{value} {name} is too few; at least 1 is needed.")
    if min(drawn) < 0:
        raise BadInput(f"{min(drawn)} pairs cannot be drawn; 0 draws none.")


def _read_sources(project: Project, within: bool | None) -> tuple[dict[str, int], bool]:
    """Name -> records, and whether pairs of one source's records are sought."""
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
    return sources, inside


def _take_in(project: Project, bundle: Bundle, result: CandidateResult, report: Report) -> int:
    """As an import takes in a file: part by part, and all of it once it has begun. Returns how many candidates are
    new."""
    rows = result.candidates + result.near_drawn + result.far_drawn
    with project.storing:
        finish_imports(project.store, project.folder, project.holding_settings)
        with project.store.reading() as cursor:
            sizes = number_records(cursor, bundle.path / "out", "candidates") if rows else (0, 0)
        with project.changing_settings() as (current, cursor):
            if not project.jobs.claim_result(bundle, cursor):
                raise Refused("These candidates were taken in already.")
            added = _enter_pairs(cursor, bundle) if rows else 0
            cursor.execute("insert into candidate_searches values (?, ?, ?)", [utc_now(), result.near, result.far])
            if rows:
                begin_import(cursor, bundle.path.name, records_alone("candidates", rows), current, sizes)
        if rows:
            continue_import(project.store, bundle, project.holding_settings, report)
        else:
            bundle.empty()
    with project.label_queue.changing() as cursor:
        _tidy_queue(cursor, project)
    return added


_DRAWN = """
    create or replace temp table drawn as
    select records.id, places.n, come.left_side, come.right_side, come.similarity, come.searches, come.beyond
    from read_parquet('{pairs}') come
    join read_parquet('{records}') records using (id) join read_parquet('{places}') places using (position)
"""
# A pair that came ready may have its sides the other way round.
_KNOWN = """
    update pairs set beyond = d.beyond,
        searches = list_sort(list_distinct(list_concat(coalesce(pairs.searches, []), coalesce(d.searches, []))))
    from drawn d where least(d.left_side, d.right_side) = least(pairs.left_side, pairs.right_side)
        and greatest(d.left_side, d.right_side) = greatest(pairs.left_side, pairs.right_side)
"""
_NEW = """
    insert into pairs (n, left_side, right_side, similarity, searches, beyond)
    select n, left_side, right_side, similarity, searches, beyond from drawn where n is not null
"""


def _enter_pairs(cursor: duckdb.DuckDBPyConnection, bundle: Bundle) -> int:
    """Which sides each record has, before the records: their numbers are fixed by `number_records`. What was drawn
    before and is not now measures nothing any more. Returns how many candidates are new."""
    out = bundle.path / "out"
    names = {name: quoted(out / f"{name}.parquet") for name in ("pairs", "records", "places")}
    cursor.execute(_DRAWN.format(**names))
    cursor.execute("update pairs set beyond = 'former' where beyond is not null")
    cursor.execute(_KNOWN)
    cursor.execute(_NEW)
    added = count(cursor, "select count(*) from drawn where n is not null and beyond is null")
    cursor.execute("drop table drawn")
    return added


# What is a candidate now, or was not drawn again, is no longer asked for the recall.
_NO_MORE = """
    select n from queue where purpose = 'recall' and n in (select n from pairs where beyond is null)
    union select n from queue where purpose = 'recall' and n not in (select n from responses)
        and n in (select n from pairs where beyond = 'former')
"""


def _tidy_queue(cursor: duckdb.DuckDBPyConnection, project: Project) -> None:
    """An answer to a pair that became a candidate counts as any other. Where nothing else is left, the drawn pairs are
    asked now."""
    cursor.execute(f"create or replace temp table no_more as {_NO_MORE}")
    cursor.execute("delete from queue where purpose = 'recall' and n in (select n from no_more)")
    cursor.execute("delete from leases where n in (select n from no_more)")
    settle(cursor, "select n from no_more", project.settings())
    cursor.execute("drop table no_more")
    if not count(cursor, "select count(*) from pool"):
        ask_non_candidates(cursor, 0, project.settings().seed)
