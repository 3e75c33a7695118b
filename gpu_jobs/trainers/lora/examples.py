"""The rows that a language model is tuned on: read, turned into tokens, held out by group. Knows no model's weights."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import BadInput, Refused
from core.models.adapters import LengthReport
from core.training.lora_job import LoraExample, rows_file, schema_file
from core.typed_json import from_json
from gpu_jobs.language_models.chat import EncodedExample, encode_example

FEWEST = 2
"""examples to learn from"""


@dataclass(frozen=True)
class Examples:
    """Rows and their tokens, in the same order."""

    rows: tuple[LoraExample, ...]
    tokens: tuple[EncodedExample, ...]

    def take(self, positions: Sequence[int]) -> "Examples":
        """Those at these positions."""
        return Examples(tuple(self.rows[i] for i in positions), tuple(self.tokens[i] for i in positions))

    @property
    def longest(self) -> int:
        """Tokens of the longest; 0 without any."""
        return max((len(one.ids) for one in self.tokens), default=0)

    @property
    def longest_answer(self) -> int:
        """Tokens of the longest answer, with what ends it."""
        return max((len(one.ids) - one.answer for one in self.tokens), default=0)


def read_rows(folder: Path, step: str) -> tuple[tuple[LoraExample, ...], dict[str, Any]]:
    """The rows and the schema of the step's answer. Raises BadInput, naming the line."""
    path, rows = folder / rows_file(step), []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        schema = json.loads((folder / schema_file(step)).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"The rows of step {step!r} cannot be read: {error}. Start the job again.") from None
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            rows.append(from_json(LoraExample, {"group": row["id"], **row}, f"{path.name}, line {number}"))
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput(f"{path.name}, line {number} is no row of a prompt and its completion: {error!r}.") from None
    return tuple(rows), dict(schema)


def encode_rows(tokenizer: Any, rows: Sequence[LoraExample]) -> Examples:
    """All of them, however long."""
    return Examples(tuple(rows), tuple(encode_example(tokenizer, row.prompt, row.completion) for row in rows))


def those_that_fit(examples: Examples, max_length: int) -> tuple[Examples, LengthReport]:
    """Without those of more than max_length tokens, which are reported by id. trl would train on an answer cut in the
    middle, broken JSON without an end, and drop one that lies wholly beyond without a word. Raises Refused for too few.
    """
    fits = [position for position, one in enumerate(examples.tokens) if len(one.ids) <= max_length]
    longer = [(examples.rows[i].id, one) for i, one in enumerate(examples.tokens) if len(one.ids) > max_length]
    lengths = LengthReport(
        longest=examples.longest,
        fits=len(fits),
        cut=tuple(id for id, one in longer if one.answer < max_length),
        beyond=tuple(id for id, one in longer if one.answer >= max_length),
    )
    if len(fits) < FEWEST:
        raise Refused(
            f"Training needs {FEWEST} examples of at most max_length={max_length} tokens; of {len(examples.rows):,} "
            f"{len(fits)} fit, and the longest has {examples.longest:,}. Raise max_length, or answer some more."
        )
    return examples.take(fits), lengths


def hold_out(examples: Examples, share: float, fewest: int, seed: int) -> tuple[Examples, Examples]:
    """(to train on, to score on), each in the order of the rows. Whole groups are drawn at random until the share is
    reached; none are where that gives fewer than `fewest` examples, or all.
    """
    groups = list(dict.fromkeys(row.group for row in examples.rows))
    order = np.random.default_rng([seed, len(examples.rows)]).permutation(len(groups))
    quota, chosen, count = share * len(examples.rows), set[str](), 0
    for index in order.tolist():
        size = sum(row.group == groups[index] for row in examples.rows)
        if count >= quota or count + size > max(quota * 2, fewest):
            continue
        chosen.add(groups[index])
        count += size
    if not share or count < fewest or len(examples.rows) - count < FEWEST:
        chosen = set()
    held = [position for position, row in enumerate(examples.rows) if row.group in chosen]
    rest = [position for position, row in enumerate(examples.rows) if row.group not in chosen]
    return examples.take(rest), examples.take(held)
