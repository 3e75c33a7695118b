"""Inputs and results of the jobs that inspect labels and lay out the map. Knows no store and no model."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.jobs.kinds import JobKind


@dataclass(frozen=True)
class InspectParams:
    """vectors: the folder with those of every encoder. labels: ids, in the order of the targets' columns."""

    encoder: str
    vectors: str
    threads: int
    labels: tuple[str, ...]
    multi: bool
    seed: int


@dataclass(frozen=True)
class InspectArrays:
    """rows (k,) and targets (k, labels) of all labelled records; disputed, disputes (d,): how much people disagree."""

    rows: npt.NDArray[np.int64]
    targets: npt.NDArray[np.bool_]
    disputed: npt.NDArray[np.int64]
    disputes: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Inspection:
    """How many flags of each kind an inspection set. labelled: records with a label; inspected: those examined."""

    label_error: int
    ambiguous: int
    near_duplicate: int
    outlier: int
    labelled: int
    inspected: int
    seconds: float


INSPECT = JobKind("inspect", InspectParams, Inspection)


@dataclass(frozen=True)
class MapParams:
    """vectors: the folder with those of every encoder."""

    encoder: str
    vectors: str
    threads: int
    seed: int


@dataclass(frozen=True)
class MapLayout:
    """points: on the map now."""

    points: int
    seconds: float


MAP = JobKind("project", MapParams, MapLayout)
