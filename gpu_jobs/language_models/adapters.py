"""Adapters in memory: saved without a word of this machine, put on their base again, merged into it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.errors import BadInput
from core.jobs.bundle import write_json
from core.models.encoders.torch_encoder import fingerprint_of
from gpu_jobs.language_models.bases import CausalBase
from gpu_jobs.language_models.causal import CausalModel, load_causal

CONFIG = "adapter_config.json"
BASE_FILE = "base.json"
"""name and hash of the base, beside peft's two files, so that they travel with them"""


def save_adapter(model: Any, folder: Path, base: CausalBase) -> None:
    """peft's two files, without a path in them, and BASE_FILE. The same weights give the same bytes."""
    model.save_pretrained(str(folder))
    write_json(folder / BASE_FILE, {"name": base.name, "hash": fingerprint_of(base.folder)})
    (folder / "README.md").unlink(missing_ok=True)
    path = folder / CONFIG
    stored = json.loads(path.read_text(encoding="utf-8")) | {"base_model_name_or_path": None, "auto_mapping": None}
    stored = {name: sorted(value) if name == "target_modules" else value for name, value in stored.items()}
    path.write_text(json.dumps(stored, indent=2, sort_keys=True), encoding="utf-8")


def put_on(causal: CausalModel, adapter: Path) -> CausalModel:
    """The model with the adapter of a folder on it. Raises BadInput for one of another base, or that does not fit; one
    that was not made here says of no base.
    """
    from peft import PeftModel

    if (adapter / BASE_FILE).is_file():
        made_for = json.loads((adapter / BASE_FILE).read_text(encoding="utf-8"))
        if made_for["hash"] != fingerprint_of(causal.folder):
            raise BadInput(
                f"The adapter was trained on other files than those in {causal.folder}: it needs {made_for['name']} "
                f"with the hash {made_for['hash']}. On another model its numbers mean nothing."
            )
    try:
        tuned = PeftModel.from_pretrained(causal.model, str(adapter), local_files_only=True)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        first = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise BadInput(f"{adapter} is no adapter of {causal.folder} that can be loaded: {first[:300]}") from error
    return replace(causal, model=tuned.eval())


def merge_adapter(adapter: Path, base: CausalBase, out: Path, threads: int = 0) -> None:
    """Writes a folder that transformers, vLLM or llama.cpp's converter loads, in the base's own precision: the adapter
    is added to the weights in float32. out: a new folder.
    """
    import torch

    causal = put_on(load_causal(base.folder, "float32", threads=threads), adapter)
    merged = causal.model.merge_and_unload()
    written = json.loads((base.folder / "config.json").read_text(encoding="utf-8"))
    name = str(written.get("dtype") or written.get("torch_dtype") or "float32").removeprefix("torch.")
    merged.to(getattr(torch, name, torch.float32)).save_pretrained(out)
    causal.tokenizer.save_pretrained(out)
