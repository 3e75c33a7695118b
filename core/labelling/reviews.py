"""Records that a person puts at the front of the queue: for review, or for a first answer. Knows no page, no order."""

from collections.abc import Sequence

import duckdb

from core.config.settings import Settings
from core.ids import RecordNo
from core.labelling.responses import last_stamp
from core.labelling.settling import settle
from core.project import Project
from core.store.database import note
from core.tasks.tasks import space_of


def queue_for_review(project: Project, record_nos: Sequence[RecordNo], user: str) -> dict[str, int]:
    """Asks settled records again: before all others, blind, and of a person who did not label them, if there is one.

    record_nos: first to ask first. A single annotator is asked again, and the new answer replaces the old one. Two
    people who disagree settle nothing: the record is tied until a third answer or a correction. Says how many were
    queued, and how many have no label yet or are no record (those are left out).
    """
    with project.label_queue.changing() as cursor:
        _stage(cursor, record_nos)
        unknown, unlabelled = _leave_out(cursor, "n not in (select n from records)", "not is_labelled(n)")
        cursor.execute(_END_OLD_LEASES)
        asked_at = last_stamp(cursor)
        cursor.execute(_REVIEW_AGAIN, [asked_at])
        cursor.execute(_REVIEW, [asked_at])
        settle(cursor, "select n from asked", project.settings())  # drops answers of earlier reviews
        queued = _finish(cursor, user, "review")
    return {"queued": queued, "unlabelled": unlabelled, "unknown": unknown}


def send_to_queue(project: Project, record_nos: Sequence[RecordNo], user: str) -> dict[str, int]:
    """Puts records without a label before the batch, in this order; they stay there when the rest is ranked again.

    Says how many were queued, and how many were left out and why: labelled, gold, duplicates, waiting (in the
    queue already: people have them, or answered without settling them), unknown.
    """
    with project.label_queue.changing() as cursor:
        return send(cursor, record_nos, user, project.settings())


def send_again(project: Project, record_nos: Sequence[RecordNo], user: str) -> dict[str, int]:
    """The same for records that people have answered, with labels that cannot be given any more: only those that are
    asked blind, or for a purpose, keep their place in the queue."""
    with project.label_queue.changing() as cursor:
        return send(cursor, record_nos, user, project.settings(), "audit or purpose is not null")


def send(
    cursor: duckdb.DuckDBPyConnection,
    record_nos: Sequence[RecordNo],
    user: str,
    settings: Settings,
    waiting: str = "not is_free_spare(n, spare, purpose)",
) -> dict[str, int]:
    """The same in the caller's transaction, which must be one of `LabelQueue.changing`. waiting: in SQL, which rows of
    the queue stay where they are."""
    _stage(cursor, record_nos)
    counts = _leave_out(
        cursor,
        "n not in (select n from records)",
        "n in (select n from records where is_gold(n, split))",
        "n in (select n from records where duplicate_of is not null)",
        "is_labelled(n)",
        f"n in (select n from queue where {waiting})",
    )
    cursor.execute("delete from queue where n in (select n from asked)")
    cursor.execute(_SEND, {"exclusive": space_of(settings).exclusive})
    queued = _finish(cursor, user, "send")
    return {"queued": queued} | dict(zip(("unknown", "gold", "duplicates", "labelled", "waiting"), counts, strict=True))


def _stage(cursor: duckdb.DuckDBPyConnection, record_nos: Sequence[RecordNo]) -> None:
    """`asked`: the records with the positions before all others that they would have."""
    cursor.execute(
        """create or replace temp table asked as
           select n, (select coalesce(min(position), 0) from queue) - len($ns) + place - 1 as position
           from (select unnest($ns::bigint[]) as n, unnest(range(1, len($ns) + 1)) as place)""",
        {"ns": list(dict.fromkeys(record_nos))},
    )


def _leave_out(cursor: duckdb.DuckDBPyConnection, *conditions: str) -> list[int]:
    """Drops from `asked` the records that meet the conditions; returns how many each one dropped, in turn."""
    return [len(cursor.execute(f"delete from asked where {what} returning n").fetchall()) for what in conditions]


# An answer ends a lease without a write, but answers from before a review do not count in it.
_END_OLD_LEASES = """
    delete from leases where n in (select n from asked)
        and exists (select 1 from responses a where a.n = leases.n and a.annotator = leases.annotator)
"""
# A row that checks machine labels stays, else its label would train: the review gets a row of its own. One that
# calibrates becomes a review: a doubted answer must not measure anybody.
_REVIEW_AGAIN = """
    update queue set purpose = 'review', since = ?, position = asked.position
    from asked where asked.n = queue.n and queue.purpose is distinct from 'check'
"""
_REVIEW = """
    insert into queue
    select n, (select coalesce(max(batch), 0) from queue), position, false, true, null, null, null, 'review', ?
    from asked where n not in (select n from queue where purpose is distinct from 'check')
"""
_SEND = """
    insert into queue
    select n, (select coalesce(max(batch), 0) from queue), position, false, true, score,
           if(label is null or not $exclusive, null, json_array(json_array(label, probability))), model, 'wanted', null
    from asked left join suggestions using (n)
"""


def _finish(cursor: duckdb.DuckDBPyConnection, user: str, what: str) -> int:
    """Writes down who queued what; returns how many records."""
    record_nos = [n for (n,) in cursor.execute("select n from asked order by position").fetchall()]
    cursor.execute("drop table asked")
    if record_nos:
        note(cursor, user, what, {"records": record_nos})
    return len(record_nos)
