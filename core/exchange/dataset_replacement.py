"""A dataset whose options or fields are not the project's any more, replaced by one that has everything of the old one.

Argilla fixes options and fields when a dataset is published, so there is no other way.
"""

from core.exchange.datasets import (
    CURRENT,
    FILLING,
    REPLACED,
    Dataset,
    change_state,
    enter_dataset,
    enter_dataset_records,
    find_current,
    parts,
    read_dataset_records,
    read_datasets,
    server_of,
)
from core.exchange.pull import sync_with
from core.exchange.workspace import Setup, Workspace
from core.jobs.bundle import Report
from core.project import Project
from core.store.database import note, utc_now

PART = 200


def replace_dataset(project: Project, workspace: Workspace, old: Dataset, setup: Setup, report: Report) -> Dataset:
    """The new dataset, once it is complete. Stopped in between, the next call continues with the same one.

    Late answers in the old one are still read: it is kept, under another name.
    """
    sync_with(project, workspace, report, changed_only=False)  # late answers of older ones go into the old one first
    new = _to_fill(project, workspace, setup)
    with project.store.reading() as cursor:
        done = {entry.record_no for entry in read_dataset_records(cursor, [new.id], None)}
        record_nos = [
            entry.record_no for entry in read_dataset_records(cursor, [old.id], None) if entry.record_no not in done
        ]
        ids = dict(
            cursor.execute("select n, id from records where n in (select unnest(?::bigint[]))", [record_nos]).fetchall()
        )
    numbers = {id: n for n, id in ids.items()}
    for count, part in enumerate(parts(record_nos, PART)):
        report("Copying to a new dataset", count * PART, len(record_nos))
        sent = workspace.copy(old.id, new.id, setup, [ids[n] for n in part])
        with project.store.transaction() as cursor:
            enter_dataset_records(cursor, new.id, [(numbers[one.id], "", one) for one in sent.entries])
    workspace.retire_dataset(
        old.id,
        f"{old.name} (replaced {utc_now():%Y-%m-%d %H:%M:%S})",
        f"This dataset was replaced: the labels or fields have changed. Please go on in {new.name!r}.",
    )
    with project.store.transaction() as cursor:
        change_state(cursor, old.id, REPLACED)
        change_state(cursor, new.id, CURRENT)
        note(cursor, "rondo", "team_replaced", {"old": old.name, "new": new.name, "copied": len(record_nos)})
    return Dataset(new.id, new.name, new.made_at, setup, CURRENT)


def _to_fill(project: Project, workspace: Workspace, requested: Setup) -> Dataset:
    """One that was begun for the same setup, or a new one."""
    server = server_of(workspace)
    with project.store.reading() as cursor:
        begun = find_current(read_datasets(cursor, server), FILLING)
    if begun and begun.setup == requested:
        return begun
    name = free_name(project)
    new = Dataset(workspace.make_dataset(name, requested), name, utc_now(), requested, FILLING)
    with project.store.transaction() as cursor:
        if begun:  # the labels changed again while it was filled; somebody may have answered in it
            change_state(cursor, begun.id, REPLACED)
        enter_dataset(cursor, server, new)
    return new


def free_name(project: Project) -> str:
    """The project's, with a number from the second dataset on."""
    taken = {name for (name,) in project.store.query("select name from team_datasets")}
    base = project.settings().name[:150] or "rondo"
    names = [base, *(f"{base} {number}" for number in range(2, len(taken) + 3))]
    return next(name for name in names if name not in taken)
