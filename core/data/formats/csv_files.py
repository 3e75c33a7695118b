"""Delimited text files as batches of columns, with row, line and column for whatever is wrong in them.

Knows cells and quotes; not what a column means, and nothing of records or the store.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from core.data.formats.reading import (
    BATCH_CHARACTERS,
    BATCH_ROWS,
    Lines,
    RowBatch,
    open_text,
    wrong_byte,
    wrong_encoding,
)
from core.errors import BadInput

LONGEST_FIELD = 1 << 24
"""Characters in one field. An unclosed quote swallows the rest of a file: this bounds how much of it is held."""

SAMPLE = 1 << 20
"""Characters in which the header must end."""

_SEPARATOR_LINE = re.compile(r'"?sep=([^"\r\n])"?[ \t]*(?:\r\n|\r|\n|$)', re.IGNORECASE)
"""what a spreadsheet may write before the header, to say what stands between fields"""


@dataclass(frozen=True)
class Dialect:
    """As the header has it. before: lines before the header that are no part of the table."""

    header: list[str]
    delimiter: str
    before: int = 0


@dataclass(frozen=True)
class CsvFile:
    """Fields between commas, tabs, semicolons or bars (found from the header), in double quotes where needed.

    errors: what becomes of bytes that do not decode, as `open` takes it.
    """

    path: Path
    encoding: str
    errors: str = "strict"

    @property
    def total(self) -> int:
        """Bytes on disk."""
        return self.path.stat().st_size

    def columns(self, requested: Sequence[str]) -> list[str]:
        """The header."""
        return self._dialect(requested).header

    def batches(self, requested: Sequence[str]) -> Iterator[RowBatch]:
        """Every row must have as many fields as the header; blank lines and rows of empty fields are passed over."""
        dialect, first, blank, size = self._dialect(requested), 1, 0, 0
        location = partial(self._location, dialect)
        batch: list[list[str]] = []
        with open_text(self.path, self.encoding, newline="", errors=self.errors) as (stream, tell):
            lines = Lines(stream, self.path.name)
            rows = csv.reader(islice(lines, dialect.before, None), delimiter=dialect.delimiter, strict=True)
            try:
                next(filter(None, rows), None)  # the header
                for row in rows:
                    size, lines.taken = size + lines.taken, 0
                    if (row and row[0]) or not _is_blank(row):
                        batch.append(row)
                    else:
                        blank += bool(row)
                    if len(batch) == BATCH_ROWS or size >= BATCH_CHARACTERS:
                        yield RowBatch(first, self._columns(dialect, batch, requested), tell(), location, blank)
                        first, batch, blank, size = first + len(batch), [], 0, 0
                if batch or blank:
                    yield RowBatch(first, self._columns(dialect, batch, requested), tell(), location, blank)
            except (csv.Error, UnicodeError) as error:
                raise self._diagnosis(dialect) from error

    def _columns(self, dialect: Dialect, rows: list[list[str]], requested: Sequence[str]) -> dict[str, list[object]]:
        if not set(map(len, rows)) <= {len(dialect.header)}:
            raise self._diagnosis(dialect)
        cells = dict(zip(dialect.header, zip(*rows, strict=True), strict=True)) if rows else {}
        return {name: list(cells.get(name, ())) for name in requested}

    def _location(self, dialect: Dialect, row: int) -> str:
        return next(
            (f"row {row} (line {line})" for number, line, _ in self._walk(dialect) if number == row), f"row {row}"
        )

    def _dialect(self, requested: Sequence[str]) -> Dialect:
        """The delimiter is the one that yields most of the wanted columns, then most columns, then a comma."""
        csv.field_size_limit(LONGEST_FIELD)  # of the whole process, and there is no other way
        with open_text(self.path, self.encoding, newline="", errors="surrogateescape") as (stream, _):
            sample = stream.read(SAMPLE)
        headers, marks = {}, "\t" if ".tsv" in self.path.name.lower() else ",\t;|"
        if stated := _SEPARATOR_LINE.match(sample):
            marks, sample = stated[1], sample[stated.end() :]
        for delimiter in marks:
            rows = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
            headers[delimiter] = next(filter(None, rows), [])
        delimiter = max(headers, key=lambda mark: (len(set(requested) & set(headers[mark])), len(headers[mark])))
        if not headers[delimiter]:
            raise BadInput(f"{self.path.name} is empty; it needs a header and at least one row.")
        return Dialect(headers[delimiter], delimiter, before=1 if stated else 0)

    def _walk(self, dialect: Dialect) -> Iterator[tuple[int, int, list[str]]]:
        """(row, line it starts on, cells), row 0 being the header; undecodable bytes come as lone surrogates."""
        with open_text(self.path, self.encoding, newline="", errors="surrogateescape") as (stream, _):
            lines = Lines(stream, self.path.name)
            reader = csv.reader(islice(lines, dialect.before, None), delimiter=dialect.delimiter, strict=True)
            row, line = 0, 1 + dialect.before
            while True:
                try:
                    cells = next(reader, None)
                except csv.Error as error:
                    raise self._broken_quote(dialect, row, (line, lines.number)) from error
                if cells is None:
                    return
                lines.taken = 0
                if cells and (not row or not _is_blank(cells)):
                    yield row, line, cells
                    row += 1
                line = lines.number + 1

    def _diagnosis(self, dialect: Dialect) -> BadInput:
        """The fault of the first broken row."""
        header = dialect.header
        for row, line, cells in self._walk(dialect):
            location = f"{self.path.name}: row {row} (line {line})" if row else f"{self.path.name}: the header"
            for position, cell in enumerate(cells):
                if mark := wrong_byte(cell):
                    column = (
                        f"column '{header[position]}'" if row and position < len(header) else f"column {position + 1}"
                    )
                    return wrong_encoding(f"{location}, {column}", mark, self.encoding)
            count = f"{len(cells)} field{'s' * (len(cells) != 1)} where the header has {len(header)}"
            if len(cells) < len(header):
                return BadInput(f"{location} ends before column '{header[len(cells)]}' ({count}); complete the row.")
            if len(cells) > len(header):
                remedy = f"put a field that holds '{dialect.delimiter}' in double quotes"
                return BadInput(f"{location} goes on after column '{header[-1]}' ({count}); {remedy}.")
        return wrong_encoding(self.path.name, None, self.encoding)

    def _broken_quote(self, dialect: Dialect, row: int, lines: tuple[int, int]) -> BadInput:
        """lines: the first and the last that the reader took for this row."""
        with open_text(self.path, self.encoding, newline="", errors="surrogateescape") as (stream, _):
            text = "".join(islice(stream, lines[0] - 1, lines[1]))
        position, fault = broken_field(text, dialect.delimiter)
        header = dialect.header if row else []
        column = f"column '{header[position]}'" if position < len(header) else f"field {position + 1}"
        return BadInput(f"{self.path.name}: row {row} (line {lines[0]}), {column} {fault}.")


def _is_blank(row: Sequence[str]) -> bool:
    """Nothing but separators and white space behind them, as spreadsheets write below the last row."""
    return not row or (not row[0] and not "".join(row).strip())


def broken_field(text: str, delimiter: str) -> tuple[int, str]:
    """Which field of a row, from 0, the strict reader stopped at, and why."""
    mark = re.escape(delimiter)
    field = re.compile(rf'(?:"(?:[^"]|"")*+"|(?!")[^{mark}\r\n]*)({mark}|[\r\n]|$)')
    position = start = 0
    while (match := field.match(text, start)) and match[1] == delimiter and match.end() - start <= LONGEST_FIELD:
        position, start = position + 1, match.end()
    if match:
        return position, f"is longer than {LONGEST_FIELD:,} characters; shorten it"
    if re.compile(r'"(?:[^"]|"")*+"').match(text, start):
        return position, 'goes on after its closing quote; write a quote inside a field as ""'
    return position, 'opens a quote that is never closed; close it, or write """ if the quote belongs to the text'
