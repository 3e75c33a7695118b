"""The jobs on pairs: finding duplicates in files, and replaying a file's decisions. Knows files, no store."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from core.arrays import Bools, Floats
from core.config.record_fields import join_fields
from core.data.cells import Column
from core.data.formats.sources import open_source
from core.data.ledger import normalise
from core.errors import BadInput
from core.models.encoders.encoder import Encoder
from core.models.encoders.loading import load_encoder
from core.pairs.candidates import (
    DistinctTexts,
    Pairs,
    distinct_texts,
    find_candidates,
    find_mutual_best,
    is_mutual_best,
    similarity,
)
from core.pairs.clusters import Clusters, Decision, make_clusters
from core.pairs.features import pair_features
from core.pairs.learning_curve import STRATEGIES, KnownPairs, play, score, score_all, steps
from core.pairs.pair_jobs import (
    POSITIVES,
    DecisionCurve,
    DedupParams,
    DedupResult,
    PairReplayParams,
    PairReplayResult,
)
from core.pairs.spaces import Report, Spaces, build_spaces
from gpu_jobs.trainers.trainer_types import Progress

PIECE = 256
"""texts between two reports"""
MOST_TEXTS = 100_000
"""distinct texts of a side: each is held against all others, so many in some 20 minutes of processor time"""
HELD_OUT = 0.2
"""share of the pairs that judge where the file has no split"""
SIDES = ("first", "second")
"""how the ids of two files are told apart"""
IDENTICAL, MUTUAL_BEST = "identical text", "mutual best, no model"


@dataclass(frozen=True)
class Merge:
    """one: record of the first file; other: of the second, or of the same. identical: their texts are the same."""

    one: int
    other: int
    similarity: float
    identical: bool


def dedup(bundle: Path, params: DedupParams, report: Progress) -> DedupResult:
    """Writes `out/clusters.parquet`: each record with its cluster, the similarity that joined it, and how."""
    started = time.monotonic()
    paths = [Path(params.file), *([Path(params.other)] if params.other else [])]
    files = [_read_records(path, params) for path in paths]
    if not params.other and len(files[0][0]) < 2:
        raise BadInput(f"{paths[0].name} has one record; finding duplicates takes two. Add records, or --with a file.")
    sides = [distinct_texts(texts) for _, texts in files]
    merges, below, candidates = _find_merges([texts for _, texts in files], sides, params, report)
    keys = [
        {id_: f"{name}:{id_}" if params.other else id_ for id_ in ids}
        for name, (ids, _) in zip(SIDES, files, strict=False)
    ]
    left, right = list(keys[0].values()), list(keys[-1].values())
    decisions = [
        Decision(left[one.one], right[one.other], True, False, number, one.similarity)
        for number, one in enumerate(merges)
    ]
    sources = {key: name for name, part in zip(SIDES, keys, strict=False) for key in part.values()}
    clusters = make_clusters(list(sources), decisions, sources if params.one_partner else None)
    held = {one.decision.number for one in clusters.held}
    made = [(decision, merges[decision.number]) for decision in decisions if decision.number not in held]
    _write_clusters(bundle / "out" / "clusters.parquet", clusters, made, keys)
    sizes = [len(members) for members in clusters.members.values() if len(members) > 1]
    report(1000, 1000)
    return DedupResult(
        records=tuple(len(ids) for ids, _ in files),
        blank=sum(int((side.places < 0).sum()) for side in sides),
        distinct=sum(len(side.firsts) for side in sides),
        candidates=candidates,
        joined=len(made),
        identical=sum(merge.identical for _, merge in made),
        below=below,
        held=len(clusters.held),
        clusters=len(sizes),
        clustered=sum(sizes),
        largest=max(sizes, default=0),
        at_least=params.at_least,
        seconds=round(time.monotonic() - started, 3),
    )


def _find_merges(
    texts: list[list[str]], sides: list[DistinctTexts], params: DedupParams, report: Progress
) -> tuple[list[Merge], int, int]:
    """What is joined, how many best pairs were too unlike for it, and how many pairs were looked at.

    Equal texts of a file come first, each with the first of them.
    """
    distinct = [[own[row] for row in side.firsts.tolist()] for own, side in zip(texts, sides, strict=True)]
    rows = [_rows_of_texts(side) for side in sides]
    merges = [] if params.other else [Merge(same[0], row, 1.0, True) for same in rows[0] for row in same[1:]]
    if not all(distinct):
        return merges, 0, 0
    spaces = _spaces(distinct, params.encoder, params.threads, params.cache, report)
    best = find_mutual_best(spaces)
    values = similarity(spaces, best)
    for one, other, value in zip(best.left.tolist(), best.right.tolist(), values.tolist(), strict=True):
        if value < params.at_least:
            continue
        ours, theirs = rows[0][one], rows[-1][other]
        identical = normalise(distinct[0][one]) == normalise(distinct[-1][other])
        pairs = [(ours[0], theirs[0])]
        if params.other:  # equal texts of a file have the same partner; within one file they are joined already
            pairs += [(row, theirs[0]) for row in ours[1:]] + [(ours[0], row) for row in theirs[1:]]
        merges += [Merge(row, partner, value, identical) for row, partner in pairs]
    return merges, int((values < params.at_least).sum()), len(find_candidates(spaces))


def _rows_of_texts(side: DistinctTexts) -> list[list[int]]:
    """Of each distinct text its records, in their order."""
    rows: list[list[int]] = [[] for _ in side.firsts]
    for row, place in enumerate(side.places.tolist()):
        if place >= 0:
            rows[place].append(row)
    return rows


def _write_clusters(
    target: Path, clusters: Clusters, made: Sequence[tuple[Decision, Merge]], keys: list[dict[str, str]]
) -> None:
    """id, file where there are two, cluster, similarity (the best of the record's merges), joined_by; in file order.

    keys: of each file id -> the record's id in the clusters.
    """
    import polars as pl

    best: dict[str, Merge] = {}
    for decision, merge in made:
        for key in (decision.left, decision.right):
            if key not in best or best[key].similarity < merge.similarity:
                best[key] = merge
    cluster_of, rows = clusters.of, []
    for name, part in zip(SIDES, keys, strict=False):
        for id_, key in part.items():
            joined = best.get(key)
            closeness = round(joined.similarity, 4) if joined else None
            reason = (IDENTICAL if joined.identical else MUTUAL_BEST) if joined else None
            rows.append((id_, name, cluster_of[key], closeness, reason))
    columns = {
        "id": pl.String,
        "file": pl.String,
        "cluster": pl.String,
        "similarity": pl.Float64,
        "joined_by": pl.String,
    }
    table = pl.DataFrame(rows, schema=columns, orient="row")
    (table if len(keys) > 1 else table.drop("file")).write_parquet(target)


def pair_replay(bundle: Path, params: PairReplayParams, report: Progress) -> PairReplayResult:
    """Learns from so many decisions, chosen and random, and scores the pairs of the test split; writes no file."""
    started = time.monotonic()
    decided = _read_pairs(params)
    sides, pairs, same, test = decided.sides, decided.pairs, decided.same, decided.test
    spaces = _spaces(sides, params.encoder, params.threads, params.cache, report)
    features = pair_features(spaces, (sides[0], sides[1]), pairs, _phase(report, 600, 700))
    known = KnownPairs(features.vectors.astype(np.float32), similarity(spaces, pairs), same, test)
    candidates = find_candidates(spaces)
    full = score_all(known, seed=0)
    decisions = steps(int((~test).sum()), params.budget)
    total, done = len(decisions) * len(STRATEGIES) * params.seeds, 0
    phase = _phase(report, 700, 1000)

    def played() -> None:
        nonlocal done
        done += 1
        phase(done, total)

    curves = tuple(
        DecisionCurve(
            name, tuple(tuple(play(known, name, params.budget, seed, played)) for seed in range(params.seeds))
        )
        for name in STRATEGIES
    )
    return PairReplayResult(
        pairs=len(pairs),
        test=int(test.sum()),
        left_out=decided.left_out,
        matches=int(same.sum()),
        records=(len(sides[0]), len(sides[1])),
        positive=decided.positive,
        blocking_recall=_recall(candidates, pairs, same, len(sides[1])),
        candidates_per_record=len(candidates) / len(sides[0]),
        full=full,
        mutual_best=score(known, is_mutual_best(spaces, pairs)[test]),
        decisions=tuple(decisions),
        curves=curves,
        seconds=round(time.monotonic() - started, 3),
    )


def _recall(candidates: Pairs, pairs: Pairs, same: Bools, width: int) -> float:
    """Share of the matches that are candidates."""
    matches = pairs.left[same] * width + pairs.right[same]
    return float(np.isin(matches, candidates.left * width + candidates.right).mean())


@dataclass(frozen=True)
class DecidedPairs:
    """sides: the distinct texts on either side, whose rows the pairs are. same, test: (pairs,). left_out: rows of the
    file. positive: the label of `same`."""

    sides: list[list[str]]
    pairs: Pairs
    same: Bools
    test: Bools
    left_out: int
    positive: str


def _read_pairs(params: PairReplayParams) -> DecidedPairs:
    path = Path(params.file)
    names = [params.left, params.right, params.label, *([params.split] if params.split else [])]
    columns = _read_columns(path, names)
    cells = list(zip(*(columns[name] for name in names), strict=True))
    rows = [row for row in cells if row[0].strip() and row[1].strip() and row[2].strip()]
    if not rows:
        raise BadInput(f"{path.name} has no row with two texts and a label; check --left, --right and --label.")
    positive = params.positive or _positive(path, params.label, {row[2].strip() for row in rows})
    same = np.array([row[2].strip() == positive for row in rows])
    places: list[dict[str, int]] = [{}, {}]
    numbers = [[place.setdefault(row[side], len(place)) for row in rows] for side, place in enumerate(places)]
    if params.split:
        test = np.array([row[3].strip() == "test" for row in rows])
    else:
        test = np.zeros(len(rows), np.bool_)
        test[np.random.default_rng(0).permutation(len(rows))[: round(HELD_OUT * len(rows))]] = True
    for part, what in ((test, "that judge"), (~test, "to learn from")):
        if not same[part].any() or same[part].all():
            raise BadInput(
                f"{path.name}: the {int(part.sum())} pairs {what} have {int(same[part].sum())} with the label "
                f"{positive!r}; both kinds are needed. Check --label, --positive and --split (its 'test' rows judge)."
            )
    pairs = Pairs(*(np.array(side, np.int64) for side in numbers))
    return DecidedPairs([list(place) for place in places], pairs, same, test, len(cells) - len(rows), positive)


def _positive(path: Path, column: str, labels: set[str]) -> str:
    matches = [label for label in POSITIVES if label in labels]
    if len(matches) != 1:
        there = ", ".join(repr(label[:40]) for label in sorted(labels)[:10])
        raise BadInput(
            f"{path.name}, column {column!r}: which label says that two are the same? --positive, of {there}."
        )
    return matches[0]


def _read_records(path: Path, params: DedupParams) -> tuple[list[str], list[str]]:
    """(ids, texts) of a file; without a column of ids the number of the row, from 1."""
    columns = _read_columns(path, [*params.text, *([params.id] if params.id else [])])
    rows = zip(*(columns[name] for name in params.text), strict=True)
    texts = [join_fields(dict(zip(params.text, row, strict=True))) if any(map(str.strip, row)) else "" for row in rows]
    ids = columns[params.id] if params.id else [str(row) for row in range(1, len(texts) + 1)]
    seen: set[str] = set()
    for row, id_ in enumerate(ids, 1):
        if not id_ or id_ in seen:
            fault = f"holds {id_!r} again" if id_ else "is empty"
            raise BadInput(f"{path.name}: record {row}, column {params.id!r} {fault}; ids must be there and differ.")
        seen.add(id_)
    return ids, texts


def _read_columns(path: Path, names: Sequence[str]) -> dict[str, list[str]]:
    """name -> cells as text, "" where there is nothing. Raises BadInput for a column or rows that are not there."""
    source = open_source(path)
    columns = source.columns(names)
    for name in names:
        if columns.count(name) != 1:
            near = get_close_matches(name, columns, n=1)
            there = ", ".join(repr(column[:80]) for column in columns[:20]) + (", …" if len(columns) > 20 else "")
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise BadInput(f"{path.name} has {columns.count(name) or 'no'} columns {name!r}, but {there}.{hint}")
    cells: dict[str, list[str]] = {name: [] for name in names}
    for batch in source.batches(names):
        for name in cells:
            cells[name] += [cell or "" for cell in Column(source, batch, name).strings()]
    if not cells[names[0]]:
        raise BadInput(f"{path.name} has no rows; it needs at least one record.")
    return cells


def _spaces(sides: list[list[str]], encoder: str, threads: int, cache: str, report: Progress) -> Spaces:
    """Of one source or two, texts distinct and none blank; the first 600 thousandths of the work."""
    if (most := max(map(len, sides))) > MOST_TEXTS:
        raise BadInput(f"There are {most:,} different texts on one side; up to {MOST_TEXTS:,} can be compared so far.")
    loaded, total = load_encoder(encoder, Path(cache), threads), sum(map(len, sides))
    vectors, before = [], 0
    for texts in sides:
        vectors.append(np.concatenate(list(_encode(loaded, texts, before, total, _phase(report, 0, 400)))))
        before += len(texts)
    two = len(sides) > 1
    every = (sides[0], sides[1] if two else None), (vectors[0], vectors[1] if two else None)
    return build_spaces(*every, _phase(report, 400, 600))


def _encode(encoder: Encoder, texts: Sequence[str], before: int, total: int, report: Report) -> Iterator[Floats]:
    for start in range(0, len(texts), PIECE):
        yield encoder.encode(texts[start : start + PIECE])
        report(before + min(start + PIECE, len(texts)), total)


def _phase(report: Progress, start: int, stop: int) -> Report:
    """Progress of a part of the work, as thousandths of all of it."""

    def report_part(done: int, total: int) -> None:
        report(start + (stop - start) * done // max(total, 1), 1000)

    return report_part
