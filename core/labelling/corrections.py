"""A person corrects a label: an event like any other, which settles its record at once. Knows no page."""

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace

import duckdb

from core.config.settings import Settings
from core.errors import BadInput, Refused
from core.ids import RecordNo
from core.labelling.responses import KNOWN, STORED, Arrival, Event, store_events, stored_status
from core.labelling.settling import read_facts, read_few_answers, settle_few
from core.labelling.waiting import BLIND, asked_parameters
from core.models.in_use import active_model
from core.project import Project
from core.store.answers import APP, CORRECTION
from core.store.database import note as note_down
from core.store.database import utc_now
from core.store.record_numbers import number_of
from core.tasks.task import Answer
from core.tasks.tasks import task_of


def correct(project: Project, record: str, answer: Answer, user: str, note: str = "") -> str:
    """Stores the answer of `user` to the record; returns the event's id.

    Where people have labelled the record already it overrides them; the newest correction wins. Where
    nobody has, it is an ordinary answer, given with the model's suggestion in view: as a correction it would count as
    audit. Raises BadInput for an unknown record or an answer that cannot be given, and then nothing is stored.
    """
    with project.label_queue.changing() as cursor:  # a label may be retired, or a model made, before it begins
        return _correct(project, cursor, record, answer, Author(user, note))


def correct_all(project: Project, answers: Mapping[str, Answer], user: str, origin: str) -> list[str]:
    """The same for several records, all or none. answers: by record. origin: by which they are taken back together."""
    with project.label_queue.changing() as cursor:
        author = Author(user, origin=origin)
        return [_correct(project, cursor, record, answer, author) for record, answer in answers.items()]


@dataclass(frozen=True)
class Author:
    """Who corrects, why, and with which other corrections together."""

    user: str
    note: str = ""
    origin: str | None = None


def _correct(project: Project, cursor: duckdb.DuckDBPyConnection, record: str, answer: Answer, author: Author) -> str:
    settings = project.settings()
    n = number_of(cursor, record)
    event = Event(
        eid=str(uuid.uuid4()),
        record=record,
        action="submit",
        answer=answer,
        note=author.note.strip() or None,
        ts=time.time(),
        model=None if _is_hidden(cursor, n, settings) else active_model(project),
        origin=author.origin,
    )
    _give(cursor, n, event, author.user, settings)
    return event.eid


def withdraw(project: Project, record: str, event: str, user: str) -> None:
    """Takes one of `user`'s own answers back by an undo, so that the answer before it holds again.

    Raises Refused for an answer that another person gave, or that was taken back already.
    """
    decide(project, Event(eid=str(uuid.uuid4()), record=record, action="undo", undoes=event, ts=time.time()), user)


def withdraw_all(project: Project, origin: str, user: str) -> int:
    """Takes back all that `correct_all` stored under this origin and that still is in force, all or none; how many.

    Raises Refused where another person gave them.
    """
    with project.label_queue.changing() as cursor:
        settings = project.settings()
        rows = cursor.execute(
            """select event_id, r.id, n from responses_in_force join records r using (n)
               where origin = ? and responses_in_force.source in (?, ?) order by stamp""",
            [origin, APP, CORRECTION],
        ).fetchall()
        for event, record, n in rows:
            undo = Event(eid=str(uuid.uuid4()), record=record, action="undo", undoes=event, ts=time.time())
            _take_back(cursor, n, undo, user, settings)
    return len(rows)


def decide(project: Project, event: Event, user: str) -> str:
    """A correction, or an undo of one, that was made elsewhere under an id of its own: stored once, however often it
    arrives.

    Returns STORED or KNOWN when it is durable. Raises as `correct` and `withdraw` do.
    """
    with project.label_queue.changing() as cursor:
        n, settings = number_of(cursor, event.record), project.settings()
        if status := stored_status(cursor, event, n, user, settings):
            if status != KNOWN:
                raise Refused(status)
            return KNOWN
        act = _take_back if event.action == "undo" else _give
        act(cursor, n, event, user, settings)
    return STORED


def _give(cursor: duckdb.DuckDBPyConnection, record_no: RecordNo, event: Event, user: str, settings: Settings) -> None:
    if event.action != "submit":
        raise BadInput(f"A correction gives an answer; {event.action[:80]!r} does not.")
    if reason := task_of(settings).retired(event.answer, settings):
        raise BadInput(reason)
    labelled = any(answer.action == "submit" for answer in read_few_answers(cursor, [record_no], settings))
    _store(cursor, replace(event, source=CORRECTION if labelled else APP), record_no, user, settings)
    if labelled:
        note_down(cursor, user, "correct", {"record": event.record, "answer": event.answer})
    cursor.execute("delete from leases where n = ?", [record_no])  # else the holder's answer could make a tie with it


def _take_back(
    cursor: duckdb.DuckDBPyConnection, record_no: RecordNo, event: Event, user: str, settings: Settings
) -> None:
    rows = cursor.execute("select event_id, annotator, undoes from responses where n = ?", [record_no]).fetchall()
    author = next((name for eid, name, _ in rows if eid == event.undoes), None)
    if author is None:
        raise BadInput(f"The record {event.record[:80]!r} has no answer {(event.undoes or '')[:80]!r}.")
    if author != user:
        raise Refused(f"Only {author} can take this answer back. Correct the label instead: the newest one holds.")
    if any(name == user and undone == event.undoes for _, name, undone in rows):
        raise Refused("This answer was taken back already.")
    _store(cursor, event, record_no, user, settings)
    note_down(cursor, user, "correction taken back", {"record": event.record})


def _store(cursor: duckdb.DuckDBPyConnection, event: Event, record_no: RecordNo, user: str, settings: Settings) -> None:
    row = cursor.execute("select coalesce(max(batch), 0) from queue").fetchone()
    arrival = Arrival(user, utc_now(), row[0] if row else 0)
    status = store_events(cursor, [event], {event.record: record_no}, arrival, settings)[event.eid]
    if status != STORED:
        raise BadInput(status)
    settle_few(cursor, read_facts(cursor, [record_no]), settings)


def _is_hidden(cursor: duckdb.DuckDBPyConnection, record_no: RecordNo, settings: Settings) -> bool:
    return bool(cursor.execute(BLIND.format(ns=str(record_no)), asked_parameters(settings)).fetchall())
