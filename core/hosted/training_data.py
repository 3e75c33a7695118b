"""Examples to tune a language model on, their counts, and the files made of them. Knows no task and no provider."""

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from core.errors import BadInput, Refused
from core.language_models.requests import Message

FEWEST = 10
"""of either kind: below, nothing is tuned"""
RECOMMENDED = 50
"""of either kind: below, there is a warning"""
FORMATS = ("openai_jsonl", "json", "csv")

Kind = Literal["approved", "rejected", "partial"]


@dataclass(frozen=True)
class Example:
    """messages: a chat whose last turn is the answer to learn. fields: what it was made of, by name, for people."""

    messages: tuple[Message, ...]
    kind: Kind
    fields: Mapping[str, object]


@dataclass(frozen=True)
class Statistics:
    """Examples by kind. partial: approved where others of the group were rejected; not among `approved`.

    held_back: decisions that are no examples, because they measure models. cut: examples with a shortened text.
    """

    approved: int
    rejected: int
    partial: int
    held_back: int = 0
    cut: int = 0

    @property
    def positive(self) -> int:
        """Wholly or partly approved."""
        return self.approved + self.partial


@dataclass(frozen=True)
class TrainingData:
    """Examples in a fixed order, and their statistics."""

    examples: tuple[Example, ...]
    statistics: Statistics


def make_training_data(examples: tuple[Example, ...], held_back: int = 0, cut: int = 0) -> TrainingData:
    """The examples, counted."""
    kinds = [example.kind for example in examples]
    counts = (kinds.count("approved"), kinds.count("rejected"), kinds.count("partial"))
    return TrainingData(examples, Statistics(*counts, held_back, cut))


def require_enough(statistics: Statistics) -> None:
    """Raises Refused, with both numbers, where there are fewer than FEWEST of either kind."""
    numbers = f"{statistics.positive:,} approved and {statistics.rejected:,} rejected"
    held = f" {statistics.held_back:,} more are kept for measuring." if statistics.held_back else ""
    if not statistics.positive and not statistics.rejected:
        raise Refused(f"No training data available: {numbers} decisions.{held} Decide some first: `rondo up`.")
    if min(statistics.positive, statistics.rejected) < FEWEST:
        raise Refused(
            f"Insufficient training data: {numbers} decisions, and at least {FEWEST} of either kind are needed.{held} "
            "Decide more: `rondo up`."
        )


def few_examples(statistics: Statistics) -> str:
    """A warning where there are fewer than RECOMMENDED of either kind, or of examples of one kind only, else empty."""
    if not statistics.rejected:
        few = statistics.positive < RECOMMENDED
        return f"{statistics.positive:,} examples are few: {RECOMMENDED} are recommended." if few else ""
    if min(statistics.positive, statistics.rejected) >= RECOMMENDED:
        return ""
    return (
        f"{statistics.positive:,} approved and {statistics.rejected:,} rejected decisions are few: "
        f"{RECOMMENDED} of either kind are recommended, 100 are better."
    )


def as_text(data: TrainingData, file_format: str, *, statistics: bool = False) -> str:
    """The content of a file. statistics: with the counts, which only the format json has room for. Raises BadInput."""
    if file_format not in FORMATS:
        raise BadInput(f"The format is {file_format[:40]!r}, but it must be one of {', '.join(FORMATS)}.")
    if file_format == "openai_jsonl":
        return chat_lines(data)
    if file_format == "csv":
        return _csv(data)
    counted = {"statistics": vars(data.statistics)} if statistics else {}
    rows = [{**example.fields, "kind": example.kind} for example in data.examples]
    return json.dumps({**counted, "examples": rows}, ensure_ascii=False, indent=1) + "\n"


def chat_lines(data: TrainingData) -> str:
    """OpenAI's chat form: an object with `messages` a line, which Together and Fireworks take, too."""
    return "".join(
        json.dumps({"messages": [vars(message) for message in example.messages]}, ensure_ascii=False) + "\n"
        for example in data.examples
    )


def _csv(data: TrainingData) -> str:
    names = list(dict.fromkeys(name for example in data.examples for name in example.fields))
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow([*names, "kind"])
    for example in data.examples:
        values = [example.fields.get(name, "") for name in names]
        writer.writerow([str(one).lower() if isinstance(one, bool) else one for one in values] + [example.kind])
    return file.getvalue()
