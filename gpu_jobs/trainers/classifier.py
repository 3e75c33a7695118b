"""The steps of fine-tuning a classifier, by transformers' own trainer. Knows texts and labels, no artifact."""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np

from core.arrays import Bools, Floats, Ints
from core.evaluation.scores import macro_f1
from core.models.encoders.encoder import without_surrogates
from core.models.encoders.torch_encoder import multiplies_bfloat16
from core.models.heads.logistic import sigmoid, softmax
from core.tasks.choice import decide
from gpu_jobs.trainers.callbacks import LINES, callbacks, count_steps, outcome
from gpu_jobs.trainers.checkpoints import newest
from gpu_jobs.trainers.pretrained import Pretrained
from gpu_jobs.trainers.trainer_types import TrainingRun, TrainingSet

Tensor = Any
MOST_WEIGHT = 10.0
"""of a rare label: beyond, single texts would lead the whole model"""
TOPS = (1, 2, 3)


@dataclass(frozen=True)
class Practice:
    """The training set, its rows to train on and those held out, for early stopping and to keep the best checkpoint."""

    training_set: TrainingSet
    train_rows: Ints
    held_out: Ints

    def examples(self, rows: Ints) -> list[tuple[str, Any]]:
        """(text, the number of its label, or where several may hold a 0 or 1 for each)."""
        targets = self.training_set.targets[rows]
        answers = list(targets.astype(np.float32)) if self.training_set.multi else targets.argmax(axis=1).tolist()
        texts = [without_surrogates(self.training_set.texts[row]) for row in rows.tolist()]
        return list(zip(texts, answers, strict=True))


def fine_tune(loaded: Pretrained, practice: Practice, run: TrainingRun) -> tuple[Floats, dict[str, Any]]:
    """Trains the model in place, the best weights in the end; returns (held out, labels) probabilities, and how
    training went.

    Resumes from the newest complete checkpoint. The best: of the highest macro F1 on the held-out rows.
    """
    from transformers import Trainer

    if run.threads:
        import torch

        torch.set_num_threads(run.threads)
    multi = practice.training_set.multi
    trainer = Trainer(
        loaded.model,
        _arguments(practice, run),
        train_dataset=practice.examples(practice.train_rows),
        eval_dataset=practice.examples(practice.held_out) if len(practice.held_out) else None,
        data_collator=_collator(loaded),
        compute_loss_func=_loss(practice, weighted=run.values["class_weights"]),
        compute_metrics=lambda seen: figures(_truth(seen, multi), chances(seen.predictions, multi), multi),
        callbacks=callbacks(run, has_held_out=len(practice.held_out) > 0),
    )
    checkpoint = newest(run.checkpoints, "checkpoint")
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    result = outcome(trainer.state)
    if not len(practice.held_out):
        return np.empty((0, len(practice.training_set.labels)), np.float32), result
    return chances(trainer.predict(trainer.eval_dataset).predictions, multi), result


def figures(truth: Bools, probs: Floats, multi: bool) -> dict[str, float]:
    """macro_f1, accuracy (all labels right), and top_k: is one of the k likeliest labels right, of records with any."""
    predicted = decide(probs, multi)
    rows = {"macro_f1": macro_f1(truth, predicted), "accuracy": float((truth == predicted).all(axis=1).mean())}
    labelled, order = np.flatnonzero(truth.any(axis=1)), np.argsort(-probs, axis=1, kind="stable")
    for k in TOPS:
        hit = np.asarray(np.take_along_axis(truth, order[:, :k], axis=1).any(axis=1))
        rows[f"top_{k}"] = float(hit[labelled].mean()) if len(labelled) else 0.0
    return {name: round(value, 4) for name, value in rows.items()}


def chances(logits: Floats, multi: bool) -> Floats:
    """(n, labels) probabilities."""
    return np.asarray((sigmoid if multi else softmax)(np.asarray(logits, np.float32)), np.float32)


def _truth(seen: Any, multi: bool) -> Bools:
    answers = np.asarray(seen.label_ids)
    return np.asarray(answers > 0 if multi else answers[:, None] == np.arange(seen.predictions.shape[1]))


def _arguments(practice: Practice, run: TrainingRun) -> Any:
    import torch
    from transformers import TrainingArguments

    values, has_held_out = run.values, len(practice.held_out) > 0
    steps = count_steps(len(practice.train_rows), values)
    pace = "steps" if values["eval_steps"] else "epoch"
    return TrainingArguments(
        output_dir=str(run.checkpoints),
        num_train_epochs=values["epochs"],
        max_steps=values["max_steps"] or -1,
        per_device_train_batch_size=values["batch_size"],
        per_device_eval_batch_size=values["eval_batch_size"] or 2 * values["batch_size"],
        learning_rate=values["learning_rate"],
        warmup_steps=values["warmup_steps"] or ceil(values["warmup"] * steps),
        weight_decay=values["weight_decay"],
        bf16=multiplies_bfloat16(),
        use_cpu=not torch.cuda.is_available(),
        dataloader_pin_memory=torch.cuda.is_available(),
        remove_unused_columns=False,
        label_names=["labels"],
        eval_strategy=pace if has_held_out else "no",
        eval_steps=values["eval_steps"] or None,
        save_strategy=pace,
        save_steps=values["eval_steps"] or 500,
        save_total_limit=2,  # a kill while one is written leaves the one before
        load_best_model_at_end=has_held_out,
        metric_for_best_model="macro_f1" if has_held_out else None,
        greater_is_better=True if has_held_out else None,
        restore_callback_states_from_checkpoint=True,
        logging_steps=max(1, steps // LINES),
        report_to="none",
        disable_tqdm=True,
        seed=run.seed % 2**32,
    )


def _collator(loaded: Pretrained) -> Callable[[list[tuple[str, Any]]], dict[str, Tensor]]:
    """Texts are tokenized batch by batch: all tokens of a large training set would fill the memory."""

    def collate(examples: list[tuple[str, Any]]) -> dict[str, Tensor]:
        import torch

        texts, answers = zip(*examples, strict=True)
        batch = loaded.tokenizer(
            list(texts), truncation=True, max_length=loaded.longest, padding=True, return_tensors="pt"
        )
        return {**batch, "labels": torch.from_numpy(np.stack([np.asarray(answer) for answer in answers]))}

    return collate


def _loss(practice: Practice, *, weighted: bool) -> Callable[..., Tensor]:
    """Cross-entropy, binary per label where several may hold; weighted: labels are balanced."""
    multi, targets = practice.training_set.multi, practice.training_set.targets[practice.train_rows]
    counts, total = np.maximum(targets.sum(axis=0), 1), len(targets)
    even = (total - counts) / counts if multi else total / (max(targets.any(axis=0).sum(), 1) * counts)
    weights = np.clip(even, 1 / MOST_WEIGHT, MOST_WEIGHT).astype(np.float32) if weighted else None

    def measure(outputs: Any, labels: Tensor, num_items_in_batch: Any = None) -> Tensor:
        import torch
        from torch.nn import functional

        logits = outputs.logits.float()
        weight = None if weights is None else torch.from_numpy(weights).to(logits.device)
        if multi:
            return functional.binary_cross_entropy_with_logits(logits, labels.float(), pos_weight=weight)
        return functional.cross_entropy(logits, labels, weight=weight)

    return measure
