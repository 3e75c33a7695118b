"""The files a person may import, each as batches of columns: CSV, JSON lines, Parquet, a folder of texts.

Knows file formats; not what a column means, and nothing of records or the store.
"""

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from core.errors import BadInput
from core.files.csv_files import CsvFile
from core.files.reading import BATCH_ROWS, Batch, open_text, wrong_byte, wrong_encoding


class Source(Protocol):
    """A file that can be read as columns."""

    @property
    def path(self) -> Path:
        """Where it is."""

    @property
    def total(self) -> int:
        """What `Batch.done` counts up to: bytes, rows or files."""

    def columns(self, wanted: Sequence[str]) -> list[str]:
        """The names of the columns there are; it may stop looking once all of `wanted` are found."""

    def batches(self, wanted: Sequence[str]) -> Iterator[Batch]:
        """All rows in the order of the file, with the wanted columns only."""


def open_source(path: Path, encoding: str = "utf-8") -> Source:
    """The reader that the suffix asks for; nothing is read yet but whether it is there at all."""
    try:
        "".encode(encoding)
    except LookupError as error:
        raise BadInput(f"There is no encoding '{encoding}'; use for example utf-8, cp1252 or latin-1.") from error
    if not path.exists():
        raise BadInput(f"There is no file {path}; check its path.")
    if not os.access(path, os.R_OK):
        raise BadInput(f"{path} may not be read; change its permissions or copy it.")
    if path.is_dir():
        return TextFolder(path, encoding)
    suffixes = [suffix.lower() for suffix in path.suffixes]
    suffix = "".join(suffixes[-2:] if suffixes[-1:] == [".gz"] else suffixes[-1:])
    if suffix not in SOURCES:
        known = ", ".join(SOURCES)
        raise BadInput(
            f"{path.name} ends in '{suffix}', which cannot be imported; use {known} or a folder of .txt files."
        )
    if path.stat().st_size == 0:
        raise BadInput(f"{path.name} is empty; it needs at least one record.")
    return SOURCES[suffix](path, encoding)


@dataclass(frozen=True)
class JsonLines:
    """One JSON object per line; a key that a line lacks is a missing value, blank lines are passed over."""

    path: Path
    encoding: str

    @property
    def total(self) -> int:
        """Bytes on disk."""
        return self.path.stat().st_size

    def columns(self, wanted: Sequence[str]) -> list[str]:
        """Keys in order of appearance, read until all the wanted ones are seen: a label may come late."""
        names: dict[str, None] = {}
        with self._open() as (rows, _):
            for _, _, record in rows:
                names |= dict.fromkeys(record)
                if names.keys() >= set(wanted):
                    break
        return list(names)

    def batches(self, wanted: Sequence[str]) -> Iterator[Batch]:
        """Rows in the order of the file."""
        with self._open() as (rows, tell):
            while batch := list(islice(rows, BATCH_ROWS)):
                columns = {name: [row[2].get(name) for row in batch] for name in wanted}
                yield Batch(batch[0][0], columns, tell(), self._place)

    def _place(self, row: int) -> str:
        with self._open() as (rows, _):
            return next((f"row {row} (line {line})" for number, line, _ in rows if number == row), f"row {row}")

    @contextmanager
    def _open(self) -> Iterator[tuple[Iterator[tuple[int, int, dict[str, object]]], Callable[[], int]]]:
        with open_text(self.path, self.encoding, newline="\n") as (stream, tell):
            yield self._rows(stream), tell

    def _rows(self, stream: Iterator[str]) -> Iterator[tuple[int, int, dict[str, object]]]:
        """(row, line, object)"""
        row = 0
        try:
            for line, text in enumerate(stream, 1):
                if not text.isspace():
                    row += 1
                    yield row, line, parse_object(text, f"{self.path.name}: row {row} (line {line})")
        except UnicodeError as error:
            raise self._wrong_encoding() from error

    def _wrong_encoding(self) -> BadInput:
        with open_text(self.path, self.encoding, newline="\n", errors="surrogateescape") as (stream, _):
            filled = ((line, text) for line, text in enumerate(stream, 1) if not text.isspace())
            for row, (line, text) in enumerate(filled, 1):
                if mark := wrong_byte(text):
                    keys = re.findall(r'"([^"\\]*)"\s*:', text[: text.index(mark)])
                    column = f", column '{keys[-1]}'" if keys else ""
                    return wrong_encoding(f"{self.path.name}: row {row} (line {line}){column}", mark, self.encoding)
        return wrong_encoding(self.path.name, None, self.encoding)


