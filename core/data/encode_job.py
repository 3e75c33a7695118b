"""Input and result of the job that encodes a part of the records. Knows no store and no encoder."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from core.jobs.kinds import JobKind

CARRIED = "encoder"
"""folder among a bundle's input: an encoder that was trained here, for a machine that has none of our folders"""


@dataclass(frozen=True)
class EncodeParams:
    """encoder_source: the encoder's folder, or its name; empty: it is in the bundle. cache: folder, empty elsewhere.
    start, stop: record numbers, stop not among them. shard_rows: vectors in a file. setup: of the task; version: of the
    features that it declares, or of the texts.
    """

    encoder: str
    encoder_source: str
    threads: int
    cache: str
    start: int
    stop: int
    shard_rows: int = 4_096  # what a kill can cost at most; a shard of 384 dims has 3 MB
    setup: Mapping[str, object] = field(default_factory=dict)
    version: str = ""


@dataclass(frozen=True)
class EncodeResult:
    """encoded: texts that this attempt encoded; retained: those that an earlier attempt had encoded."""

    records: int
    encoded: int
    retained: int
    dims: int
    seconds: float
    texts_per_second: float


TEXTS_IN = "in/texts.parquet"


def carried_encoder(params: EncodeParams, threads: int) -> tuple[EncodeParams, Path | None]:
    """The same for a machine that has no folder of ours, and the folder of an encoder that travels with the texts."""
    source = Path(params.encoder_source)
    carried = source if source.is_absolute() and source.is_dir() else None
    name = "" if carried else params.encoder_source
    return replace(params, cache="", threads=threads, encoder_source=name), carried


ENCODE = JobKind("encode", EncodeParams, EncodeResult)
RENEW = JobKind("renew", EncodeParams, EncodeResult)
"""of records whose text was cleaned since, in the order of their numbers; version: the run that cleaned them"""


ENCODE_SAMPLE = JobKind("encode_sample", EncodeParams, EncodeResult)
"""of a few texts, to say beforehand how long all will take"""


@dataclass(frozen=True)
class PoolParams:
    """Of the row that stands for all the encode jobs of a pool. gpu: "" for none. workers: jobs at once. job_records:
    of each."""

    encoder: str
    version: str
    gpu: str
    workers: int
    job_records: int


@dataclass(frozen=True)
class PoolResult:
    """encoded: records that have a vector. seconds: of all jobs together."""

    encoded: int
    seconds: float


ENCODE_POOL = JobKind("encode_pool", PoolParams, PoolResult)


PAIR_FEATURES = JobKind("pair_features", EncodeParams, EncodeResult)
FEATURE_KINDS = {kind.name: kind for kind in (PAIR_FEATURES,)}
"""of tasks that compare their records within the pool, see `PoolFeatures`"""
