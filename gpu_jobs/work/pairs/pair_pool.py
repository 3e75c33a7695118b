"""The jobs on a project's pairs: comparing the sides of each, and what a model says of others."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.data.encode_job import EncodeParams, EncodeResult
from core.errors import Damaged, Refused
from core.models.artifacts import load_fitted
from core.models.encoders.encoder import Encoder
from core.models.heads.kind import FittedHead
from core.models.heads.pair_head import pair_heads
from core.models.heads.pair_prior import PairPrior
from core.models.vectors import FACTS, EncodedFacts, shard_path, write_facts
from core.pairs.blocking.candidates import Pairs
from core.pairs.features import PairFeatures, pair_features
from core.pairs.predict_job import ANSWERS_OUT, NO_MODEL, PAIRS_IN, POOL_IN, PredictParams, PredictResult
from core.pairs.scorer import with_score
from core.pairs.spaces import NEAREST, Spaces, build_spaces
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


def encode_and_build(
    sides: list[list[str]],
    encoder: Encoder,
    folder: Path | None,
    report: Callable[[int, int], None],
    most: int = NEAREST,
) -> Spaces:
    """Of one source or two, texts distinct and none blank. folder: where vectors of texts are kept, if anywhere. most:
    neighbours of each."""
    part = ENCODING // len(sides)
    vectors = [
        encode_texts(encoder, texts, folder, phase(report, index * part, (index + 1) * part))
        for index, texts in enumerate(sides)
    ]
    two = len(sides) > 1
    both = (sides[0], sides[1] if two else None), (vectors[0], vectors[1] if two else None)
    return build_spaces(*both, phase(report, ENCODING, 1000), most)


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
