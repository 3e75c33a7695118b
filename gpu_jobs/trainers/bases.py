"""The encoder that fine-tuning starts from, and saving the result. Knows no labels and no training."""

import json
from pathlib import Path
from typing import Any

from core.errors import BadInput
from core.models.encoders.encoder import EMBEDDED, JOINED, MULTILINGUAL, embedded_folder
from core.models.encoders.torch_encoder import fetch_model, fingerprint_of
from gpu_jobs.trainers.trainer_types import TrainingRun


def find_base(run: TrainingRun) -> tuple[str, Path]:
    """(name, folder) of the encoder to start from; of a folder the name alone, for paths differ. Raises BadInput."""
    name = str(run.values["base"] or run.base)
    if name == MULTILINGUAL:
        raise BadInput(
            f"{name} cannot be trained further: it is no transformer. Name another base, `--set base=NAME`, such as a "
            "multilingual sentence-transformers model."
        )
    if name in (EMBEDDED, JOINED):  # of both together the half that can be trained
        return EMBEDDED, embedded_folder()
    if Path(name).is_dir():
        return Path(name).name, Path(name)
    return name, fetch_model(name if "/" in name else f"sentence-transformers/{name}", run.cache)


def open_base(folder: Path, run: TrainingRun) -> Any:
    """A SentenceTransformer in float32, on the GPU where one is. Raises BadInput for a folder that holds none."""
    import torch
    from sentence_transformers import SentenceTransformer

    if run.threads:
        torch.set_num_threads(run.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    kind = {"dtype": torch.float32}
    try:
        model = SentenceTransformer(str(folder), device=device, local_files_only=True, model_kwargs=kind)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise BadInput(
            f"{folder} is no model that sentence-transformers can load: {str(error).splitlines()[0]} "
            f"Name a folder with an encoder, or use {EMBEDDED}, which is always there."
        ) from error
    model.max_seq_length = min(int(run.values["max_length"]), model.max_seq_length or 512)
    return model


def save_encoder(model: Any, folder: Path) -> str:
    """Weights as safetensors, settings as JSON, and nothing of this machine in them. Returns the fingerprint."""
    model.save_pretrained(str(folder), create_model_card=False)
    strip_paths(folder)
    return fingerprint_of(folder)


def strip_paths(folder: Path) -> None:
    """Takes out of a saved model's settings where its base lay on this machine."""
    for file in folder.rglob("*config.json"):
        stored = json.loads(file.read_text(encoding="utf-8"))
        if stored.keys() & _OURS:
            entries = {key: value for key, value in stored.items() if key not in _OURS}
            file.write_text(json.dumps(entries, indent=2), encoding="utf-8")


_OURS = {"_name_or_path", "name_or_path"}
"""where the base lay"""
