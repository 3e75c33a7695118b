"""The kinds of files that can be imported, each as batches of columns: CSV, JSON, Parquet, a folder of texts. Knows
file formats; not what a column means, and nothing of records or the store.
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from core.data.formats.csv_files import CsvFile
from core.data.formats.json_files import JsonFile
from core.data.formats.reading import BATCH_ROWS, LONGEST_LINE, RowBatch, check_encoding, open_text, wrong_encoding
from core.errors import BadInput


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


def open_source(path: Path, encoding: str = "utf-8") -> Source:
    """The reader for the suffix; reads nothing yet, but checks that the file exists."""
    check_encoding(encoding)
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
class ParquetFile:
    """A Parquet table; nested columns may be metadata."""

    path: Path
    encoding: str  # Parquet knows its own

    @property
    def total(self) -> int:
        """Rows."""
        with self._open() as file:
            return int(file.metadata.num_rows)

    def columns(self, requested: Sequence[str]) -> list[str]:
        """The names in the schema."""
        with self._open() as file:
            return list(file.schema_arrow.names)

    def batches(self, requested: Sequence[str]) -> Iterator[RowBatch]:
        """Rows in the order of the file."""
        first = 1
        with self._open() as file:
            names = _class_names(file.schema_arrow.metadata)
            for part in file.iter_batches(BATCH_ROWS, columns=list(dict.fromkeys(requested))):
                columns = {name: self._cells(part.column(name), first, name) for name in requested}
                for name in names.keys() & columns.keys():
                    columns[name] = self._named(columns[name], names[name], first, name)
                first += part.num_rows
                yield RowBatch(first - part.num_rows, columns, first - 1, "row {}".format)

    def declared(self, column: str) -> list[str]:
        """The names of all labels that Hugging Face metadata list for the column, in order; [] where there are none."""
        with self._open() as file:
            return _class_names(file.schema_arrow.metadata).get(column, [])

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

    def _named(self, cells: list[object], names: list[str], first: int, column: str) -> list[object]:
        """Each number, in lists too, replaced by its name; -1 by no label."""
        result: list[object] = []
        for row, cell in enumerate(cells, first):
            numbers = [number for number in (cell if isinstance(cell, list) else [cell]) if number not in (None, -1)]
            if any(not isinstance(number, int) or not 0 <= number < len(names) for number in numbers):
                location = f"{self.path.name}: row {row}, column '{column}' holds {cell!r}"
                raise BadInput(f"{location}, but its metadata name the labels 0 to {len(names) - 1}; correct it.")
            named = [names[number] for number in numbers if isinstance(number, int)]
            if isinstance(cell, list):
                result.append(named if named or not cell else None)
            else:
                result.append(named[0] if named else None)
        return result


def _class_names(metadata: dict[bytes, bytes] | None) -> dict[str, list[str]]:
    """column -> names of its numbers, from the `ClassLabel` features that Hugging Face's datasets write, lists of them
    too; nothing where the metadata are no such ones."""
    try:
        features = json.loads((metadata or {}).get(b"huggingface", b"{}"))["info"]["features"].items()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
    result = {}
    for column, feature in features:
        while isinstance(feature, list) or (isinstance(feature, dict) and "names" not in feature):
            feature = (feature[0] if feature else None) if isinstance(feature, list) else feature.get("feature")
        names = feature.get("names") if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" else None
        if isinstance(names, list) and all(isinstance(name, str) for name in names):
            result[column] = names
    return result


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

    def columns(self, requested: Sequence[str]) -> list[str]:
        """Always the same three."""
        return ["id", "text", "folder"]

    def batches(self, requested: Sequence[str]) -> Iterator[RowBatch]:
        """One file, one row."""
        files = self._files()
        if not files:
            raise BadInput(f"The folder {self.path} holds no .txt file; put each text in a file of its own.")
        for start in range(0, len(files), BATCH_ROWS):
            rows = [self._row(file) for file in files[start : start + BATCH_ROWS]]
            columns = {name: [row[name] for row in rows] for name in requested}
            yield RowBatch(start + 1, columns, start + len(rows), self._location)

    def _location(self, row: int) -> str:
        return f"row {row} ({self._files()[row - 1].relative_to(self.path).as_posix()})"

    def _files(self) -> list[Path]:
        inside = ((path.relative_to(self.path), path) for path in self.path.rglob("*") if path.suffix.lower() == ".txt")
        shown = [(below.as_posix(), path) for below, path in inside if not any(part[0] == "." for part in below.parts)]
        return [path for _, path in sorted(shown) if path.is_file()]

    def _row(self, file: Path) -> dict[str, object]:
        below = file.relative_to(self.path)
        with open_text(file, self.encoding, newline="") as (stream, _):
            try:
                text = stream.read(LONGEST_LINE)
            except UnicodeError as error:
                raise wrong_encoding(f"{self.path.name}: the file {below.as_posix()}", None, self.encoding) from error
            if stream.read(1):
                raise BadInput(
                    f"{self.path.name}: the file {below.as_posix()} is longer than {LONGEST_LINE:,} characters; cut it."
                )
        return {"id": below.as_posix(), "text": text, "folder": below.parent.as_posix()}


SOURCES: dict[str, Callable[[Path, str], Source]] = {
    ".csv": CsvFile,
    ".csv.gz": CsvFile,
    ".tsv": CsvFile,
    ".tsv.gz": CsvFile,
    ".jsonl": JsonFile,
    ".jsonl.gz": JsonFile,
    ".ndjson": JsonFile,
    ".ndjson.gz": JsonFile,
    ".json": JsonFile,
    ".json.gz": JsonFile,
    ".parquet": ParquetFile,
}
