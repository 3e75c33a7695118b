"""The job that pairs the records of sources: candidates, and pairs that are none, to measure what the search misses."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.arrays import Floats, Ints
from core.data.cells import json_of
from core.data.ledger import normalised_hashes
from core.models.encoders.loading import load_encoder
from core.pairs.blocking.candidate_job import ENCODED, KNOWN, LARGE, SIDES, CandidateParams, CandidateResult
from core.pairs.blocking.candidates import (
    FIRST,
    SECOND,
    Pairs,
    SearchedPairs,
    SearchedSides,
    search_spaces,
    with_near_misses,
)
from core.pairs.blocking.large_sources import search_large
from core.pairs.blocking.non_candidates import NonCandidates, PairSpace, draw
from core.pairs.spaces import Report, tf_idf, trigrams
from core.pairs.text_vectors import encode_texts
from core.store.whole_files import whole_file
from gpu_jobs.trainers.trainer_types import Progress
from gpu_jobs.work.pairs.pair_pool import MOST_TEXTS, phase
from gpu_jobs.work.pairs.paired_sides import Block, Sides, read_found, read_sides


@dataclass(frozen=True)
class RecordPairs:
    """Rows of `Sides`. searches: names of those that found each, or none. beyond: stratum of those that none found."""

    pairs: Pairs
    similarity: Floats
    searches: list[list[str] | None]
    beyond: list[str | None]


def candidates(bundle: Path, params: CandidateParams, report: Progress) -> CandidateResult:
    """Writes `out/records.parquet` and `out/pairs.parquet`, the most alike first where not all are kept."""
    started = time.monotonic()
    sides = read_sides(bundle / SIDES, params)
    distinct = sides.distinct
    searched, names = _search(bundle, sides, params, report)
    order = _most_alike(searched.pairs, searched.similarity, params.most)
    order = order[np.lexsort((searched.pairs.right[order], searched.pairs.left[order]))]
    left_out = np.setdiff1d(np.arange(len(searched.pairs)), order)
    near = _both(searched.near, _take(searched.pairs, left_out))
    retained = _take(searched.pairs, order)
    space = PairSpace(_sources(sides), sides.within)
    beyond = _draw(bundle, space, _numbers(sides, retained), _numbers(sides, near), params)
    drawn = _both(_rows(sides, beyond.near), _rows(sides, beyond.far))
    output = RecordPairs(
        _both(retained, drawn),
        np.concatenate([searched.similarity[order], np.full(len(drawn), np.nan)]),
        [names[position] for position in order.tolist()] + [None] * len(drawn),
        [None] * len(order) + ["near"] * len(beyond.near) + ["far"] * len(beyond.far),
    )
    _write(bundle / "out", sides, output)
    report(1000, 1000)
    return CandidateResult(
        sides=len(sides.texts),
        distinct=sum(len(one.firsts) for one in distinct),
        candidates=len(order),
        left_out=len(left_out),
        seconds=round(time.monotonic() - started, 3),
        near=beyond.near_size,
        near_drawn=len(beyond.near),
        far=beyond.far_size,
        far_drawn=len(beyond.far),
        large=any(block.by_words for block in sides.blocks),
    )


def _most_alike(pairs: Pairs, values: Floats, most: int) -> Ints:
    """Places of so many pairs at most, and of so many that neither side has more texts than can be compared."""
    order = np.argsort(-values, kind="stable")[:most]
    for rows in (pairs.left, pairs.right):
        _, first = np.unique(rows[order], return_index=True)
        if len(first) > MOST_TEXTS:
            order = order[: np.sort(first)[MOST_TEXTS]]
    return np.asarray(order, np.int64)


def _search(
    bundle: Path, sides: Sides, params: CandidateParams, report: Progress
) -> tuple[SearchedPairs, list[list[str] | None]]:
    """Pairs as rows of `sides`, and which searches found each. Every source is searched with every other. Equal texts
    of one source are paired with the first of them, and only that one with others."""
    blocks = sides.blocks
    result, names = _empty(), list[list[str] | None]()
    for number, block in enumerate(blocks):
        start, stop = 900 * number // len(blocks), 900 * (number + 1) // len(blocks)
        if params.pieces:
            one = read_found(Path(params.pieces), number)
        else:
            one = _search_block(bundle, sides, block, params, phase(report, start, stop))
        result = _append(result, one, block.rows)
        names += _names(one.searches, LARGE if block.by_words else ENCODED)
    if sides.within:
        distinct, firsts = sides.distinct[0], sides.firsts[0]
        rows = np.flatnonzero(distinct.text_of >= 0)
        again = rows[~np.isin(rows, firsts)]
        equal = Pairs(firsts[distinct.text_of[again]], again)
        equals = SearchedPairs(equal, np.ones(len(equal)), np.zeros(len(equal), np.int64), _none())
        result, names = _append(result, equals, ()), names + [None] * len(equal)
    return result, names


def _search_block(bundle: Path, sides: Sides, block: Block, params: CandidateParams, report: Report) -> SearchedPairs:
    """Rows of the block."""
    texts = sides.texts_of(block)
    both = texts[0], texts[1] if len(texts) > 1 else None
    if block.by_words:
        return search_large(both, bundle, params.threads, params.per_record, report)
    encoder = load_encoder(params.encoder_source, Path(params.cache), params.threads)
    part = 500 // len(texts)
    vectors = [
        encode_texts(encoder, side, Path(params.vectors), phase(report, number * part, (number + 1) * part))
        for number, side in enumerate(texts)
    ]
    spaces = SearchedSides(tf_idf(both, trigrams), (vectors[0], vectors[1] if len(texts) > 1 else None))
    matches = search_spaces(spaces, range(sum(map(len, texts))), params.per_record, phase(report, 500, 1000))
    return with_near_misses(matches)


def _names(searches: Ints, of: tuple[str, str]) -> list[list[str] | None]:
    lists = {FIRST: [of[0]], SECOND: [of[1]], FIRST + SECOND: list(of)}
    return [lists.get(bits) for bits in searches.tolist()]


def _sources(sides: Sides) -> Ints:
    """As `PairSpace` has them."""
    sources = np.full(int(sides.numbers.max(initial=-1)) + 1, -1, np.int64)
    for number, firsts in enumerate(sides.firsts):
        sources[sides.numbers[firsts]] = number
    return sources


def _draw(bundle: Path, space: PairSpace, retained: Pairs, near: Pairs, params: CandidateParams) -> NonCandidates:
    """All are numbers of sides. The pairs that the project has are candidates, however they came."""
    import polars

    known = polars.read_parquet(bundle / KNOWN)
    left, right = (known[name].to_numpy().astype(np.int64) for name in ("left_side", "right_side"))
    there = (left < len(space.sources)) & (right < len(space.sources))
    everything = _both(retained, Pairs(left[there], right[there]))
    return draw(space, everything, near, (params.near, params.far), params.seed)


def _numbers(sides: Sides, pairs: Pairs) -> Pairs:
    return Pairs(sides.numbers[pairs.left], sides.numbers[pairs.right])


def _rows(sides: Sides, pairs: Pairs) -> Pairs:
    return Pairs(np.searchsorted(sides.numbers, pairs.left), np.searchsorted(sides.numbers, pairs.right))


def _none() -> Pairs:
    return Pairs(np.empty(0, np.int64), np.empty(0, np.int64))


def _empty() -> SearchedPairs:
    return SearchedPairs(_none(), np.empty(0), np.empty(0, np.int64), _none())


def _take(pairs: Pairs, positions: Ints) -> Pairs:
    return Pairs(pairs.left[positions], pairs.right[positions])


def _both(one: Pairs, other: Pairs) -> Pairs:
    return Pairs(np.concatenate([one.left, other.left]), np.concatenate([one.right, other.right]))


def _append(result: SearchedPairs, one: SearchedPairs, block: tuple[Ints, ...]) -> SearchedPairs:
    """block: the rows of `Sides` that its own rows are; none where they are the same."""

    def placed(pairs: Pairs) -> Pairs:
        return Pairs(block[0][pairs.left], block[-1][pairs.right]) if block else pairs

    return SearchedPairs(
        _both(result.pairs, placed(one.pairs)),
        np.concatenate([result.similarity, one.similarity]),
        np.concatenate([result.searches, one.searches]),
        _both(result.near, placed(one.near)),
    )


def _write(out: Path, sides: Sides, output: RecordPairs) -> None:
    import polars

    left, right = output.pairs.left.tolist(), output.pairs.right.tolist()
    ids = [f"{sides.ids[one]}|{sides.ids[other]}" for one, other in zip(left, right, strict=True)]
    texts = [f"{sides.texts[one]}\n\n{sides.texts[other]}" for one, other in zip(left, right, strict=True)]
    both = [
        (
            json_of({"left": sides.texts[one], "right": sides.texts[other]}),
            json_of({"left": sides.titles[one], "right": sides.titles[other]}),
        )
        for one, other in zip(left, right, strict=True)
    ]
    nothing = polars.lit(None, polars.String)
    table = polars.DataFrame(
        {
            "position": np.arange(len(ids), dtype=np.int64),
            "id": ids,
            "text": texts,
            "fields": [fields for fields, _ in both],
            "meta": [titles for _, titles in both],
            "hash": normalised_hashes(texts),
        },
        schema={
            "position": polars.Int64,
            "id": polars.String,
            "text": polars.String,
            "fields": polars.String,
            "meta": polars.String,
            "hash": polars.UInt64,
        },
    ).with_columns(nothing.alias("label"), nothing.alias("split"))
    numbers = _numbers(sides, output.pairs)
    polars.DataFrame(
        {
            "id": ids,
            "left_side": numbers.left,
            "right_side": numbers.right,
            "similarity": output.similarity,
            "searches": output.searches,
            "beyond": output.beyond,
        },
        schema_overrides={
            "id": polars.String,
            "searches": polars.List(polars.String),
            "beyond": polars.String,
        },
    ).with_columns(polars.col("similarity").fill_nan(None)).write_parquet(out / "pairs.parquet")
    with whole_file(out / "records.parquet", alone=True) as partial:
        table.write_parquet(partial)
