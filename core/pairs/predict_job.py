"""What the job that judges pairs beside a project's pool is given, and what it answers. Knows no store."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.jobs.kinds import JobKind

NO_MODEL = "No model is in use yet: decide on some pairs and fit one."
PAIRS_IN, POOL_IN, ANSWERS_OUT = "in/pairs.parquet", "in/pool.parquet", "out/answers.parquet"
PAIRS_OUT = "out/pairs.parquet"


@dataclass(frozen=True)
class PredictParams:
    """The bundle has PAIRS_IN: left, right; and POOL_IN: as the features of the pool are made from.

    model: folder of the model in use, None: how the two compare with their other partners decides. cache: folder of
    encoders. setup: of the task.
    """

    encoder_source: str
    threads: int
    cache: str
    model: str | None
    setup: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class PredictResult:
    """ANSWERS_OUT has `same`, the probability, and `similarity` of each pair in order. by_model: whether the model said
    it; reason: why not."""

    pairs: int
    by_model: bool
    reason: str
    seconds: float


PREDICT_PAIRS = JobKind("predict_pairs", PredictParams, PredictResult)
