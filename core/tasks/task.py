"""What a task declares about its answers, so that the rest need not know it. Knows arrays and JSON, no store.

Inside jobs an answer is a row of numbers, as wide as the task says; several records are a matrix of such rows. What a
head gives for a record is a row too, its *outputs*: for labels the probability of each.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from core.arrays import Floats, Ints
from core.errors import BadInput

Rows = npt.NDArray[np.generic]
"""(n, width) encoded answers"""

Acquisition = Callable[[Floats], Floats]
"""outputs (n, k) -> (n,) acquisition scores, higher = ask sooner"""


@dataclass(frozen=True)
class Task:
    """The task of one project, with its settings inside its functions.

    decide: outputs (n, k) -> answers (n, width), what is proposed. confidence: (outputs, answers) -> (n,) probability
    that the answer is right. correct: (truth, answers) -> (n,) how right each is, 0..1. gradients: outputs -> (n, k)
    how far each output would move if the proposed answer were true. acquisition: by name, the first is the default.
    cold: labelled records below which a model's doubt is not worth listening to. categories: of how many categories an
    answer has a bool each, 0 where it is no choice among some; exclusive: exactly one of them holds.
    """

    name: str
    decide: Callable[[Floats], Rows]
    confidence: Callable[[Floats, Rows], Floats]
    correct: Callable[[Rows, Rows], Floats]
    gradients: Callable[[Floats], Floats]
    acquisition: Mapping[str, Acquisition]
    cold: int
    categories: int = 0
    exclusive: bool = False


@dataclass(frozen=True)
class Predictions:
    """What a model says of some records. outputs: (n, k), one row a record."""

    task: Task
    outputs: Floats

    def __len__(self) -> int:
        return len(self.outputs)

    @property
    def answers(self) -> Rows:
        """(n, width) what is proposed."""
        return self.task.decide(self.outputs)

    @property
    def confidence(self) -> Floats:
        """(n,) probability that what is proposed is right."""
        return self.task.confidence(self.outputs, self.answers)

    def take(self, positions: Ints) -> "Predictions":
        """Those of some records."""
        return replace(self, outputs=self.outputs[positions])

    def drop(self, positions: Ints) -> "Predictions":
        """Those of all other records."""
        return replace(self, outputs=np.delete(self.outputs, positions, axis=0))

    def acquisition(self, name: str | None = None) -> Acquisition:
        """The task's score of that name, or its default. Raises BadInput where it has none of this name."""
        scores = self.task.acquisition
        if name is not None and name not in scores:
            raise BadInput(f"The task {self.task.name} has no score {name!r}; there are {', '.join(scores)}.")
        return scores[next(iter(scores)) if name is None else name]
