"""Input and result of the job that encodes a part of the records. Knows no store and no encoder."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.jobs.kinds import JobKind


@dataclass(frozen=True)
class EncodeParams:
    """encoder_source: the encoder's folder, or its name. cache: folder. start, stop: record numbers, stop not among
    them. shard_rows: vectors in a file. setup: of the task; version: of the features that it declares, or of the texts.
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


ENCODE = JobKind("encode", EncodeParams, EncodeResult)
RENEW = JobKind("renew", EncodeParams, EncodeResult)
"""of records whose text was cleaned since, in the order of their numbers; version: the run that cleaned them"""


PAIR_FEATURES = JobKind("pair_features", EncodeParams, EncodeResult)
FEATURE_KINDS = {kind.name: kind for kind in (PAIR_FEATURES,)}
"""of tasks that compare their records within the pool, see `PoolFeatures`"""
