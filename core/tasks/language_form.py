"""How a language model is asked for an answer of a task: in words, and as JSON of a schema. Knows no task, no model."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Setup = Mapping[str, object]
Alternatives = Sequence[tuple[object, float | None]]
"""parts of an answer with their probabilities, best first, None where it is not known: what a card shows"""


@dataclass(frozen=True)
class LanguageForm:
    """schema: setup -> JSON Schema of what the model answers. instructions: (setup, guidelines) -> what it is to do.

    value: (answer, setup) -> the answer as the model would write it, for an example; None where it cannot be written
    any more. read: (value that fits the schema, setup) -> the canonical answer. alternatives: (answer, its probability)
    -> for the card.
    """

    schema: Callable[[Setup], Mapping[str, object]]
    instructions: Callable[[Setup, str], str]
    value: Callable[[object, Setup], object]
    read: Callable[[object, Setup], object]
    alternatives: Callable[[object, float | None], Alternatives]
