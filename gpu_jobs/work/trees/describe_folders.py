"""The job that makes records of a snapshot's folders, and says which of the records there moved or vanished. Knows
files, not the store.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path
from typing import Any

from core.data.cells import json_of
from core.data.clean_rules import clean_text
from core.data.ingest import records_writer
from core.data.ledger import normalised_hashes
from core.trees.features import KNOWN, MARKS, MOVED, RENEWED, VANISHED
from core.trees.folder_context import Folder, read_folders
from core.trees.moves import Contents, moved_folders
from core.trees.tree import FOLDERS
from core.trees.tree_jobs import DescribedFolders, FolderParams

Report = Callable[[int, int], None]


@dataclass(frozen=True)
class KnownRecord:
    """A folder's record as it is in the store. path, depth, snapshot: where the folder was last; text, fields: MD5 of
    the record's. fixed: answers name places in its text."""

    n: int
    id: str
    path: str
    depth: int
    snapshot: int
    state: str
    moved_from: str | None
    text: str
    fields: str
    fixed: bool


def describe_folders(bundle: Path, params: FolderParams, report: Report) -> DescribedFolders:
    """Writes records.parquet of new folders, as an import has it; of known ones marks.parquet and renewed.parquet."""
    known = [KnownRecord(**row) for row in _rows(bundle / "in" / KNOWN)]
    folders = list(read_folders(Path(params.snapshot)))
    by_path = {folder.path: folder for folder in folders}
    moves = _moves(params, known, by_path)
    current = {moves.get(record.path, record.path) if record.state != VANISHED else record.path for record in known}
    new = [folder for folder in folders if folder.path not in current]
    _write_records(bundle / "out" / "records.parquet", new, {record.id for record in known}, params, report)
    _write_marks(bundle / "out" / MARKS, known, moves, by_path, params.number)
    there = [record for record in known if record.path in by_path]
    now = [(record, by_path.get(moves.get(record.path, record.path))) for record in known]
    changed = [(record, to) for record, to in now if to and _digests(to) != (record.text, record.fields)]
    renewed = [(record, folder) for record, folder in changed if not record.fixed]
    _write_renewed(bundle / "out" / RENEWED, renewed, params.rules)
    return DescribedFolders(
        folders=len(folders),
        added=len(new),
        known=len(folders) - len(new),
        changed=len(changed),
        moved=len(moves),
        vanished=sum(
            record.state != VANISHED and record.path not in by_path and record.path not in moves for record in known
        ),
        returned=sum(record.state == VANISHED for record in there),
        renewed=len(renewed),
    )


def _digests(folder: Folder) -> tuple[str, str]:
    """MD5 of its text and of its fields, as a record has them."""
    text, fields = (md5(one.encode(), usedforsecurity=False) for one in (folder.text, json_of(folder.fields)))
    return text.hexdigest(), fields.hexdigest()


def _write_renewed(target: Path, renewed: Sequence[tuple[KnownRecord, Folder]], rules: Sequence[str]) -> None:
    """otherwise: the text changed. cleaned: what models read where that is another text."""
    import pyarrow as arrow  # type: ignore[import-untyped]
    from pyarrow import parquet

    texts = [folder.text for _, folder in renewed]
    cleaned = [clean_text(text, rules) for text in texts]
    columns = {
        "n": arrow.array([record.n for record, _ in renewed], arrow.int64()),
        "text": arrow.array(texts, arrow.string()),
        "fields": arrow.array([json_of(folder.fields) for _, folder in renewed], arrow.string()),
        "files": arrow.array([folder.all_files for _, folder in renewed], arrow.int64()),
        "hash": arrow.array(normalised_hashes(texts), arrow.uint64()),
        "otherwise": arrow.array([_digests(folder)[0] != record.text for record, folder in renewed], arrow.bool_()),
        "cleaned": arrow.array(
            [text if text and text != before else None for before, text in zip(texts, cleaned, strict=True)],
            arrow.string(),
        ),
    }
    parquet.write_table(arrow.table(columns), target)


