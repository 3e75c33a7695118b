"""The base that a tuning starts from, with what its adapter is to be. Knows models, no examples."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gpu_jobs.language_models.causal import CausalModel, has_four_bit, load_causal
from gpu_jobs.language_models.chat import load_tokenizer
from gpu_jobs.trainers.trainer_types import TrainingRun


def has_unsloth() -> bool:
    """Is the package unsloth installed, and a GPU there, which it needs?"""
    import torch

    return torch.cuda.is_available() and find_spec("unsloth") is not None


def four_bit(values: Mapping[str, Any]) -> bool:
    """Shall the base's weights be held in 4 bits?"""
    return bool(values["four_bit"] == "on" or (values["four_bit"] == "auto" and has_four_bit()))


def load_for_tuning(folder: Path, run: TrainingRun) -> tuple[CausalModel, Any]:
    """The base, and peft's settings for its adapter: on every linear layer but the last, unless layers are named.

    Where unsloth is the adapter is on the base already, and there are no settings. That branch follows unsloth's
    documentation and has never been run by us.
    """
    from peft import LoraConfig

    values = run.values
    named = [one.strip() for one in str(values["target_modules"]).split(",") if one.strip()]
    if has_unsloth():
        return _by_unsloth(folder, named, run), None
    causal = load_causal(folder, str(values["precision"]), four_bit=four_bit(values), threads=run.threads)
    return causal, LoraConfig(
        r=values["r"],
        lora_alpha=values["alpha"],
        lora_dropout=values["dropout"],
        target_modules=named or "all-linear",
        task_type="CAUSAL_LM",
    )


def _by_unsloth(folder: Path, named: list[str], run: TrainingRun) -> CausalModel:
    """unsloth wants the layers' names: those of every linear one but the last."""
    from unsloth import FastLanguageModel

    values = run.values
    model, _ = FastLanguageModel.from_pretrained(
        model_name=str(folder), max_seq_length=values["max_length"], load_in_4bit=four_bit(values), dtype=None
    )
    linear = {name.rpartition(".")[2] for name, one in model.named_modules() if "Linear" in type(one).__name__}
    tuned = FastLanguageModel.get_peft_model(
        model,
        r=values["r"],
        target_modules=named or sorted(linear - {"lm_head"}),
        lora_alpha=values["alpha"],
        lora_dropout=values["dropout"],
        bias="none",
        use_gradient_checkpointing="unsloth",
        random_state=run.seed % 2**32,
    )
    return CausalModel(tuned, load_tokenizer(folder), int(values["max_length"]), folder)
