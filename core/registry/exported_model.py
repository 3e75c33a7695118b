"""An exported model's folder, read: its head, what its labels are called, and where its encoder is. Runs neither."""

import json
from dataclasses import dataclass
from pathlib import Path

from core.data.clean_rules import RULES
from core.errors import Damaged
from core.models.artifacts import MANIFEST
from core.models.encoders.encoder import EMBEDDED, embedded_folder
from core.models.encoders.int8 import OWN_PEAKS
from core.models.file_kinds import PICKLES, check_file, files_of, kinds, read_json
from core.models.heads.head import Head, restore_head
from core.registry.usage import ABOUT
from core.store.whole_files import sha256_of

HEAD = "head.safetensors"
SETFIT_HEAD = "model_head.pkl"
"""a pickle that an export for SetFit has beside the same in safetensors; never read here"""
_DECISIVE = ("model.safetensors", "tokenizer.json")


@dataclass(frozen=True)
class ExportedModel:
    """names: of the labels, by id. encoder: as `load_encoder` takes it."""

    head: Head
    names: dict[str, str]
    encoder: str


@dataclass(frozen=True)
class _Label:
    id: str
    name: str


@dataclass(frozen=True)
class _About:
    """The file ABOUT, as far as it is needed."""

    model: str
    labels: tuple[_Label, ...]
    multi: bool
    temperature: float
    encoder: str
    rules: tuple[str, ...] = ()


def is_export(folder: Path) -> bool:
    """Is it what `rondo models export` writes?"""
    return (folder / ABOUT).is_file() and not (folder / MANIFEST).exists()


def name_of_export(folder: Path) -> str:
    """The id of the model that was exported. Raises Damaged."""
    return _about(folder).model


def rules_of_export(folder: Path) -> tuple[str, ...]:
    """By which its project cleaned texts when it was exported. Raises Damaged."""
    return _about(folder).rules


def open_export(folder: Path) -> ExportedModel:
    """Raises Damaged, in one sentence, for a folder that is not whole, and for files that could run code."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    for name, path in files_of(folder).items():
        suffix = path.suffix.lower()
        if name != SETFIT_HEAD and (suffix in kinds() or suffix in PICKLES):
            check_file(path, name)
    about = _about(folder)
    manifest = {
        "labels": [label.id for label in about.labels],
        "multi": about.multi,
        "temperature": about.temperature,
        "calibration_error": None,
    }
    try:
        head = restore_head(manifest, load_file(folder / HEAD))
    except (OSError, SafetensorError, ValueError) as error:
        raise Damaged(f"{folder} is no exported model: {error}. Export it again with `rondo models export`.") from None
    return ExportedModel(head, {label.id: label.name for label in about.labels}, encoder_of_export(folder))


def encoder_of_export(folder: Path) -> str:
    """As `load_encoder` takes it. Raises Damaged."""
    about = _about(folder)
    return _encoder_in(folder) if about.encoder == "." else about.encoder


def _about(folder: Path) -> _About:
    from core.errors import BadInput
    from core.typed_json import from_json

    try:
        about = from_json(_About, read_json(folder / ABOUT, ABOUT), str(folder / ABOUT))
        if unknown := sorted(set(about.rules) - RULES.keys()):
            raise BadInput(f"It cleans texts by {unknown[0][:40]!r}, which this version of Rondo does not know.")
        return about
    except (BadInput, OSError, json.JSONDecodeError) as error:
        raise Damaged(f"{folder} is no exported model: {error} Export it again with `rondo models export`.") from None


def _encoder_in(folder: Path) -> str:
    """The folder; or the name of the encoder that is always there where it holds just that one, so that numbers are
    those of the project."""
    embedded = embedded_folder()
    tuned = (folder / OWN_PEAKS).is_file()  # even one that no step has changed has ranges of its own
    same = (
        not tuned
        and all((folder / name).is_file() for name in _DECISIVE)
        and all(sha256_of(folder / name) == sha256_of(embedded / name) for name in _DECISIVE)
    )
    return EMBEDDED if same else str(folder)
