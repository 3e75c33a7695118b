"""Excel's workbooks: the first sheet as a table. Knows cells; not what a column means, and no record."""

import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from warnings import catch_warnings, simplefilter

from core.data.formats.file_format import ExportTable, FileFormat
from core.data.formats.reading import BATCH_CHARACTERS, BATCH_ROWS, UNPACKED, RowBatch
from core.errors import BadInput

MOST_ROWS, LONGEST_CELL = 1_048_576, 32_767
"""that a sheet and a cell can have"""
_BROKEN = (
    *(zipfile.BadZipFile, zlib.error, EOFError, OSError, struct.error, NotImplementedError, RuntimeError),
    *(LookupError, ValueError, TypeError, AttributeError, SyntaxError, OverflowError, AssertionError),
)
"""what openpyxl raises for workbooks that are none; of damaged XML it checks little itself"""
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_TO_ESCAPE = re.compile(r"[\x01-\x08\x0b-\x1f]|_(?=x[0-9A-Fa-f]{4}_)")


@dataclass(frozen=True)
class XlsxFile:
    """The first sheet: its first row that is not empty is the header. Formulas count as what they came to last."""

    path: Path
    encoding: str  # a workbook knows its own

    @property
    def total(self) -> int:
        """Bytes on disk."""
        return self.path.stat().st_size

    def columns(self, requested: Sequence[str]) -> list[str]:
        """The header."""
        with self._open() as rows:
            return self._header(rows)[1]

    def batches(self, requested: Sequence[str]) -> Iterator[RowBatch]:
        """Rows in the order of the sheet; those of empty cells are passed over."""
        with self._open() as rows:
            before, header = self._header(rows)
            numbers, batch, first, size, blank = list[int](), list[list[object]](), 1, 0, 0
            for number, row in enumerate(rows, before + 1):
                if all(cell in (None, "") for cell in row):
                    blank += 1
                    continue
                if any(cell not in (None, "") for cell in row[len(header) :]):
                    raise BadInput(f"{self.path.name}: row {number} goes on after the last column of the header.")
                numbers.append(number)
                batch.append([*row[: len(header)], *[None] * (len(header) - len(row))])
                size += sum(len(cell) for cell in row if isinstance(cell, str))
                if len(batch) == BATCH_ROWS or size >= BATCH_CHARACTERS:
                    yield _row_batch(first, _columns(header, requested), batch, numbers, blank)
                    first += len(batch)
                    numbers, batch, size, blank = [], [], 0, 0
            if batch or blank:
                yield _row_batch(first, _columns(header, requested), batch, numbers, blank)

    def _header(self, rows: Iterator[list[object]]) -> tuple[int, list[str]]:
        """(its row, the names): those of columns without one are empty."""
        for number, row in enumerate(rows, 1):
            names = ["" if cell is None else str(cell).strip() for cell in row]
            if any(names):
                while not names[-1]:
                    names.pop()
                return number, names
        raise BadInput(f"{self.path.name} is empty; its first sheet needs a header and at least one row.")

    @contextmanager
    def _open(self) -> Iterator[Iterator[list[object]]]:
        """The rows of the first sheet."""
        import openpyxl

        _refuse_bomb(self.path)
        try:
            with catch_warnings():
                simplefilter("ignore", UserWarning)  # of parts that are no cells, which are not read
                book = openpyxl.load_workbook(self.path, read_only=True, data_only=True, keep_links=False)
                try:
                    yield self._rows(book)
                finally:
                    book.close()
        except BadInput:
            raise
        except _BROKEN as error:
            fault = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            raise BadInput(
                f"{self.path.name} cannot be read as a workbook of Excel ({fault}); save it again."
            ) from error

    def _rows(self, book: Any) -> Iterator[list[object]]:
        if not book.worksheets:
            raise BadInput(f"{self.path.name} has no sheet with cells.")
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # what a file says of them may be wrong
        for row in sheet.iter_rows(values_only=True):
            yield [_plain(cell) for cell in row]


def _columns(header: list[str], requested: Sequence[str]) -> dict[str, int]:
    """Requested column -> its index."""
    return {name: header.index(name) for name in requested if name in header}


def _row_batch(
    first: int, columns: dict[str, int], rows: list[list[object]], numbers: list[int], blank: int
) -> RowBatch:
    """numbers: of the rows in the sheet."""
    cells = {name: [row[index] for row in rows] for name, index in columns.items()}
    return RowBatch(first, cells, 0, lambda row: f"row {numbers[row - first]}", blank)


def _refuse_bomb(path: Path) -> None:
    """Raises BadInput for what would be huge when unpacked: the reader takes no more than a member says that it has."""
    try:
        with zipfile.ZipFile(path) as packed:
            size = sum(member.file_size for member in packed.infolist())
    except _BROKEN as error:
        raise BadInput(f"{path.name} cannot be read as a workbook of Excel ({error}); save it again.") from error
    if size > UNPACKED:
        raise BadInput(
            f"{path.name} holds {size:,} bytes when it is unpacked, more than {UNPACKED:,}; write it as CSV."
        )


def _plain(cell: object) -> object:
    """A text without Excel's escapes of control characters."""
    if isinstance(cell, str) and "_x" in cell:
        return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), cell)
    return cell


def write(table: ExportTable, target: Path) -> tuple[str, ...]:
    """One sheet. Texts are texts, also where they begin with =: no cell is a formula."""
    import openpyxl
    from openpyxl.cell import WriteOnlyCell

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("records")
    columns = table.columns
    sheet.append(columns)

    def cell(name: str, value: Any, number: int) -> Any:
        if not isinstance(value, str):
            return value if value is None or isinstance(value, int | float) else str(value)
        text = _TO_ESCAPE.sub(lambda match: f"_x{ord(match[0]):04X}_", value)
        if len(text) > LONGEST_CELL:
            raise BadInput(
                f"Row {number}, column '{name}' has {len(text):,} characters, and a cell of Excel holds "
                f"{LONGEST_CELL:,}. Nothing was written; use csv, jsonl or parquet."
            )
        made = WriteOnlyCell(sheet, value=None)
        made.value, made.data_type = text, "s"
        return made

    number = 1
    for batch in table.batches():
        for row in batch.to_pylist():
            number += 1
            if number > MOST_ROWS:
                raise BadInput(f"A sheet of Excel holds {MOST_ROWS:,} rows. Nothing was written; use csv or parquet.")
            sheet.append([cell(name, row[name], number) for name in columns])
    book.save(target)
    return ()


XLSX = FileFormat(
    caption="a workbook of Excel: its first sheet",
    ending=".xlsx",
    endings=(".xlsx", ".xlsm"),
    read=XlsxFile,
    write=write,
)
