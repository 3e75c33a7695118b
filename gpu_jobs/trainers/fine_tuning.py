"""How an encoder is taught, whatever by: steps, progress, checkpoints, the best one. Knows no labels and no loss."""

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.arrays import Ints
from core.jobs.bundle import write_json
from core.models.encoders.encoder import without_surrogates
from gpu_jobs.trainers.checkpoints import keep_only, mark_whole, newest
from gpu_jobs.trainers.losses import Objective, make_loss
from gpu_jobs.trainers.memory import check_memory
from gpu_jobs.trainers.training import TrainingRun

FIGURES = ("loss", "eval_loss", "eval_macro_f1", "epoch", "learning_rate")
LINES = 200  # of progress with figures, about
SAVE_SECONDS = 300.0  # between checkpoints, where evaluations are rarer
HEAD_SPEED = 100.0  # the step size of a layer that starts from little, as a multiple of the encoder's


@dataclass(frozen=True)
class TrainingBatches:
    """What is practised. rows: (k, m) texts that belong together; marks: (k, ...) float32, what the objective is told.

    The first `taught` of the k are trained on, the loss of the others is shown. order: those of one epoch, by lot.
    """

    rows: Ints
    marks: npt.NDArray[np.float32]
    taught: int
    objective: Objective
    order: Callable[[np.random.Generator], Ints]


def shuffled(count: int) -> Callable[[np.random.Generator], Ints]:
    """The order of an epoch that takes them as they come."""
    return lambda rng: rng.permutation(count)


@dataclass(frozen=True)
class Phase:
    """One of the phases of a training. before: steps of the phases before it; total: of all phases, at most."""

    name: str
    before: int
    total: int


@dataclass(frozen=True)
class Outcome:
    """steps: taken; best: the step whose weights were kept, 0: those from before. evaluations: step, loss, macro_f1."""

    steps: int
    best: int
    stopped_early: bool
    seconds: float
    evaluations: Sequence[Mapping[str, float]]


Validation = Callable[[Any], dict[str, float]]
"""(model) -> macro_f1, and score, of which the best checkpoint has the most"""


@dataclass(frozen=True)
class FitConfig:
    """Where a stage belongs. probe: asked at each evaluation; None where nothing is held out."""

    run: TrainingRun
    stage: Phase
    probe: Validation | None

    @property
    def folder(self) -> Path:
        """Its checkpoints."""
        return self.run.checkpoints / self.stage.name


def count_steps(taught: int, values: Mapping[str, Any]) -> int:
    """Steps of a phase, at most."""
    steps = int(values["epochs"]) * ceil(taught / int(values["batch_size"]))
    return min(steps, int(values["max_steps"]) or steps)


def fine_tune(model: Any, texts: Sequence[str], drill: TrainingBatches, course: FitConfig) -> Outcome:
    """Trains the model in place and leaves the weights in it that did best on what is held out, maybe those it had.

    Where nothing is held out, the last ones. Goes on from the newest whole checkpoint of an attempt that was killed; a
    stage that had ended is not repeated.
    """
    folder = course.folder
    loss = make_loss(model, drill.objective, drill.rows.shape[1]).to(model.device)
    ended = folder / "ended.json"
    if not ended.exists():
        started = time.monotonic()
        trainer = _make_trainer(loss, [without_surrogates(text) for text in texts], drill, course)
        matches = newest(folder, "checkpoint")
        trainer.train(resume_from_checkpoint=str(matches) if matches else None)
        if newest(folder, "best") is None:
            keep_only(folder / "best", trainer.state.global_step, lambda path: _save(loss, path))
        write_json(ended, asdict(_outcome(trainer.state, folder, time.monotonic() - started)))
        for past in folder.glob("checkpoint-*"):
            shutil.rmtree(past)
    _load(loss, newest(folder, "best"))
    return Outcome(**json.loads(ended.read_text(encoding="utf-8")))


def _make_trainer(loss: Any, texts: list[str], drill: TrainingBatches, course: FitConfig) -> Any:
    from datasets import Dataset
    from sentence_transformers import SentenceTransformerTrainer
    from sentence_transformers.base.sampler import DefaultBatchSampler

    class InOrder(DefaultBatchSampler):  # type: ignore[misc, unused-ignore]
        """Each epoch's order follows from the seed and its number, so that a resumed one is the same."""

        def __iter__(self) -> Iterator[list[int]]:
            order = drill.order(np.random.default_rng([course.run.seed, self.epoch]))
            for first in range(0, len(order), self.batch_size):
                yield order[first : first + self.batch_size].tolist()

    class Trainer(SentenceTransformerTrainer):  # type: ignore[misc, unused-ignore]
        """Saves weights and no settings, the objective's too; asks the network for nothing."""

        def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
            pass

        def get_batch_sampler(self, dataset: Any, batch_size: int, drop_last: bool, **others: Any) -> Any:
            if len(dataset) == drill.taught:
                return InOrder(dataset, batch_size, drop_last)
            return super().get_batch_sampler(dataset, batch_size, drop_last, **others)

        def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
            _save(loss, Path(str(output_dir)))

        def _load_from_checkpoint(self, checkpoint_path: str) -> None:
            _load(loss, Path(checkpoint_path))

    numbers = np.arange(len(drill.rows))
    return Trainer(
        model=loss.model,
        args=_arguments(drill, course),
        train_dataset=Dataset.from_dict({"number": numbers[: drill.taught]}),
        eval_dataset=Dataset.from_dict({"number": numbers[drill.taught :]}) if len(numbers) > drill.taught else None,
        loss=loss,
        evaluator=_evaluator(course.probe) if course.probe else None,
        data_collator=Collator(loss.model.preprocess, texts, drill),
        callbacks=[_follower(loss, course)],
    )


