"""Parameters, files and result of a job that tunes a language model for one step. Knows no store and no task."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from core.jobs.bundle import write_json
from core.jobs.kinds import JobKind
from core.models.adapters import AdapterFacts
from core.store.whole_files import whole_file
from core.training.train_job import TrainResult
from core.training.trainers import Value


@dataclass(frozen=True)
class LoraParams:
    """step: names the files in `in/`, see `write_lora_files`. fed: as `AdapterFacts` has it. encoder: none, ever.

    The rest as in `TrainParams`.
    """

    trainer: str
    values: dict[str, Value]
    step: str
    seed: int
    threads: int
    taxonomy: int
    fed: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    note: str = ""
    cache: str = ""
    encoder: str = ""


@dataclass(frozen=True)
class LoraExample:
    """One row. id: in reports. group: examples of one group are held out together. prompt, completion: messages, each
    with role and content; the completion is the assistant's answer, JSON that fits the schema."""

    id: str
    group: str
    prompt: tuple[Mapping[str, str], ...]
    completion: tuple[Mapping[str, str], ...]


@dataclass(frozen=True)
class LoraResult(TrainResult):
    """About the adapter in `out/model`. metrics: on held-out examples, a whole answer being right or not."""

    adapter: AdapterFacts | None = None


TRAIN_LORA = JobKind("train_lora", LoraParams, LoraResult)

BASE = "base"
"""in `in/`: the folder of a base that lies on the machine that a job elsewhere comes from"""


def rows_file(step: str) -> str:
    """In `in/`: a line of JSON for each example."""
    return f"{step}_train.jsonl"


def schema_file(step: str) -> str:
    """In `in/`: the JSON Schema of the step's answer."""
    return f"{step}_schema.json"


def write_lora_files(folder: Path, step: str, examples: Iterable[LoraExample], schema: Mapping[str, object]) -> int:
    """Writes both; how many examples there are. folder: `in/` of the bundle, or any other."""
    count = 0
    with whole_file(folder / rows_file(step), alone=True) as partial, partial.open("w", encoding="utf-8") as file:
        for one in examples:
            row = {"id": one.id, "group": one.group, "prompt": one.prompt, "completion": one.completion, "schema": step}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    write_json(folder / schema_file(step), dict(schema))
    return count
