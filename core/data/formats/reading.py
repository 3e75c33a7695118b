"""Parts that all file readers share: batches of columns, decoding, limits, and naming a byte that does not decode.
Knows bytes and encodings; not what a column means, and nothing of records or the store.
"""

import codecs
import gzip
import io
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, cast, runtime_checkable

from core.errors import BadInput

BATCH_ROWS = 2_000
BATCH_CHARACTERS = 1 << 24
"""A batch ends with whichever comes first: rows of 100 kB each stay within a few hundred megabytes."""

LONGEST_LINE = 1 << 25
"""Characters in one line, or one row of several: a small packed file may hold gigabytes without a line end."""

UNPACKED = 1 << 30
"""Bytes that a packed file may hold: more is a mistake or meant to fill the memory"""

_NO_FILES = {"idna", "punycode", "undefined", "unicode-escape", "unicode_escape", "raw-unicode-escape"}
"""codecs that Python has for other things than files"""


@dataclass(frozen=True)
class RowBatch:
    """Consecutive rows as columns of equal length. first: its first row, from 1. done: how far, of `total`.

    location(row): how to name a row to a person; it may read the file again up to there, so only for an error. blank:
    rows of nothing but separators that were passed over on the way.
    """

    first: int
    columns: dict[str, list[object]]
    done: int
    location: Callable[[int], str]
    blank: int = 0


class Source(Protocol):
    """A file that can be read as columns."""

    @property
    def path(self) -> Path:
        """Where it is."""

    @property
    def total(self) -> int:
        """What `Batch.done` counts up to: bytes, rows or files."""

    def columns(self, requested: Sequence[str]) -> list[str]:
        """The names of the columns there are; it may stop looking once all of `wanted` are found."""

    def batches(self, requested: Sequence[str]) -> Iterator[RowBatch]:
        """All rows in the order of the file, with the wanted columns only."""


@runtime_checkable
class DeclaringSource(Source, Protocol):
    """One whose metadata may name a column's labels."""

    def declared(self, column: str) -> list[str]:
        """In order; [] where there are none."""


class Lines:
    """The lines of a text. `taken` counts characters: who reads rows of several lines sets it to 0 after each row."""

    def __init__(self, stream: io.TextIOWrapper, name: str) -> None:
        self.taken = self.number = 0
        self._stream, self._name = stream, name

    def __iter__(self) -> "Lines":
        return self

    def __next__(self) -> str:
        line = self._stream.readline(LONGEST_LINE)
        if not line:
            raise StopIteration
        self.number += 1
        self.taken += len(line)
        if self.taken >= LONGEST_LINE:
            where = f"{self._name}: the row that goes through line {self.number}"
            raise BadInput(f"{where} is longer than {LONGEST_LINE:,} characters; shorten it.")
        return line


def check_encoding(encoding: str) -> None:
    """Raises BadInput where there is no such encoding of files."""
    try:
        "".encode(encoding)
        known = codecs.lookup(encoding).name not in _NO_FILES
    except (LookupError, ValueError):
        known = False
    if not known:
        raise BadInput(f"There is no encoding {encoding[:40]!r} of files; use for example utf-8, cp1252 or latin-1.")


@contextmanager
def open_text(
    path: Path, encoding: str, newline: str, errors: str = "strict"
) -> Iterator[tuple[io.TextIOWrapper, Callable[[], int]]]:
    """The decoded (and decompressed) text, and a function that returns how many bytes on disk have been read.

    A byte that does not decode raises one sentence, unless the reader has a better one.
    """
    codec = encoding
    try:
        with path.open("rb") as raw:
            packed = path.suffix.lower() == ".gz"
            binary = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if packed else raw
            head = binary.read(64)
            codec = _codec(head, encoding)
            _refuse_unmarked(path, head, codec)
            binary.seek(0)
            yield io.TextIOWrapper(binary, codec, errors, newline), raw.tell
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise BadInput(f"{path.name} is not a whole gzip file ({error}); copy or pack it again.") from error
    except UnicodeError as error:
        raise wrong_encoding(path.name, None, codec) from error


def decoded(content: bytes, encoding: str, location: str) -> str:
    """The text of a whole file that is in memory, with a byte-order mark as `open_text` takes it. Raises BadInput."""
    codec = _codec(content[:64], encoding)
    try:
        return content.decode(codec)
    except UnicodeError as error:
        raise wrong_encoding(location, None, codec) from error


def _codec(head: bytes, encoding: str) -> str:
    """A byte-order mark overrides the default: Excel writes UTF-16 with one, and no UTF-8 text begins so."""
    if codecs.lookup(encoding).name != "utf-8":
        return encoding
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    return "utf-16" if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"


def _refuse_unmarked(path: Path, head: bytes, codec: str) -> None:
    """UTF-16 without a mark is ASCII with a zero beside each letter, where its text begins in Latin letters."""
    if codecs.lookup(codec).name not in ("utf-8", "utf-8-sig", "utf-16"):
        return
    if len(head) < 4 or head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return
    for name, zeros, letters in (("utf-16-le", head[1::2], head[::2]), ("utf-16-be", head[::2], head[1::2])):
        if not any(zeros) and all(letters):
            raise BadInput(f"{path.name} is UTF-16 without a byte-order mark; say so: --encoding {name}.")


def wrong_byte(text: str) -> str | None:
    """The first byte that did not decode, as the lone surrogate that errors="surrogateescape" made of it."""
    return next((mark for mark in text if "\udc80" <= mark <= "\udcff"), None)


def wrong_encoding(location: str, mark: str | None, encoding: str) -> BadInput:
    """The error for a byte that does not decode. mark: as `wrong_byte` returns it, or None where it is unknown."""
    byte = f"holds the byte 0x{ord(mark) - 0xDC00:02X}, which" if mark else "holds bytes that"
    remedy = "save the file as UTF-8 or say how it is encoded, for example --encoding cp1252"
    return BadInput(f"{location} {byte} cannot be read as {encoding}; {remedy}.")


def within(folder: Path, name: str) -> Path:
    """The path of a file that something in the folder names. Raises BadInput where it would lead out of it."""
    path = folder / name
    if (
        not 0 < len(name.encode("utf-8", "replace")) < 256
        or "\0" in name
        or not path.resolve().is_relative_to(folder.resolve())
    ):
        raise BadInput(f"{folder.name} names the file {name[:80]!r}, which is not inside of it; it is not read.")
    return path