@dataclass(frozen=True)
class Collator:
    """Makes a batch: its texts once each, which of them belong together, and the marks."""

    preprocess: Callable[[list[str]], dict[str, Any]]
    texts: list[str]
    drill: TrainingBatches
    valid_label_columns: tuple[str, ...] = ("label",)

    def __call__(self, matches: list[dict[str, int]]) -> dict[str, Any]:
        import torch

        numbers = [entry["number"] for entry in matches]
        rows, marks = self.drill.rows[numbers], self.drill.marks[numbers]
        unique, place = np.unique(rows, return_inverse=True)
        result = np.concatenate([place.reshape(rows.shape), marks.reshape(len(rows), -1)], axis=1)
        tokens = self.preprocess([self.texts[row] for row in unique])
        return {"label": torch.from_numpy(result.astype(np.float32)), **{f"text_{key}": tokens[key] for key in tokens}}


def _arguments(drill: TrainingBatches, course: FitConfig) -> Any:
    import torch
    from sentence_transformers import SentenceTransformerTrainingArguments

    from core.models.encoders.torch_encoder import multiplies_bfloat16

    values, folder = course.run.values, course.folder
    steps, every = count_steps(drill.taught, values), _steps_between(drill.taught, values)
    quick = {"objective": values["learning_rate"] * HEAD_SPEED} if hasattr(drill.objective, "parameters") else {}
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=values["batch_size"],
        per_device_eval_batch_size=values["batch_size"],
        learning_rate=values["learning_rate"],
        learning_rate_mapping=quick,
        warmup_steps=round(steps * values["warmup"]),
        weight_decay=0.01,
        bf16=multiplies_bfloat16(),
        use_cpu=not torch.cuda.is_available(),
        seed=course.run.seed % 2**32,
        eval_strategy="steps" if course.probe else "no",
        eval_steps=every,
        eval_on_start=bool(course.probe) and newest(folder, "checkpoint") is None,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=2,
        logging_steps=max(1, steps // LINES),
        dataloader_pin_memory=False,
        disable_tqdm=True,
        report_to="none",
    )
    arguments._n_gpu = min(arguments.n_gpu, 1)  # torch's DataParallel would cut batches apart that belong together
    return arguments


def _steps_between(taught: int, values: Mapping[str, Any]) -> int:
    return int(values["eval_steps"]) or ceil(taught / int(values["batch_size"]))


def _evaluator(probe: Validation) -> Any:
    from sentence_transformers.base.evaluation import BaseEvaluator

    class Judge(BaseEvaluator):  # type: ignore[misc, unused-ignore]
        def __call__(self, model: Any, *where: Any, **when: Any) -> dict[str, float]:
            return probe(model)

    return Judge()


def _follower(loss: Any, course: FitConfig) -> Any:
    from transformers import TrainerCallback

    run, stage, folder = course.run, course.stage, course.folder
    saved = time.monotonic()

    class Follower(TrainerCallback):  # type: ignore[misc, unused-ignore]
        """Tells how it goes, keeps the best weights, and stops when patience or memory is at an end."""

        def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            check_memory(int(run.values["max_memory_mb"]))
            run.report(stage.before + state.global_step, stage.total)
            control.should_save = control.should_save or time.monotonic() - saved > SAVE_SECONDS

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **others: Any) -> None:
            figures = {name: float(logs[name]) for name in FIGURES if name in logs}
            if figures.keys() - {"epoch"}:
                run.report(stage.before + state.global_step, stage.total, **figures)

        def on_evaluate(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            scores = [entry["eval_score"] for entry in _evaluations(state)]
            since = len(scores) - 1 - int(np.argmax(scores))
            if since == 0:
                keep_only(folder / "best", state.global_step, lambda path: _save(loss, path))
            control.should_training_stop |= 0 < int(run.values["patience"]) <= since

        def on_save(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            nonlocal saved
            mark_whole(folder / f"checkpoint-{state.global_step}")
            saved = time.monotonic()

    return Follower()


def _evaluations(state: Any) -> list[dict[str, float]]:
    """Of this attempt and of those before it. The first is of the model as it was: training may make it worse."""
    return [entry for entry in state.log_history if "eval_score" in entry]


def _outcome(state: Any, folder: Path, seconds: float) -> Outcome:
    best = newest(folder, "best")
    names = {"eval_loss": "loss", "eval_macro_f1": "macro_f1"}
    result = [
        {"step": entry["step"], **{name: round(entry[key], 4) for key, name in names.items() if key in entry}}
        for entry in _evaluations(state)
    ]
    retained = int(best.name.rpartition("-")[2]) if best else state.global_step
    return Outcome(state.global_step, retained, state.global_step < state.max_steps, round(seconds, 3), result)


def _save(loss: Any, folder: Path) -> None:
    from safetensors.torch import save_model

    folder.mkdir(parents=True, exist_ok=True)
    save_model(loss, str(folder / "weights.safetensors"))


def _load(loss: Any, folder: Path | None) -> None:
    from safetensors.torch import load_model

    if folder is not None:
        load_model(loss, str(folder / "weights.safetensors"))
