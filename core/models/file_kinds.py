"""Which files a stored model may contain, and what each must look like before anything opens it. Knows no manifest."""

import json
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from core.errors import Damaged

MIB = 1 << 20
MOST_FILES = 500
PICKLES = (".pkl", ".pickle", ".joblib", ".bin", ".pt", ".pth", ".ckpt", ".dill", ".npy", ".npz")
_VOCABULARIES = ("tokenizer.json", "vocab.json")
"""read by tokenizers as data, and too long to be walked while somebody labels"""
_MODULES = re.compile(
    r"(sentence_transformers\.(models|base\.modules|sentence_transformer\.modules)|torch\.nn)\.[\w.]+"
)
_DOTTED = re.compile(r"\w+(\.\w+)+")
_CLASS_KEYS = ("type", "types", "tokenizer_class", "activation_function", "activation_fn", "module_class")


def files_of(folder: Path) -> dict[str, Path]:
    """Every file by its path under the folder, with `/`. Raises Damaged for links, devices, or absurdly many."""
    result: dict[str, Path] = {}
    for path in _walk(folder, folder):
        result[path.relative_to(folder).as_posix()] = path
        if len(result) > MOST_FILES:
            raise Damaged(f"{folder} holds more than {MOST_FILES} files; no model has so many.")
    return result


def _walk(folder: Path, top: Path) -> Iterator[Path]:
    if folder.is_symlink() or len(folder.relative_to(top).parts) > 10:
        raise Damaged(f"{folder} is a link or lies too deep; a stored model is plain files in plain folders.")
    for path in sorted(folder.iterdir()):
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode):
            yield from _walk(path, top)
        elif stat.S_ISREG(mode):
            yield path
        else:
            raise Damaged(f"{path} is a link or a device; a stored model is plain files in plain folders.")


def check_file(path: Path, name: str) -> None:
    """Raises Damaged unless the file is of a kind that a model may hold and looks like it; loads nothing from it.

    name: its path inside the model. A file that could run code is refused under any name: pickles, Python, and JSON
    that asks a library to import or fetch some.
    """
    suffix = PurePosixPath(name).suffix.lower()
    if suffix not in _KINDS:
        raise Damaged(f"{name} {_why_not(suffix)}")
    most, check = _KINDS[suffix]
    if PurePosixPath(name).name in _VOCABULARIES:
        most, check = 256 * MIB, _check_vocabulary
    if (size := path.stat().st_size) > most:
        raise Damaged(f"{name} has {size:,} bytes; a model's file of its kind has at most {most:,}.")
    check(path, name)


def _why_not(suffix: str) -> str:
    if suffix in PICKLES:
        return (
            "may be a pickle, and loading a pickle runs whatever is in it. Rondo stores weights as safetensors; "
            "train the model with Rondo, or save it again as safetensors."
        )
    return f"is of a kind that no model holds ({suffix or 'no ending'}). There are {', '.join(_KINDS)}."


def read_json(path: Path, name: str) -> Any:
    """Raises Damaged for what is no JSON, or is nested too deep to be meant."""
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise Damaged(f"{name} is not JSON: {str(error)[:100]}.") from None


def _check_json(path: Path, name: str) -> None:
    waiting = [read_json(path, name)]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            for key, inner in value.items():
                _refuse_code(str(key), inner, name)
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


def _refuse_code(key: str, value: Any, name: str) -> None:
    """Refuses keys by which transformers, sentence-transformers or peft load code or weights from elsewhere."""
    texts = [value] if isinstance(value, str) else []
    if isinstance(value, dict):
        texts = [text for text in value.values() if isinstance(text, str)]
    away = key.endswith("_implementation") and any("/" in text for text in texts)  # a kernel from the Hub
    foreign = key in _CLASS_KEYS and any(_DOTTED.fullmatch(text) and not _MODULES.fullmatch(text) for text in texts)
    custom = key in ("auto_map", "auto_mapping", "custom_pipelines", "base_model_name_or_path")
    custom &= isinstance(value, str | dict | list) and bool(value)  # a number: a word of some vocabulary
    trusting = key == "trust_remote_code" and value is not False
    if away or foreign or custom or trusting:
        raise Damaged(f"{name} asks for code that is not part of the model ({key}: {str(value)[:80]}).")
    if key == "path" and any(_leaves(text) for text in texts):
        raise Damaged(f"{name} names a path that leaves the model ({value}).")


def _leaves(text: str) -> bool:
    parts = re.split(r"[\\/]", text)
    return ".." in parts or text.startswith(("/", "\\")) or ":" in parts[0]


def _check_vocabulary(path: Path, name: str) -> None:
    with path.open("rb") as file:
        if not file.read(64).lstrip().startswith((b"{", b"[")):
            raise Damaged(f"{name} is not JSON.")


def _check_text(path: Path, name: str) -> None:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise Damaged(f"{name} is not text.") from None
    if "\0" in text:
        raise Damaged(f"{name} is not text.")


def _check_sentencepiece(path: Path, name: str) -> None:
    with path.open("rb") as file:
        if file.read(1) != b"\n":  # the tag of its first field; no pickle and no archive begins so
            raise Damaged(f"{name} is no SentencePiece model.")


def _check_safetensors(path: Path, name: str) -> None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            file.keys()
    except (SafetensorError, OSError) as error:
        raise Damaged(f"{name} is no whole safetensors file: {str(error)[:100]}.") from None


_KINDS: dict[str, tuple[int, Callable[[Path, str], None]]] = {
    ".safetensors": (65_536 * MIB, _check_safetensors),
    ".json": (8 * MIB, _check_json),
    ".txt": (64 * MIB, _check_text),
    ".md": (8 * MIB, _check_text),
    ".model": (64 * MIB, _check_sentencepiece),
}


def kinds() -> tuple[str, ...]:
    """The endings that a model's files may have."""
    return tuple(_KINDS)
