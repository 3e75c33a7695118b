"""Rows for tuning a tiny language model, and how a job would call the trainer."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.training.lora_job import LoraExample
from core.training.trainers import read_values
from gpu_jobs.language_models.causal import CausalModel
from gpu_jobs.trainers.lora.examples import encode_rows
from gpu_jobs.trainers.lora.loading import load_for_tuning
from gpu_jobs.trainers.lora.tuning import StepData
from gpu_jobs.trainers.trainer_types import Progress, TrainingRun
from tests.tiny_models import unheard

STEP = "character"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "doers": {"type": "array", "items": {"type": "string", "maxLength": 20}, "maxItems": 3},
        "element": {"enum": ["action", "setting", "情节"]},
    },
    "required": ["doers", "element"],
    "additionalProperties": False,
}
NAMES = ("Mara", "Pim", "狐狸", "Old Ink", "Tam", "Ada", "熊", "Bo", "Ulla", "Rook")


def make_rows(count: int, group: int = 1) -> list[LoraExample]:
    """Distinct questions with distinct answers; `group` of them share a text."""
    rows = []
    for number in range(count):
        name, element = NAMES[number % len(NAMES)], SCHEMA["properties"]["element"]["enum"][number % 3]
        answer = {"doers": [name] * (1 + number % 2), "element": element}
        rows.append(
            LoraExample(
                id=f"r{number}",
                group=f"text-{number // group}",
                prompt=({"role": "user", "content": f"Who acts? {name} {number}"},),
                completion=({"role": "assistant", "content": json.dumps(answer, ensure_ascii=False)},),
            )
        )
    return rows


def make_lora_run(folder: Path, *supplied: str, report: Progress = unheard, seed: int = 3) -> TrainingRun:
    """In a folder of its own. supplied: "key=value"."""
    for name in ("work", "checkpoints"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    values = read_values("lora", ["precision=float32", *supplied])
    return TrainingRun(values, "", folder / "cache", folder / "work", folder / "checkpoints", seed, 1, report)


def make_data(
    base: Path, run: TrainingRun, train: Sequence[LoraExample], held_out: Sequence[LoraExample] = ()
) -> tuple[CausalModel, Any, StepData]:
    """The base in memory, peft's settings, and the examples as tokens."""
    causal, adapter = load_for_tuning(base, run)
    encoded = [encode_rows(causal.tokenizer, rows) for rows in (train, held_out)]
    return causal, adapter, StepData(STEP, SCHEMA, *encoded)
