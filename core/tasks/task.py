"""What a task declares about its answers, so that the rest need not know what an answer is. Knows no task.

An answer is JSON. Inside jobs it is a row of numbers, as wide as the task says; several records are a matrix of such
rows. What a head gives for a record is a row too, its *outputs*: for labels the probability of each.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from core.arrays import Floats, Ints
from core.config.settings import Settings
from core.errors import BadInput

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Cursor

Rows = npt.NDArray[np.generic]
"""(n, width) encoded answers"""

Answer: TypeAlias = object
"""JSON: for labels the list of their ids, for a number a number"""

Acquisition = Callable[[Floats], Floats]
"""outputs (n, k) -> (n,) acquisition scores, higher = ask sooner"""


@dataclass(frozen=True)
class AnswerSpace:
    """How the answers of one project look as numbers, and what follows from outputs.

    task: its name. decide: outputs (n, k) -> answers (n, width), what is proposed. confidence: (outputs, answers) ->
    (n,) probability that the answer is right. correct: (truth, answers) -> (n,) how right each is, 0..1. gradients:
    outputs -> (n, k) how far each output would move if the proposed answer were true. acquisition: by name, the first
    is the default. cold: labelled records below which a model's doubt is not worth listening to. categories: of how
    many categories an answer has a bool each, 0 where it is no choice among some; exclusive: exactly one of them holds.
    """

    task: str
    decide: Callable[[Floats], Rows]
    confidence: Callable[[Floats, Rows], Floats]
    correct: Callable[[Rows, Rows], Floats]
    gradients: Callable[[Floats], Floats]
    acquisition: Mapping[str, Acquisition]
    cold: int
    categories: int = 0
    exclusive: bool = False


@dataclass(frozen=True)
class Task:
    """What an answer is.

    card: what the card must know to ask for one, ready for JSON. read: the fields of an event, as a browser or program
    sent them -> the answer; raises BadInput. canonical: the same answer always in the same form, by which votes, undo,
    agreement and equality work. refusal: why an answer cannot be stored, or None; one that was given while it was
    possible is kept. retired: why a correction cannot give it now, or None. still_meant: what of an answer is meant
    now, and whether that is enough to count. parameters: the same for SQL on the column `labels`: `active`, what may
    stand in it, and `multi`, whether an answer with any number of them counts, or only one with exactly one. A test
    holds the two together. space: the answers as numbers.
    """

    card: Callable[[Settings], Mapping[str, object]]
    read: Callable[[Mapping[str, object]], Answer]
    canonical: Callable[[Answer], Answer]
    refusal: Callable[[Answer, Settings, "Cursor"], str | None]
    retired: Callable[[Answer, Settings], str | None]
    still_meant: Callable[[Answer, Settings], tuple[Answer, bool]]
    parameters: Callable[[Settings], dict[str, object]]
    space: Callable[[Settings], AnswerSpace]


@dataclass(frozen=True)
class Predictions:
    """What a model says of some records. outputs: (n, k), one row a record."""

    space: AnswerSpace
    outputs: Floats

    def __len__(self) -> int:
        return len(self.outputs)

    @property
    def answers(self) -> Rows:
        """(n, width) what is proposed."""
        return self.space.decide(self.outputs)

    @property
    def confidence(self) -> Floats:
        """(n,) probability that what is proposed is right."""
        return self.space.confidence(self.outputs, self.answers)

    def take(self, positions: Ints) -> "Predictions":
        """Those of some records."""
        return replace(self, outputs=self.outputs[positions])

    def drop(self, positions: Ints) -> "Predictions":
        """Those of all other records."""
        return replace(self, outputs=np.delete(self.outputs, positions, axis=0))

    def acquisition(self, name: str | None = None) -> Acquisition:
        """The task's score of that name, or its default. Raises BadInput where it has none of this name."""
        scores = self.space.acquisition
        if name is not None and name not in scores:
            raise BadInput(f"The task {self.space.task} has no score {name!r}; there are {', '.join(scores)}.")
        return scores[next(iter(scores)) if name is None else name]
