"""A record for each folder of a snapshot; a later snapshot adds records and marks what moved or vanished. Knows no
answer.
"""

from dataclasses import dataclass

from core.data.file_import import store_read_file
from core.data.ingest_job import records_alone
from core.errors import BadInput, RondoError
from core.jobs.bundle import Bundle, Report
from core.project import Project
from core.store.tables import quoted
from core.tasks.tasks import about_columns, task_of
from core.trees.snapshots import Snapshot, check_snapshot, has_snapshot, read_snapshot
from core.trees.tree_jobs import DESCRIBE_FOLDERS, DescribedFolders, FolderParams

KNOWN, MARKS = "known.parquet", "marks.parquet"
MOVED, VANISHED = "moved", "vanished"
"""states of a folder's record, beside none"""


@dataclass(frozen=True, kw_only=True)
class Features(DescribedFolders):
    """What became of a snapshot's folders, see `DescribedFolders`. snapshot: its number; name: of the tree."""

    snapshot: int
    name: str


def features(project: Project, report: Report, *, snapshot: int | None = None, batch_size: int = 1000) -> Features:
    """Makes a record of each folder below the root, with its context as fields; the same again changes nothing.

    A record is its folder's: it is known by the path, and goes with the folder where that moved. Its text and fields
    stay as they were when it came, as people saw them; metadata say where it is now, when it was seen last, and whether
    it moved or vanished. Moves are seen only while the snapshot before is there. snapshot: the newest where none is
    named. batch_size: folders that are written at a time. Raises BadInput for one that is older than what is in
    already, and where a path is the id of another record.
    """
    if task_of(project.settings()).two_sides:
        raise BadInput("Records of this project have two sides, which a folder has not. Use a project of another task.")
    if batch_size < 1:
        raise BadInput(f"Batches of {batch_size} folders cannot be written; ask for 1 or more.")
    one = read_snapshot(project, snapshot)
    folder = check_snapshot(project, one)
    newest = project.store.one(f"select max((meta->>'snapshot')::integer) from records where {_OF_TREE}", [one.name])
    if newest and newest > one.number:
        raise BadInput(
            f"Snapshot {one.number} of {one.name} is older than {newest}, whose folders are records already: "
            f"features go forward. Take {newest} or a later one."
        )
    previous = check_snapshot(project, read_snapshot(project, newest)) if has_snapshot(project, newest) else None
    params = FolderParams(str(folder), one.number, one.name, batch_size, str(previous) if previous else None)
    bundle = project.jobs.prepare(DESCRIBE_FOLDERS, params)
    target = quoted(bundle.path / "in" / KNOWN)
    with project.store.reading() as cursor:
        cursor.execute(f"copy ({_KNOWN.format(tree=quoted(one.name))}) to '{target}' (format parquet)")
    try:
        described = project.jobs.run(bundle, DESCRIBE_FOLDERS, report, f"Describing folders of {one.name}")
        _refuse_foreign_ids(project, bundle, one)
    except RondoError as error:
        project.jobs.refuse(bundle, error)
        raise
    _mark(project, bundle)
    if described.added:
        store_read_file(
            project,
            report,
            bundle,
            records_alone(f"snapshot {one.number} of {one.name}", described.added),
            about=about_columns(project.settings()),
        )
    else:
        with project.store.transaction() as cursor:
            project.jobs.claim_result(bundle, cursor)
        bundle.empty()
    return Features(**vars(described), snapshot=one.number, name=one.name)


_OF_TREE = "meta->>'tree' = ? and meta->>'snapshot' is not null"
_KNOWN = f"""
    select n, id, meta->>'path' as path, (meta->>'depth')::bigint as depth, (meta->>'snapshot')::bigint as snapshot,
           coalesce(meta->>'state', '') as state, meta->>'moved_from' as moved_from, md5(text) as text
    from records where {_OF_TREE.replace("?", "'{tree}'")} order by n
"""
_MARK = """
    update records set meta = json_merge_patch(meta, json_object(
        'path', m.path, 'depth', m.depth, 'snapshot', m.snapshot, 'state', m.state, 'moved_from', m.moved_from))
    from read_parquet('{marks}') m where m.n = records.n
"""
_FOREIGN = """
    select r.id, r.source from read_parquet('{records}') s join records r on r.id = s.id limit 1
"""


def _mark(project: Project, bundle: Bundle) -> None:
    """Metadata of records that were there. Before the new ones come in: whoever stops between runs it again."""
    with project.store.transaction() as cursor:
        cursor.execute(_MARK.format(marks=quoted(bundle.path / "out" / MARKS)))


def _refuse_foreign_ids(project: Project, bundle: Bundle, snapshot: Snapshot) -> None:
    records = quoted(bundle.path / "out" / "records.parquet")
    for id_, source in project.store.query(_FOREIGN.format(records=records)):
        raise BadInput(
            f"The folder {id_!r} of snapshot {snapshot.number} ({snapshot.name}) has the id of a record from {source}. "
            "Is it the same tree? Then gather it again with the name that it had (--name). Else use another project. "
            "Nothing was changed."
        )