def _moves(params: FolderParams, known: Sequence[KnownRecord], folders: dict[str, Folder]) -> dict[str, str]:
    """Old path -> new path."""
    if not params.previous:
        return {}
    before, now = ({row["path"]: row["fingerprint"] for row in _folder_rows(path)} for path in _both(params))
    paths = {record.path for record in known}
    gone = [
        Contents(record.path, before.get(record.path, ""))
        for record in known
        if record.state != VANISHED and record.path not in folders
    ]
    return moved_folders(gone, [Contents(path, now[path]) for path in folders if path not in paths])


def _both(params: FolderParams) -> tuple[Path, Path]:
    return Path(params.previous or params.snapshot), Path(params.snapshot)


def _folder_rows(snapshot: Path) -> list[dict[str, Any]]:
    return _rows(snapshot / FOLDERS, ["path", "fingerprint"])


def _rows(table: Path, columns: list[str] | None = None) -> list[dict[str, Any]]:
    from pyarrow import parquet

    return list(parquet.read_table(table, columns=columns).to_pylist())


def _write_records(
    target: Path, folders: Sequence[Folder], known_ids: set[str], params: FolderParams, report: Report
) -> None:
    """Where the id is that of a record whose folder moved away, the snapshot's number is part of it."""
    done = 0
    with records_writer(target) as write:
        for start in range(0, len(folders), params.batch_size):
            part = folders[start : start + params.batch_size]
            texts = [folder.text for folder in part]
            write(
                {
                    "position": range(done, done + len(part)),
                    "id": [
                        folder.path if folder.path not in known_ids else f"{folder.path} [{params.number}]"
                        for folder in part
                    ],
                    "text": texts,
                    "fields": [json_of(folder.fields) for folder in part],
                    "meta": [_meta(folder, params) for folder in part],
                    "hash": normalised_hashes(texts),
                    "label": [None] * len(part),
                    "split": [None] * len(part),
                }
            )
            done += len(part)
            report(done, len(folders))
    report(len(folders), len(folders))


def _meta(folder: Folder, params: FolderParams) -> str:
    return json_of(
        {
            "tree": params.tree,
            "path": folder.path,
            "depth": folder.depth,
            "files": folder.all_files,
            "snapshot": params.number,
        }
    )


def _write_marks(
    target: Path, known: Sequence[KnownRecord], moves: dict[str, str], folders: dict[str, Folder], number: int
) -> None:
    """A row for each record whose metadata change."""
    import pyarrow as arrow
    from pyarrow import parquet

    rows = []
    for record in known:
        mark = _mark(record, moves, folders, number)
        if mark != (record.path, record.depth, record.snapshot, record.state, record.moved_from):
            path, depth, snapshot, state, moved_from = mark
            last = {"path": path, "depth": depth, "snapshot": snapshot, "moved_from": moved_from}
            rows.append({"n": record.n, **last, "state": state or None})
    schema = arrow.schema(
        [
            *((name, arrow.int64()) for name in ("n", "depth", "snapshot")),
            *((name, arrow.string()) for name in ("path", "state", "moved_from")),
        ]
    )
    parquet.write_table(arrow.Table.from_pylist(rows, schema=schema), target)


def _mark(
    record: KnownRecord, moves: dict[str, str], folders: dict[str, Folder], number: int
) -> tuple[str, int, int, str, str | None]:
    """(path, depth, snapshot, state, moved_from): where the folder is now, or was last."""
    if record.path in moves:
        path = moves[record.path]
        return path, folders[path].depth, number, MOVED, record.path
    if record.path in folders:
        state = MOVED if record.moved_from else ""
        return record.path, folders[record.path].depth, number, state, record.moved_from
    return record.path, record.depth, record.snapshot, VANISHED, record.moved_from
