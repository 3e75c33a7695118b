"""How a task is asked in Argilla, both ways. Knows no server, no dataset and no record."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

Value: TypeAlias = object
"""JSON as Argilla has it: a text, or a list of texts"""


@dataclass(frozen=True)
class Option:
    """One of a question's. value: what an answer holds, which never changes; text: what people read."""

    value: str
    text: str
    description: str = ""


@dataclass(frozen=True)
class Question:
    """kind: Argilla's `label_selection`, `multi_label_selection` or `text`; the last has no options."""

    kind: str
    title: str
    options: tuple[Option, ...] = ()

    @property
    def values(self) -> tuple[str, ...]:
        """Of the options, in their order."""
        return tuple(option.value for option in self.options)

    def takes(self, other: "Question") -> bool:
        """Whether one that is published like this can be changed into the other: values are fixed, texts are not."""
        return self.kind == other.kind and sorted(self.values) == sorted(other.values)

    def fits(self, value: Value) -> bool:
        """Whether this can be given to it; no value always can."""
        if value is None or self.kind == "text":
            return value is None or isinstance(value, str)
        return set(value if isinstance(value, list) else [value]) <= set(self.values)


@dataclass(frozen=True)
class TeamForm:
    """What of a task is Argilla's. question: setup -> what to ask there; raises Refused where it cannot be asked.

    to_value: (answer, question) -> as an answer to it, None where it says nothing. from_value: the answer that a value
    of any question of this task means; raises BadInput. proposed: (a card's suggestion, question) -> value and score,
    None for no score; None where it proposes nothing that could be answered.
    """

    question: Callable[[Mapping[str, object]], Question]
    to_value: Callable[[object, Question], Value]
    from_value: Callable[[Value], object]
    proposed: Callable[[Mapping[str, object], Question], tuple[Value, Value] | None]
