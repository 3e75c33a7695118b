"""A tree of folders and files in the making, and how it looks as columns. Knows names and numbers, not where they are
from.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from core.errors import BadInput

SEPARATOR = "/"
"""between the parts of a path as it is stored, whatever the system that it is from; no name holds it"""
_ESCAPED = re.compile(r"\\x[0-9a-fA-F]{2}")
_LONGEST_EXTENSION = 16
FOLDERS, FILES, SKIPPED = "folders.parquet", "files.parquet", "skipped.parquet"


def shown(name: str) -> str:
    r"""A name as it is stored: bytes that are not UTF-8 (lone surrogates of `os.fsdecode`) and control characters are
    \xNN. Two different names never become one: where that form is used, or stands in the name, backslashes are doubled.
    """
    if name.isprintable() and not _ESCAPED.search(name):
        return name
    doubled = name.replace("\\", "\\\\")
    return "".join(
        f"\\x{byte:02x}" if unreadable else letter for letter in doubled for unreadable, byte in _bytes_of(letter)
    )


def _bytes_of(letter: str) -> Iterable[tuple[bool, int]]:
    """(must it be escaped, its byte), a pair for each byte where it must, else one."""
    code = ord(letter)
    if 0xDC80 <= code <= 0xDCFF:
        return [(True, code - 0xDC00)]
    if code < 0x20 or code == 0x7F:
        return [(True, code)]
    if 0xD800 <= code <= 0xDFFF:
        return [(True, byte) for byte in letter.encode("utf-8", "surrogatepass")]
    return [(False, 0)]


def extension_of(name: str) -> str:
    """In small letters and without the dot; "" where the name has none that could be one."""
    stem, dot, extension = name.rpartition(".")
    plausible = dot and stem.strip(".") and 0 < len(extension) <= _LONGEST_EXTENSION and not extension.isspace()
    return extension.lower() if plausible and " " not in extension else ""


@dataclass
class Tree:
    """Grows folder by folder. Folder 0 is the root, whose path is empty and whose depth is 0.

    numbers: path -> folder; parents, names, depths, folder_times: of each. Of each file: file_folders, file_names,
    sizes (bytes, None where unknown), times (seconds since 1970, None where unknown). skipped: (path, reason).
    """

    numbers: dict[str, int] = field(default_factory=lambda: {"": 0})
    parents: list[int] = field(default_factory=lambda: [-1])
    names: list[str] = field(default_factory=lambda: [""])
    depths: list[int] = field(default_factory=lambda: [0])
    folder_times: list[float | None] = field(default_factory=lambda: [None])
    file_folders: list[int] = field(default_factory=list)
    file_names: list[str] = field(default_factory=list)
    sizes: list[int | None] = field(default_factory=list)
    times: list[float | None] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)

    def folder(self, path: str) -> int:
        """The number of the folder with this path, which is made, with those above it, where it is not there yet."""
        known = self.numbers.get(path)
        if known is not None:
            return known
        missing = []
        while path not in self.numbers:
            missing.append(path)
            path = path.rpartition(SEPARATOR)[0]
        folder = self.numbers[path]
        for below in reversed(missing):
            folder = self.add_folder(folder, below, below.rpartition(SEPARATOR)[2])
        return folder

    def add_folder(self, parent: int, path: str, name: str, modified: float | None = None) -> int:
        """A folder that is not there yet."""
        number = self.numbers[path] = len(self.parents)
        self.parents.append(parent)
        self.names.append(name)
        self.depths.append(self.depths[parent] + 1)
        self.folder_times.append(modified)
        return number

    def add_file(self, folder: int, name: str, size: int | None = None, modified: float | None = None) -> None:
        """A file in a folder."""
        self.file_folders.append(folder)
        self.file_names.append(name)
        self.sizes.append(size)
        self.times.append(modified)

    def skip(self, path: str, reason: str) -> None:
        """Something that is not in the tree, and why."""
        self.skipped.append((path, reason))

    @property
    def reasons(self) -> dict[str, int]:
        """How often each reason was the one, the most frequent first."""
        return dict(Counter(reason for _, reason in self.skipped).most_common())


@dataclass(frozen=True)
class TreeCounts:
    """What was written. bytes: of all files whose size is known, None where none is."""

    folders: int
    files: int
    bytes: int | None


def write_tree(tree: Tree, out: Path) -> TreeCounts:
    """Writes folders, files and what was skipped as tables; folders in the order of their paths, parents first.

    Raises BadInput where there is no folder below the root and no file.
    """
    import numpy as np

    if len(tree.parents) == 1 and not tree.file_names:
        raise BadInput("There is no folder and no file in it, so there is nothing to gather.")
    paths = list(tree.numbers)
    order = sorted(range(len(paths)), key=lambda number: paths[number].split(SEPARATOR) if number else [])
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    folders = rank[np.asarray(tree.file_folders, np.int64)] if tree.file_folders else np.empty(0, np.int64)
    files = sorted(range(len(folders)), key=lambda row: (folders[row], tree.file_names[row]))
    parents = [-1 if number == 0 else int(rank[tree.parents[number]]) for number in order]
    sizes = [tree.sizes[row] for row in files]
    contents = _Contents(parents, [tree.names[number] for number in order], folders[files].tolist(), sizes)
    table = contents.columns([tree.file_names[row] for row in files])
    _write_folders(tree, out, order, parents, table)
    _write_files(tree, out, files, folders[files])
    _write(out / SKIPPED, {"path": [path for path, _ in tree.skipped], "reason": [why for _, why in tree.skipped]})
    known = [size for size in sizes if size is not None]
    return TreeCounts(len(order) - 1, len(files), sum(known) if known else None)


def _write_folders(
    tree: Tree, out: Path, order: Sequence[int], parents: Sequence[int], table: dict[str, list[Any]]
) -> None:
    paths = list(tree.numbers)
    _write(
        out / FOLDERS,
        {
            "folder": list(range(len(order))),
            "parent": list(parents),
            "path": [paths[number] for number in order],
            "name": [tree.names[number] for number in order],
            "depth": [tree.depths[number] for number in order],
            "modified": [tree.folder_times[number] for number in order],
            **table,
        },
    )


def _write_files(tree: Tree, out: Path, rows: Sequence[int], folders: object) -> None:
    names = [tree.file_names[row] for row in rows]
    _write(
        out / FILES,
        {
            "folder": folders,
            "name": names,
            "extension": [extension_of(name) for name in names],
            "size": [tree.sizes[row] for row in rows],
            "modified": [tree.times[row] for row in rows],
        },
    )


@dataclass(frozen=True)
class _Contents:
    """Folders with parents before children, and files in the order of their folders. sizes: of files."""

    parents: Sequence[int]
    names: Sequence[str]
    file_folders: Sequence[int]
    sizes: Sequence[int | None]

    def columns(self, file_names: Sequence[str]) -> dict[str, list[Any]]:
        """Of each folder: files and their bytes directly in it and in all below, and a fingerprint of what it holds.

        The fingerprint is of names and sizes of all files below, at their paths; the folder's own name is not in it. It
        is empty where no file is below.
        """
        count = len(self.parents)
        files, sizes = [0] * count, [0] * count
        lines: list[list[str]] = [[] for _ in range(count)]
        for folder, name, size in zip(self.file_folders, file_names, self.sizes, strict=True):
            files[folder] += 1
            sizes[folder] += size or 0
            lines[folder].append(f"{name}\0{'' if size is None else size}")
        all_files, all_sizes, marks = files.copy(), sizes.copy(), [""] * count
        for folder in range(count - 1, -1, -1):
            if all_files[folder]:
                content = "\0\0".join(sorted(lines[folder]))
                marks[folder] = blake2b(content.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
            if folder:
                parent = self.parents[folder]
                all_files[parent] += all_files[folder]
                all_sizes[parent] += all_sizes[folder]
                lines[parent].append(f"{self.names[folder]}/\0{marks[folder]}")
        known = any(size is not None for size in self.sizes)
        return {
            "files": files,
            "size": sizes if known else [None] * count,
            "all_files": all_files,
            "all_size": all_sizes if known else [None] * count,
            "fingerprint": marks,
        }


def _write(target: Path, columns: dict[str, Any]) -> None:
    import pyarrow as arrow  # type: ignore[import-untyped]
    from pyarrow import parquet

    integers = ("folder", "parent", "depth", "files", "size", "all_files", "all_size")
    kinds = dict.fromkeys(integers, arrow.int64()) | {"modified": arrow.float64()}
    arrays = {name: arrow.array(cells, type=kinds.get(name, arrow.string())) for name, cells in columns.items()}
    parquet.write_table(arrow.table(arrays), target, compression="zstd")
