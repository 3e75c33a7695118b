"""A stored model with its encoder: texts in, probabilities out. Knows a folder of files, not records or projects."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import Damaged
from core.models.artifacts import INFO, INSIDE, check_model, load_head
from core.models.encoders import OWN, Encoder, load_encoder
from core.models.heads import Head, predict

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Classifier:
    """What is needed to judge any text. The head's labels are the columns of what it predicts."""

    encoder: Encoder
    head: Head

    def predict(self, texts: Sequence[str]) -> Floats:
        """(texts, labels) probabilities; a row sums to 1 unless several labels may hold."""
        if not len(texts):
            return np.empty((0, len(self.head.labels)), np.float32)
        return predict(self.head, self.encoder.encode(texts))


def load_classifier(folder: Path, cache: Path, threads: int) -> Classifier:
    """From an artifact's folder alone, or with the folder beside it that its encoder is in.

    Raises Damaged for files that are not those it was saved with and for what could run code, Refused for a model
    without a head, BadInput where its encoder is not to be had. cache: where fetched encoders are kept.
    """
    manifest = check_model(folder)
    head = load_head(folder)
    return Classifier(load_encoder(encoder_place(folder, manifest), cache, threads), head)


def encoder_name(folder: Path, manifest: Mapping[str, Any]) -> str:
    """What the project calls the encoder of this model: its vectors are kept by that name."""
    if manifest["encoder"] == INSIDE:
        return f"{OWN}{folder.name}"
    return str(manifest["encoder"] or manifest["facts"].get("encoder", ""))


def encoder_place(folder: Path, manifest: Mapping[str, Any]) -> str:
    """What `load_encoder` takes: a name, or the folder of the encoder. Raises Damaged where that was tampered with."""
    if manifest["encoder"] == INSIDE:
        return str(folder / INSIDE)
    name = encoder_name(folder, manifest)
    if not name.startswith(OWN):
        return name
    owner = folder.resolve().parent / Path(name.removeprefix(OWN)).name
    if not (owner / INSIDE).is_dir():
        raise Damaged(f"{folder.name} works on the encoder of {owner.name}, which does not lie beside it. Copy both.")
    check_model(owner)
    return str(owner / INSIDE)


def label_names(folder: Path) -> dict[str, str]:
    """Label id to what people called it when the model was made, as far as the artifact tells."""
    try:
        told = json.loads((folder / INFO).read_text(encoding="utf-8"))
        return {str(label): str(name) for label, name in told.get("label_names", {}).items()}
    except (OSError, ValueError, AttributeError):
        return {}
