"""What every reader of a person's file shares: batches of columns, decoding, and how to say that a byte is wrong.

Knows bytes and encodings; not what a column means, and nothing of records or the store.
"""

import codecs
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from core.errors import BadInput

BATCH_ROWS = 2_000
"""Small enough that rows of 100 kB each stay within a few hundred megabytes."""


@dataclass(frozen=True)
class Batch:
    """Consecutive rows as columns of equal length. first: its first row, from 1. done: how far, of `total`.

    place(row): how to name a row to a person; it may read the file again up to there, so only for an error.
    """

    first: int
    columns: dict[str, list[object]]
    done: int
    place: Callable[[int], str]


@contextmanager
def open_text(
    path: Path, encoding: str, newline: str, errors: str = "strict"
) -> Iterator[tuple[io.TextIOWrapper, Callable[[], int]]]:
    """The decoded (and unpacked) text, and a function that tells how many bytes on disk have been read."""
    try:
        with path.open("rb") as raw:
            packed = path.suffix.lower() == ".gz"
            binary = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if packed else raw
            codec = _codec(binary.read(4), encoding)
            binary.seek(0)
            yield io.TextIOWrapper(binary, codec, errors, newline), raw.tell
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise BadInput(f"{path.name} is not a whole gzip file ({error}); copy or pack it again.") from error


def _codec(head: bytes, encoding: str) -> str:
    """A byte-order mark outweighs the default: Excel writes UTF-16 with one, and no UTF-8 text begins so."""
    if codecs.lookup(encoding).name != "utf-8":
        return encoding
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    return "utf-16" if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"


def wrong_byte(text: str) -> str | None:
    """The first byte that did not decode, as the lone surrogate that errors="surrogateescape" made of it."""
    return next((mark for mark in text if "\udc80" <= mark <= "\udcff"), None)


def wrong_encoding(place: str, mark: str | None, encoding: str) -> BadInput:
    """The one sentence for a byte that does not belong. mark: as `wrong_byte` gives it, or None where it is unknown."""
    byte = f"holds the byte 0x{ord(mark) - 0xDC00:02X}, which" if mark else "holds bytes that"
    remedy = "save the file as UTF-8 or say how it is encoded, for example --encoding cp1252"
    return BadInput(f"{place} {byte} cannot be read as {encoding}; {remedy}.")
