"""A record for each folder of a snapshot; a later snapshot adds records and marks what moved or vanished. Knows no
answer.
"""

import time
from dataclasses import dataclass, replace

import duckdb

from core.data.clean import rules_in_force
from core.data.file_import import store_read_file
from core.data.ingest_job import records_alone
from core.errors import BadInput, RondoError
from core.jobs.bundle import Bundle, Report
from core.project import Project
from core.store.database import count
from core.store.tables import quoted
from core.tasks.tasks import about_columns, task_of
from core.trees.snapshots import Snapshot, check_snapshot, has_snapshot, read_snapshot
from core.trees.tree_jobs import DESCRIBE_FOLDERS, DescribedFolders, FolderParams

KNOWN, MARKS, RENEWED = "known.parquet", "marks.parquet", "renewed.parquet"
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
    say what is around and in the folder now, and what models read is encoded again where it changed; answers stay, and
    where they name places in the text, so does the text. Metadata say where the folder is, when it was seen last, and
    whether it moved or vanished: what vanished is asked no more. Moves are seen only while the snapshot before is
    there. snapshot: the newest where none is named. batch_size: folders that are written at a time. Raises BadInput for
    one that is older than what is in already, and where a path is the id of another record.
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
    rules = rules_in_force(project.store)
    params = FolderParams(str(folder), one.number, one.name, batch_size, str(previous) if previous else None, rules)
    bundle = project.jobs.prepare(DESCRIBE_FOLDERS, params)
    target = quoted(bundle.path / "in" / KNOWN)
    with project.store.reading() as cursor:
        grounded = bool(task_of(project.settings()).steps)
        cursor.execute(f"copy ({_KNOWN.format(tree=quoted(one.name), grounded=grounded)}) to '{target}'")
    try:
        described = project.jobs.run(bundle, DESCRIBE_FOLDERS, report, f"Describing folders of {one.name}")
        _refuse_foreign_ids(project, bundle, one)
    except RondoError as error:
        project.jobs.refuse(bundle, error)
        raise
    _mark(project, bundle, one, renewed=bool(described.renewed))
    if described.added:
        store_read_file(
            project,
            report,
            bundle,
            replace(records_alone(f"snapshot {one.number} of {one.name}", described.added), repeats_allowed=True),
            about=about_columns(project.settings()),
        )
    else:
        with project.store.transaction() as cursor:
            project.jobs.claim_result(bundle, cursor)
        bundle.empty()
        project.label_queue.reload()
    return Features(**vars(described), snapshot=one.number, name=one.name)


_OF_TREE = "meta->>'tree' = ? and meta->>'snapshot' is not null"
_KNOWN = f"""
    select n, id, meta->>'path' as path, (meta->>'depth')::bigint as depth, (meta->>'snapshot')::bigint as snapshot,
           coalesce(meta->>'state', '') as state, meta->>'moved_from' as moved_from, md5(text) as text,
           md5(fields::varchar) as fields, {{grounded}} and (n in (select n from responses)
               or n in (select n from generated_answers)) as fixed
    from records where {_OF_TREE.replace("?", "'{tree}'")} order by n
"""
_MARK = """
    update records set meta = json_merge_patch(meta, json_object(
        'path', m.path, 'depth', m.depth, 'snapshot', m.snapshot, 'state', m.state, 'moved_from', m.moved_from))
    from read_parquet('{marks}') m where m.n = records.n
"""
# Two folders are never one record, whatever their texts.
_FOLLOW = """
    update records set duplicate_of = null where duplicate_of is not null and meta->>'tree' = '{tree}'
        and meta->>'snapshot' is not null;
    delete from vanished where n in (select n from records where meta->>'tree' = '{tree}');
    insert into vanished select n from records where meta->>'tree' = '{tree}' and meta->>'state' = 'vanished';
    delete from queue where n in (select n from vanished) and not is_labelled(n) and n not in (select n from leased)
        and n not in (select n from responses where source <> 'file');
"""
_RENEW = """
    create or replace temp table renewed as from read_parquet('{renewed}');
    update records set text = s.text, fields = s.fields, hash = s.hash::varchar,
        meta = json_merge_patch(meta, json_object('files', s.files)) from renewed s where s.n = records.n;
    update records set duplicate_of = null where duplicate_of in (select n from renewed where otherwise);
    delete from cleaned where n in (select n from renewed where otherwise);
    insert into cleaned select n, cleaned, {run} from renewed where otherwise;
    drop table renewed;
"""
# Vectors are of the texts of a run: those of later runs are made anew.
_RUN = """
    insert into cleanings select ?, coalesce(last(rules order by run), []), coalesce(last(options order by run), 'null')
    from cleanings
"""
_FOREIGN = """
    select r.id, r.source from read_parquet('{records}') s join records r on r.id = s.id limit 1
"""


def _mark(project: Project, bundle: Bundle, snapshot: Snapshot, *, renewed: bool) -> None:
    """Texts and metadata of records that were there. Before the new ones come in: whoever stops between runs it
    again."""
    with project.store.transaction() as cursor:
        cursor.execute(_MARK.format(marks=quoted(bundle.path / "out" / MARKS)))
        cursor.execute(_FOLLOW.format(tree=quoted(snapshot.name)))
        if renewed:
            _renew(cursor, bundle)


def _renew(cursor: duckdb.DuckDBPyConnection, bundle: Bundle) -> None:
    run = max(time.time_ns() // 1_000_000, count(cursor, "select coalesce(max(run), 0) + 1 from cleanings"))
    cursor.execute(_RUN, [run])
    cursor.execute(_RENEW.format(renewed=quoted(bundle.path / "out" / RENEWED), run=run))


def _refuse_foreign_ids(project: Project, bundle: Bundle, snapshot: Snapshot) -> None:
    records = quoted(bundle.path / "out" / "records.parquet")
    for id_, source in project.store.query(_FOREIGN.format(records=records)):
        raise BadInput(
            f"The folder {id_!r} of snapshot {snapshot.number} ({snapshot.name}) has the id of a record from {source}. "
            "Is it the same tree? Then gather it again with the name that it had (--name). Else use another project. "
            "Nothing was changed."
        )
