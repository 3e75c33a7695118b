"""Files whose rows come one by one, each with its own cells: what the readers of other programs' formats share.

Knows rows and names of columns; not what is in a file, and nothing of records or the store.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.data.formats.file_format import Cells
from core.data.formats.json_files import JsonFile
from core.data.formats.reading import BATCH_CHARACTERS, BATCH_ROWS, RowBatch, Source
from core.errors import BadInput


@dataclass(frozen=True)
class Row:
    """location: of what it was made of, in words. done: bytes of the file that were read; size: characters."""

    cells: Cells
    location: str
    done: int
    size: int = 0


RowReader = Callable[[Path, str, Sequence[str]], Iterator[Row]]
"""(file, encoding, names of requested columns) -> its rows"""


@dataclass(frozen=True)
class RowSource:
    """A file of rows that need not have the same cells."""

    path: Path
    encoding: str
    rows: RowReader

    @property
    def total(self) -> int:
        """Bytes on disk."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def columns(self, requested: Sequence[str]) -> list[str]:
        """Every name that a row has, in order of appearance; where some are requested, until all of them are seen."""
        names: dict[str, None] = {}
        for row in self.rows(self.path, self.encoding, requested):
            names |= dict.fromkeys(row.cells)
            if requested and names.keys() >= set(requested):
                break
        return list(names)

    def batches(self, requested: Sequence[str]) -> Iterator[RowBatch]:
        """Rows in the order of the file; a cell that a row lacks is a missing value."""
        first, size, batch = 1, 0, list[Row]()
        for row in self.rows(self.path, self.encoding, requested):
            batch.append(row)
            size += row.size
            if len(batch) == BATCH_ROWS or size >= BATCH_CHARACTERS:
                yield row_batch(first, batch, requested)
                first, size, batch = first + len(batch), 0, []
        if batch:
            yield row_batch(first, batch, requested)


@dataclass(frozen=True)
class WithoutRows:
    """A source without some of its rows. numbers: of those, from 1; rows behind them keep the place that they name."""

    source: Source
    numbers: frozenset[int]

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.source.path

    @property
    def total(self) -> int:
        """As the source counts."""
        return self.source.total

    def columns(self, requested: Sequence[str]) -> list[str]:
        """Those of the source."""
        return self.source.columns(requested)

    def batches(self, requested: Sequence[str]) -> Iterator[RowBatch]:
        """In its order."""
        for batch in self.source.batches(requested):
            rows = len(next(iter(batch.columns.values()), ()))
            retained = [index for index in range(rows) if batch.first + index not in self.numbers]
            if len(retained) == rows:
                yield batch
                continue
            columns = {name: [cells[index] for index in retained] for name, cells in batch.columns.items()}
            yield replace(batch, columns=columns, location=_shifted(batch, retained))


def _shifted(batch: RowBatch, retained: Sequence[int]) -> Callable[[int], str]:
    """The place in the file of a row of the batch without those that were left out."""

    def location(row: int) -> str:
        index = row - batch.first
        return batch.location(batch.first + retained[index] if 0 <= index < len(retained) else row)

    return location


def row_batch(first: int, rows: Sequence[Row], requested: Sequence[str]) -> RowBatch:
    """These rows as columns; a cell that a row lacks is a missing value."""
    columns = {name: [row.cells.get(name) for row in rows] for name in requested}
    return RowBatch(first, columns, rows[-1].done, lambda row: rows[row - first].location)


def json_rows(
    entries: Callable[[Mapping[str, object], str, Sequence[str]], Iterator[Cells]],
) -> Callable[[Path, str], RowSource]:
    """The source of a JSON file. entries: (object, its location, requested columns) -> the cells of its rows.

    Raises BadInput, which the file's name is put before.
    """

    def rows(path: Path, encoding: str, requested: Sequence[str]) -> Iterator[Row]:
        for location, done, size, value in JsonFile(path, encoding, arrays=True).objects():
            try:
                for cells in entries(value, location, requested):
                    yield Row(cells, location, done, size)
            except BadInput as error:
                raise BadInput(f"{path.name}: {error}") from None

    return lambda path, encoding: RowSource(path, encoding, rows)


def object_at(value: object, location: str, name: str) -> Mapping[str, object]:
    """What must be an object. Raises BadInput."""
    if not isinstance(value, Mapping):
        raise BadInput(f"{location} has no object `{name}`; correct it, or say what the file is (--format).")
    return value


def objects_at(value: object, location: str, name: str) -> list[Mapping[str, object]]:
    """What must be a list of objects, or nothing. Raises BadInput."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        raise BadInput(f"{location}: `{name}` must be a list of objects; correct it.")
    return value


def names_at(value: object, location: str, name: str) -> list[str]:
    """What must be a list of names. Raises BadInput."""
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise BadInput(f"{location}: `{name}` must be a list of names; correct it.")
    return value
