"""Fine-tunes an encoder by a metric or classification loss on single texts. Knows texts and labels, no bundle."""

import json
import time
from collections.abc import Callable
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from core.arrays import Bools, Ints
from core.jobs.bundle import write_json
from core.models.encoders.encoder import without_surrogates
from core.models.encoders.torch_encoder import multiplies_bfloat16
from gpu_jobs.trainers.bases import find_base, open_base, save_encoder
from gpu_jobs.trainers.calibrated_fit import fit_plain
from gpu_jobs.trainers.callbacks import (
    LINES,
    Probe,
    batches_by_epoch,
    callbacks,
    count_steps,
    evaluator,
    is_better,
    outcome,
)
from gpu_jobs.trainers.checkpoints import newest
from gpu_jobs.trainers.losses import contrast_batch, make_classifier, make_loss, part_hardest
from gpu_jobs.trainers.memory import memory_limit
from gpu_jobs.trainers.probing import (
    Parts,
    check_training_set,
    choose_rows,
    encode,
    finish,
    labelled_vectors_of,
    make_probe,
    training_info,
)
from gpu_jobs.trainers.trainer_types import TrainedModel, TrainingRun, TrainingSet

IN_BATCH = {"triplet": part_hardest, "contrastive": contrast_batch}
"""losses that find their pairs among the texts of a batch"""
HEAD_SPEED = 100.0
"""the step size of the layer that starts from little, as a multiple of the encoder's"""
PLAN = "plan.json"
"""beside the checkpoints: how many steps"""
TIMED, STEP = 3, 10
"""steps that are timed, and of how many a plan is a multiple"""


def train(training_set: TrainingSet, run: TrainingRun) -> TrainedModel:
    """The encoder with a logistic head on it, calibrated on texts that the encoder was not trained on.

    Raises Refused for too few labels or too little memory, BadInput for a base that is no encoder.
    """
    started = time.monotonic()
    check_training_set(training_set)
    parts = choose_rows(training_set, run)
    train_rows = parts.train_rows
    if run.values["oversample"]:
        train_rows = train_rows[repeat_small(training_set.targets[train_rows], np.random.default_rng(run.seed))]
    base, folder = find_base(run)
    with memory_limit(run.values["max_memory_mb"]):
        model = open_base(folder, run)
        freeze(model, int(run.values["frozen_layers"]))
        probe = make_probe(training_set, parts, run.seed)
        before = probe(model) if probe else None
        trainer = _make_trainer(model, training_set, run, Parts(train_rows, parts.held_out), probe)
        checkpoint = newest(run.checkpoints, "checkpoint")
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        steps = outcome(trainer.state)
        if not is_better(trainer.state, before):
            model, steps["best_step"] = open_base(folder, run), 0
        save_encoder(model, run.work / "encoder")
        trained = finish(training_set, run, parts)
    facts = {"base": base, "texts": len(train_rows), **steps, "seconds_training": round(time.monotonic() - started, 3)}
    return training_info(trained, training_set, parts, before["macro_f1"] if before else None, facts)


def repeat_small(targets: Bools, rng: np.random.Generator) -> Ints:
    """(m,) rows, each at least once; those of rare labels again at random until each has as many as the largest."""
    rows = np.arange(len(targets))
    counts = targets.sum(axis=0)
    for label in np.argsort(counts, kind="stable"):
        missing = int(counts.max() - targets[rows, label].sum())
        own = np.flatnonzero(targets[:, label])
        if missing > 0 and len(own):
            rows = np.concatenate([rows, np.resize(rng.permutation(own), missing)])
    return rows


def _make_trainer(model: Any, training_set: TrainingSet, run: TrainingRun, parts: Parts, probe: Probe | None) -> Any:
    from safetensors.torch import load_model, save_model
    from sentence_transformers import SentenceTransformerTrainer

    targets = training_set.targets[parts.train_rows]
    order: Callable[[np.random.Generator], Ints] | None = None
    objective: Any = IN_BATCH.get(run.values["loss"])
    if objective:
        order = lambda rng: interleave(targets, rng, int(run.values["samples_per_label"]))  # noqa: E731
    else:
        objective = make_classifier(
            fit_plain(
                labelled_vectors_of(training_set, parts.train_rows, encode(model, training_set, parts.train_rows))
            )
        )
    loss = make_loss(model, objective).to(model.device)
    steps = plan_steps(loss, training_set, run, parts.train_rows)

    class Trainer(SentenceTransformerTrainer):  # type: ignore[misc, unused-ignore]
        """Saves weights and no settings, the objective's too; makes no network request."""

        def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
            pass

        def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
            Path(str(output_dir)).mkdir(parents=True, exist_ok=True)
            save_model(loss, f"{output_dir}/weights.safetensors")

        def _load_from_checkpoint(self, checkpoint_path: str) -> None:
            load_model(loss, f"{checkpoint_path}/weights.safetensors")

    arguments = _arguments(len(parts.train_rows), run, has_held_out=probe is not None, steps=steps)
    arguments.batch_sampler = batches_by_epoch(order)
    return Trainer(
        model=model,
        args=arguments,
        train_dataset=_dataset(training_set, parts.train_rows),
        eval_dataset=_dataset(training_set, parts.held_out) if probe else None,
        loss=loss,
        evaluator=evaluator(probe) if probe else None,
        callbacks=callbacks(run, has_held_out=probe is not None),
    )


