"""A model's metrics, as they are stored with it, sent and shown. Computes nothing, loads nothing heavy."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from core.models.feature_check import FeatureCheck
from core.typed_json import from_json


@dataclass(frozen=True)
class Estimate:
    """A share or score with its 95 % interval, all 0..1."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class LabelScore:
    """One label; None where no drawn record has or is predicted to have it. records, predicted: drawn ones that truly
    have it, and that are predicted to.

    precision: of the records that are predicted to have it. recall: of those that have it. prevalence: its share of all
    records, given also for a label that was never seen.
    """

    precision: Estimate | None
    recall: Estimate | None
    f1: Estimate | None
    prevalence: Estimate | None
    records: int
    predicted: int = 0


@dataclass(frozen=True)
class Score:
    """Scores on n random records. Accuracy counts a record as right when all its labels are. macro_f1, micro_f1: None
    for a task whose answers are no choice among categories.

    effective: effective sample size, in random records of an infinite pool; None where all is known. population and
    uncovered: records the estimate is about, None for gold, and those of them it leaves out because nothing of their
    import was audited. per_label: by label id. levels: where labels stand under others. unsaid: sentences on what
    cannot be estimated yet and how many more records it takes.
    """

    n: int
    accuracy: Estimate
    macro_f1: Estimate | None = None
    micro_f1: Estimate | None = None
    effective: float | None = None
    population: int | None = None
    uncovered: int = 0
    per_label: Mapping[str, LabelScore] = field(default_factory=dict)
    unsaid: tuple[str, ...] = ()
    levels: "tuple[LevelScore, ...]" = ()


@dataclass(frozen=True)
class CategoryScore(Score):
    """The same of answers that are a choice among categories, as it is computed; it is stored as any `Score`."""

    macro_f1: Estimate
    micro_f1: Estimate


@dataclass(frozen=True)
class LevelScore:
    """The same of labels that stand under others, each taken for the one above it at this level, from 1 at the top; one
    that is higher stands for itself. labels: how many there are then. score: without figures per label."""

    level: int
    labels: int
    score: Score


@dataclass(frozen=True)
class Bin:
    """Records of similar confidence. stated: its mean. right: the share that is, with low and high (95 %, Wilson
    1927).
    """

    stated: float
    right: float
    low: float
    high: float
    records: int


@dataclass(frozen=True)
class Reliability:
    """Predicted confidence against accuracy, in bins of equally many records.

    error: expected calibration error, the mean distance between stated and right, in bins of equal mass (Nguyen &
    O'Connor 2015). by_chance: what a perfectly calibrated model would show with as few records, never 0; in 19 of 20
    cases it would show less than `at_most`.
    """

    records: int
    error: float
    by_chance: float
    at_most: float
    bins: tuple[Bin, ...]


@dataclass(frozen=True)
class Confusion:
    """A true and a predicted label that occur on one record, by name and id; no id for "no label". records: of those
    scored. share: of all records that the estimate is about.
    """

    truth: str
    predicted: str
    truth_id: str | None
    predicted_id: str | None
    records: int
    share: float


@dataclass(frozen=True)
class CurvePoint:
    """A model on the learning curve, scored on the audit as it was when the newest model was made."""

    id: str
    round: int
    labels: int
    audit: Score


@dataclass(frozen=True)
class Missing:
    """There is too little data for a figure. missing: a sentence on what it takes."""

    missing: str


@dataclass(frozen=True)
class Gain:
    """What `more` labels would add to the accuracy, in shares: 0.01 is one point. low, high: 95 %."""

    more: int
    mean: float
    low: float
    high: float
    chance: float
    """probability that the model is better then than now"""
    sentence: str


@dataclass(frozen=True)
class Forecast:
    """The curve at hand and ahead. line: (labels, accuracy, low, high) of the curve, from the first model on to the
    last of `gains`. points: (labels, accuracy) of each model.
    """

    labels: int
    audits: int
    level: Estimate
    ceiling: Estimate
    """asymptotic accuracy of this kind of model: an extrapolation far beyond the data"""
    gains: tuple[Gain, ...]
    points: tuple[tuple[float, float], ...]
    line: tuple[tuple[float, float, float, float], ...]


@dataclass(frozen=True)
class Savings:
    """Labels that random labelling would have needed for the present model's accuracy, and how many fewer were given.

    needed, saved: medians; low and high: 95 %; None stands for more than `savings.FAR` times the labels so far.
    verdict: "saved", "none" (as many as random, give or take `savings.SAME`), "worse" or "unclear". chance: that any
    were saved.
    """

    labels: int
    audits: int
    needed: float | None
    needed_low: float
    needed_high: float | None
    saved: float | None
    saved_low: float
    saved_high: float | None
    chance: float
    verdict: str
    sentence: str


@dataclass(frozen=True)
class ModelAgreement:
    """Agreement of two models on the same records. same: share of equal decisions. kappa: Cohen's, chance-corrected, 1
    is full.
    """

    kappa: float
    same: float
    decisions: int


@dataclass(frozen=True)
class Shift:
    """One figure in two groups of records. what: accuracy, or the share of a label. p: p-value of the difference,
    corrected for all comparisons made together.
    """

    what: str
    here: str
    there: str
    value_here: Estimate
    value_there: Estimate
    p: float


@dataclass(frozen=True)
class Drift:
    """differences: surest first. claims: sentences, only for p below `drift.SURE`. unsaid: sentences on what has too
    few records to compare.
    """

    differences: tuple[Shift, ...]
    claims: tuple[str, ...]
    unsaid: tuple[str, ...]


@dataclass(frozen=True)
class Mix:
    """What a model suggests for a source's records. shares: per label, sum 1. distance: 0..1 from all other sources,
    the share of suggestions that would have to change. sentence: None where they are alike or the records are few."""

    source: str
    records: int
    shares: tuple[float, ...]
    distance: float
    sentence: str | None


@dataclass(frozen=True)
class Metrics:
    """Everything that was measured of a model when it was made; None or empty where it was not.

    gold, audit: random records, on which claims rest. held_out: what training held out; it chose the checkpoint and so
    proves nothing. The rest only a round measures. curve: this model and those before it. agreement: with the model
    before, on the pool. unsure: share of the pool with an uncertain prediction. mixes: by source. unreadable: ids of
    models that are left out of the curve because they are damaged. features: encoders compared, where it was time.
    """

    gold: Score | None = None
    audit: Score | None = None
    held_out: Score | None = None
    calibration_error: float | None = None
    unsure: float | None = None
    agreement: ModelAgreement | None = None
    curve: tuple[CurvePoint, ...] = ()
    forecast: Forecast | Missing | None = None
    savings: Savings | Missing | None = None
    drift: Drift | None = None
    mixes: tuple[Mix, ...] = ()
    unreadable: tuple[str, ...] = ()
    features: FeatureCheck | None = None

    def on(self, stratum: str) -> Score | None:
        """The score on `gold`, `audit` or `held_out`; None where no record was scored."""
        score = {"gold": self.gold, "audit": self.audit, "held_out": self.held_out}[stratum]
        return score if score is not None and score.n else None


def read_metrics(stored: str, model: str) -> Metrics:
    """From the JSON in the table of models. Raises BadInput, which names the model, where that is malformed."""
    return from_json(Metrics, json.loads(stored), f"The metrics of {model}")
