"""Tuning a language model by low-rank adapters, with trl's trainer. Knows examples and folders, no bundle."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np

from core.jobs.bundle import write_json
from core.models.adapters import AnswerScores
from core.typed_json import from_json, to_json
from gpu_jobs.language_models.causal import CausalModel
from gpu_jobs.trainers.callbacks import LINES, callbacks
from gpu_jobs.trainers.checkpoints import newest
from gpu_jobs.trainers.lora.examples import Examples
from gpu_jobs.trainers.lora.scores import MARGIN, score_answers
from gpu_jobs.trainers.trainer_types import TrainingRun

WARMUP = 0.1
"""of all steps, at most: fifty would be more than a small training has"""
BASE_SCORES = "base_scores.json"


@dataclass(frozen=True)
class StepData:
    """What one step's adapter learns from and is scored by. step: its name. schema: JSON Schema of its answer."""

    step: str
    schema: Mapping[str, Any]
    train: Examples
    held_out: Examples

    def answer_tokens(self) -> int:
        """Tokens that a generated answer may have."""
        return max(self.train.longest_answer, self.held_out.longest_answer) + MARGIN


@dataclass(frozen=True)
class TunedModel:
    """model: peft's, with the best checkpoint's weights. before, after: scores on held-out examples, None without any.
    state: transformers' of the training."""

    model: Any
    before: AnswerScores | None
    after: AnswerScores | None
    state: Any


def fine_tune(causal: CausalModel, adapter: Any, data: StepData, run: TrainingRun) -> TunedModel:
    """The best checkpoint by the mean of validity and exact fields on held-out examples; without those the last.

    adapter: peft's settings, None where one is on the model. An attempt that was killed goes on from its newest
    complete checkpoint, and ends as if it had not been.
    """
    some = np.random.default_rng(run.seed).permutation(len(data.held_out.rows))[: int(run.values["eval_examples"])]
    scored = data.held_out.take(sorted(some.tolist()))
    before = _base_scores(causal, data, scored, run) if scored.rows else None
    trainer = make_trainer(causal, adapter, data, run, scored)
    checkpoint = newest(run.checkpoints, "checkpoint")
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    after = trainer.scores.get(trainer.state.best_global_step)
    if after is None and scored.rows:  # the best was evaluated before a restart
        after = _score(causal, trainer.model, data, scored)
    return TunedModel(trainer.model, before, after, trainer.state)


def make_trainer(causal: CausalModel, adapter: Any, data: StepData, run: TrainingRun, scored: Examples) -> Any:
    """trl's, with the examples as tokens. scored: those that are answered at each evaluation."""
    return _trainer_class()(
        scorer=lambda model: _score(causal, model, data, scored) if scored.rows else None,
        model=causal.model,
        args=_arguments(data, run),
        processing_class=causal.tokenizer,
        train_dataset=_dataset(data.train),
        eval_dataset=_dataset(data.held_out) if scored.rows else None,
        peft_config=adapter,
        callbacks=callbacks(run, has_held_out=bool(scored.rows)),
    )


def _base_scores(causal: CausalModel, data: StepData, scored: Examples, run: TrainingRun) -> AnswerScores:
    """Of the model as it is, once: a resumed attempt reads them."""
    path = run.checkpoints / BASE_SCORES
    if not path.exists():
        write_json(path, to_json(score_answers(causal, scored, data.schema, data.step, data.answer_tokens())))
    return from_json(AnswerScores, json.loads(path.read_text(encoding="utf-8")), path.name)


def _score(causal: CausalModel, model: Any, data: StepData, scored: Examples) -> AnswerScores:
    tuned = CausalModel(model, causal.tokenizer, causal.longest, causal.folder)
    return score_answers(tuned, scored, data.schema, data.step, data.answer_tokens())


def _dataset(examples: Examples) -> Any:
    """The answer alone is learnt: a label of -100 counts for nothing."""
    from datasets import Dataset

    labels = [[-100] * one.answer + list(one.ids[one.answer :]) for one in examples.tokens]
    return Dataset.from_dict({"input_ids": [list(one.ids) for one in examples.tokens], "labels": labels})


def packs(values: Mapping[str, Any]) -> bool:
    """Do short examples lie side by side? On a processor padding costs less than the wider attention."""
    import torch

    return bool(values["packing"] == "on" or (values["packing"] == "auto" and torch.cuda.is_available()))


def count_steps(examples: int, values: Mapping[str, Any]) -> int:
    """Steps of a training without packing, at most."""
    batches = ceil(examples / int(values["batch_size"]))
    steps = int(values["epochs"]) * ceil(batches / int(values["accumulation"]))
    return min(steps, int(values["max_steps"]) or steps)


def _arguments(data: StepData, run: TrainingRun) -> Any:
    import torch
    from trl import SFTConfig

    os.environ.pop("ACCELERATE_MIXED_PRECISION", None)  # another training of this process may have left it
    values, has_held_out, gpu = run.values, bool(data.held_out.rows), torch.cuda.is_available()
    steps, pace = count_steps(len(data.train.rows), values), "steps" if values["eval_steps"] else "epoch"
    arguments = SFTConfig(
        output_dir=str(run.checkpoints),
        max_length=values["max_length"],
        packing=packs(values),
        eval_packing=False,
        num_train_epochs=values["epochs"],
        max_steps=values["max_steps"] or -1,
        per_device_train_batch_size=values["batch_size"],
        per_device_eval_batch_size=values["batch_size"],
        gradient_accumulation_steps=values["accumulation"],
        learning_rate=values["learning_rate"],
        warmup_steps=min(int(values["warmup_steps"]), ceil(WARMUP * steps)),
        bf16=gpu and values["precision"] != "float32" and torch.cuda.is_bf16_supported(including_emulation=False),
        use_cpu=not gpu,
        activation_checkpointing=gpu,
        dataloader_pin_memory=gpu,
        eval_strategy=pace if has_held_out else "no",
        eval_steps=values["eval_steps"] or None,
        save_strategy=pace,
        save_steps=values["eval_steps"] or 500,
        save_total_limit=2,  # a kill while one is written leaves the one before
        load_best_model_at_end=has_held_out,
        metric_for_best_model="score" if has_held_out else None,
        greater_is_better=True if has_held_out else None,
        restore_callback_states_from_checkpoint=True,
        logging_steps=max(1, steps // LINES),
        report_to="none",
        disable_tqdm=True,
        seed=run.seed % 2**32,
    )
    arguments._n_gpu = min(arguments.n_gpu, 1)  # several GPUs want a launcher of their own
    return arguments


def _trainer_class() -> Any:
    from trl import SFTTrainer

    class Trainer(SFTTrainer):  # type: ignore[misc, unused-ignore]
        """Adds validity and exact fields of generated answers to each evaluation; writes no model card. scores: by
        step, of this attempt."""

        def __init__(self, *, scorer: Any, **others: Any) -> None:
            super().__init__(**others)
            self._scorer = scorer
            self.scores: dict[int, AnswerScores] = {}

        def evaluation_loop(self, *where: Any, metric_key_prefix: str = "eval", **how: Any) -> Any:
            output = super().evaluation_loop(*where, metric_key_prefix=metric_key_prefix, **how)
            scores = self._scorer(self.model)
            if scores is not None:
                self.scores[self.state.global_step] = scores
                figures = {"score": scores.score, "validity": scores.valid / scores.n, "exact": scores.exact / scores.n}
                output.metrics.update({f"{metric_key_prefix}_{name}": value for name, value in figures.items()})
            return output

        def create_model_card(self, *where: Any, **how: Any) -> None:
            pass

    return Trainer
