"""The jobs on a project's pairs: finding candidates among records of sources, comparing the sides of each pair."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.arrays import Floats, Ints
from core.data.cells import json_of
from core.data.encode_job import EncodeParams, EncodeResult
from core.data.ledger import normalised_hashes
from core.errors import Damaged, Refused
from core.models.artifacts import load_fitted
from core.models.encoders.encoder import Encoder
from core.models.heads.kind import FittedHead
from core.models.heads.pair_head import pair_heads
from core.models.heads.pair_prior import PairPrior
from core.models.vectors import FACTS, EncodedFacts, shard_path, write_facts
from core.pairs.candidate_job import CandidateParams, CandidateResult
from core.pairs.candidates import Pairs, distinct_texts, find_candidates, similarity
from core.pairs.features import PairFeatures, pair_features
from core.pairs.large_sources import rate_large
from core.pairs.predict_job import ANSWERS_OUT, NO_MODEL, PAIRS_IN, POOL_IN, PredictParams, PredictResult
from core.pairs.scorer import with_score
from core.pairs.spaces import Spaces, build_spaces
from core.pairs.text_vectors import encode_texts
from core.store.whole_files import whole_file
from core.tasks.pairs import field_names
from gpu_jobs.trainers.trainer_types import Progress
from gpu_jobs.work.pairs.pair_encoder import PairEncoder, open_pair_encoder

MOST_TEXTS = 100_000
"""distinct texts of a side: of so many each is held against all others"""
ENCODING = 660
"""thousandths of making spaces that encoding takes"""
ROWS = 4_096
"""pairs in a shard"""


def phase(report: Callable[[int, int], None], start: int, stop: int) -> Callable[[int, int], None]:
    """Progress of a part of the work, as thousandths of all of it."""

    def report_part(done: int, total: int) -> None:
        report(start + (stop - start) * done // max(total, 1), 1000)

    return report_part


@dataclass(frozen=True)
class Sides:
    """Records that are paired. numbers: (n,) of each; left, right: those on either side, rows of `texts`; one object
    where any may stand on either."""

    ids: list[str]
    titles: list[str]
    texts: list[str]
    left: Ints
    right: Ints


def candidates(bundle: Path, params: CandidateParams, report: Progress) -> CandidateResult:
    """Writes `out/records.parquet` and `out/pairs.parquet`, the most alike first where not all are kept."""
    started = time.monotonic()
    sides = _read_sides(bundle / "in" / "sides.parquet", params)
    pairs, values, distinct = _find(bundle, sides, params, report)
    order = _most_alike(pairs, values, params.most)
    order = order[np.lexsort((pairs.right[order], pairs.left[order]))]
    _write(bundle / "out", sides, Pairs(pairs.left[order], pairs.right[order]), values[order])
    report(1000, 1000)
    return CandidateResult(
        sides=len(sides.texts),
        distinct=distinct,
        candidates=len(order),
        left_out=len(pairs) - len(order),
        seconds=round(time.monotonic() - started, 3),
    )


def _most_alike(pairs: Pairs, values: Floats, most: int) -> Ints:
    """Places of so many pairs at most, and of so many that neither side has more texts than can be compared."""
    order = np.argsort(-values, kind="stable")[:most]
    for rows in (pairs.left, pairs.right):
        _, first = np.unique(rows[order], return_index=True)
        if len(first) > MOST_TEXTS:
            order = order[: np.sort(first)[MOST_TEXTS]]
    return np.asarray(order, np.int64)


def _read_sides(path: Path, params: CandidateParams) -> Sides:
    import polars

    table = polars.read_parquet(path)
    sources, ids = table["source"].to_list(), table["id"].to_list()
    names = list(dict.fromkeys(sources))
    several = params.sources > 1
    rows = np.arange(len(ids))
    first = np.array([source == names[0] for source in sources])
    return Sides(
        ids=[f"{source}:{id_}" for source, id_ in zip(sources, ids, strict=True)] if several else ids,
        titles=[f"{source} · {id_}" for source, id_ in zip(sources, ids, strict=True)] if several else ids,
        texts=table["text"].to_list(),
        left=rows if params.within else rows[first],
        right=rows if params.within else rows[~first],
    )


def _find(bundle: Path, sides: Sides, params: CandidateParams, report: Progress) -> tuple[Pairs, Floats, int]:
    """Pairs as rows of `sides`, their similarity, and how many texts differ. Equal texts of one source are paired with
    the first of them, and only that one with others."""
    parts = [sides.left] if params.within else [sides.left, sides.right]
    distinct = [distinct_texts([sides.texts[row] for row in part.tolist()]) for part in parts]
    firsts = [part[one.firsts] for part, one in zip(parts, distinct, strict=True)]
    left, right = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    values: list[Floats] = [np.empty(0)]
    if all(map(len, firsts)) and sum(map(len, firsts)) > 1:
        texts = [[sides.texts[row] for row in part.tolist()] for part in firsts]
        if max(map(len, texts)) > MOST_TEXTS:
            rated = rate_large((texts[0], None if params.within else texts[1]), None, bundle, params.threads, report)
            pairs, alike = rated.pairs, rated.similarity
        else:
            opened = open_pair_encoder(params.encoder_source, Path(params.cache), params.threads)
            spaces = encode_and_build(texts, opened.encoder, Path(params.vectors), phase(report, 0, 900))
            pairs = find_candidates(spaces, params.per_record)
            alike = similarity(spaces, pairs)
        left.append(firsts[0][pairs.left])
        right.append(firsts[-1][pairs.right])
        values.append(alike)
    if params.within:
        rows = np.flatnonzero(distinct[0].text_of >= 0)
        again = rows[~np.isin(rows, distinct[0].firsts)]
        left.append(firsts[0][distinct[0].text_of[again]])
        right.append(parts[0][again])
        values.append(np.ones(len(again)))
    return Pairs(np.concatenate(left), np.concatenate(right)), np.concatenate(values), sum(map(len, firsts))


def encode_and_build(
    sides: list[list[str]], encoder: Encoder, folder: Path | None, report: Callable[[int, int], None]
) -> Spaces:
    """Of one source or two, texts distinct and none blank. folder: where vectors of texts are kept, if anywhere."""
    part = ENCODING // len(sides)
    vectors = [
        encode_texts(encoder, texts, folder, phase(report, index * part, (index + 1) * part))
        for index, texts in enumerate(sides)
    ]
    two = len(sides) > 1
    both = (sides[0], sides[1] if two else None), (vectors[0], vectors[1] if two else None)
    return build_spaces(*both, phase(report, ENCODING, 1000))


def _write(out: Path, sides: Sides, pairs: Pairs, values: Floats) -> None:
    import polars

    left, right = pairs.left.tolist(), pairs.right.tolist()
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
    numbers = {"id": ids, "left_side": pairs.left, "right_side": pairs.right, "similarity": values}
    polars.DataFrame(numbers, schema_overrides={"id": polars.String}).write_parquet(out / "pairs.parquet")
    with whole_file(out / "records.parquet", alone=True) as partial:
        table.write_parquet(partial)


def compare(bundle: Path, params: EncodeParams, report: Progress) -> EncodeResult:
    """Writes the features of every pair of `in/records.parquet` as `out/shard-*.npy`, see `PairFeatures.vectors`.

    A record without sides, as one that was erased, has a vector without information.
    """
    import polars

    started = time.monotonic()
    table = polars.read_parquet(bundle / "in" / "records.parquet")
    left, right = table["left_text"].to_list(), table["right_text"].to_list()
    there = np.array([bool(one.strip()) and bool(other.strip()) for one, other in zip(left, right, strict=True)])
    opened = open_pair_encoder(params.encoder_source, Path(params.cache), params.threads)
    rows = np.flatnonzero(there).tolist()
    pool = PairedTexts([left[row] for row in rows], [right[row] for row in rows], bool(table["within"].any()))
    features = compare_texts(pool, opened, field_names(params.setup), Path(params.cache).parent, report)
    dims = len(features.names) + 1
    vectors = np.zeros((len(left), dims), np.float16)
    vectors[:, 0] = 1
    vectors[there] = features.vectors
    facts = EncodedFacts(len(left), dims, ROWS, f"{opened.fingerprint}-{params.version}")
    out = bundle / "out"
    (out / FACTS).unlink(missing_ok=True)
    for number, start in enumerate(range(0, len(vectors), ROWS)):
        with whole_file(shard_path(out, number), alone=True) as partial, partial.open("wb") as file:
            np.save(file, vectors[start : start + ROWS])
    write_facts(out, facts)
    report(1000, 1000)
    seconds = time.monotonic() - started
    return EncodeResult(len(left), len(left), 0, dims, round(seconds, 3), round(len(left) / seconds, 1))


def predict(bundle: Path, params: PredictParams, report: Progress) -> PredictResult:
    """Writes ANSWERS_OUT. A pair's context is the pool and the pairs asked about with it.

    Where the pool links two sources, a text that only the right one has stands on the right.
    """
    import polars

    started = time.monotonic()
    pool, new = polars.read_parquet(bundle / POOL_IN), polars.read_parquet(bundle / PAIRS_IN)
    there = pool.filter((polars.col("left_text") != "") & (polars.col("right_text") != ""))
    left, right = there["left_text"].to_list(), there["right_text"].to_list()
    only_left, only_right = set(left) - set(right), set(right) - set(left)
    for one, other in zip(new["left_text"].to_list(), new["right_text"].to_list(), strict=True):
        turned = one in only_right or other in only_left
        left.append(other if turned else one)
        right.append(one if turned else other)
    within = not len(there) or bool(there["within"].any())
    opened = open_pair_encoder(params.encoder_source, Path(params.cache), params.threads)
    paired = PairedTexts(left, right, within, first=len(there))
    features = compare_texts(paired, opened, field_names(params.setup), Path(params.cache).parent, report)
    head, reason = _model(params)
    same = head.predict(features.vectors)[:, 1].astype(np.float64)
    values = features.values[:, 0].astype(np.float64)
    polars.DataFrame({"same": same, "similarity": values}).write_parquet(bundle / ANSWERS_OUT)
    return PredictResult(len(new), not reason, reason, round(time.monotonic() - started, 3))


def _model(params: PredictParams) -> tuple[FittedHead, str]:
    """The head, and why it is no model's."""
    if params.model is None:
        return PairPrior(), NO_MODEL
    heads = pair_heads(field_names(params.setup))
    try:
        head = load_fitted(Path(params.model), heads.restore)
    except (Damaged, Refused) as error:
        return PairPrior(), str(error)
    if unfit := heads.unfit(head.about()):
        return PairPrior(), f"The model in use {unfit}. Fit one anew: `rondo fit`."
    return head, ""