def _dataset(training_set: TrainingSet, rows: Ints) -> Any:
    from datasets import Dataset

    texts = [without_surrogates(training_set.texts[row]) for row in rows]
    return Dataset.from_dict({"text": texts, "label": training_set.targets[rows].astype(np.float32)})


def freeze(model: Any, layers: int) -> None:
    """The lowest layers learn nothing, that of the word vectors being the first; all but the last one at most. Where
    the architecture calls its layers otherwise than BERT all learn."""
    body = getattr(model[0], "auto_model", None)
    embeddings, encoder = getattr(body, "embeddings", None), getattr(body, "encoder", None)
    stack = list(getattr(encoder, "layer", ()))
    if not layers or embeddings is None or not stack:
        return
    for part in [embeddings, *stack[:-1]][:layers]:
        part.requires_grad_(False)


def plan_steps(loss: Any, training_set: TrainingSet, run: TrainingRun, rows: Ints) -> int:
    """How many steps the processor time allows, by the quickest of some that are timed and change no weight; no more
    than the epochs have. Kept with the checkpoints, so that an attempt that resumes takes as many."""
    import torch

    most, minutes = count_steps(len(rows), run.values), float(run.values["max_minutes"])
    plan = run.checkpoints / PLAN
    if not minutes:
        return most
    if plan.exists():
        return int(json.loads(plan.read_text(encoding="utf-8"))["steps"])
    optimizer = torch.optim.AdamW([one for one in loss.parameters() if one.requires_grad], lr=0.0, weight_decay=0.0)
    size, rng, seconds = int(run.values["batch_size"]), np.random.default_rng(run.seed), 1e6
    for _ in range(TIMED):
        started = time.process_time()
        batch = rng.choice(rows, min(size, len(rows)), replace=False)
        features = loss.model.preprocess([without_surrogates(training_set.texts[row]) for row in batch])
        features = {key: one.to(loss.model.device) if torch.is_tensor(one) else one for key, one in features.items()}
        marks = torch.from_numpy(training_set.targets[batch].astype(np.float32)).to(loss.model.device)
        with torch.autocast(loss.model.device.type, torch.bfloat16, enabled=multiplies_bfloat16()):
            value = loss([features], marks)
        value.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        seconds = min(max(time.process_time() - started, 1e-3), seconds)
    affordable = int(60 * minutes / seconds) // STEP * STEP
    steps = min(most, max(affordable, STEP))
    write_json(plan, {"steps": steps, "seconds_per_step": round(seconds, 4)})
    return steps


def _arguments(train_texts: int, run: TrainingRun, *, has_held_out: bool, steps: int = 0) -> Any:
    import torch
    from sentence_transformers import SentenceTransformerTrainingArguments

    values = run.values
    steps = steps or count_steps(train_texts, values)
    every = min(int(values["eval_steps"]) or ceil(train_texts / int(values["batch_size"])), steps)
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(run.checkpoints),
        max_steps=steps,
        per_device_train_batch_size=values["batch_size"],
        per_device_eval_batch_size=values["eval_batch_size"] or values["batch_size"],
        learning_rate=values["learning_rate"],
        learning_rate_mapping={} if values["loss"] in IN_BATCH else {"objective": values["learning_rate"] * HEAD_SPEED},
        warmup_steps=values["warmup_steps"] or round(steps * values["warmup"]),
        weight_decay=values["weight_decay"],
        bf16=multiplies_bfloat16(),
        use_cpu=not torch.cuda.is_available(),
        seed=run.seed % 2**32,
        eval_strategy="steps" if has_held_out else "no",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every if has_held_out else steps,  # a short one is saved by time
        save_total_limit=2,  # a kill while one is written leaves the one before
        load_best_model_at_end=has_held_out,
        metric_for_best_model="score" if has_held_out else None,
        greater_is_better=True if has_held_out else None,
        restore_callback_states_from_checkpoint=True,
        logging_steps=max(1, steps // LINES),
        dataloader_pin_memory=False,
        disable_tqdm=True,
        report_to="none",
    )
    arguments._n_gpu = min(arguments.n_gpu, 1)  # torch's DataParallel would split batches, whose pairs belong together
    return arguments


def interleave(targets: Bools, rng: np.random.Generator, together: int = 2) -> Ints:
    """(n,) a random order in which each record is followed by `together - 1` others, as far as they are left, that
    share a label with it.

    For losses that look for their pairs within a batch. sentence-transformers' sampler by label takes one label a text.
    """
    left = np.ones(len(targets), np.bool_)
    buckets = [rng.permutation(np.flatnonzero(column)).tolist() for column in targets.T]
    order: list[int] = []
    for row in rng.permutation(len(targets)):
        if not left[row]:
            continue
        left[row] = False
        order.append(int(row))
        for _ in range(together - 1):
            partner = _next_left([buckets[label] for label in rng.permutation(np.flatnonzero(targets[row]))], left)
            if partner is None:
                break
            left[partner] = False
            order.append(partner)
    return np.array(order, np.int64)


def _next_left(buckets: list[list[int]], left: Bools) -> int | None:
    """Pops rows of the buckets until one that is still left; the others never come back, so that all takes O(n)."""
    for bucket in buckets:
        while bucket:
            row = bucket.pop()
            if left[row]:
                return row
    return None
