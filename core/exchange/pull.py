"""Reconciles the log of events with people's answers in Argilla, as they are there, whatever a message says.

Repeated, in another order, or concurrently, it changes nothing. Knows no HTTP.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby

import duckdb

from core.config.settings import Settings
from core.errors import BadInput
from core.exchange.datasets import (
    GONE,
    Dataset,
    DatasetRecord,
    change_state,
    parts,
    read_dataset_records,
    read_datasets,
    server_of,
    team_form,
)
from core.exchange.workspace import DRAFT, SUBMITTED, Gone, TeamAnswer, Workspace
from core.ids import RecordNo
from core.jobs.bundle import Report
from core.labelling.responses import KNOWN, STORED, Event
from core.project import Project
from core.store.answers import ARGILLA, ID_PREFIXES, answer_text
from core.store.database import note, utc_now
from core.tasks.questions import Value
from core.tasks.task import Answer
from core.tasks.tasks import task_of

PART = 200
"""records whose answers are asked for at once"""
Key = tuple[RecordNo, str]


@dataclass(frozen=True)
class RemoteAnswer:
    """A person's answer to a record, where, and with whose suggestion in view (None: certainly none). suggested: what
    it says there now."""

    answer: TeamAnswer
    dataset: str
    model: str | None
    suggested: Value = None


@dataclass(frozen=True)
class LoggedEvent:
    """An event from Argilla that is in force. answer: its canonical text, None for a skip."""

    eid: str
    action: str
    answer: str | None
    note: str | None


@dataclass(frozen=True)
class Synced:
    """records: read; stored: new events; refused: answers that could not be stored."""

    records: int
    stored: int
    refused: int


def sync(project: Project, report: Report, *, user: str = "local", changed_only: bool = False) -> Synced:
    """Reads all answers in every dataset that this project ever filled.

    changed_only: reads nothing where nobody has answered since the last time.
    """
    with project.team.open(project.folder, project.settings()) as workspace:
        result = sync_with(project, workspace, report, changed_only=changed_only)
    if result.stored:
        with project.store.transaction() as cursor:
            note(cursor, user, "team_sync", vars(result))
    return result


def sync_with(project: Project, workspace: Workspace, report: Report, *, changed_only: bool) -> Synced:
    """The same over an open connection."""
    marks = _marks(project, workspace)
    records = stored = refused = 0
    if not (changed_only and marks == project.team.marks):
        with project.store.reading() as cursor:
            record_nos = sorted({entry.record_no for entry in read_dataset_records(cursor, list(marks), None)})
        project.team.unreadable = {}
        for part in parts(record_nos, PART):
            report("Reading answers", records, len(record_nos))
            new, bad = reconcile(project, workspace, part)
            records, stored, refused = records + len(part), stored + new, refused + bad
        project.team.marks = marks
    project.team.synced_at = utc_now()
    return Synced(records, stored, refused)


def _marks(project: Project, workspace: Workspace) -> dict[str, str]:
    """dataset -> its activity. A dataset that was deleted there is recorded as such, and its answers stay in force."""
    with project.store.reading() as cursor:
        datasets = read_datasets(cursor, server_of(workspace))
    marks = {}
    for dataset in datasets:
        try:
            marks[dataset.id] = workspace.activity(dataset.id)
        except Gone:
            with project.store.transaction() as cursor:
                change_state(cursor, dataset.id, GONE)
    return marks


def reconcile_now(project: Project, record_nos: Sequence[RecordNo]) -> int:
    """The same for these records, at most PART; returns how many events were stored."""
    with project.team.open(project.folder, project.settings()) as workspace:
        return reconcile(project, workspace, record_nos)[0]


def record_no_of(project: Project, record: str) -> RecordNo | None:
    """n of one of Argilla's records, None where it is not known (yet)."""
    n = project.store.one("select n from team_records where record = ?", [record])
    return None if n is None else RecordNo(n)


def is_ours(project: Project, dataset: str) -> bool:
    """Whether this project filled it."""
    return bool(project.store.one("select count(*) from team_datasets where id = ?", [dataset]))


