"""A zip of .txt files as batches of columns: each file is a row. Knows paths and texts; not what a column means."""

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from core.data.formats.reading import BATCH_CHARACTERS, BATCH_ROWS, LONGEST_LINE, RowBatch, decoded
from core.errors import BadInput

MOST_FILES = 1_000_000
RATIO = 200
"""how many times as large a packed text may become: German or English shrink to a third"""


@dataclass(frozen=True)
class TextZip:
    """Every .txt file in a zip, in the order of their paths, read one by one and never unpacked to the disk.

    Columns: `id` is the path inside, `text` the content, `folder` the path without the name.
    """

    path: Path
    encoding: str

    @property
    def total(self) -> int:
        """Files."""
        with self._open() as (_, members):
            return len(members)

    def columns(self, requested: Sequence[str]) -> list[str]:
        """Always the same three."""
        return ["id", "text", "folder"]

    def batches(self, requested: Sequence[str]) -> Iterator[RowBatch]:
        """One file, one row."""
        with self._open() as (packed, members):
            names = [member.filename for member in members]
            first, size, rows = 1, 0, list[dict[str, object]]()
            for number, member in enumerate(members, 1):
                rows.append(self._row(packed, member))
                size += member.file_size
                if len(rows) == BATCH_ROWS or size >= BATCH_CHARACTERS or number == len(members):
                    columns = {name: [row[name] for row in rows] for name in requested}
                    yield RowBatch(first, columns, number, lambda row: f"row {row} ({names[row - 1]})")
                    first, size, rows = first + len(rows), 0, []

    @contextmanager
    def _open(self) -> Iterator[tuple[zipfile.ZipFile, list[zipfile.ZipInfo]]]:
        try:
            with zipfile.ZipFile(self.path) as packed:
                _refuse_outside(self.path.name, packed)
                members = sorted((one for one in packed.infolist() if _is_text(one)), key=lambda one: one.filename)
                if not members:
                    raise BadInput(f"{self.path.name} holds no .txt file; put each text in a file of its own.")
                if len(members) > MOST_FILES or len({one.filename for one in members}) < len(members):
                    raise BadInput(
                        f"{self.path.name} holds a name twice, or more than {MOST_FILES:,} files; pack it anew."
                    )
                yield packed, members
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            OSError,
            NotImplementedError,
            RuntimeError,
            ValueError,
        ) as error:
            fault = " ".join(str(error).split())[:200]
            raise BadInput(
                f"{self.path.name} cannot be read as a zip ({fault}); pack it again, without a password."
            ) from error

    def _row(self, packed: zipfile.ZipFile, member: zipfile.ZipInfo) -> dict[str, object]:
        where = f"{self.path.name}: the file {member.filename[:200]}"
        if member.file_size > 4 * LONGEST_LINE or member.file_size > RATIO * (member.compress_size + 1000):
            raise BadInput(f"{where} would have {member.file_size:,} bytes when it is unpacked; it is not read.")
        text = decoded(packed.read(member), self.encoding, where)
        if len(text) > LONGEST_LINE:
            raise BadInput(f"{where} is longer than {LONGEST_LINE:,} characters; cut it.")
        folder, _, _ = member.filename.rpartition("/")
        return {"id": member.filename, "text": text, "folder": folder or "."}


def _refuse_outside(name: str, packed: zipfile.ZipFile) -> None:
    """Nothing is unpacked to the disk; but who made such a zip meant no good, or did not mean it."""
    for member in packed.namelist():
        if member.startswith(("/", "\\")) or ".." in member.replace("\\", "/").split("/") or ":" in member[:2]:
            raise BadInput(f"{name} holds the name {member[:80]!r}, which leads out of it; pack it anew.")


def _is_text(member: zipfile.ZipInfo) -> bool:
    """Hidden ones and what the Mac adds are left out."""
    parts = member.filename.split("/")
    shown = not any(part.startswith((".", "__MACOSX")) for part in parts)
    return member.filename.lower().endswith(".txt") and shown and not member.is_dir()
