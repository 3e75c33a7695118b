"""A folder of .json files as rows: each file is an object or an array of them, and what is nested is named by its path,
also through lists.

Knows files and paths through objects; not what a column means, and no record.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.data.formats.reading import decoded
from core.data.formats.row_source import Row, RowReader, RowSource
from core.errors import BadInput

LARGEST = 64 << 20
"""bytes of one file"""
ALL, JOINED = "*", "+"
DEEPEST = 20
"""levels that are named by their path; what is deeper stays as it is"""


def _rows(folder: Path, encoding: str, requested: Sequence[str]) -> Iterator[Row]:
    files = json_files(folder)
    if not files:
        raise BadInput(f"The folder {folder} holds no .json file.")
    for number, file in enumerate(files, 1):
        below = file.relative_to(folder).as_posix()
        content = _content(file, below, encoding)
        for entry, value in enumerate(content if isinstance(content, list) else [content], 1):
            location = f"the file {below}, entry {entry}" if isinstance(content, list) else f"the file {below}"
            if not isinstance(value, Mapping):
                raise BadInput(f"{folder.name}: {location} is no object; write objects.")
            cells = {"file": below} | dict(_named("", value))
            for name in requested:
                if name not in cells and (inner := _at(value, name.split("."))) is not None:
                    cells[name] = inner
            yield Row(cells, location, number, file.stat().st_size)


@dataclass(frozen=True)
class JsonFolder(RowSource):
    """Every .json file below a folder, in the order of their paths: hidden ones are left out. {"a": {"b": 1}} has the
    columns `a.b` and `a`; `file` is the path below the folder. Of a list `a.0.b` is of its first entry, `a.*.b` a list
    of those of all, and `a.+.b` one text of all, with blank lines between."""

    rows: RowReader = _rows

    @property
    def total(self) -> int:
        """Files."""
        return len(json_files(self.path))


def json_files(folder: Path) -> list[Path]:
    """Those below a folder, in order."""
    inside = ((path.relative_to(folder), path) for path in folder.rglob("*.json") if path.is_file())
    shown = [(below.as_posix(), path) for below, path in inside if not any(part[0] == "." for part in below.parts)]
    return [path for _, path in sorted(shown)]


def _content(file: Path, below: str, encoding: str) -> object:
    if file.stat().st_size > LARGEST:
        raise BadInput(f"The file {below} is larger than {LARGEST >> 20} MB; cut it.")
    try:
        return json.loads(decoded(file.read_bytes(), encoding, f"The file {below}"))
    except json.JSONDecodeError as error:
        raise BadInput(f"The file {below} is no JSON: {error.msg} in line {error.lineno}; correct it.") from None
    except (ValueError, RecursionError):
        raise BadInput(f"The file {below} holds a number too long or lists too deep to be read; shorten it.") from None


def _named(path: str, value: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for name, inner in value.items():
        below = f"{path}{name}"
        yield below, inner
        if isinstance(inner, Mapping) and below.count(".") < DEEPEST:
            yield from _named(f"{below}.", inner)


def _at(value: object, path: Sequence[str]) -> object:
    """What the path leads to; None where it leads nowhere."""
    for number, part in enumerate(path):
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list) and part in (ALL, JOINED):
            inner = [_at(one, path[number + 1 :]) for one in value]
            flat = [leaf for one in inner for leaf in (one if isinstance(one, list) else [one]) if leaf is not None]
            return (flat if part == ALL else "\n\n".join(map(str, flat))) or None
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value
