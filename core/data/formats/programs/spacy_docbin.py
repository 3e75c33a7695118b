"""spaCy's DocBin of texts with categories: packed MessagePack, read and written without spaCy and without pickles.

Knows its form, no record.
"""

import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from core.data.formats.file_format import ExportTable, FileFormat
from core.data.formats.reading import UNPACKED
from core.data.formats.row_source import Row, RowSource
from core.errors import BadInput

ORTH = 65
"""by which spaCy numbers the form of a token among its attributes"""
HOLDS = 0.5
"""a category with at least this score is a label of the text"""
_MASK = (1 << 64) - 1


def _rows(path: Path, encoding: str, requested: Sequence[str]) -> Iterator[Row]:
    """A row for each document. Only what holds of a whole text is read: its categories."""
    message = _message(path)
    try:
        yield from _documents(message, path.stat().st_size)
    except (KeyError, IndexError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise _broken(path, f"{type(error).__name__}: {error}") from error


def _message(path: Path) -> Mapping[str, Any]:
    import msgpack

    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(path.read_bytes(), UNPACKED)
        if unpacker.unconsumed_tail:
            raise BadInput(f"{path.name} holds more than {UNPACKED:,} bytes when it is unpacked; write it in parts.")
        if not unpacker.eof:
            raise _broken(path, "it ends before its end")
        message = msgpack.unpackb(content, strict_map_key=False)
    except (zlib.error, ValueError, TypeError, msgpack.UnpackException) as error:
        raise _broken(path, f"{error}") from error
    if not isinstance(message, Mapping) or not {"attrs", "tokens", "lengths", "strings", "cats"} <= message.keys():
        raise _broken(path, "it is none")
    return message


def _documents(message: Mapping[str, Any], size: int) -> Iterator[Row]:
    """Raises whatever a message that is none makes Python raise."""
    forms = {_hash(text): text for text in message["strings"]} | {0: ""}
    attributes = list(message["attrs"])
    tokens = np.frombuffer(message["tokens"], np.uint64).reshape(-1, len(attributes))[:, attributes.index(ORTH)]
    lengths = np.frombuffer(message["lengths"], np.int32).tolist()
    spaces = np.frombuffer(message["spaces"], np.bool_).tolist()
    if min(lengths, default=0) < 0 or sum(lengths) != len(tokens) or len(spaces) != len(tokens):
        raise ValueError("its documents have other lengths than its tokens")
    if len(message["cats"]) != len(lengths):
        raise ValueError("its documents are not as many as their categories")
    flags, start = message.get("flags") or [{}] * len(lengths), 0
    for number, (length, cats, flag) in enumerate(zip(lengths, message["cats"], flags, strict=True), 1):
        unknown = bool(flag.get("has_unknown_spaces"))
        words = tokens[start : start + length].tolist()
        text = "".join(
            forms[word] + (" " if unknown or space else "")
            for word, space in zip(words, spaces[start : start + length], strict=True)
        )
        labels = [str(name) for name, score in cats.items() if float(score) >= HOLDS]
        start += length
        cells = {"text": text.rstrip(" ") if unknown else text, "label": labels if cats else None}
        yield Row(cells, f"document {number}", size * number // len(lengths), len(text))


def write(table: ExportTable, target: Path) -> tuple[str, ...]:
    """Every label is a category, with 1.0 where it holds; a text without an answer has no category."""
    import msgpack

    table.require_single("spacy")
    strings: set[str] = {""}
    tokens: list[int] = []
    spaces: list[bool] = []
    lengths, cats = [], []
    for row in table.rows():
        words = _words(str(row["text"]))
        strings.update(word for word, _ in words)
        tokens += [_hash(word) for word, _ in words]
        spaces += [space for _, space in words]
        lengths.append(len(words))
        names = table.meaning.names(row.get("label"))
        every = dict.fromkeys(table.meaning.labels, 0.0)
        cats.append({} if names is None else every | dict.fromkeys(names, 1.0))
    message = {
        "version": "0.1",
        "attrs": [ORTH],
        "tokens": np.array(tokens, np.uint64).tobytes(),
        "spaces": np.array(spaces, np.bool_).tobytes(),
        "lengths": np.array(lengths, np.int32).tobytes(),
        "strings": sorted(strings),
        "cats": cats,
        "flags": [{"has_unknown_spaces": False}] * len(lengths),
        "span_groups": [b""] * len(lengths),
    }
    target.write_bytes(zlib.compress(msgpack.packb(message)))
    return ()


def _words(text: str) -> list[tuple[str, bool]]:
    """Words at white space, each with whether one blank follows; more white space is a word of its own."""
    result: list[tuple[str, bool]] = []
    for match in re.finditer(r"\S+|\s+", text):
        part = match[0]
        if result and part[0] == " " and not result[-1][0].isspace():
            result[-1] = (result[-1][0], True)
            part = part[1:]
        if part:
            result.append((part, False))
    return result


@lru_cache(maxsize=1 << 16)
def _hash(text: str) -> int:
    """By which spaCy knows a string: MurmurHash64A of its UTF-8, seed 1 (Appleby 2008); 0 for the empty one."""
    content, factor = text.encode(), 0xC6A4A7935BD1E995
    if not content:
        return 0
    value = 1 ^ (len(content) * factor & _MASK)
    whole = len(content) & ~7
    for start in range(0, whole, 8):
        part = int.from_bytes(content[start : start + 8], "little") * factor & _MASK
        part = (part ^ part >> 47) * factor & _MASK
        value = (value ^ part) * factor & _MASK
    if rest := content[whole:]:
        value = (value ^ int.from_bytes(rest, "little")) * factor & _MASK
    value = (value ^ value >> 47) * factor & _MASK
    return value ^ value >> 47


def _broken(path: Path, fault: str) -> BadInput:
    return BadInput(f"{path.name} cannot be read as spaCy's DocBin ({' '.join(fault.split())[:200]}); write it again.")


SPACY = FileFormat(
    caption="spaCy's DocBin of texts with categories",
    ending=".spacy",
    endings=(".spacy",),
    read=lambda path, encoding: RowSource(path, encoding, _rows),
    write=write,
    holds=frozenset(("text", "label")),
    names_itself=True,
    needs_labels=True,
)
