"""One answer to many records at once, and taking it back. Knows no map and no page."""

import json
import secrets
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import duckdb

from core.config.settings import Settings
from core.errors import BadInput, Refused
from core.ids import RecordNo
from core.labelling.responses import COLUMNS, first_stamp
from core.labelling.settling import ANSWERS, answer_parameters, settle
from core.models.in_use import active_model
from core.project import Project
from core.store.answers import BULK, ID_PREFIXES, answer_text, labels_in, noted
from core.store.database import note, utc_now
from core.tasks.task import Answer
from core.tasks.tasks import task_of

LEFT_OUT = {
    "missing": "are not in this project",
    "gold": "have a known answer or are to be gold",
    "duplicate": "repeat the text of another record",
    "labelled": "have a label already",
    "audit": "wait for the audit",
    "check": "wait for a check or a review",
    "answered": "were skipped, flagged or answered in different ways",
    "lent": "are in somebody's hands now",
}
"""why a record is not labelled in bulk, in the order in which a reason is given"""

UNSEEN = "map"
"""stands for the model where there is none yet: whoever labels in bulk sees labels of others, so it is never blind"""


@dataclass(frozen=True)
class BulkPreview:
    """What a bulk answer would do: how many records it labels, and how many of the others there are by reason."""

    count: int
    left_out: dict[str, int]


@dataclass(frozen=True)
class Bulk:
    """One bulk answer that was given. user: its author; count: records that it answered."""

    id: str
    user: str
    made_at: datetime
    answer: Answer
    count: int
    taken_back: bool


# An audit record labelled in bulk would drop out of the audit, and what is left of it would no longer be random.
_SORT = f"""
    create or replace temp table sorted as
    with asked as (select distinct unnest($ns::bigint[]) as n)
    select asked.n, case
        when r.n is null then 'missing'
        when is_gold(r.n, r.split) then 'gold'
        when r.duplicate_of is not null then 'duplicate'
        when is_labelled(asked.n) then 'labelled'
        when asked.n in (select n from queue where audit) then 'audit'
        when asked.n in (select n from queue where purpose in ('check', 'review')) then 'check'
        when asked.n in (select n from ({ANSWERS.format(ns="select n from asked")}) where counts) then 'answered'
        when asked.n in (select n from leases where until > $now and until <= $until) then 'lent'
        end as reason
    from asked left join records r on r.n = asked.n
"""


def preview(project: Project, record_nos: Iterable[RecordNo]) -> BulkPreview:
    """What `label_many` would do with these record numbers now. Changes nothing."""
    with project.store.reading() as cursor:
        return _sort(cursor, record_nos, project.settings())


def label_many(project: Project, record_nos: Iterable[RecordNo], answer: Answer, user: str) -> dict[str, Any]:
    """Gives this answer to every record that nobody has labelled, in one transaction.

    Records that are gold, labelled, leased, answered or queued for an audit, a check or a review are left out, and
    `left_out` says how many by reason. Raises Refused where none is left, BadInput for an answer that cannot be given.
    """
    bulk = f"{utc_now():%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"
    with project.label_queue.changing() as cursor:
        settings = project.settings()
        answer = task_of(settings).canonical(answer)
        _check(cursor, answer, user, settings)
        choice = _sort(cursor, record_nos, settings)
        if not choice.count:
            why = (
                f"None of these records can be labelled: {answer_sentence(choice)}"
                if choice.left_out
                else "No record was chosen"
            )
            raise Refused(f"{why}. Nothing was changed.")
        model = active_model(project) or UNSEEN
        stamp = first_stamp(cursor, choice.count)
        cursor.execute(_ANSWER, _values(bulk, answer, user, settings) | {"model": model, "stamp": stamp})
        settle(cursor, "select n from sorted where reason is null", settings)
        done = {"bulk": bulk, **noted(answer), "count": choice.count, "left_out": choice.left_out}
        note(cursor, user, "bulk", done)
    return done


