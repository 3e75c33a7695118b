"""Input and result of a trainer. Knows texts, labels and folders; no bundle, no store, no trainer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from core.arrays import Bools, Floats
from core.models.heads.head import Head


@dataclass(frozen=True)
class TrainingSet:
    """Labelled texts to train on. targets: (texts, labels). labels: ids; names, descriptions: of the same labels.

    validation: (texts,) those that a split has set aside to choose the checkpoint, None where there is no such split.
    pool: other texts of the project, on which nothing is trained; none where the job has none.
    """

    texts: Sequence[str]
    targets: Bools
    labels: tuple[str, ...]
    names: tuple[str, ...]
    descriptions: tuple[str, ...]
    multi: bool
    validation: Bools | None = None
    pool: Sequence[str] = ()


class Progress(Protocol):
    """Called after each step or so; raises nothing. figures: loss, eval_loss, eval_macro_f1, epoch, learning_rate."""

    def __call__(self, done: int, total: int, **figures: float) -> None: ...


@dataclass(frozen=True)
class TrainingRun:
    """How to train. values: every parameter of the trainer. base: the project's encoder, as `load_encoder` takes it.

    cache: where fetched models are kept. checkpoints: a folder that outlives an attempt: when it has one, training
    resumes from it. work: an empty folder for the trainer's output.
    """

    values: Mapping[str, Any]
    base: str
    cache: Path
    work: Path
    checkpoints: Path
    seed: int
    threads: int
    report: Progress


@dataclass(frozen=True)
class TrainedModel:
    """A trainer's result. encoder: folder with the fine-tuned encoder (safetensors and JSON only), None where the base
    is unchanged. head: on that encoder's unit vectors, calibrated; None where texts are classified without one.

    predict: (texts, labels) probabilities, rows sum to 1 unless multi. held_out: rows of the training set that the
    encoder was not trained on (the head may have been). info: for `training_info`, what JSON can hold: base model,
    counts, times.
    """

    predict: Callable[[Sequence[str]], Floats]
    head: Head | None
    encoder: Path | None
    held_out: npt.NDArray[np.int64]
    held_out_probs: Floats
    info: dict[str, Any]


Train = Callable[[TrainingSet, TrainingRun], TrainedModel]
