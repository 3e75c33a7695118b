"""Snapshots of folder trees: numbered, never changed, each a folder of tables with its manifest. Knows no records."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb

from core.errors import BadInput, Damaged
from core.jobs.bundle import Report
from core.project import Project
from core.store.database import utc_now
from core.store.tables import quoted
from core.store.whole_files import disk_errors, sha256_of, whole_file
from core.trees.moves import Contents, moved_folders
from core.trees.tree import FILES, FOLDERS, SKIPPED
from core.trees.tree_jobs import GatheredTree
from core.typed_json import from_json, to_json

SNAPSHOTS = "snapshots"
MANIFEST = "manifest.json"
SHOWN = 10
"""examples in a result"""


@dataclass(frozen=True)
class Snapshot:
    """number: from 1. name: of the tree; snapshots of the same name are of the same tree. source: the folder, or the
    file with the listing. made_at: UTC. folders: below the root. bytes: of all files whose size is known. skipped: how
    much was left out. checksums: SHA-256 of each table."""

    number: int
    name: str
    source: str
    kind: str
    made_at: str
    folders: int
    files: int
    bytes: int | None
    skipped: int
    reasons: Mapping[str, int]
    checksums: Mapping[str, str]


def snapshot_folder(project: Project, number: int) -> Path:
    """Where a snapshot is, or would be."""
    return project.folder / SNAPSHOTS / f"{number:05d}"


def store_snapshot(project: Project, out: Path, gathered: GatheredTree, *, name: str, source: str) -> Snapshot:
    """Moves the tables of a job's output into the next snapshot, which is there as a whole or not at all."""
    home = project.folder / SNAPSHOTS
    with project.storing, disk_errors(f"The snapshot of {source}"):
        home.mkdir(exist_ok=True)
        number = 1 + max(_numbers(project), default=0)
        snapshot = Snapshot(
            number=number,
            name=name,
            source=source,
            kind=gathered.kind,
            made_at=f"{utc_now():%Y-%m-%dT%H:%M:%SZ}",
            folders=gathered.folders,
            files=gathered.files,
            bytes=gathered.bytes,
            skipped=sum(gathered.reasons.values()),
            reasons=gathered.reasons,
            checksums={table: sha256_of(out / table) for table in (FOLDERS, FILES, SKIPPED)},
        )
        with whole_file(snapshot_folder(project, number), alone=True) as partial:
            shutil.rmtree(partial, ignore_errors=True)  # of an attempt that was killed
            partial.mkdir()
            for table in snapshot.checksums:
                (out / table).rename(partial / table)
            document = json.dumps(to_json(snapshot), ensure_ascii=False, indent=1)
            (partial / MANIFEST).write_text(document, encoding="utf-8")
    return snapshot


def _numbers(project: Project) -> list[int]:
    folders = (project.folder / SNAPSHOTS).glob("[0-9]*")
    return [int(path.name) for path in folders if path.name.isdecimal() and (path / MANIFEST).is_file()]


def has_snapshot(project: Project, number: int | None) -> bool:
    """Is it there? A person may have deleted one."""
    return number in _numbers(project)


def read_snapshot(project: Project, number: int | None = None) -> Snapshot:
    """Its manifest, of the newest where none is named. Raises BadInput where there is none, and Damaged."""
    numbers = sorted(_numbers(project))
    if not numbers:
        raise BadInput("The project has no snapshot yet. Make one: rondo gather FOLDER, or a file with a path a line.")
    number = numbers[-1] if number is None else number
    if number not in numbers:
        raise BadInput(f"There is no snapshot {number}; there are {', '.join(map(str, numbers))}.")
    path = snapshot_folder(project, number) / MANIFEST
    try:
        return from_json(Snapshot, json.loads(path.read_text(encoding="utf-8")), f"The manifest of snapshot {number}")
    except (OSError, ValueError, BadInput) as error:
        raise Damaged(f"{path} cannot be read ({error}). Gather the tree again, or restore a backup.") from None


def check_snapshot(project: Project, snapshot: Snapshot) -> Path:
    """Its folder. Raises Damaged where a table is not what it was."""
    folder = snapshot_folder(project, snapshot.number)
    for table, checksum in snapshot.checksums.items():
        if not (folder / table).is_file() or sha256_of(folder / table) != checksum:
            raise Damaged(f"{folder / table} is not as it was written. Gather the tree again, or restore a backup.")
    return folder


@dataclass(frozen=True)
class SnapshotList:
    """The oldest first."""

    snapshots: tuple[Snapshot, ...]


def snapshots(project: Project, report: Report) -> SnapshotList:
    """All snapshots of the project."""
    return SnapshotList(tuple(read_snapshot(project, number) for number in sorted(_numbers(project))))


