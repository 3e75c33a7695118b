"""Callbacks for transformers' trainer: progress, complete checkpoints, stopping. Knows no model, no data."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from core.arrays import Ints
from gpu_jobs.trainers.checkpoints import mark_whole
from gpu_jobs.trainers.memory import check_memory
from gpu_jobs.trainers.trainer_types import TrainingRun

FIGURES = (
    *("loss", "learning_rate", "epoch", "eval_loss"),
    *("eval_macro_f1", "eval_accuracy", "eval_top_2", "eval_top_3"),
    *("eval_validity", "eval_exact"),
)
"""what a training reports, as far as it has it"""
LINES = 200
"""of progress with figures, about"""
NOISE = 1e-6
"""of a score, when next to nothing has changed"""
SAVE_SECONDS = 300.0
"""between checkpoints, where evaluations are rarer"""

Probe = Callable[[Any], dict[str, float]]
"""(model) -> macro_f1 on held-out texts, and score, of which the best checkpoint has the most"""


def count_steps(train_texts: int, values: Mapping[str, Any]) -> int:
    """Steps of a training, at most."""
    steps = int(values["epochs"]) * ceil(train_texts / int(values["batch_size"]))
    return min(steps, int(values["max_steps"]) or steps)


def callbacks(run: TrainingRun, *, has_held_out: bool) -> list[Any]:
    """For the trainer's `callbacks`. has_held_out: texts are held out, so it stops early by `patience`."""
    from transformers import EarlyStoppingCallback, TrainerCallback

    class Follower(TrainerCallback):  # type: ignore[misc, unused-ignore]
        """Reports every step and figure, checks the memory limit, and marks checkpoints complete."""

        saved = time.monotonic()

        def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            check_memory(int(run.values["max_memory_mb"]))
            run.report(state.global_step, state.max_steps)
            control.should_save = control.should_save or time.monotonic() - self.saved > SAVE_SECONDS

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **others: Any) -> None:
            figures = known_figures(logs or {})
            if figures.keys() - {"epoch"}:
                run.report(state.global_step, state.max_steps, **figures)

        def on_save(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            mark_whole(Path(args.output_dir) / f"checkpoint-{state.global_step}")
            self.saved = time.monotonic()

    patience = int(run.values["patience"]) if has_held_out else 0
    return [Follower(), *([EarlyStoppingCallback(patience, NOISE)] if patience else [])]


def known_figures(logs: Mapping[str, Any]) -> dict[str, float]:
    """Those of FIGURES; setfit puts `embedding` into its names."""
    plain = {name.replace("embedding_", ""): value for name, value in logs.items()}
    return {name: float(value) for name, value in plain.items() if name in FIGURES}


def evaluations(history: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
    """Of each evaluation, also before a restart, the step and its figures, without `eval_` before their names."""
    result = []
    for entry in history:
        figures = {name[5:]: round(value, 4) for name, value in known_figures(entry).items() if name[:5] == "eval_"}
        if figures:
            result.append({"step": entry["step"], **figures})
    return result


def evaluator(probe: Probe) -> Any:
    """For sentence-transformers' trainer, which asks it at each evaluation."""
    from sentence_transformers.base.evaluation import BaseEvaluator

    class Judge(BaseEvaluator):  # type: ignore[misc, unused-ignore]
        def __call__(self, model: Any, *where: Any, **when: Any) -> dict[str, float]:
            return probe(model)

    return Judge()


def is_better(state: Any, before: Mapping[str, float] | None) -> bool:
    """Did a checkpoint do better on the held-out texts than the base? True where none are held out."""
    return before is None or state.best_metric > before["score"] + NOISE


def outcome(state: Any) -> dict[str, Any]:
    """For `training_info`, of a trainer's state: steps taken, the step whose weights were kept, the evaluations."""
    return {
        "steps": state.global_step,
        "best_step": state.best_global_step or state.global_step,
        "stopped_early": state.global_step < state.max_steps,
        "evaluations": evaluations(state.log_history),
    }


def batches_by_epoch(order: Callable[[np.random.Generator], Ints] | None = None) -> Any:
    """A batch sampler for sentence-transformers' trainer whose order follows from the seed and the number of the epoch
    alone, so that a training that was killed resumes identically. order: of one epoch; None: random.
    """
    from sentence_transformers.base.sampler import DefaultBatchSampler

    class ByEpoch(DefaultBatchSampler):  # type: ignore[misc, unused-ignore]
        def __iter__(self) -> Iterator[list[int]]:
            rng = np.random.default_rng([self.seed, self.epoch])
            rows = order(rng) if order else rng.permutation(len(self.sampler))
            if len(rows) != len(self.sampler):  # those that are held out: their loss needs no order
                rows = np.arange(len(self.sampler))
            for first in range(0, len(rows), self.batch_size):
                yield rows[first : first + self.batch_size].tolist()

    return ByEpoch
