"""A head on disk: safetensors and JSON, the manifest with its hashes last, never pickle. Knows no store."""

import hashlib
import json
import os
from pathlib import Path

from core.errors import Damaged
from core.jobs import write_json
from core.models.heads import Head

_ARRAYS = "head.safetensors"
_MANIFEST = "manifest.json"


def save_head(folder: Path, head: Head, facts: dict[str, object]) -> None:
    """facts: what a person wants to know of it later (encoder, counts, seed); they do not change what it predicts."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{_ARRAYS}.partial"
    save_file({"weights": head.weights, "bias": head.bias}, partial)
    os.replace(partial, folder / _ARRAYS)
    manifest = {
        "kind": "head",
        "schema": 1,
        "files": {_ARRAYS: _hash(folder / _ARRAYS)},
        "labels": list(head.labels),
        "multi": head.multi,
        "temperature": head.temperature,
        "calibration_error": head.calibration_error,
        "facts": facts,
    }
    write_json(folder / _MANIFEST, manifest)


def load_head(folder: Path) -> Head:
    """Raises Damaged for a folder that is not a head, or whose files are not those it was saved with."""
    from safetensors.numpy import load_file

    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        expected = manifest["files"][_ARRAYS]
        found = _hash(folder / _ARRAYS)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Damaged(f"{folder} is not a model: {error}. Run `rondo fit` to make a new one.") from None
    if found != expected:
        raise Damaged(f"{folder / _ARRAYS} was changed after it was saved. Run `rondo fit` to make a new model.")
    arrays = load_file(folder / _ARRAYS)
    return Head(
        weights=arrays["weights"],
        bias=arrays["bias"],
        temperature=float(manifest["temperature"]),
        labels=tuple(manifest["labels"]),
        multi=bool(manifest["multi"]),
        calibration_error=manifest["calibration_error"],
    )


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
