"""Input and results of the jobs that evaluate and compare models and encoders. Evaluates nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.evaluation.metrics import Confusion, Estimate, LabelScore, LevelScore, Reliability
from core.evaluation.paired import Difference
from core.ids import RecordId
from core.jobs.kinds import JobKind


@dataclass(frozen=True)
class LabelledFile:
    """A person's file and its columns. known: names of labels, which are never split at a separator."""

    file: str
    text: tuple[str, ...]
    label: str | None = None
    id: str | None = None
    encoding: str | None = None
    known: tuple[str, ...] = ()


@dataclass(frozen=True)
class EvaluatedFolder:
    """A model to be evaluated. folder: its artifact, None for the baseline. base: the folder on this machine that it
    was made from, or empty."""

    name: str
    folder: str | None
    base: str = ""


@dataclass(frozen=True)
class Setting:
    """What models are evaluated on, and with.

    on: the name of the records. file: None where they are the project's. names, descriptions: of the labels, by
    id. encoder: of the baseline. vectors: the folder of stored ones. rules: by which texts
    from elsewhere are cleaned, as the project's are. lines: label id to the ids from the top to it, where labels stand
    under others.
    """

    on: str
    file: LabelledFile | None
    names: Mapping[str, str]
    descriptions: Mapping[str, str]
    multi: bool
    encoder: str
    vectors: str
    threads: int
    seed: int
    rules: tuple[str, ...] = ()
    lines: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class EvaluateParams:
    """top_k: the largest k of top-k accuracy. write: the name of a file with one line per record, in `out`."""

    setting: Setting
    models: tuple[EvaluatedFolder]
    top_k: int
    labeled_only: bool
    write: str | None


@dataclass(frozen=True)
class TopAccuracy:
    """The share of records that have a true label among the k likeliest."""

    k: int
    accuracy: Estimate


@dataclass(frozen=True)
class Miss:
    """A record that the model gets wrong. probability: of its whole predicted answer, None where that is not known."""

    id: RecordId
    text: str
    truth: tuple[str, ...]
    predicted: tuple[str, ...]
    probability: float | None


@dataclass(frozen=True)
class EvaluateResult:
    """Of one model. records: that were predicted. labelled: of these. n and all figures: as in `Score`; n is 0 and
    there is none where no record has a label.

    unknown: labels that the model does not know, by name, and how many records have each. labels: names by id. notes:
    sentences. made_at, out, saved: when it was done, and where it was written or stored.
    """

    model: str
    on: str
    trainer: str
    multi: bool
    records: int
    labelled: int
    unknown: Mapping[str, int]
    labels: Mapping[str, str]
    notes: tuple[str, ...]
    seconds: float
    n: int = 0
    accuracy: Estimate | None = None
    macro_f1: Estimate | None = None
    micro_f1: Estimate | None = None
    effective: float | None = None
    population: int | None = None
    uncovered: int = 0
    per_label: Mapping[str, LabelScore] = field(default_factory=dict)
    unsaid: tuple[str, ...] = ()
    top: tuple[TopAccuracy, ...] = ()
    calibration: Reliability | None = None
    confusion: tuple[Confusion, ...] = ()
    worst: tuple[Miss, ...] = ()
    levels: tuple[LevelScore, ...] = ()
    made_at: str = ""
    out: str | None = None
    saved: bool = False


@dataclass(frozen=True)
class CompareParams:
    """Two models on the same records."""

    setting: Setting
    models: tuple[EvaluatedFolder, EvaluatedFolder]


@dataclass(frozen=True)
class SideScore:
    """One model's own figures."""

    accuracy: Estimate
    macro_f1: Estimate


@dataclass(frozen=True)
class LabelDifference:
    """F1 of one label, the second model's minus the first's. label: its name. records: that have it."""

    label: str
    id: str
    records: int
    first: float
    second: float
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Example:
    """A record that only one model gets right, with what both predict. right: `first` or `second`."""

    id: RecordId
    text: str
    truth: tuple[str, ...]
    first: tuple[str, ...]
    second: tuple[str, ...]
    right: str


@dataclass(frozen=True)
class CompareResult:
    """The second model minus the first. n to unsaid: as in `Paired`. scores: by `first` and `second`. labels:
    names by id. verdict: which is better, in a sentence. notes: sentences."""

    first: str
    second: str
    on: str
    n: int
    effective: float | None
    accuracy: Difference
    macro_f1: Difference
    only_first: int
    only_second: int
    unsaid: tuple[str, ...]
    scores: Mapping[str, SideScore]
    per_label: tuple[LabelDifference, ...]
    examples: tuple[Example, ...]
    verdict: str
    records: int
    labels: Mapping[str, str]
    multi: bool
    notes: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class EncoderSource:
    """name: its vectors are stored under it. source: it is loaded from there."""

    name: str
    source: str


@dataclass(frozen=True)
class CompareEncodersParams:
    """clusters: 0 for the default number. sample: records at most."""

    setting: Setting
    encoders: tuple[EncoderSource, ...]
    clusters: int
    sample: int


@dataclass(frozen=True)
class FewLabelAccuracy:
    """Of a head fitted on `per_label` records of each label; or a difference of two."""

    per_label: int
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class EncoderFigures:
    """An encoder's figures, or their difference to the first one's."""

    knn_accuracy: Estimate
    purity: Estimate
    silhouette: Estimate
    few_label_accuracy: tuple[FewLabelAccuracy, ...]


@dataclass(frozen=True)
class EncoderRow:
    """One encoder. dims: numbers of a vector. difference: None for the first."""

    encoder: str
    dims: int
    seconds: float
    knn_accuracy: Estimate
    purity: Estimate
    silhouette: Estimate
    few_label_accuracy: tuple[FewLabelAccuracy, ...]
    difference: EncoderFigures | None


@dataclass(frozen=True)
class Chance:
    """purity: of random clusters."""

    purity: float


@dataclass(frozen=True)
class CompareEncodersResult:
    """labels: how many the records have."""

    first: str
    second: str
    on: str
    rows: tuple[EncoderRow, ...]
    records: int
    labels: int
    clusters: int
    chance: Chance
    verdict: str
    notes: tuple[str, ...]
    seconds: float


EVALUATE = JobKind("evaluate", EvaluateParams, EvaluateResult)
COMPARE = JobKind("compare", CompareParams, CompareResult)
COMPARE_ENCODERS = JobKind("compare_encoders", CompareEncodersParams, CompareEncodersResult)
