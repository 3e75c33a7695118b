"""Parameters and result of training jobs, besides their files. Knows no store and no trainer's work."""

from collections.abc import Mapping
from dataclasses import dataclass

from core.evaluation.metrics import Metrics
from core.evaluation.paired import Difference
from core.jobs.kinds import JobKind
from core.training.trainers import Value

ON_DEVICE = "Training on "
"""with what a job runs on behind it, a line of its log"""


@dataclass(frozen=True)
class TrialParams:
    """Of a training that is tried out against the encoder in use, whose vectors come in `in/trial.npz`.

    against: that encoder. names: what is encoded of each label, as further examples; none where they are not used.
    """

    against: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trial:
    """What two twins showed, each trained on one half of the labels: heads on their vectors (second) beside heads on
    those of the encoder in use (first), on the other half and on the audit records.

    n: records compared, audits: of them drawn at random. steps: of each training. unsaid: why
    macro F1 cannot be compared; its interval is all there is then. unchosen: records compared that no model's doubt has
    chosen, audits among them; unchosen_gain: how many more of these the second has right.
    """

    against: str
    n: int
    audits: int
    labels: int
    steps: int
    accuracy: Difference
    macro_f1: Difference
    only_first: int
    only_second: int
    unsaid: tuple[str, ...] = ()
    unchosen: int = 0
    unchosen_gain: int = 0


@dataclass(frozen=True)
class TrainParams:
    """values: of the trainer's parameters. encoder: the base of the model, or the one it works on. labels: ids.

    taxonomy: its version. note: a person's. cache: the folder of downloaded models, where it is not beside the bundle.
    trial: None for a training without one.
    """

    trainer: str
    values: dict[str, Value]
    encoder: str
    labels: tuple[str, ...]
    label_names: tuple[str, ...]
    descriptions: tuple[str, ...]
    multi: bool
    seed: int
    threads: int
    taxonomy: int
    note: str = ""
    cache: str = ""
    trial: TrialParams | None = None


@dataclass(frozen=True)
class TrainPairsParams:
    """Of a trainer that reads both sides of a record. encoder: the base of the features that its score stands beside.

    setup: of the task. The rest as in `TrainParams`.
    """

    trainer: str
    values: dict[str, Value]
    encoder: str
    setup: Mapping[str, object]
    seed: int
    threads: int
    taxonomy: int
    note: str = ""
    cache: str = ""


@dataclass(frozen=True)
class TrainResult:
    """About the model in `out/model`. metrics: on gold, audit and held-out records. labels: that it trained on.

    own_encoder: it contains one; has_head: it has a head, so that it can be put to use. remark: the trainer's, in
    words. trial: its outcome, where there was one.
    """

    metrics: Metrics
    labels: int
    seconds: float
    memory_mb: int
    own_encoder: bool
    has_head: bool
    remark: str = ""
    trial: Trial | None = None


TRAIN = JobKind("train", TrainParams, TrainResult)
TRAIN_PAIRS = JobKind("train_pairs", TrainPairsParams, TrainResult)
