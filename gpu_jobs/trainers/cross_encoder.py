"""A transformer that reads both sides of a pair at once: fine-tuning it, and its scores. Knows texts, no bundle."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from core.arrays import Bools, Floats
from core.errors import BadInput
from core.models.encoders.encoder import EMBEDDED, embedded_folder, encode_in_batches, without_surrogates
from core.models.encoders.torch_encoder import CHARACTERS_PER_TOKEN, fetch_model, multiplies_bfloat16
from gpu_jobs.trainers.bases import strip_paths
from gpu_jobs.trainers.callbacks import LINES, count_steps
from gpu_jobs.trainers.memory import check_memory
from gpu_jobs.trainers.trainer_types import TrainingRun

TOKEN_BUDGET = 4_096
"""tokens that are scored at once"""
Pair = tuple[str, str]


@dataclass(frozen=True)
class CrossEncoderModel:
    """model: sentence-transformers' CrossEncoder with one output. longest: tokens of both sides that it reads."""

    model: Any
    longest: int

    def score(self, pairs: Sequence[Pair], report: Callable[[int, int], None] | None = None) -> Floats:
        """(n,) probability that the two are the same, alike for (a, b) and (b, a)."""
        import torch

        clean = [in_order(pair) for pair in pairs]
        done = 0

        def score_batch(rows: list[int]) -> Floats:
            nonlocal done
            batch = [list(clean[row]) for row in rows]
            with torch.inference_mode():
                scores = self.model.predict(batch, batch_size=len(batch), activation_fn=torch.nn.Sigmoid())
            done += len(rows)
            if report:
                report(done, len(clean))
            return np.asarray(scores, np.float32).reshape(-1, 1)

        lengths = [min(sum(map(len, pair)) // CHARACTERS_PER_TOKEN + 4, self.longest) for pair in clean]
        return encode_in_batches(lengths, TOKEN_BUDGET, 1, score_batch)[:, 0]


def in_order(pair: Pair) -> Pair:
    """The two texts as the model reads them, whichever is left."""
    one, other = map(without_surrogates, pair)
    return (one, other) if one <= other else (other, one)


def find_cross_base(name: str, cache: Path) -> Path:
    """The folder of the model to start from: any that transformers knows. Raises BadInput."""
    if name in ("", EMBEDDED):
        return embedded_folder()
    return Path(name) if Path(name).is_dir() else fetch_model(name, cache)


def load_cross_encoder(folder: Path, threads: int, longest: int = 0) -> CrossEncoderModel:
    """longest: tokens of both sides to read, 0: as many as it can. On the GPU where one is. Raises BadInput."""
    import torch
    from sentence_transformers import CrossEncoder

    if threads:
        torch.set_num_threads(threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    kind = {"dtype": torch.float32}
    try:
        model = CrossEncoder(str(folder), num_labels=1, device=device, local_files_only=True, model_kwargs=kind)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise BadInput(
            f"{folder} is no model that can read pairs of texts: {str(error).splitlines()[0]} "
            f"Name another base, or use {EMBEDDED}, which is always there."
        ) from error
    most = min(int(model.tokenizer.model_max_length), int(getattr(model.config, "max_position_embeddings", 512)))
    model.max_seq_length = min(longest or most, most)
    return CrossEncoderModel(model, model.max_seq_length)


def fine_tune(folder: Path, pairs: Sequence[Pair], same: Bools, run: TrainingRun, seed: int) -> CrossEncoderModel:
    """A model that starts from `folder` and learnt from these pairs, by binary cross-entropy. Nogueira and Cho 2019."""
    from datasets import Dataset
    from sentence_transformers.cross_encoder.losses import BinaryCrossEntropyLoss
    from transformers import set_seed

    set_seed(seed % 2**32)
    values = run.values
    loaded = load_cross_encoder(folder, run.threads, int(values["max_length"]))
    texts = [in_order(pair) for pair in pairs]
    table = {"one": [one for one, _ in texts], "other": [other for _, other in texts], "label": same.astype(np.float32)}
    trainer = _trainer_class()(
        model=loaded.model,
        args=_arguments(len(pairs), run, seed),
        train_dataset=Dataset.from_dict(table),
        loss=BinaryCrossEntropyLoss(loaded.model),
        callbacks=[_follower(run)],
    )
    trainer.train()
    return loaded


def _trainer_class() -> Any:
    from sentence_transformers.cross_encoder import CrossEncoderTrainer

    class Trainer(CrossEncoderTrainer):  # type: ignore[misc, unused-ignore]
        """Makes no network request, and writes no checkpoint: what is finished is kept by whoever calls."""

        def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
            pass

    return Trainer


def _arguments(pairs: int, run: TrainingRun, seed: int) -> Any:
    import torch
    from sentence_transformers.cross_encoder import CrossEncoderTrainingArguments

    steps = count_steps(pairs, run.values)
    arguments = CrossEncoderTrainingArguments(
        output_dir=str(run.work),
        max_steps=steps,
        per_device_train_batch_size=run.values["batch_size"],
        learning_rate=run.values["learning_rate"],
        warmup_steps=run.values["warmup_steps"] or ceil(steps * run.values["warmup"]),
        weight_decay=run.values["weight_decay"],
        bf16=multiplies_bfloat16(),
        use_cpu=not torch.cuda.is_available(),
        seed=seed % 2**32,
        save_strategy="no",
        logging_steps=max(1, steps // LINES),
        dataloader_pin_memory=False,
        disable_tqdm=True,
        report_to="none",
    )
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments


def _follower(run: TrainingRun) -> Any:
    from transformers import TrainerCallback

    class Follower(TrainerCallback):  # type: ignore[misc, unused-ignore]
        """Reports every step and the loss, and checks the memory limit."""

        def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            check_memory(int(run.values["max_memory_mb"]))
            run.report(state.global_step, state.max_steps)

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **others: Any) -> None:
            if logs and "loss" in logs:
                run.report(state.global_step, state.max_steps, loss=float(logs["loss"]))

    return Follower()


def save_cross_encoder(loaded: CrossEncoderModel, folder: Path) -> None:
    """Weights as safetensors, settings as JSON, and nothing of this machine in them."""
    folder.mkdir(parents=True, exist_ok=True)
    loaded.model.save_pretrained(str(folder), create_model_card=False)
    for name in os.listdir(folder):
        if name in ("README.md",):
            (folder / name).unlink()
    strip_paths(folder)
