"""Reading a list of paths: a line each, or a column of a table. Knows files and paths, not what a tree is for."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from core.data.formats.csv_files import CsvFile
from core.data.formats.formats import ENDINGS
from core.data.formats.reading import Source, open_text
from core.data.formats.sources import open_source
from core.errors import BadInput
from core.trees.tree import SEPARATOR, Tree, shown

Progress = Callable[[int, int], None]
"""(done, total): bytes of a text file, rows of a table"""

PATH_COLUMNS = ("path", "file", "filename", "filepath", "text")
SIZE_COLUMNS, TIME_COLUMNS = ("size", "bytes"), ("modified", "mtime")
"""what columns are called that are used without being named, in any case"""
UPWARDS, OUTSIDE, REPEATED, NO_PATH = (
    "leads upwards (..)",
    "is not below --root",
    "stands in the list before",
    "is no path",
)
_REPORTED = 20_000
"""lines between two reports"""


@dataclass(frozen=True)
class ListingLayout:
    """column: that holds the paths of a table, None for the one that is called so. root: what every path begins with,
    which is taken off. encoding: of a text."""

    column: str | None = None
    root: str = ""
    encoding: str = "utf-8"


@dataclass(frozen=True)
class ListedPath:
    """A path as it is written, and what else the list says of it."""

    path: str
    size: int | None = None
    modified: float | None = None


def read_listing(file: Path, layout: ListingLayout, report: Progress) -> Tree:
    """The tree that the paths make up. A path is a folder where it ends in a separator or where others go on from it.

    Paths of Windows are told by their backslashes, where no path has a slash. Raises BadInput where the file cannot be
    read, or has no column of paths.
    """
    listed = list(_read(file, layout, report))
    separator = "\\" if not any("/" in one.path for one in listed) and any("\\" in one.path for one in listed) else "/"
    tree, root = Tree(), _parts(layout.root, "\\" if "\\" in layout.root and separator == "\\" else "/")
    files: dict[str, ListedPath] = {}
    for one in listed:
        _enter(tree, files, one, separator, root)
    for path, one in files.items():
        if path in tree.numbers:
            continue
        above, _, name = path.rpartition(SEPARATOR)
        tree.add_file(tree.numbers[above], name, one.size, one.modified)
    return tree


def _enter(tree: Tree, files: dict[str, ListedPath], one: ListedPath, separator: str, root: Sequence[str]) -> None:
    parts = _parts(one.path, separator)
    if ".." in parts:
        return tree.skip(shown(one.path), UPWARDS)
    if root and parts[: len(root)] != root:
        return tree.skip(shown(one.path), OUTSIDE)
    parts = [shown(part) for part in parts[len(root) :]]
    if not parts:
        if not one.path.strip():
            tree.skip("", NO_PATH)
        return None  # the root itself
    path = SEPARATOR.join(parts)
    if one.path.endswith(separator):
        tree.folder(path)
    elif path in files:
        tree.skip(path, REPEATED)
    else:
        files[path] = one
        tree.folder(path.rpartition(SEPARATOR)[0])
    return None


def _parts(path: str, separator: str) -> list[str]:
    return [part for part in path.split(separator) if part not in ("", ".")]


def _read(file: Path, layout: ListingLayout, report: Progress) -> Iterator[ListedPath]:
    suffixes = "".join(suffix.lower() for suffix in file.suffixes[-2:])
    if any(suffixes.endswith(known) for known in ENDINGS):
        return _read_table(file, layout, report)
    if layout.column:
        raise BadInput(
            f"{file.name} is a text with a path a line, so it has no column {layout.column!r}. Leave it out."
        )
    return _read_text(file, layout.encoding, report)


def _read_text(file: Path, encoding: str, report: Progress) -> Iterator[ListedPath]:
    """Paths between line ends or, as `find -print0` writes them, between NUL characters."""
    if not file.stat().st_size:
        raise BadInput(f"{file.name} is empty; it needs a path a line.")
    total = file.stat().st_size
    with open_text(file, encoding, newline="\n", errors="surrogateescape") as (stream, tell):
        head = stream.readline()
        if _is_binary(head[:4096]):
            raise BadInput(f"{file.name} is no text with a path a line: what it begins with is no text at all.")
        lines = iter((head + stream.read()).split("\0")) if "\0" in head else iter(_lines(head, stream))
        for number, line in enumerate(lines):
            if number % _REPORTED == 0:
                report(min(tell(), total), total)
            if line:
                yield ListedPath(line)
    report(total, total)


def _is_binary(text: str) -> bool:
    """Is a tenth of it control characters, or bytes that the encoding does not know?"""
    odd = sum((one < " " and one not in "\0\t\r\n") or "\udc80" <= one <= "\udcff" for one in text)
    return odd * 10 > len(text)


def _lines(head: str, stream: Iterator[str]) -> Iterator[str]:
    for line in (head, *stream):
        yield line.removesuffix("\n").removesuffix("\r")


def _read_table(file: Path, layout: ListingLayout, report: Progress) -> Iterator[ListedPath]:
    source = open_source(file, layout.encoding)
    if isinstance(source, CsvFile):
        source = CsvFile(file, layout.encoding, errors="surrogateescape")
    path = _path_column(source, layout.column)
    columns = source.columns([path])
    size, modified = (_one_of(columns, names) for names in (SIZE_COLUMNS, TIME_COLUMNS))
    total = source.total
    for batch in source.batches([name for name in (path, size, modified) if name]):
        cells = batch.columns[path]
        unknown: list[object] = [None] * len(cells)
        rows = zip(
            cells,
            batch.columns[size] if size else unknown,
            batch.columns[modified] if modified else unknown,
            strict=True,
        )
        for cell, bytes_, time in rows:
            yield ListedPath(cell if isinstance(cell, str) else "", _number(bytes_), _seconds(time))
        report(batch.done, total)


def _path_column(source: Source, named: str | None) -> str:
    columns = source.columns([named] if named else list(PATH_COLUMNS))
    if named and named in columns:
        return named
    shown_columns = ", ".join(repr(column[:80]) for column in columns[:20])
    if named:
        raise BadInput(f"{source.path.name} has no column {named!r} but {shown_columns}; name the one with the paths.")
    found_column = columns[0] if len(columns) == 1 else _one_of(columns, PATH_COLUMNS)
    if not found_column:
        raise BadInput(f"{source.path.name} has the columns {shown_columns}; say which has the paths: --column NAME.")
    return found_column


def _one_of(columns: Sequence[str], names: Sequence[str]) -> str | None:
    by_name = {column.casefold(): column for column in reversed(columns)}
    return next((by_name[name] for name in names if name in by_name), None)


def _number(cell: object) -> int | None:
    with suppress(TypeError, ValueError, OverflowError):
        value = int(str(cell))
        return value if 0 <= value < 2**63 else None
    return None


def _seconds(cell: object) -> float | None:
    """Seconds since 1970, a time, or a text of either; a time without a zone is UTC."""
    with suppress(TypeError, ValueError, OverflowError):
        time = cell if isinstance(cell, datetime) else datetime.fromisoformat(str(cell))
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    with suppress(TypeError, ValueError, OverflowError):
        return float(str(cell))
    return None
