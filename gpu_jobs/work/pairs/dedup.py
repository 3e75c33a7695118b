"""The job that finds duplicates in files: candidates, their similarity, what is joined and what is for a person.

Knows files, no store.
"""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.arrays import Bools, Floats, Ints
from core.config.record_fields import join_fields
from core.data.ledger import normalise
from core.errors import BadInput
from core.models.encoders.loading import load_encoder
from core.pairs.blocking.candidates import DistinctTexts, Pairs, RatedPairs, distinct_texts, rate
from core.pairs.blocking.large_sources import rate_large
from core.pairs.clusters import Clusters, Decision, make_clusters
from core.pairs.pair_jobs import DedupParams, DedupResult
from core.pairs.spaces import Report
from core.pairs.text_vectors import PIECE
from gpu_jobs.trainers.trainer_types import Progress
from gpu_jobs.work.pairs.pair_pool import MOST_TEXTS, phase
from gpu_jobs.work.pairs.pair_replay import build_all_spaces, read_columns

SIDES = ("first", "second")
"""how the ids of two files are told apart"""
IDENTICAL, MUTUAL_BEST, SIMILAR = range(3)
REASONS = ("identical text", "mutual best, no model", "similarity, no model")


@dataclass(frozen=True)
class Merges:
    """Which records are joined: row numbers of the first file, and of the second or the same.

    how: (m,) indices in REASONS. Equal texts come first, then falling similarity.
    """

    one: Ints
    other: Ints
    similarity: Floats
    how: Ints


@dataclass(frozen=True)
class Records:
    """A file. keys: the records' ids in the clusters. rows: of each distinct text its records, in their order."""

    ids: list[str]
    keys: list[str]
    texts: list[str]
    distinct: DistinctTexts
    rows: list[list[int]]

    @property
    def firsts(self) -> list[str]:
        """The distinct texts."""
        return [self.texts[row] for row in self.distinct.firsts.tolist()]


@dataclass(frozen=True)
class Rated:
    """Candidates of the distinct texts, and how they were found."""

    rated: RatedPairs
    encoded: bool
    exact: bool


def dedup(bundle: Path, params: DedupParams, report: Progress) -> DedupResult:
    """Writes `out/clusters.parquet`: each record with its cluster, the similarity that joined it, and how; and
    `out/unsure.parquet`: the pairs that are for a person, most similar first."""
    started = time.monotonic()
    paths = [Path(params.file), *([Path(params.other)] if params.other else [])]
    files = [_read_records(path, side, params) for path, side in zip(paths, SIDES, strict=False)]
    if not params.other and len(files[0].ids) < 2:
        raise BadInput(f"{paths[0].name} has one record; finding duplicates takes two. Add records, or --with a file.")
    method = _rate(bundle, files, params, report)
    rated = method.rated
    joins = _joins(rated, params)
    merges = _merges(files, rated, joins)
    report(850, 1000)
    clusters = _clusters(files, merges, one_partner=params.one_partner)
    report(930, 1000)
    held = np.zeros(len(merges.one), np.bool_)
    held[[one.decision.number for one in clusters.held]] = True
    _write_clusters(bundle / "out" / "clusters.parquet", files, clusters.of, merges, ~held)
    unsure = _unsure(files, clusters.of, rated, ~joins & (rated.similarity >= params.drop_below))
    _write_unsure(bundle / "out" / "unsure.parquet", files, rated, unsure)
    sizes = [len(members) for members in clusters.members.values() if len(members) > 1]
    report(1000, 1000)
    return DedupResult(
        records=tuple(len(file.ids) for file in files),
        blank=sum(int((file.distinct.text_of < 0).sum()) for file in files),
        distinct=sum(len(file.rows) for file in files),
        candidates=len(rated.pairs),
        joined=int((~held).sum()),
        identical=int((merges.how[~held] == IDENTICAL).sum()),
        below=int((rated.best & ~joins).sum()),
        unsure=len(unsure),
        dropped=int((~joins & (rated.similarity < params.drop_below)).sum()),
        held=len(clusters.held),
        clusters=len(sizes),
        clustered=sum(sizes),
        largest=max(sizes, default=0),
        at_least=params.at_least,
        auto_above=params.auto_above,
        drop_below=params.drop_below,
        encoded=method.encoded,
        exact=method.exact,
        seconds=round(time.monotonic() - started, 3),
    )


