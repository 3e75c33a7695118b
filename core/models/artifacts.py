"""A model on disk: safetensors and JSON, the manifest with every file's hash last, never pickle. Knows no store."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from core.errors import BadInput, Damaged, Refused
from core.jobs.bundle import write_json
from core.models.file_kinds import check_file, files_of
from core.models.heads.head import Head, restore_head
from core.models.heads.kind import Arrays, FittedHead
from core.models.out_of_fold import VERDICTS
from core.store.whole_files import sha256_of, whole_file

INSIDE = "encoder/"
"""the encoder of a model that brings its own"""

MANIFEST = "manifest.json"
INFO = "training_info.json"
_ARRAYS = "head.safetensors"
_UNSEALED = ("evaluations/",)
_UNSEALED_OF_ROUNDS = (VERDICTS, "curve.json")
"""what is written after the seal; it changes nothing that a model says, and is of the harmless kinds like all else"""
_DROPPED = ("encoder/README.md", "encoder/chat_template.jinja")
"""what sentence-transformers writes and nothing needs; its README quotes texts that the model learnt from"""


@dataclass(frozen=True)
class Making:
    """A manifest's entries beside the head. trainer: a key of TRAINERS. encoder: a name, or INSIDE.

    info: for `training_info.json`: base model, counts, parameters, times, versions; what JSON can hold, and no path.
    """

    trainer: str
    encoder: str
    labels: tuple[str, ...]
    multi: bool
    info: Mapping[str, Any]


def save_head(folder: Path, head: FittedHead, facts: dict[str, object]) -> None:
    """A round's model. What else lies in the folder becomes part of it.

    facts: provenance for a reader (encoder, counts, seed); they do not change what it predicts.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _write_head(folder, head)
    _write_manifest(folder, head, {"kind": "head", "schema": 1} | head.about(), facts)


def seal_model(folder: Path, making: Making, head: FittedHead | None) -> dict[str, Any]:
    """The last step of a training: with all else in the folder, writes head, training info and, last, the manifest.

    head: None for a model that classifies texts without vectors; it can be evaluated but not put to use. Returns the
    manifest. Raises Damaged when `check_model` would refuse the folder.
    """
    if isinstance(head, Head) and (head.labels != making.labels or head.multi != making.multi):
        raise BadInput(
            f"The head knows {len(head.labels)} labels, the model {len(making.labels)}; they must be the same."
        )
    for name in _DROPPED:
        (folder / name).unlink(missing_ok=True)
    if (making.encoder == INSIDE) != (folder / INSIDE).is_dir():
        raise BadInput(f"The model's encoder is said to be {making.encoder!r}, but the folder says otherwise.")
    if head is not None:
        _write_head(folder, head)
    write_json(folder / INFO, _without_paths(making.info))
    about = {
        "kind": "model",
        "schema": 1,
        "trainer": making.trainer,
        "encoder": making.encoder,
        "labels": list(making.labels),
        "multi": making.multi,
        "temperature": head.temperature if isinstance(head, Head) else None,
    }
    if head is not None and not isinstance(head, Head):
        about |= head.about()
    _write_manifest(folder, head, about, {})
    return check_model(folder)


def check_model(folder: Path) -> dict[str, Any]:
    """The manifest of a model whose every file is what it was when it was sealed, and none of which can run code.

    Raises Damaged, in one sentence, for a file that is missing, changed, or unlisted; for pickles, links,
    and configurations that ask for code or weights from elsewhere. It proves that nothing changed since, not who
    made it: whoever can write the folder can write a manifest that fits.
    """
    manifest = read_manifest(folder)
    digests = files_of(folder)
    del digests[MANIFEST]
    expected: dict[str, str] = manifest["files"]
    for name in sorted(digests.keys() - expected.keys()):
        if _may_follow(name, manifest):
            continue
        raise Damaged(f"{folder} is not as it was saved: {name} was added. Nothing of it is used.")
    for name in sorted(expected.keys() - digests.keys()):
        raise Damaged(f"{folder} is not as it was saved: {name} is missing. Nothing of it is used.")
    for name, path in digests.items():
        try:
            check_file(path, name)
        except Damaged as error:
            raise Damaged(f"The model in {folder} is refused: {error}") from None
        if name in expected and sha256_of(path) != expected[name]:
            raise Damaged(f"{path} was changed after it was saved. Nothing of the model is used.")
    return manifest