_ANSWER = f"""
    insert into responses ({COLUMNS})
    select '{ID_PREFIXES[BULK]}' || $bulk || ':' || n, n, $who, 'submit', $labels::varchar[],
           $answer, null, null, $now, 0, $now, (select coalesce(max(batch), 0) from batches),
           $taxonomy::integer, $model, '{BULK}', $bulk, false, $stamp - 1 + row_number() over (order by n)
    from sorted where reason is null
"""


def undo_bulk(project: Project, bulk_id: str, user: str) -> dict[str, Any]:
    """Takes back every answer of one bulk, in one transaction; other answers stay.

    The undo events carry the name of its author, as an undo must; the audit log has who asked for it. Raises
    BadInput when there is no such bulk, Refused when it was taken back already.
    """
    with project.label_queue.changing() as cursor:
        bulk = next((one for one in _read_bulks(cursor) if one.id == bulk_id), None)
        if bulk is None:
            raise BadInput(f"There is no bulk answer {bulk_id[:80]!r}.")
        if bulk.taken_back:
            raise Refused(f"The bulk answer {bulk_id} was taken back already.")
        settings, stamp = project.settings(), first_stamp(cursor, bulk.count)
        cursor.execute(
            _UNDO, {"bulk": bulk_id, "now": utc_now(), "taxonomy": settings.taxonomy.version, "stamp": stamp}
        )
        settle(cursor, f"select n from responses where source = '{BULK}' and origin = '{bulk_id}'", settings)
        done = {"bulk": bulk_id, "count": bulk.count}
        note(cursor, user, "bulk undo", done)
    return done


_UNDO = f"""
    insert into responses ({COLUMNS})
    select event_id || ':undo', n, annotator, 'undo', [], null, null, event_id, $now, 0, $now, round,
           $taxonomy::integer, model, source, origin, blind, $stamp - 1 + row_number() over (order by stamp)
    from responses where source = '{BULK}' and origin = $bulk
"""


def bulks(project: Project, most: int = 20) -> list[Bulk]:
    """The bulk answers that were given, the newest first."""
    with project.store.reading() as cursor:
        return _read_bulks(cursor)[:most]


def answer_sentence(choice: BulkPreview) -> str:
    """Why records are left out, in words: '3 have a label already, 1 waits ...'."""
    return ", ".join(f"{count:,} {LEFT_OUT[reason]}" for reason, count in choice.left_out.items())


def _check(cursor: duckdb.DuckDBPyConnection, answer: Answer, user: str, settings: Settings) -> None:
    """Checks the rules of a single answer and of a correction."""
    if not user.strip():
        raise BadInput("A bulk answer needs the name of the person who gives it.")
    task = task_of(settings)
    if reason := task.refusal(answer, settings, cursor) or task.retired(answer, settings):
        raise BadInput(reason)


def _sort(cursor: duckdb.DuckDBPyConnection, record_nos: Iterable[RecordNo], settings: Settings) -> BulkPreview:
    """Leaves the temporary table `sorted`: n, and why it is left out or null."""
    now = utc_now()
    entries = {"ns": [int(n) for n in record_nos], "now": now, "until": now + timedelta(seconds=settings.lease_seconds)}
    cursor.execute(_SORT, entries | answer_parameters(settings))
    counts = Counter(dict(cursor.execute("select reason, count(*) from sorted group by reason").fetchall()))
    return BulkPreview(counts[None], {reason: counts[reason] for reason in LEFT_OUT if counts[reason]})


def _values(bulk: str, answer: Answer, user: str, settings: Settings) -> dict[str, object]:
    columns = {"labels": labels_in(answer), "answer": answer_text(answer)}
    return {"bulk": bulk, "who": user, **columns, "now": utc_now(), "taxonomy": settings.taxonomy.version}


def _read_bulks(cursor: duckdb.DuckDBPyConnection) -> list[Bulk]:
    rows = cursor.execute(
        """select detail->>'bulk' as id, user, logged_at, coalesce(detail->'labels', detail->'answer')::varchar,
                  (detail->>'count')::bigint, id in (select detail->>'bulk' from audit_log where what = 'bulk undo')
           from audit_log where what = 'bulk' order by logged_at desc, id"""
    ).fetchall()
    return [Bulk(id, user, at, json.loads(answer), count, undone) for id, user, at, answer, count, undone in rows]