@dataclass(frozen=True)
class PairedTexts:
    """left, right: (pairs,) of each. within: a text may stand on either side. first: of those that are compared."""

    left: list[str]
    right: list[str]
    within: bool
    first: int = 0


def compare_texts(
    pool: PairedTexts,
    opened: PairEncoder,
    fields: Sequence[str],
    folder: Path | None,
    report: Callable[[int, int], None],
) -> PairFeatures:
    """Features of the pairs from `pool.first` on; all of them are context. fields: names of those that are compared one
    by one. folder: where vectors of texts are kept, if anywhere."""
    numbers: list[dict[str, int]] = [{}, {}]
    if pool.within:
        numbers[1] = numbers[0]
    left, right = (
        np.array([number.setdefault(text, len(number)) for text in side], np.int64)
        for number, side in zip(numbers, (pool.left, pool.right), strict=True)
    )
    texts = [list(number) for number in (numbers[:1] if pool.within else numbers)]
    spaces = encode_and_build(texts, opened.encoder, folder, phase(report, 0, 600))
    pairs = Pairs(left[pool.first :], right[pool.first :])
    end = 800 if opened.scorer else 990
    features = pair_features(spaces, (texts[0], texts[-1]), pairs, phase(report, 600, end), fields)
    if opened.scorer is None:
        return features
    both = list(zip(pool.left[pool.first :], pool.right[pool.first :], strict=True))
    return with_score(features, opened.scorer.score(both, phase(report, end, 990)))
