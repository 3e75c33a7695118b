"""The interface of a head, whatever the task. Knows arrays, no label and no file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from core.arrays import Bools, Floats, Ints, Rows
from core.models.heads.neighbour_graph import Graph

Arrays = Mapping[str, npt.NDArray[Any]]


class FittedHead(Protocol):
    """From vectors to outputs, one row a record. calibration_error: expected, on held-out labelled records; None where
    there were too few.
    """

    @property
    def calibration_error(self) -> float | None: ...

    def predict(self, vectors: Floats, rows: Ints | None = None) -> Floats:
        """(n, outputs) of all vectors or of some rows."""

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Its parameters, as an artifact stores them."""

    def about(self) -> dict[str, object]:
        """Its entries in the manifest beside the arrays, ready for JSON."""


@dataclass(frozen=True)
class WeakRecords:
    """Records that no person has answered, with what a language model said. vectors: (m, dims). answers: (m, width).
    weight: (m,) of each, where a person's answer has 1.
    """

    vectors: Floats
    answers: Rows
    weight: Floats


@dataclass(frozen=True)
class TrainingRecords:
    """Training data of a head. vectors: (n, dims) unit rows. answers: (n, width) as the task encodes them. texts:
    (categories, dims) encoded names of the categories, as extra examples; or None. weak: extra examples, too, never
    evaluated; a head may do without them. seen: the encoder was trained on those that are not evaluated, so they say
    nothing of how sure a head may be.
    """

    vectors: Floats
    answers: Rows
    texts: Floats | None = None
    weak: WeakRecords | None = None
    seen: bool = False


@dataclass(frozen=True)
class NeighbourGraph:
    """A neighbour graph of pool records, and the vectors of its nodes, (nodes, dims) float32."""

    graph: Graph
    points: Floats


AHead = TypeVar("AHead", bound=FittedHead, covariant=True)


@dataclass(frozen=True)
class CrossFit(Generic[AHead]):
    """The head of all records, and out-of-fold predictions of the evaluated ones.

    outputs: (evaluated, outputs) calibrated, in the order of the records; None for too few records. records:
    (evaluated,) how many records the head trained on that predicted this one.
    """

    head: AHead
    outputs: Floats | None
    records: Ints


@dataclass(frozen=True)
class HeadKind:
    """How heads of one project are fitted and restored.

    cross_fit: (records, graph, (n,) mask of those to evaluate, rng) -> CrossFit. fit: the same head, faster and
    uncalibrated. restore: (manifest, arrays) -> the head; raises ValueError where they do not fit each other. unfit:
    why a model of this manifest does not fit the project's present labels, or None.
    """

    cross_fit: Callable[[TrainingRecords, NeighbourGraph | None, Bools, np.random.Generator], CrossFit[FittedHead]]
    fit: Callable[[TrainingRecords, NeighbourGraph | None], FittedHead]
    restore: Callable[[Mapping[str, Any], Arrays], FittedHead]
    unfit: Callable[[Mapping[str, Any]], str | None]

    def fits(self, head: FittedHead) -> bool:
        """Does it fit what the project's task asks now?"""
        return self.unfit(head.about()) is None
