"""The job that measures annotators: what goes in and what comes out. Knows no store and no statistics."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.jobs.kinds import JobKind


@dataclass(frozen=True)
class QualityParams:
    """multi: whether several labels may hold for a record."""

    multi: bool


@dataclass(frozen=True)
class VoteArrays:
    """Answers as in `Votes`, (k,) each, with its sizes: records, people, categories.

    known, gold: (records,) the code of the known label or -1, and whether it is gold. members: (categories, labels),
    which labels each category has.
    """

    record: npt.NDArray[np.int64]
    annotator: npt.NDArray[np.int64]
    answer: npt.NDArray[np.int64]
    known: npt.NDArray[np.int64]
    gold: npt.NDArray[np.bool_]
    sizes: npt.NDArray[np.int64]
    members: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class GoldAccuracy:
    """Share of the answers to gold records that was right, with its 95 % interval."""

    n: int
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class AnnotatorQuality:
    """A person as measured last. right, informed, mace: None where nobody else answered the same records.

    annotator: '' in the job's result, which knows numbers and no names. right: estimated accuracy, from the others' and
    the known answers. informed: chance-corrected accuracy, 1 always right, 0 chance. mace: probability that this person
    knows rather than guesses.
    """

    annotator: str
    answers: int
    shared: int
    gold: GoldAccuracy | None
    right: float | None
    informed: float | None
    mace: float | None
    weight: float


@dataclass(frozen=True)
class QualityResult:
    """people: in the order of their numbers. records: those that two people answered or more."""

    people: tuple[AnnotatorQuality, ...]
    records: int
    seconds: float


QUALITY = JobKind("quality", QualityParams, QualityResult)
