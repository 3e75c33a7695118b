"""Hugging Face classifiers: found by name or folder, loaded, inspected. Knows no texts and no training."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import BadInput
from core.models.encoders.encoder import EMBEDDED, embedded_folder
from core.models.encoders.torch_encoder import fetch_model


@dataclass(frozen=True)
class Pretrained:
    """A model with its tokenizer. longest: tokens of a text that it reads. folder: where it came from."""

    model: Any
    tokenizer: Any
    longest: int
    folder: Path


def find_model(name: str, cache: Path) -> Path:
    """The folder that a name means: the embedded model's, one on this machine, or a fetched one. Raises BadInput."""
    if name == EMBEDDED:
        return embedded_folder()
    folder = Path(name) if Path(name).is_dir() else fetch_model(name, cache)
    if not (folder / "config.json").is_file():
        raise BadInput(f"{folder} holds no config.json, so it is no Hugging Face model. Name another base.")
    return folder


def load_classifier(
    folder: Path, longest: int, names: Sequence[str] | None = None, *, multi: bool = False
) -> Pretrained:
    """With a new last layer for the labels of these names, or as it is. Raises BadInput for another kind of model."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    entries: dict[str, Any] = {}
    if names is not None:
        kind = "multi_label_classification" if multi else "single_label_classification"
        entries = {"num_labels": len(names), "problem_type": kind, "ignore_mismatched_sizes": True}
        entries |= {"id2label": dict(enumerate(names)), "label2id": {name: index for index, name in enumerate(names)}}
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = AutoModelForSequenceClassification.from_pretrained(folder, local_files_only=True, **entries)
    except ImportError as error:
        raise BadInput(f"{folder} needs a package that is not installed: {_first_line(error)}") from error
    except (OSError, ValueError, KeyError, json.JSONDecodeError) as error:
        raise BadInput(
            f"{folder} is no model that transformers can load as a classifier: {_first_line(error)} "
            f"Name another base, or use {EMBEDDED}, which is always there."
        ) from error
    if tokenizer.pad_token is None:
        raise BadInput(f"The tokenizer of {folder} cannot pad (it has no padding token). Name another base.")
    model = model.float()
    return Pretrained(model, tokenizer, min(longest, _most_tokens(model, tokenizer)), folder)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _most_tokens(model: Any, tokenizer: Any) -> int:
    """Tokens that the model has positions for. RoBERTa's kind begins to count them behind its padding's number."""
    positions = int(getattr(model.config, "max_position_embeddings", 0) or 0)
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            positions -= int(module.padding_idx) + 1
    return min(int(tokenizer.model_max_length), positions if positions > 0 else int(tokenizer.model_max_length))


def last_layer(loaded: Pretrained) -> tuple[str, int]:
    """(name, width of its input) of the linear layer whose output are the logits. Raises BadInput where there is none.

    Some models (GPT's kind) classify every token and choose one afterwards: they have no vector of the text.
    """
    import torch

    seen: dict[str, Any] = {}
    linear = {name: part for name, part in loaded.model.named_modules() if isinstance(part, torch.nn.Linear)}
    hooks = [part.register_forward_hook(_keep(seen, name)) for name, part in linear.items()]
    device = loaded.model.device
    loaded.model.eval()
    with torch.inference_mode():
        logits = loaded.model(**loaded.tokenizer(["a", "b"], return_tensors="pt").to(device)).logits
    for hook in hooks:
        hook.remove()
    layers = [name for name, output in seen.items() if output is logits or torch.equal(output, logits)]
    if not layers:
        raise BadInput(
            f"{type(loaded.model).__name__} has no linear layer at its end that sees one vector per text, so it cannot "
            "serve as an encoder. Choose an encoder model such as BERT, DeBERTa, ModernBERT or RoBERTa."
        )
    return layers[-1], int(linear[layers[-1]].in_features)


def _keep(seen: dict[str, Any], name: str) -> Any:
    def hook(part: Any, supplied: Any, output: Any) -> None:
        seen[name] = output

    return hook
