"""The job that replays the answers of a file of annotations: its parameters and result. Knows no store."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.jobs.kinds import JobKind
from core.training.trainers import Value

RANDOM, DOUBT = "random", "doubt"
STRATEGIES = {
    RANDOM: "at random",
    DOUBT: "those of a random sample whose suggestion is invalid, not in the text, or of low token probability",
}
"""how the next answers are chosen"""


SETTINGS = ("epochs=2", "batch_size=8", "accumulation=1", "learning_rate=5e-4", "test_size=0")
"""of the trainer, which suit a small model on a processor"""


@dataclass(frozen=True)
class StepReplayParams:
    """file: of annotations. steps: file of steps or a template's name; names: those that are replayed, none means all.

    split, text: column or path of it, None: as the mapping says; label: of the only field. budget, batch: answers, in
    all and between two trainings. test: records that judge, at most. values: settings of the trainer; fit: batches are
    made smaller, and more of them accumulated, where prompts are long, which learns the same. few_shot: similar
    answered examples in a prompt of the untuned model; 0: that is not measured. encoder: of the plain classifier.
    """

    file: str
    steps: str
    names: tuple[str, ...] = ()
    split: str | None = None
    text: str | None = None
    label: str | None = None
    strategies: tuple[str, ...] = (RANDOM,)
    budget: int = 200
    batch: int = 100
    seeds: int = 1
    test: int = 100
    base: str = ""
    values: Mapping[str, Value] = field(default_factory=dict)
    fit: bool = False
    few_shot: int = 0
    encoder: str = ""
    threads: int = 0
    cache: str = ""


@dataclass(frozen=True)
class StepFigures:
    """Means over the test records that answer the step, 0..1. choices: path of an enumeration -> its macro F1."""

    step: str
    records: int
    validity: float
    exact: float
    field_f1: float
    choices: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """validity, field_f1: means over the steps. cut: answers that met the limit of tokens."""

    validity: float
    field_f1: float
    steps: tuple[StepFigures, ...]
    cut: int = 0


@dataclass(frozen=True)
class StepCurve:
    """measured: a tuple for each seed, with what the model reaches at each of the result's `answers`."""

    strategy: str
    measured: tuple[tuple[Measured, ...], ...]


@dataclass(frozen=True)
class StepReplayResult:
    """pool, test: records. answers: at which models were trained. untuned: the base held to the schema. few_shot: the
    same with examples in the prompt, None where it was not measured. classifier: path of an enumeration -> share right
    by the plain classifier at each of `answers`, learnt from those chosen at random with the first seed. faults: parts
    of the file that do not fit the steps. tuning, answering: seconds. memory_mb: most that the process took."""

    pool: int
    test: int
    answers: tuple[int, ...]
    untuned: Measured
    few_shot: Measured | None
    classifier: Mapping[str, tuple[float, ...]]
    curves: tuple[StepCurve, ...]
    faults: int
    tuning: float
    answering: float
    memory_mb: int


STEP_REPLAY = JobKind("step_replay", StepReplayParams, StepReplayResult)
