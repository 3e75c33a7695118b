"""Which encoder a stored model needs, and what its labels were called. Knows a folder of files, loads nothing."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.errors import Damaged
from core.models.artifacts import INFO, INSIDE, check_model
from core.models.encoders.encoder import OWN


def encoder_name(folder: Path, manifest: Mapping[str, Any]) -> str:
    """The project's name for the encoder of this model: its vectors are stored under that name."""
    if manifest["encoder"] == INSIDE:
        return f"{OWN}{folder.name}"
    return str(manifest["encoder"] or manifest["facts"].get("encoder", ""))


def encoder_source(folder: Path, manifest: Mapping[str, Any]) -> str:
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
    """Label id to its name when the model was made, as far as the artifact has it."""
    try:
        stored = json.loads((folder / INFO).read_text(encoding="utf-8"))
        return {str(label): str(name) for label, name in stored.get("label_names", {}).items()}
    except (OSError, ValueError, AttributeError):
        return {}