@dataclass(frozen=True)
class SkippedPath:
    """Something that was left out, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class SnapshotDetail:
    """depths: folders at each depth, 1 being right below the root. extensions: the most frequent, with files. largest:
    folders with the most files below them. skipped: the first that were left out."""

    snapshot: Snapshot
    depths: Mapping[int, int]
    extensions: Mapping[str, int]
    largest: Mapping[str, int]
    skipped: tuple[SkippedPath, ...]


def snapshot(project: Project, report: Report, *, number: int | None = None) -> SnapshotDetail:
    """One snapshot, the newest where none is named."""
    one = read_snapshot(project, number)
    folder = check_snapshot(project, one)
    folders, files, skipped = (f"'{quoted(folder / table)}'" for table in (FOLDERS, FILES, SKIPPED))
    with duckdb.connect(config={"threads": 1}) as cursor:
        rows = cursor.execute
        depths = rows(f"select depth, count(*) from {folders} where depth > 0 group by 1 order by 1").fetchall()
        extensions = rows(
            f"select extension, count(*) from {files} group by 1 order by 2 desc, 1 limit {SHOWN}"
        ).fetchall()
        largest = rows(
            f"select path, all_files from {folders} where depth > 0 order by 2 desc, 1 limit {SHOWN}"
        ).fetchall()
        left_out = rows(f"select path, reason from {skipped} limit {SHOWN}").fetchall()
    return SnapshotDetail(
        one, dict(depths), dict(extensions), dict(largest), tuple(SkippedPath(*row) for row in left_out)
    )


@dataclass(frozen=True)
class SnapshotDifference:
    """From an older snapshot to a newer one. moved: old path -> new path, of folders with what they hold. added,
    vanished: folders that did not move. changed: folders whose own files changed, in name or, where both snapshots have
    sizes, in size; "." is the root. All counts are of all; the paths are
    the first of each."""

    older: int
    newer: int
    added: int
    vanished: int
    moved: int
    changed: int
    files_added: int
    files_removed: int
    added_paths: tuple[str, ...]
    vanished_paths: tuple[str, ...]
    moved_paths: Mapping[str, str]
    changed_paths: tuple[str, ...]


def snapshot_diff(project: Project, report: Report, *, older: int, newer: int) -> SnapshotDifference:
    """What changed between two snapshots of a tree, in the order in which they are named."""
    if older == newer:
        raise BadInput(f"{older} and {newer} are the same snapshot; name two.")
    both = [read_snapshot(project, number) for number in (older, newer)]
    folders = [check_snapshot(project, one) for one in both]
    sized = "x.size" if all(one.bytes is not None for one in both) else "null as size"
    with duckdb.connect(config={"threads": 1}) as cursor:
        for side, folder in zip(("old", "new"), folders, strict=True):
            for table, path in (("folders", FOLDERS), ("files", FILES)):
                cursor.execute(f"create view {side}_{table} as from '{quoted(folder / path)}'")
            cursor.execute(_PATHS.format(side=side, size=sized))
        gone, new = (
            [Contents(*row) for row in cursor.execute(_ONLY_IN.format(one=one, other=other)).fetchall()]
            for one, other in (("old", "new"), ("new", "old"))
        )
        changed = [path for (path,) in cursor.execute(_CHANGED).fetchall()]
        removed, added = (
            cursor.execute(_FILES_ONLY_IN.format(one=one, other=other)).fetchall()[0][0]
            for one, other in (("old", "new"), ("new", "old"))
        )
    moves = moved_folders(gone, new)
    vanished = [one.path for one in gone if one.path not in moves]
    fresh = sorted({one.path for one in new} - set(moves.values()))
    return SnapshotDifference(
        older=older,
        newer=newer,
        added=len(fresh),
        vanished=len(vanished),
        moved=len(moves),
        changed=len(changed),
        files_added=added,
        files_removed=removed,
        added_paths=tuple(fresh[:SHOWN]),
        vanished_paths=tuple(vanished[:SHOWN]),
        moved_paths=dict(list(moves.items())[:SHOWN]),
        changed_paths=tuple(changed[:SHOWN]),
    )


_PATHS = """
    create view {side}_paths as
    select f.path, x.name, {size} from {side}_files x join {side}_folders f on f.folder = x.folder
"""
_ONLY_IN = """
    select path, fingerprint from {one}_folders where path not in (select path from {other}_folders) order by path
"""
_FILES_ONLY_IN = """
    select count(*) from (select path, name from {one}_paths except select path, name from {other}_paths)
"""
_CHANGED = """
    with differing as (
        (select * from old_paths except select * from new_paths)
        union all (select * from new_paths except select * from old_paths)
    )
    select distinct if(differing.path = '', '.', differing.path) as path from differing
    where differing.path in (select path from old_folders) and differing.path in (select path from new_folders)
    order by 1
"""