def parse_object(text: str, place: str) -> dict[str, object]:
    """One line of JSON, which must be an object."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        reason = f"is not valid JSON at character {error.pos + 1} ({error.msg})"
        raise BadInput(f"{place} {reason}; write one object per line.") from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{place} holds a number too long or lists too deep to be read; shorten it.") from error
    if not isinstance(value, dict):
        raise BadInput(f"{place} is not an object but a {type(value).__name__}; write one object per line.")
    return value


@dataclass(frozen=True)
class ParquetFile:
    """A Parquet table; nested columns may be metadata."""

    path: Path
    encoding: str  # Parquet knows its own

    @property
    def total(self) -> int:
        """Rows."""
        with self._open() as file:
            return int(file.metadata.num_rows)

    def columns(self, wanted: Sequence[str]) -> list[str]:
        """The names in the schema."""
        with self._open() as file:
            return list(file.schema_arrow.names)

    def batches(self, wanted: Sequence[str]) -> Iterator[Batch]:
        """Rows in the order of the file."""
        first = 1
        with self._open() as file:
            for part in file.iter_batches(BATCH_ROWS, columns=list(dict.fromkeys(wanted))):
                columns = {name: self._cells(part.column(name), first, name) for name in wanted}
                first += part.num_rows
                yield Batch(first - part.num_rows, columns, first - 1, "row {}".format)

    @contextmanager
    def _open(self) -> Iterator[Any]:
        """The pyarrow file."""
        import pyarrow as arrow  # type: ignore[import-untyped]
        import pyarrow.parquet as parquet  # type: ignore[import-untyped]

        try:
            with parquet.ParquetFile(self.path) as file:
                yield file
        except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:
            reason = str(error).split(". ")[0].strip().replace("\n", " ")
            raise BadInput(f"{self.path.name} cannot be read as Parquet ({reason}); write it again.") from error

    def _cells(self, column: Any, first: int, name: str) -> list[object]:
        """column: a pyarrow array. Text in it is bytes until it is asked for."""
        try:
            return list(column.to_pylist())
        except UnicodeDecodeError as error:
            row = next(row for row, cell in enumerate(column, first) if not _is_readable(cell))
            raise wrong_encoding(f"{self.path.name}: row {row}, column '{name}'", None, "utf-8") from error


def _is_readable(cell: Any) -> bool:
    try:
        cell.as_py()
    except UnicodeDecodeError:
        return False
    return True


@dataclass(frozen=True)
class TextFolder:
    """Every .txt file below a folder, in the order of their paths: hidden ones are left out.

    Columns: `id` is the path below the folder, `text` the content to the byte, `folder` the path without the name.
    """

    path: Path
    encoding: str

    @property
    def total(self) -> int:
        """Files."""
        return len(self._files())

    def columns(self, wanted: Sequence[str]) -> list[str]:
        """Always the same three."""
        return ["id", "text", "folder"]

    def batches(self, wanted: Sequence[str]) -> Iterator[Batch]:
        """One file, one row."""
        files = self._files()
        if not files:
            raise BadInput(f"The folder {self.path} holds no .txt file; put each text in a file of its own.")
        for start in range(0, len(files), BATCH_ROWS):
            rows = [self._row(file) for file in files[start : start + BATCH_ROWS]]
            columns = {name: [row[name] for row in rows] for name in wanted}
            yield Batch(start + 1, columns, start + len(rows), self._place)

    def _place(self, row: int) -> str:
        return f"row {row} ({self._files()[row - 1].relative_to(self.path).as_posix()})"

    def _files(self) -> list[Path]:
        inside = ((path.relative_to(self.path), path) for path in self.path.rglob("*") if path.suffix.lower() == ".txt")
        shown = [(below.as_posix(), path) for below, path in inside if not any(part[0] == "." for part in below.parts)]
        return [path for _, path in sorted(shown) if path.is_file()]

    def _row(self, file: Path) -> dict[str, object]:
        below = file.relative_to(self.path)
        try:
            with open_text(file, self.encoding, newline="") as (stream, _):
                text = stream.read()
        except UnicodeError as error:
            raise wrong_encoding(f"{self.path.name}: the file {below.as_posix()}", None, self.encoding) from error
        return {"id": below.as_posix(), "text": text, "folder": below.parent.as_posix()}


SOURCES: dict[str, Callable[[Path, str], Source]] = {
    ".csv": CsvFile,
    ".csv.gz": CsvFile,
    ".tsv": CsvFile,
    ".tsv.gz": CsvFile,
    ".jsonl": JsonLines,
    ".jsonl.gz": JsonLines,
    ".ndjson": JsonLines,
    ".ndjson.gz": JsonLines,
    ".parquet": ParquetFile,
}