def _rate(bundle: Path, files: Sequence[Records], params: DedupParams, report: Progress) -> Rated:
    """The first 800 thousandths of the work."""
    sides = [file.firsts for file in files]
    large = max(map(len, sides)) > MOST_TEXTS
    encoded = not large if params.encode is None else params.encode
    if not all(sides) or sum(map(len, sides)) < 2:
        empty = np.empty(0, np.int64)
        return Rated(RatedPairs(Pairs(empty, empty), np.empty(0), np.empty(0, np.bool_)), encoded, not large)
    if encoded and not large:
        spaces = build_all_spaces(sides, params.encoder, params.threads, params.cache, report)
        return Rated(rate(spaces), encoded, True)
    with tempfile.TemporaryDirectory(dir=bundle, prefix="scratch-") as scratch:
        vectors = _encode_to_disk(Path(scratch), sides, params, phase(report, 0, 500)) if encoded else None
        texts = (sides[0], sides[1] if params.other else None)
        start = 500 if encoded else 0
        rated = rate_large(texts, vectors, Path(scratch), params.threads, phase(report, start, 800))
    return Rated(rated, encoded, False)


def _encode_to_disk(
    folder: Path, sides: Sequence[Sequence[str]], params: DedupParams, report: Report
) -> tuple[Floats, Floats | None]:
    """(left, right) float16 vectors, memory-mapped."""
    encoder, total, done = load_encoder(params.encoder, Path(params.cache), params.threads), sum(map(len, sides)), 0
    result = []
    for name, texts in zip(SIDES, sides, strict=False):
        shape = (len(texts), encoder.dims)
        vectors = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.float16, shape)
        for start in range(0, len(texts), PIECE):
            vectors[start : start + PIECE] = encoder.encode(texts[start : start + PIECE])
            report(done + min(start + PIECE, len(texts)), total)
        done += len(texts)
        result.append(vectors)
    return result[0], result[1] if len(result) > 1 else None


def _joins(rated: RatedPairs, params: DedupParams) -> Bools:
    """(m,) best pairs from at_least on, and every pair from auto_above on."""
    joins = rated.best & (rated.similarity >= params.at_least)
    return joins if params.auto_above is None else joins | (rated.similarity >= params.auto_above)


def _merges(files: Sequence[Records], rated: RatedPairs, joins: Bools) -> Merges:
    """Of records: equal texts of a file, each with the first of them; then what is joined of the distinct texts.

    Of two files equal texts have the same partner; within one file they are joined already.
    """
    ours, theirs, linked = files[0].rows, files[-1].rows, len(files) > 1
    rows = [] if linked else [(same[0], row, 1.0, IDENTICAL) for same in ours for row in same[1:]]
    pairs, mutual = rated.pairs, rated.best
    order = np.flatnonzero(joins)
    order = order[np.argsort(-rated.similarity[order], kind="stable")]
    for index in order.tolist():
        one, other = ours[pairs.left[index]], theirs[pairs.right[index]]
        reason = MUTUAL_BEST if mutual[index] else SIMILAR
        if linked and normalise(files[0].texts[one[0]]) == normalise(files[1].texts[other[0]]):
            reason = IDENTICAL
        partners = [(one[0], other[0])]
        if linked:
            partners += [(row, other[0]) for row in one[1:]] + [(one[0], row) for row in other[1:]]
        rows += [(left, right, float(rated.similarity[index]), reason) for left, right in partners]
    columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
    return Merges(
        np.array(columns[0], np.int64),
        np.array(columns[1], np.int64),
        np.array(columns[2], np.float64),
        np.array(columns[3], np.int64),
    )


def _clusters(files: Sequence[Records], merges: Merges, *, one_partner: bool) -> Clusters:
    left, right = files[0].keys, files[-1].keys
    decisions = (
        Decision(left[one], right[other], True, False, number, similarity)
        for number, (one, other, similarity) in enumerate(
            zip(merges.one.tolist(), merges.other.tolist(), merges.similarity.tolist(), strict=True)
        )
    )
    records = [key for file in files for key in file.keys]
    sources = (
        {key: name for name, file in zip(SIDES, files, strict=False) for key in file.keys} if one_partner else None
    )
    return make_clusters(records, decisions, sources)


