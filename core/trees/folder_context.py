"""What stands around and in each folder of a snapshot, as a record's fields and text. Knows no store."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from core.config.record_fields import join_fields
from core.trees.tree import FILES, FOLDERS, SEPARATOR

JOINED = f" {SEPARATOR} "
"""between names in a field: no name holds the separator"""
MOST_NAMES, MOST_IN_TEXT, MOST_FILES, MOST_EXTENSIONS = 30, 12, 6, 12
"""that a field, or the text, names"""
IN_TEXT = ("name", "parents", "extensions", "children", "files", "siblings")
"""fields that an encoder reads, in this order: of a long text it reads the beginning"""


@dataclass(frozen=True)
class Folder:
    """A folder below the root. fields: name -> text, "" where there is nothing to say. all_files: in it and below."""

    path: str
    depth: int
    all_files: int
    fields: dict[str, str]

    @property
    def text(self) -> str:
        """What an encoder reads: the fields that are not empty, each after its name."""
        return join_fields({name: _first(self.fields[name]) for name in IN_TEXT if self.fields[name]})


def _first(value: str) -> str:
    names = value.split(JOINED)
    return value if len(names) <= MOST_IN_TEXT else JOINED.join(names[:MOST_IN_TEXT])


@dataclass(frozen=True)
class _Tables:
    """Of a snapshot. Columns of folders, parents first; children: folder -> those in it; files: folder -> names of its
    own; extensions: folder -> files below it by extension."""

    parents: list[int]
    paths: list[str]
    names: list[str]
    depths: list[int]
    all_files: list[int]
    children: dict[int, list[int]]
    files: dict[int, list[str]]
    extensions: list[Counter[str]]


def read_folders(snapshot: Path) -> Iterator[Folder]:
    """Every folder of a snapshot but the root, parents first."""
    tables = _read_tables(snapshot)
    for number in range(1, len(tables.paths)):
        parent = tables.parents[number]
        siblings = [one for one in tables.children[parent] if one != number]
        files = tables.files.get(number, [])
        fields = {
            "name": tables.names[number],
            "parents": tables.paths[parent].replace(SEPARATOR, JOINED),
            "siblings": _names(tables, _around(siblings, number)),
            "children": _names(tables, tables.children.get(number, ())),
            "files": JOINED.join(_spread(files)),
            "extensions": ", ".join(
                f"{extension or 'none'} {count:,}"
                for extension, count in sorted(tables.extensions[number].items(), key=lambda one: (-one[1], one[0]))[
                    :MOST_EXTENSIONS
                ]
            ),
            "depth": str(tables.depths[number]),
        }
        yield Folder(tables.paths[number], tables.depths[number], tables.all_files[number], fields)


def _names(tables: _Tables, folders: Sequence[int]) -> str:
    """The first of them, and how many more there are."""
    shown = [tables.names[folder] for folder in islice(folders, MOST_NAMES)]
    more = [f"… {len(folders) - MOST_NAMES:,} more"] if len(folders) > MOST_NAMES else []
    return JOINED.join([*shown, *more])


def _around(siblings: Sequence[int], number: int) -> Sequence[int]:
    """Of many siblings those next to the folder come first."""
    if len(siblings) <= MOST_NAMES:
        return siblings
    return sorted(siblings, key=lambda one: (abs(one - number), one))


def _spread(files: Sequence[str]) -> Sequence[str]:
    """Some names from the beginning to the end: files beside each other are often alike."""
    if len(files) <= MOST_FILES:
        return files
    return [files[index * (len(files) - 1) // (MOST_FILES - 1)] for index in range(MOST_FILES)]


def _read_tables(snapshot: Path) -> _Tables:
    from pyarrow import parquet  # type: ignore[import-untyped]

    columns = ["parent", "path", "name", "depth", "all_files"]
    folders = parquet.read_table(snapshot / FOLDERS, columns=columns)
    parents, paths, names, depths, all_files = (folders[name].to_pylist() for name in columns)
    children: dict[int, list[int]] = defaultdict(list)
    for number, parent in enumerate(parents):
        children[parent].append(number)
    extensions: list[Counter[str]] = [Counter() for _ in paths]
    files: dict[int, list[str]] = defaultdict(list)
    table = parquet.read_table(snapshot / FILES, columns=["folder", "name", "extension"])
    for folder, name, extension in zip(*(column.to_pylist() for column in table.columns), strict=True):
        files[folder].append(name)
        extensions[folder][extension] += 1
    for number in range(len(parents) - 1, 0, -1):
        extensions[parents[number]].update(extensions[number])
    return _Tables(parents, paths, names, depths, all_files, children, files, extensions)