def _may_follow(name: str, manifest: Mapping[str, Any]) -> bool:
    return name.startswith(_UNSEALED) or (manifest["trainer"] == "round" and name in _UNSEALED_OF_ROUNDS)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest as written; hashes nothing. trainer is "round" and encoder "" for a round's head."""
    try:
        file = folder / MANIFEST
        if file.stat().st_size > 1 << 23:
            raise ValueError("its manifest is larger than any can be")
        manifest = json.loads(file.read_text(encoding="utf-8"))
        result: dict[str, Any] = {
            "trainer": "round",
            "encoder": "",
            "labels": [],
            "multi": False,
            "temperature": None,
            "calibration_error": None,
            "facts": {},
        } | manifest
        texts = [*result["files"], *result["files"].values(), *result["labels"], result["trainer"], result["encoder"]]
        plain = all(isinstance(text, str) for text in texts) and isinstance(result["labels"], list)
        if not plain or not isinstance(result["multi"], bool):
            raise TypeError("its manifest holds something else than it should")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Damaged(f"{folder} is not a model: {error}. Run `rondo fit` to make a new one.") from None
    return result


def load_head(folder: Path) -> Head:
    """The head of a model of labels, see `load_fitted`."""
    return load_fitted(folder, restore_head)


AHead = TypeVar("AHead", bound=FittedHead)


def load_fitted(folder: Path, restore: Callable[[Mapping[str, Any], Arrays], AHead]) -> AHead:
    """Raises Damaged for a folder that is not a model or whose head was changed, Refused where it has no head."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    manifest = read_manifest(folder)
    if _ARRAYS not in manifest["files"]:
        raise Refused(f"{folder.name} has no head: it classifies texts without vectors and can only be compared.")
    try:
        changed = sha256_of(folder / _ARRAYS) != manifest["files"][_ARRAYS]
        arrays = {} if changed else load_file(folder / _ARRAYS)
    except (OSError, SafetensorError) as error:
        raise Damaged(f"{folder} is not a model: {error}. Run `rondo fit` to make a new one.") from None
    if changed:
        raise Damaged(f"{folder / _ARRAYS} was changed after it was saved. Run `rondo fit` to make a new model.")
    try:
        return restore(manifest, arrays)
    except ValueError as error:
        raise Damaged(f"{folder}: {error}. Run `rondo fit` to make a new model.") from None


def install_model(source: Path, models: Path, model_id: str) -> Path:
    """A checked copy under models/, renamed into place so that a folder there is whole; done already, it stays.

    The copy is what is checked: later changes to the source cannot reach it. Raises Damaged.
    """
    target, partial = models / model_id, models / f"{model_id}.partial"
    if target.exists():
        return target
    shutil.rmtree(partial, ignore_errors=True)
    try:
        for name, path in files_of(source).items():
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, partial / name, follow_symlinks=False)
        check_model(partial)
    except Damaged as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise Damaged(str(error).replace(str(partial), str(source))) from None
    partial.rename(target)
    return target


def _without_paths(info: Mapping[str, Any]) -> dict[str, Any]:
    """Without this machine's folders, which mean nothing elsewhere; only the last part of a path stays."""

    def named(value: Any) -> Any:
        return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value

    values = {key: named(value) for key, value in info.get("values", {}).items()}
    return {key: named(value) for key, value in info.items()} | ({"values": values} if values else {})


def _write_head(folder: Path, head: FittedHead) -> None:
    from safetensors.numpy import save_file

    with whole_file(folder / _ARRAYS, alone=True) as partial:
        save_file(head.arrays(), partial)


def _write_manifest(folder: Path, head: FittedHead | None, about: dict[str, object], facts: dict[str, object]) -> None:
    (folder / MANIFEST).unlink(missing_ok=True)
    manifest = about | {
        "files": {name: sha256_of(path) for name, path in files_of(folder).items()},
        "calibration_error": head.calibration_error if head else None,
        "facts": facts,
    }
    write_json(folder / MANIFEST, manifest)