@dataclass(frozen=True)
class RemoteAnswers:
    """What each person answers, which records are still there, and what was answered in a dataset after its end.

    late: (entry of the record in the dataset that was made next, the answer given in the older one after that).
    """

    newest: dict[Key, RemoteAnswer]
    there: set[int]
    late: list[tuple[DatasetRecord, TeamAnswer]]
    ids: dict[RecordNo, str]
    datasets: dict[str, Dataset]


def reconcile(project: Project, workspace: Workspace, record_nos: Sequence[RecordNo]) -> tuple[int, int]:
    """Reconciles the log with these records; returns (events stored, answers refused).

    One call at a time: an older state must not be stored after a newer one.
    """
    with project.team.reconciling:
        received = _listen(project, workspace, record_nos)
        with project.store.reading() as cursor:
            logged = _logged(cursor, record_nos)
        missing = {key for key in logged if key[0] in received.there and key not in received.newest}
        known = set(workspace.people()) if missing else set()  # of somebody who is gone, what was said stands
        silent = {key for key in missing if key[1] in known}
        events, unreadable = _differences(received, logged, silent, project.settings())
        statuses = project.label_queue.receive(events) if events else {}
        if received.late:
            _carry(project, workspace, received)
    refused = {event.record: statuses[event.eid] for _, event in events if statuses[event.eid] not in (STORED, KNOWN)}
    refused |= unreadable
    project.team.unreadable |= refused
    return sum(status == STORED for status in statuses.values()), len(refused)


def _listen(project: Project, workspace: Workspace, record_nos: Sequence[RecordNo]) -> RemoteAnswers:
    """A record, dataset or person that is gone adds no answer and withdraws none."""
    with project.store.reading() as cursor:
        datasets = {one.id: one for one in read_datasets(cursor, server_of(workspace))}
        entries = read_dataset_records(cursor, list(datasets), record_nos)
        rows = cursor.execute("select n, id from records where n in (select unnest(?::bigint[]))", [list(record_nos)])
        answers = RemoteAnswers({}, set(), [], dict(rows.fetchall()), datasets)
    for dataset, group in groupby(
        sorted(entries, key=lambda one: (one.dataset, one.record_no)), lambda one: one.dataset
    ):
        here = {answers.ids[entry.record_no]: entry for entry in group}
        for remote_record in workspace.read(dataset, list(here)):
            entry = here[remote_record.entry.id]
            answers.there.add(entry.record_no)
            model = remote_record.entry.model or next(
                (one.model for one in entries if one.record_no == entry.record_no and one.model), None
            )
            successor = _successor(entry, entries, datasets)
            for answer in remote_record.answers:
                remote = RemoteAnswer(answer, dataset, model, remote_record.entry.suggested)
                key = (entry.record_no, answer.annotator)
                fits = successor and datasets[successor.dataset].setup.question.fits(answer.value)
                if successor and answer.at <= successor.made_at and fits:
                    continue  # it was copied, and may have been changed or deleted there since
                if successor and answer.at > successor.made_at:
                    answers.late.append((successor, answer))
                other = answers.newest.get(key)
                if other is None or answer.at >= other.answer.at:
                    answers.newest[key] = remote
    return answers


def _successor(
    entry: DatasetRecord, entries: Sequence[DatasetRecord], datasets: Mapping[str, Dataset]
) -> DatasetRecord | None:
    """The record's position in the next dataset: answers from before then were copied there."""
    made = datasets[entry.dataset].made_at
    later = [one for one in entries if one.record_no == entry.record_no and datasets[one.dataset].made_at > made]
    return min(later, key=lambda one: datasets[one.dataset].made_at, default=None)


def _carry(project: Project, workspace: Workspace, received: RemoteAnswers) -> None:
    """Copies late answers that hold to the next dataset; from then on it holds them, and they may be deleted in the old
    one.
    """
    moved: dict[str, list[tuple[str, TeamAnswer]]] = {}
    settings = project.settings()
    form, setup = team_form(settings), task_of(settings).setup(settings)
    for entry, answer in received.late:
        question = received.datasets[entry.dataset].setup.question
        if received.newest[(entry.record_no, answer.annotator)].answer == answer and question.fits(answer.value):
            value = None if answer.value is None else form.to_value(form.from_value(answer.value, setup), question)
            moved.setdefault(entry.dataset, []).append((received.ids[entry.record_no], replace(answer, value=value)))
    for dataset, answers in moved.items():
        workspace.carry(dataset, answers)
    with project.store.transaction() as cursor:
        for entry, answer in received.late:
            cursor.execute(
                "update team_records set made_at = greatest(made_at, ?) where dataset = ? and n = ?",
                [answer.at, entry.dataset, entry.record_no],
            )


