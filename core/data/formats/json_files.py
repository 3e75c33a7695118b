"""JSON files as batches of columns: one object per line, or one array of objects.

Knows lines and objects; not what a column means, and nothing of records or the store.
"""

import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from core.data.formats.reading import (
    BATCH_CHARACTERS,
    BATCH_ROWS,
    LONGEST_LINE,
    Lines,
    RowBatch,
    open_text,
    wrong_byte,
    wrong_encoding,
)
from core.errors import BadInput

Row = tuple[int, int, int, dict[str, object]]
"""(row from 1, line it starts on, characters that it takes, object)"""

_SPACE = re.compile(r"[ \t\r\n]*")
_PIECE = 1 << 16
_DECODER = json.JSONDecoder()


@dataclass(frozen=True)
class JsonFile:
    """One JSON object per line; a key that a line lacks is a missing value, blank lines are passed over.

    Where the name ends in .json, and with `arrays` always, it may be an array of objects instead, on any lines.
    """

    path: Path
    encoding: str
    arrays: bool = False

    @property
    def total(self) -> int:
        """Bytes on disk."""
        return self.path.stat().st_size

    def columns(self, requested: Sequence[str]) -> list[str]:
        """Keys in order of appearance, read until all the wanted ones are seen: a label may come late."""
        names: dict[str, None] = {}
        with self._open() as (rows, _):
            for *_, record in rows:
                names |= dict.fromkeys(record)
                if names.keys() >= set(requested):
                    break
        return list(names)

    def batches(self, requested: Sequence[str]) -> Iterator[RowBatch]:
        """Rows in the order of the file."""
        with self._open() as (rows, tell):
            first, size, batch = 1, 0, []
            for row, _, characters, record in rows:
                batch.append([record.get(name) for name in requested])
                size += characters
                if len(batch) == BATCH_ROWS or size >= BATCH_CHARACTERS:
                    yield RowBatch(first, _as_columns(batch, requested), tell(), self._location)
                    first, size, batch = row + 1, 0, []
            if batch:
                yield RowBatch(first, _as_columns(batch, requested), tell(), self._location)

    def objects(self) -> Iterator[tuple[str, int, int, dict[str, object]]]:
        """(location in words, bytes read, characters that it takes, object)"""
        with self._open() as (rows, tell):
            for row, line, characters, record in rows:
                yield f"row {row} (line {line})", tell(), characters, record

    def _location(self, row: int) -> str:
        with self._open() as (rows, _):
            return next((f"row {row} (line {line})" for number, line, *_ in rows if number == row), f"row {row}")

    @contextmanager
    def _open(self) -> Iterator[tuple[Iterator[Row], Callable[[], int]]]:
        is_array = False
        if self.arrays or ".json" in [suffix.lower() for suffix in self.path.suffixes[-2:]]:
            with open_text(self.path, self.encoding, newline="\n", errors="surrogateescape") as (stream, _):
                is_array = stream.read(_PIECE).lstrip().startswith("[")
        with open_text(self.path, self.encoding, newline="\n") as (stream, tell):
            yield (self._elements(stream) if is_array else self._lines(stream)), tell

    def _lines(self, stream: io.TextIOWrapper) -> Iterator[Row]:
        row, lines = 0, Lines(stream, self.path.name)
        try:
            for text in lines:
                lines.taken = 0
                if not text.isspace():
                    row += 1
                    location = f"{self.path.name}: row {row} (line {lines.number})"
                    yield row, lines.number, len(text), parse_object(text, location)
        except UnicodeError as error:
            raise self._wrong_encoding() from error

    def _elements(self, stream: io.TextIOWrapper) -> Iterator[Row]:
        """The objects of one array, parsed one at a time: only one is held in memory."""
        text, at, line = self._skip(stream, "", 0, 1)
        at, row = at + 1, 0  # behind the bracket
        while True:
            text, at, line = self._skip(stream, text, at, line)
            if text[at : at + 1] == "]":
                if text[at + 1 :].strip() or stream.read(_PIECE).strip():
                    raise BadInput(f"{self.path.name} goes on after its array, in line {line}; remove what follows.")
                return
            if row and text[at : at + 1] != ",":
                raise self._broken(row, line, "is not followed by a comma or the end of the array; add it")
            if row:
                text, at, line = self._skip(stream, text, at + 1, line)
            row += 1
            record, text, at, end = self._element(stream, text, at, (row, line))
            yield row, line, end - at, record
            line += text.count("\n", at, end)
            at = end

    def _element(
        self, stream: io.TextIOWrapper, text: str, at: int, row_and_line: tuple[int, int]
    ) -> tuple[dict[str, object], str, int, int]:
        """(object, text, where in it the object begins, where it ends)"""
        if text[at : at + 1] != "{":
            raise self._broken(*row_and_line, "is not an object; write an array of objects")
        while True:
            try:
                record, end = _DECODER.raw_decode(text, at)
            except json.JSONDecodeError as error:
                more = stream.read(max(_PIECE, len(text))) if len(text) - at < LONGEST_LINE else ""
                if not more:
                    fault = f"is not valid JSON ({error.msg}), has no end, or is too long; correct it"
                    raise self._broken(*row_and_line, fault) from error
                text, at = text[at:] + more, 0
            except (ValueError, RecursionError) as error:
                raise self._broken(
                    *row_and_line, "holds a number too long or lists too deep to be read; shorten it"
                ) from error
            else:
                return record, text, at, end

    def _skip(self, stream: io.TextIOWrapper, text: str, at: int, line: int) -> tuple[str, int, int]:
        """The text from the next character that is not white space, with more behind it where it was at its end."""
        while True:
            match = _SPACE.match(text, at)
            end = match.end() if match else at
            line += text.count("\n", at, end)
            if end < len(text):
                return (text[end:], 0, line) if end > _PIECE else (text, end, line)
            text, at = stream.read(_PIECE), 0
            if not text:
                return "", 0, line

    def _broken(self, row: int, line: int, fault: str) -> BadInput:
        return BadInput(f"{self.path.name}: row {row} (line {line}) {fault}.")

    def _wrong_encoding(self) -> BadInput:
        with open_text(self.path, self.encoding, newline="\n", errors="surrogateescape") as (stream, _):
            lines = Lines(stream, self.path.name)
            row = 0
            for text in lines:
                lines.taken = 0
                row += not text.isspace()
                if mark := wrong_byte(text):
                    keys = re.findall(r'"([^"\\]*)"\s*:', text[: text.index(mark)])
                    column = f", column '{keys[-1]}'" if keys else ""
                    location = f"{self.path.name}: row {row} (line {lines.number}){column}"
                    return wrong_encoding(location, mark, self.encoding)
        return wrong_encoding(self.path.name, None, self.encoding)


def _as_columns(rows: list[list[object]], requested: Sequence[str]) -> dict[str, list[object]]:
    return {name: [row[index] for row in rows] for index, name in enumerate(requested)}


def parse_object(text: str, location: str) -> dict[str, object]:
    """One line of JSON, which must be an object."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        reason = f"is not valid JSON at character {error.pos + 1} ({error.msg})"
        raise BadInput(f"{location} {reason}; write one object per line.") from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{location} holds a number too long or lists too deep to be read; shorten it.") from error
    if not isinstance(value, dict):
        raise BadInput(f"{location} is not an object but a {type(value).__name__}; write one object per line.")
    return value
