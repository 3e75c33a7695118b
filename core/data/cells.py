"""Values of a column's cells: strings, labels, JSON, or one sentence about the first that has no usable value. Knows
cells; not records, ids or the store.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from typing import NoReturn

from core.data.formats.reading import RowBatch, Source
from core.errors import BadInput

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
NO_TEXT = "holds a NUL character or half a surrogate pair, which is not text; remove it"
_WHOLE = 1e15  # floats up to here name whole numbers exactly
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=str).encode


@dataclass(frozen=True)
class Column:
    """One column of a batch, and where it comes from."""

    source: Source
    batch: RowBatch
    name: str

    def complain(self, index: int, fault: str) -> NoReturn:
        """Raises BadInput for a cell. index: of the row in the batch, from 0. fault: what is wrong; what to do."""
        raise BadInput(f"{self.location(index)} {fault}.")

    def location(self, index: int) -> str:
        """File, row and column in words."""
        location = self.batch.location(self.batch.first + index)
        return f"{self.source.path.name}: {location}, column '{self.name}'"

    def strings(self) -> list[str | None]:
        """The cells as text: numbers and dates are written out (2.0 as 2), None and NaN stay None, "" stays ""."""
        cells = self.batch.columns[self.name]
        return [
            cell if isinstance(cell, str) and cell.isascii() and "\0" not in cell else self._string(index, cell)
            for index, cell in enumerate(cells)
        ]

    def filled(self) -> list[str | None]:
        """The cells as text, None where they are blank."""
        return [None if not text or text.isspace() else text for text in self.strings()]

    def joined(self, separator: str, empty: str, *, several: bool) -> list[str | None]:
        """The cells as text; a list as its parts, joined, an empty one as `empty`. several: it may have many parts."""
        cells = self.batch.columns[self.name]
        if not any(isinstance(cell, list) for cell in cells):
            return self.strings()
        return [
            self._string(index, cell)
            if not isinstance(cell, list)
            else (self._joined(index, cell, separator, several=several) if cell else empty)
            for index, cell in enumerate(cells)
        ]

    def _joined(self, index: int, cells: list[object], separator: str, *, several: bool) -> str:
        if not several and len(cells) > 1:
            self.complain(index, "holds a list of labels; say that a record may have several (--multi)")
        names = [self._string(index, cell) or "" for cell in cells]
        if any(separator in name for name in names):
            self.complain(index, f"holds a label with a '{separator}', which separates labels; rename it")
        return separator.join(names)

    def _string(self, index: int, cell: object) -> str | None:
        try:
            text = string_of(cell)
        except TypeError:
            self.complain(index, f"holds a {type(cell).__name__} where text is needed; write it out as text")
        if text and not is_text(text):
            self.complain(index, NO_TEXT)
        return text


def is_text(text: str) -> bool:
    """Can it be stored? A NUL and half a surrogate pair, which JSON may hold, cannot."""
    return "\0" not in text and (text.isascii() or not _LONE_SURROGATE.search(text))


def string_of(cell: object) -> str | None:
    """A number, truth value or date as text. Raises TypeError for anything nested, and for bytes."""
    if cell is None or isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float):
        whole = abs(cell) < _WHOLE and cell.is_integer()
        return None if math.isnan(cell) else str(int(cell) if whole else cell)
    if isinstance(cell, int | Decimal | date | time | timedelta):
        return str(cell)
    raise TypeError


def json_of(cells: Mapping[str, object]) -> str:
    """One row of named cells as a JSON object; what JSON has no word for becomes text, NaN and infinity null."""
    try:
        text = _encode(cells)
    except ValueError:
        text = _encode(_finite(cells))
    # half a surrogate pair, which a \uXXXX in JSON may hold, is no valid text in any file that we write
    return text if text.isascii() else _LONE_SURROGATE.sub("\ufffd", text)


def _finite(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