def _write_clusters(
    target: Path, files: Sequence[Records], cluster_of: dict[str, str], merges: Merges, made: Bools
) -> None:
    """id, file where there are two, cluster, similarity (the best of the record's merges), joined_by; in file order."""
    import polars as pl

    tables = []
    for side, (name, file) in enumerate(zip(SIDES, files, strict=False)):
        best, reason = np.full(len(file.ids), np.nan), np.full(len(file.ids), -1, np.int64)
        ends = (merges.one, merges.other) if len(files) == 1 else ((merges.one, merges.other)[side],)
        rows = np.stack(ends, axis=1)[made][::-1].ravel()  # the most similar last, so that it stays
        merge_of = np.repeat(np.flatnonzero(made)[::-1], len(ends))
        best[rows], reason[rows] = merges.similarity[merge_of], merges.how[merge_of]
        columns = {
            "id": file.ids,
            "file": [name] * len(file.ids),
            "cluster": [cluster_of[key] for key in file.keys],
            "similarity": pl.Series(best, dtype=pl.Float64).round(4).fill_nan(None),
            "joined_by": [None if number < 0 else REASONS[number] for number in reason.tolist()],
        }
        tables.append(pl.DataFrame(columns, schema_overrides={"joined_by": pl.String}))
    table = pl.concat(tables)
    (table if len(files) > 1 else table.drop("file")).write_parquet(target)


def _unsure(files: Sequence[Records], cluster_of: dict[str, str], rated: RatedPairs, open_: Bools) -> Ints:
    """Places of the pairs that are open and not in one cluster already; most similar first."""
    indices = np.flatnonzero(open_)
    left, right = (
        [cluster_of[file.keys[file.rows[row][0]]] for row in rows[indices].tolist()]
        for file, rows in ((files[0], rated.pairs.left), (files[-1], rated.pairs.right))
    )
    apart = np.array([one != other for one, other in zip(left, right, strict=True)], np.bool_)
    indices = indices[apart]
    return indices[np.argsort(-rated.similarity[indices], kind="stable")]


def _write_unsure(target: Path, files: Sequence[Records], rated: RatedPairs, indices: Ints) -> None:
    """left_id, right_id, similarity, left, right (texts): as pairs to decide."""
    import polars as pl

    ours = [files[0].rows[row][0] for row in rated.pairs.left[indices].tolist()]
    theirs = [files[-1].rows[row][0] for row in rated.pairs.right[indices].tolist()]
    pl.DataFrame(
        {
            "left_id": pl.Series([files[0].ids[row] for row in ours], dtype=pl.String),
            "right_id": pl.Series([files[-1].ids[row] for row in theirs], dtype=pl.String),
            "similarity": pl.Series(rated.similarity[indices], dtype=pl.Float64).round(4),
            "left": pl.Series([files[0].texts[row] for row in ours], dtype=pl.String),
            "right": pl.Series([files[-1].texts[row] for row in theirs], dtype=pl.String),
        }
    ).write_parquet(target)


def _read_records(path: Path, side: str, params: DedupParams) -> Records:
    """Without a column of ids the number of the row, from 1."""
    columns = read_columns(path, [*params.text, *([params.id] if params.id else [])])
    cells = zip(*(columns[name] for name in params.text), strict=True)
    texts = [join_fields(dict(zip(params.text, row, strict=True))) if any(map(str.strip, row)) else "" for row in cells]
    ids = columns[params.id] if params.id else [str(row) for row in range(1, len(texts) + 1)]
    seen: set[str] = set()
    for row, id_ in enumerate(ids, 1):
        if not id_ or id_ in seen:
            fault = f"holds {id_!r} again" if id_ else "is empty"
            raise BadInput(f"{path.name}: record {row}, column {params.id!r} {fault}; ids must be there and differ.")
        seen.add(id_)
    distinct = distinct_texts(texts)
    keys = [f"{side}:{id_}" for id_ in ids] if params.other else ids
    return Records(ids, keys, texts, distinct, _rows_of_texts(distinct))


def _rows_of_texts(side: DistinctTexts) -> list[list[int]]:
    """Of each distinct text its records, in their order."""
    rows: list[list[int]] = [[] for _ in side.firsts]
    for row, text in enumerate(side.text_of.tolist()):
        if text >= 0:
            rows[text].append(row)
    return rows
