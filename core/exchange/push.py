"""Sends the queue's records to the team's dataset: only what has changed, in parts. Knows no HTTP."""

from dataclasses import dataclass, replace

from core.errors import Refused
from core.exchange.dataset_replacement import free_name, replace_dataset
from core.exchange.datasets import (
    CURRENT,
    GONE,
    Dataset,
    DatasetRecord,
    change_setup,
    change_state,
    enter_dataset,
    enter_dataset_records,
    find_current,
    parts,
    read_dataset_records,
    read_datasets,
    required_setup,
    server_of,
)
from core.exchange.outgoing import PushPlan, digest, plan_push, read_outgoing
from core.exchange.pull import sync_with
from core.exchange.workspace import Gone, Outgoing, Workspace
from core.ids import RecordNo
from core.jobs.bundle import Report
from core.project import Project
from core.store.database import note, utc_now

PART = 250
"""records in one request"""


@dataclass
class Tally:
    """Counts of a push."""

    sent: int
    unchanged: int
    bad: dict[str, str]


@dataclass(frozen=True)
class Pushed:
    """Result of a push. dataset, name, url: where people answer; replaced: the dataset that it replaces, if any. bad:
    record id -> why Argilla refused it; waiting: records that wait for answers there.
    """

    dataset: str
    name: str
    url: str
    replaced: str | None
    sent: int
    unchanged: int
    bad: dict[str, str]
    waiting: int


def push(project: Project, report: Report, *, user: str = "local") -> Pushed:
    """Updates the dataset. What was sent before a stop is kept, and the next push continues from there.

    Raises Refused while another runs.
    """
    if not project.team.pushing.acquire(blocking=False):
        raise Refused("A push is running already. Wait for it to end.")
    try:
        with project.team.open(project.folder, project.settings()) as workspace:
            dataset, replaced = _make_ready(project, workspace, report, user)
            plan, tally = _send(project, workspace, dataset, report)
            if tally.sent:  # somebody may have answered a record before it was written down that it stands there
                sync_with(project, workspace, lambda *_: None, changed_only=True)
    finally:
        project.team.pushing.release()
    project.team.bad = tally.bad
    if tally.sent or replaced:
        with project.store.transaction() as cursor:
            note(cursor, user, "team_push", {"dataset": dataset.id, **vars(tally), "waiting": plan.waiting})
    return Pushed(
        dataset=dataset.id,
        name=dataset.name,
        url=dataset_link(workspace.url, dataset.id, in_order=workspace.in_order),
        replaced=replaced,
        **vars(tally),
        waiting=plan.waiting,
    )


def dataset_link(url: str, dataset: str, *, in_order: bool) -> str:
    """Where people answer; on a server that does not order by rank, the link does."""
    order = "" if in_order else "?page=1&status=pending&sort=metadata.queue_rank.asc"
    return f"{url}/dataset/{dataset}/annotation-mode{order}"


def _make_ready(project: Project, workspace: Workspace, report: Report, user: str) -> tuple[Dataset, str | None]:
    """The dataset to fill, and the name of the one that it replaces, if it does."""
    server = server_of(workspace)
    with project.store.reading() as cursor:
        datasets, requested = read_datasets(cursor, server), required_setup(cursor, project.settings())
    current = _still_there(project, workspace, find_current(datasets))
    if current is None:
        name = free_name(project)
        dataset = Dataset(workspace.make_dataset(name, requested), name, utc_now(), requested, CURRENT)
        with project.store.transaction() as cursor:
            enter_dataset(cursor, server, dataset)
            note(cursor, user, "team_dataset", {"dataset": dataset.id, "name": name})
        return dataset, None
    if not current.setup.takes(requested):
        return replace_dataset(project, workspace, current, requested, report), current.name
    old = current.setup  # what a dataset shows stays as it was made
    requested = replace(old, question=requested.question, guidelines=requested.guidelines, overlap=requested.overlap)
    if requested != current.setup:
        workspace.change_dataset(current.id, current.setup, requested)
        with project.store.transaction() as cursor:
            change_setup(cursor, current.id, requested)
    return replace(current, setup=requested), None


def _still_there(project: Project, workspace: Workspace, dataset: Dataset | None) -> Dataset | None:
    """None where it was deleted on the server; answers given in it stay in force."""
    if dataset is None:
        return None
    try:
        workspace.activity(dataset.id)
    except Gone:
        with project.store.transaction() as cursor:
            change_state(cursor, dataset.id, GONE)
        return None
    return dataset


def _send(project: Project, workspace: Workspace, dataset: Dataset, report: Report) -> tuple[PushPlan, Tally]:
    """Everything that differs from what was last sent."""
    settings, people = project.settings(), len(workspace.annotators())
    with project.store.reading() as cursor:
        there = {entry.record_no: entry for entry in read_dataset_records(cursor, [dataset.id], None)}
        plan = plan_push(cursor, settings, there, people)
    tally, total = Tally(0, 0, {}), len(plan.ranks)
    report("Pushing", 0, total)
    for done, part in enumerate(parts(sorted(plan.ranks, key=plan.ranks.__getitem__), PART)):
        with project.store.reading() as cursor:
            records = read_outgoing(cursor, plan, part, settings, dataset.setup.question)
        _send_part(project, workspace, dataset, _Part(plan, records, there), tally)
        report("Pushing", min((done + 1) * PART, total), total)
    return plan, tally


@dataclass(frozen=True)
class _Part:
    plan: PushPlan
    records: dict[RecordNo, Outgoing]
    there: dict[RecordNo, DatasetRecord]


def _send_part(project: Project, workspace: Workspace, dataset: Dataset, part: _Part, tally: Tally) -> None:
    """Recorded as sent when the server has it: a part that was interrupted is sent again, which changes nothing."""
    digests = {n: digest(record, blind=n in part.plan.blind) for n, record in part.records.items()}
    changed = [n for n in part.records if n not in part.there or part.there[n].sent != digests[n]]
    tally.unchanged += len(part.records) - len(changed)
    if not changed:
        return
    known = {part.records[n].id for n in changed if n in part.there}
    sent = workspace.put(dataset.id, dataset.setup, [part.records[n] for n in changed], known)
    numbers = {part.records[n].id: n for n in changed}
    for one in sent.entries:
        n = numbers[one.id]
        if n in part.plan.blind and n in part.there and part.there[n].model:
            workspace.strip(one.record)
    with project.store.transaction() as cursor:
        enter_dataset_records(
            cursor, dataset.id, [(numbers[one.id], digests[numbers[one.id]], one) for one in sent.entries]
        )
    tally.sent += len(sent.entries)
    tally.bad |= sent.bad