def _differences(
    received: RemoteAnswers, logged: Mapping[Key, list[LoggedEvent]], silent: set[Key], settings: Settings
) -> tuple[list[tuple[str, Event]], dict[str, str]]:
    """(annotator, event) for all that the log lacks; record -> why an answer to it cannot be read."""
    events: list[tuple[str, Event]] = []
    unreadable: dict[str, str] = {}
    for key, one in received.newest.items():
        logged_events = logged.get(key, [])
        if one.answer.status == DRAFT:
            events += _undone(key, received.ids, logged_events, one.dataset)
            continue
        record = received.ids[key[0]]
        try:
            event = _event(record, one, logged_events, settings)
        except BadInput as error:
            unreadable[record] = str(error)
            continue
        if not logged_events or _content(event) != (
            logged_events[-1].action,
            logged_events[-1].answer,
            logged_events[-1].note,
        ):
            events.append((key[1], event))
    for key in silent:
        events += _undone(key, received.ids, logged[key], "")
    return events, unreadable


def _content(event: Event) -> tuple[str, str | None, str | None]:
    return event.action, answer_text(event.answer) if event.action == "submit" else None, event.note


def _event(record: str, remote: RemoteAnswer, logged_events: Sequence[LoggedEvent], settings: Settings) -> Event:
    """Made at Argilla's time; in force from when it is read, as every answer is. Raises BadInput."""
    one, submits = remote.answer, remote.answer.status == SUBMITTED
    task = task_of(settings)
    answer = task.canonical(team_form(settings).from_value(one.value, task.setup(settings))) if submits else ()
    action = "submit" if submits else "skip"
    return Event(
        eid=_eid(record, one.annotator, action, answer, one.note, one.at.isoformat()),
        record=record,
        action=action,
        answer=answer,
        note=one.note,
        seq=len(logged_events),
        ts=remote.answer.at.replace(tzinfo=UTC).timestamp(),
        model=remote.model,
        source=ARGILLA,
        origin=remote.dataset,
        suggested=_suggested(remote, settings) if submits else None,
    )


def _suggested(remote: RemoteAnswer, settings: Settings) -> Answer | None:
    """None where there was none, where nothing is stored of it, or where it cannot be read."""
    task = task_of(settings)
    if task.difference is None or remote.model is None or remote.suggested is None:
        return None
    try:
        return team_form(settings).from_value(remote.suggested, task.setup(settings))
    except BadInput:
        return None


def _undone(
    key: Key, ids: Mapping[RecordNo, str], logged_events: Sequence[LoggedEvent], dataset: str
) -> list[tuple[str, Event]]:
    """All of them: else an earlier answer would be in force again."""
    now = datetime.now(UTC).timestamp()
    return [
        (
            key[1],
            Event(_eid("undo", one.eid), ids[key[0]], "undo", undoes=one.eid, ts=now, source=ARGILLA, origin=dataset),
        )
        for one in logged_events
    ]


def _eid(*parts: object) -> str:
    """The same for the same answer, however often it is read."""
    return ID_PREFIXES[ARGILLA] + hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()[:48]


def _logged(cursor: duckdb.DuckDBPyConnection, record_nos: Sequence[RecordNo]) -> dict[Key, list[LoggedEvent]]:
    """The events from Argilla in force, the newest last. Their author may have undone them in the app, too."""
    rows = cursor.execute(
        """select n, annotator, event_id, action, answer, note from responses_in_force
           where n in (select unnest(?::bigint[])) and source = ? order by stamp""",
        [list(record_nos), ARGILLA],
    ).fetchall()
    events: dict[Key, list[LoggedEvent]] = {}
    for n, user, *event in rows:
        events.setdefault((n, user), []).append(LoggedEvent(*event))
    return events
