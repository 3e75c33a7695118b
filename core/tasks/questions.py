"""How a task is asked in Argilla, both ways. Knows no server, no dataset and no record."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

Value: TypeAlias = object
"""JSON as Argilla has it: a text, a list of texts, or an object with the value of each of several questions"""


@dataclass(frozen=True)
class Option:
    """One of a question's. value: what an answer holds, which never changes; text: what people read."""

    value: str
    text: str
    description: str = ""


NONE = "(none)"
"""value of the option that says none of the others, since Argilla wants at least one"""
FORM, SPANS = "form", "span"
TEXT = "text"
"""the field of a record in which spans are marked"""


@dataclass(frozen=True)
class Part:
    """One of several questions that are asked together. kind: `label_selection`, `text` or `span`; the last marks
    pieces of `field`, and its value is a list of {"start", "end", "label", "text"}: offsets in code points, label: the
    value of an option, text: the piece, where it comes from there. path, layout: which part of an answer it asks for,
    and how that is written into it, in the task's own words."""

    name: str
    kind: str
    title: str
    path: str = ""
    layout: str = ""
    description: str = ""
    options: tuple[Option, ...] = ()
    required: bool = False
    field: str = ""

    def fits(self, value: Value) -> bool:
        """Whether this can be given to it."""
        if self.kind == SPANS:
            return isinstance(value, list) and all(_label_of(one) in _values(self.options) for one in value)
        return isinstance(value, str) and (not self.options or value in _values(self.options))


def _label_of(mark: object) -> object:
    return mark.get("label") if isinstance(mark, Mapping) else None


def _values(options: tuple[Option, ...]) -> tuple[str, ...]:
    return tuple(option.value for option in options)


@dataclass(frozen=True)
class Question:
    """kind: Argilla's `label_selection`, `multi_label_selection` or `text`, which has no options; or FORM: several, the
    `parts`, whose value is an object with that of each by its name."""

    kind: str
    title: str
    options: tuple[Option, ...] = ()
    parts: tuple[Part, ...] = ()

    @property
    def values(self) -> tuple[str, ...]:
        """Of the options, in their order."""
        return _values(self.options)

    @property
    def marks(self) -> bool:
        """Are pieces of the text marked?"""
        return any(part.kind == SPANS for part in self.parts)

    def takes(self, other: "Question") -> bool:
        """Whether one that is published like this can be changed into the other: values are fixed, texts are not."""
        return self.kind == other.kind and self._fixed == other._fixed

    @property
    def _fixed(self) -> list[tuple[object, ...]]:
        parts = [
            (part.name, part.kind, part.layout, part.required, part.field, *sorted(_values(part.options)))
            for part in self.parts
        ]
        return [tuple(sorted(self.values)), *sorted(parts, key=str)]

    def fits(self, value: Value) -> bool:
        """Whether this can be given to it; no value always can."""
        if value is None or self.kind == "text":
            return value is None or isinstance(value, str)
        if self.kind == FORM:
            parts = {part.name: part for part in self.parts}
            return isinstance(value, Mapping) and all(
                name in parts and parts[name].fits(one) for name, one in value.items()
            )
        return not isinstance(value, Mapping) and set(value if isinstance(value, list) else [value]) <= set(self.values)


@dataclass(frozen=True)
class TeamForm:
    """What of a task is Argilla's. question: setup -> what to ask there; raises Refused where it cannot be asked.

    to_value: (answer, question) -> as an answer to it, None where it says nothing. from_value: (value, setup) -> the
    answer that a value of any question of this task means; raises BadInput. proposed: (a card's suggestion,
    question) -> value and score, None for no score; None where it proposes nothing that could be answered. guide: setup
    -> what helps to choose, for the guidelines. hint: a card's suggestion -> what people answered before, or empty.
    """

    question: Callable[[Mapping[str, object]], Question]
    to_value: Callable[[object, Question], Value]
    from_value: Callable[[Value, Mapping[str, object]], object]
    proposed: Callable[[Mapping[str, object], Question], tuple[Value, Value] | None]
    guide: Callable[[Mapping[str, object]], str] = lambda setup: ""
    hint: Callable[[Mapping[str, object]], str] = lambda suggestion: ""
