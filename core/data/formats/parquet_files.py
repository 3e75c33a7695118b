"""Parquet tables as batches of columns. Knows columns; not what one means, and nothing of records or the store."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.data.formats.arrow_files import cells_of, class_names
from core.data.formats.file_format import ExportTable
from core.data.formats.reading import BATCH_ROWS, RowBatch
from core.errors import BadInput


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
            names = class_names(file.schema_arrow.metadata)
            for part in file.iter_batches(BATCH_ROWS, columns=list(dict.fromkeys(requested))):
                columns = {name: cells_of(self.path.name, part.column(name), first, name, names) for name in requested}
                first += part.num_rows
                yield RowBatch(first - part.num_rows, columns, first - 1, "row {}".format)

    def declared(self, column: str) -> list[str]:
        """The names of all labels that Hugging Face metadata list for the column, in order; [] where there are none."""
        with self._open() as file:
            return class_names(file.schema_arrow.metadata).get(column, [])

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


def write_parquet(table: ExportTable, target: Path) -> tuple[str, ...]:
    """The table as it is."""
    shutil.copyfile(table.path, target)
    return ()
