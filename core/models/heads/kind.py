"""What a head is to whoever fits and asks one, whatever the task. Knows arrays, no label and no file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from core.arrays import Bools, Floats, Ints, Rows
from core.models.heads.neighbour_graph import Graph

Arrays = Mapping[str, npt.NDArray[Any]]


class FittedHead(Protocol):
    """From vectors to outputs, one row a record. calibration_error: of its confidence on held-out labelled records,
    None where there were too few."""

    @property
    def calibration_error(self) -> float | None: ...

    def predict(self, vectors: Floats, rows: Ints | None = None) -> Floats:
        """(n, outputs) of all vectors or of some rows."""

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What it has learnt, as an artifact keeps it."""

    def about(self) -> dict[str, object]:
        """What a manifest says of it beside the arrays, ready for JSON."""


@dataclass(frozen=True)
class TrainingRecords:
    """What a head learns from. vectors: (n, dims) unit rows. answers: (n, width) as the task encodes them. texts:
    (categories, dims) what the categories are called, encoded, as extra examples; or None."""

    vectors: Floats
    answers: Rows
    texts: Floats | None = None


@dataclass(frozen=True)
class NeighbourGraph:
    """What is around the labelled vectors: the neighbour graph, and the vectors of its nodes, (nodes, dims) float32."""

    graph: Graph
    points: Floats


AHead = TypeVar("AHead", bound=FittedHead, covariant=True)


@dataclass(frozen=True)
class CrossFit(Generic[AHead]):
    """The head of all records, and what heads that did not see them say of the judged ones.

    outputs: (judged, outputs) calibrated, in the order of the records; None for too few records. records: (judged,) how
    many records the head learnt from that judged this one.
    """

    head: AHead
    outputs: Floats | None
    records: Ints


@dataclass(frozen=True)
class HeadKind:
    """How heads of one project are fitted, and read again.

    cross_fit: (records, what is around them, (n,) mask of those to judge, rng) -> CrossFit. fit: the same head at once,
    whose confidence is not to be believed. restore: (manifest, arrays) -> the head; raises ValueError where they do not
    fit each other. unfit: why a model of this manifest does not answer what the project asks now, or None.
    """

    cross_fit: Callable[[TrainingRecords, NeighbourGraph | None, Bools, np.random.Generator], CrossFit[FittedHead]]
    fit: Callable[[TrainingRecords, NeighbourGraph | None], FittedHead]
    restore: Callable[[Mapping[str, Any], Arrays], FittedHead]
    unfit: Callable[[Mapping[str, Any]], str | None]

    def fits(self, head: FittedHead) -> bool:
        """Does it answer what the project asks now?"""
        return self.unfit(head.about()) is None
