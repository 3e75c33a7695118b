"""Input and result of a round's job. Knows no store and no strategy."""

from collections.abc import Mapping
from dataclasses import dataclass

from core.data.encode_job import EncodeParams
from core.evaluation.metrics import Metrics
from core.ids import ModelId
from core.jobs.kinds import JobKind
from core.models.feature_check import FeatureCheck
from core.sampling.selftest import SelfTest


@dataclass(frozen=True)
class BatchChoice:
    """What to choose: `size` records by `strategy`; the seed makes it repeatable."""

    size: int
    strategy: str
    seed: int
    audit_share: float
    spare: int
    batch: int


@dataclass(frozen=True)
class PastModel:
    """A head that an earlier round fitted on the same vectors. path: its folder. labels: how many it trained on."""

    id: ModelId
    path: str
    labels: int
    round: int


@dataclass(frozen=True)
class FeatureOrder:
    """Encoders to compare on the texts in `in/texts.parquet`, and the newest comparison before."""

    encoders: tuple[str, ...]
    last: FeatureCheck | None


@dataclass(frozen=True)
class RoundParams:
    """What one job does: refit, choose, or both in this order; the record numbers and targets are in `in/rows.npz`.

    encoder_source: the encoder's folder, or its name. vectors: folder. task, setup: what an answer is, as core/tasks
    says it. use_names: names of categories are training examples too. model: folder of the one in use. test: unlabelled
    test records that are asked too. models: of earlier rounds, oldest first. sources: names of the files that the
    records came from. features: encoders to compare. A round that only chooses again needs none of what has a default.
    """

    encoder: str
    vectors: str
    threads: int
    task: str
    setup: Mapping[str, object]
    choose: BatchChoice | None
    model: str | None
    learn: bool = False
    seed: int = 0
    encoder_source: str = ""
    use_names: bool = False
    test: int = 0
    round: int = 0
    models: tuple[PastModel, ...] = ()
    sources: tuple[str, ...] = ()
    features: FeatureOrder | None = None


@dataclass(frozen=True)
class Chosen:
    """A batch that lies in `out/queue.parquet`. pool: candidates; records: that have a vector; labelled: by then."""

    pool: int
    records: int
    labelled: int
    self_test: SelfTest


@dataclass(frozen=True)
class RoundResult:
    """labels, metrics: of the head in `out/model`, where the round fitted one. chosen: where it chose."""

    seed: int
    seconds: float
    labels: int | None = None
    metrics: Metrics | None = None
    chosen: Chosen | None = None


@dataclass(frozen=True)
class EarlyParams:
    """A batch from records that this job encodes itself: `in/texts.parquet` has their texts, in the order of
    `pool_rows`. records: how many there are in all."""

    encode: EncodeParams
    round: RoundParams
    records: int


EARLY = JobKind("early_batch", EarlyParams, RoundResult)
ROUND = JobKind("round", RoundParams, RoundResult)
RECHOOSE = JobKind("rechoose", RoundParams, RoundResult)
