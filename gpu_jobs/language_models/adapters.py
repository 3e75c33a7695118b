"""Adapters in memory: saved without a word of this machine, put on their base again, merged into it."""

import json
from pathlib import Path
from typing import Any

from core.errors import BadInput, Damaged
from core.models.adapters import ADAPTER, AdapterFacts, read_adapter
from core.models.encoders.torch_encoder import fingerprint_of
from gpu_jobs.language_models.bases import CausalBase
from gpu_jobs.language_models.causal import CausalModel, load_causal

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


def save_adapter(model: Any, folder: Path) -> None:
    """peft's two files; of the base nothing but what `AdapterFacts` says. The same weights give the same bytes."""
    model.save_pretrained(str(folder))
    (folder / "README.md").unlink(missing_ok=True)
    path = folder / CONFIG
    stored = json.loads(path.read_text(encoding="utf-8")) | {"base_model_name_or_path": None, "auto_mapping": None}
    stored = {name: sorted(value) if name == "target_modules" else value for name, value in stored.items()}
    path.write_text(json.dumps(stored, indent=2, sort_keys=True), encoding="utf-8")


def open_adapter(model: Path, base: CausalBase, precision: str = "auto", threads: int = 0) -> CausalModel:
    """The base with the adapter of a checked model's folder on it. Raises BadInput for another base."""
    from peft import PeftModel

    facts = read_adapter(model)
    check_base(facts, base)
    causal = load_causal(base.folder, precision, threads=threads)
    try:
        tuned = PeftModel.from_pretrained(causal.model, str(model / ADAPTER)).eval()
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise Damaged(f"{model / ADAPTER} does not fit {base.name}: {str(error).splitlines()[0]}") from error
    return CausalModel(tuned, causal.tokenizer, causal.longest, base.folder)


def check_base(facts: AdapterFacts, base: CausalBase) -> None:
    """Raises BadInput where the base's files are not those that the adapter was trained on."""
    if fingerprint_of(base.folder) != facts.base_hash:
        raise BadInput(
            f"The adapter of step {facts.step!r} was trained on other files than those in {base.folder}: it needs "
            f"{facts.base} with the hash {facts.base_hash}. On another model its numbers mean nothing."
        )


def merge_adapter(model: Path, base: CausalBase, out: Path, threads: int = 0) -> None:
    """Writes a folder that transformers, vLLM or llama.cpp's converter loads, in the base's own precision: the adapter
    is added to the weights in float32. out: a new folder.
    """
    import torch

    causal = open_adapter(model, base, "float32", threads)
    merged = causal.model.merge_and_unload()
    written = json.loads((base.folder / "config.json").read_text(encoding="utf-8"))
    name = str(written.get("dtype") or written.get("torch_dtype") or "float32").removeprefix("torch.")
    merged.to(getattr(torch, name, torch.float32)).save_pretrained(out)
    causal.tokenizer.save_pretrained(out)
