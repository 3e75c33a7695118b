"""Arrow files, and tables of Arrow in any file: their cells, and the names of numbers that stand for labels.

Knows columns; not what one means, and nothing of records or the store.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.data.formats.file_format import ExportTable
from core.data.formats.reading import BATCH_ROWS, RowBatch, wrong_encoding
from core.errors import BadInput

ClassNames = dict[str, list[str]]
"""column -> the names of its numbers"""


@dataclass(frozen=True)
class ArrowFile:
    """Arrow's IPC form, as a file (Feather too) or as a stream, which Hugging Face's datasets write."""

    path: Path
    encoding: str  # Arrow knows its own

    @property
    def total(self) -> int:
        """Bytes on disk."""
        return self.path.stat().st_size

    def columns(self, requested: Sequence[str]) -> list[str]:
        """The names in the schema."""
        with self._open() as (schema, *_):
            return list(schema.names)

    def batches(self, requested: Sequence[str]) -> Iterator[RowBatch]:
        """Rows in the order of the file."""
        first = 1
        with self._open() as (schema, batches, tell):
            names = class_names(schema.metadata)
            for batch in batches:
                batch.validate(full=True)
                for start in range(0, batch.num_rows, BATCH_ROWS):
                    part = batch.slice(start, BATCH_ROWS)
                    columns = {
                        name: cells_of(self.path.name, part.column(name), first, name, names) for name in requested
                    }
                    first += part.num_rows
                    yield RowBatch(first - part.num_rows, columns, tell(), "row {}".format)

    def declared(self, column: str) -> list[str]:
        """The names of all labels that Hugging Face metadata list for the column, in order; [] where there are none."""
        with self._open() as (schema, *_):
            return class_names(schema.metadata).get(column, [])

    @contextmanager
    def _open(self) -> Iterator[tuple[Any, Iterator[Any], Callable[[], int]]]:
        """(schema, record batches, how many bytes were read)"""
        import pyarrow as arrow  # type: ignore[import-untyped]

        try:
            with arrow.OSFile(str(self.path)) as file:
                whole = file.read(6) == b"ARROW1"
                file.seek(0)
                if whole:
                    opened = arrow.ipc.open_file(file)
                    batches = (opened.get_batch(number) for number in range(opened.num_record_batches))
                else:
                    opened = arrow.ipc.open_stream(file)
                    batches = iter(opened)
                yield opened.schema, batches, file.tell
        except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:
            reason = str(error).split(". ")[0].strip().replace("\n", " ")[:300]
            raise BadInput(f"{self.path.name} cannot be read as Arrow ({reason}); write it again.") from error


def write_arrow(table: ExportTable, target: Path) -> tuple[str, ...]:
    """As an IPC file, which Feather's readers take."""
    import pyarrow as arrow
    import pyarrow.parquet as parquet  # type: ignore[import-untyped]

    with arrow.OSFile(str(target), "wb") as file, arrow.ipc.new_file(file, parquet.read_schema(table.path)) as writer:
        for batch in table.batches():
            writer.write_batch(batch)
    return ()


def cells_of(file: str, column: Any, first: int, name: str, names: ClassNames) -> list[object]:
    """column: a pyarrow array, whose first row is `first`. Text in it is bytes until it is asked for."""
    try:
        cells = list(column.to_pylist())
    except UnicodeDecodeError as error:
        row = next(row for row, cell in enumerate(column, first) if not _is_readable(cell))
        raise wrong_encoding(f"{file}: row {row}, column '{name}'", None, "utf-8") from error
    except (ValueError, OverflowError, ArithmeticError) as error:  # a date beyond what Python's have
        raise BadInput(f"{file}: column '{name}' from row {first} on holds what cannot be read ({error}).") from error
    return _named(cells, names[name], f"{file}: row {{}}, column '{name}'", first) if name in names else cells


def _named(cells: list[object], names: list[str], location: str, first: int) -> list[object]:
    """Each number, in lists too, replaced by its name; -1 by no label."""
    result: list[object] = []
    for row, cell in enumerate(cells, first):
        numbers = [number for number in (cell if isinstance(cell, list) else [cell]) if number not in (None, -1)]
        if any(not isinstance(number, int) or not 0 <= number < len(names) for number in numbers):
            there = f"{location.format(row)} holds {cell!r}"
            raise BadInput(f"{there}, but its metadata name the labels 0 to {len(names) - 1}; correct it.")
        named = [names[number] for number in numbers if isinstance(number, int)]
        if isinstance(cell, list):
            result.append(named if named or not cell else None)
        else:
            result.append(named[0] if named else None)
    return result


def class_names(metadata: dict[bytes, bytes] | None) -> ClassNames:
    """From the `ClassLabel` features that Hugging Face's datasets write, lists of them too; nothing where the metadata
    are no such ones."""
    try:
        features = json.loads((metadata or {}).get(b"huggingface", b"{}"))["info"]["features"].items()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
    return names_of_features(dict(features))


def names_of_features(features: dict[str, Any]) -> ClassNames:
    """The same of features alone."""
    result = {}
    for column, feature in features.items():
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
