"""What an adapter is: low-rank weights on a language model, its lineage and its scores. Knows no torch, no store."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import BadInput, Damaged
from core.models.artifacts import INFO
from core.typed_json import from_json

ADAPTER = "adapter"
"""the folder inside the model with what peft reads: adapter_config.json and adapter_model.safetensors"""


@dataclass(frozen=True)
class FieldScore:
    """Of n examples that have the field in their answer or should: exact, how many are the same; f1: their mean overlap
    (`core.overlap`)."""

    n: int
    exact: int
    f1: float


@dataclass(frozen=True)
class AnswerScores:
    """Of n answers generated greedily: how many are valid by the schema, cut by the limit of tokens, and wholly right.

    An answer that is not valid is wrong in every field.
    """

    n: int
    valid: int
    cut: int
    exact: int
    fields: Mapping[str, FieldScore] = field(default_factory=dict)

    @property
    def score(self) -> float:
        """0..1, mean of validity and of the fields' mean F1: what chooses a checkpoint."""
        shares = [one.f1 for one in self.fields.values() if one.n]
        return (self.valid / self.n + sum(shares) / len(shares)) / 2 if self.n and shares else 0.0

    @property
    def sentence(self) -> str:
        """In words, with every count."""
        fields = ", ".join(f"{name} {one.exact} of {one.n}" for name, one in self.fields.items())
        return f"{self.valid} of {self.n} valid, {self.exact} wholly right; {fields}"


@dataclass(frozen=True)
class LengthReport:
    """Examples by how they fit into max_length tokens. cut: ids of those whose answer would be cut; beyond: of those
    whose answer would lie wholly beyond. Neither is ever trained on."""

    longest: int
    fits: int
    cut: tuple[str, ...] = ()
    beyond: tuple[str, ...] = ()


@dataclass(frozen=True)
class AdapterFacts:
    """Where an adapter comes from. base: its name; base_hash: of the base's files, which must be those to load it with.

    rows_hash: SHA-256 of the training rows. fed: step -> how its answers, inputs of this one, were known (gold,
    corrected, predicted) -> examples. held_out: examples that scored and did not train. before: scores of the base on
    them, after: of the tuned model; None where none were held out.
    """

    base: str
    base_hash: str
    step: str
    rows_hash: str
    seed: int
    examples: int
    held_out: int
    lengths: LengthReport
    values: Mapping[str, int | float | str | bool] = field(default_factory=dict)
    fed: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    before: AnswerScores | None = None
    after: AnswerScores | None = None
    steps: int = 0
    best_step: int = 0


def read_adapter(model: Path) -> AdapterFacts:
    """Of a model's folder. Raises Damaged where it is no adapter."""
    try:
        info = json.loads((model / INFO).read_text(encoding="utf-8"))
        return from_json(AdapterFacts, info.get("adapter"), f"{model / INFO}")
    except (OSError, ValueError, AttributeError, BadInput) as error:
        raise Damaged(f"{model} is no adapter: {error}. Train it again: `rondo train -t lora`.") from None
