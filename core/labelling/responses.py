"""People's answers as append-only events. Knows no settled labels, no queue and no page."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import duckdb

from core.config.settings import Settings
from core.ids import RecordNo
from core.store.answers import APP, ARGILLA, ID_PREFIXES, answer_text, is_blind, labels_in
from core.store.database import count
from core.tasks.task import Answer
from core.tasks.tasks import task_of

STORED = "stored"
KNOWN = "known"
NOTE_LIMIT, MODEL_LIMIT, UNDOES_LIMIT = 2_000, 200, 1_000
"""characters; an event's id that an undo names may be one that a file brought, with the record's id in it"""
_ACTIONS = ("submit", "skip", "flag", "undo")


@dataclass(frozen=True)
class Event:
    """One key press, made in the browser. `eid` is its identity: one that arrives twice is one event.

    answer: of a submit, JSON in the form of the project's task. `undoes` is the eid that an undo takes back.
    `seq` counts up within a tab and `ts` is the browser's clock in seconds since 1970: neither decides which answer
    holds, the order of arrival does. `model`: whose suggestion was shown.
    source: one of those in `core.store.answers`; origin: which bulk answer, dataset of Argilla's, or file.
    suggested: the whole answer that was suggested on the screen, where the task stores what people change of one.
    """

    eid: str
    record: str
    action: str
    answer: Answer = ()
    note: str | None = None
    undoes: str | None = None
    seq: int = 0
    ts: float = 0.0
    model: str | None = None
    source: str = APP
    origin: str | None = None
    suggested: Answer | None = None


@dataclass(frozen=True)
class Arrival:
    """Facts that the server adds to the events of one request: annotator, time of arrival, round."""

    annotator: str
    at: datetime
    round: int


def refusal(event: Event, settings: Settings, cursor: duckdb.DuckDBPyConnection) -> str | None:
    """Why this event cannot be stored, or None. An undo may name an event that has not arrived yet."""
    if not 0 < len(event.eid) <= 64:
        return "An event needs an id of 1 to 64 characters."
    reserved = next((source for source, prefix in ID_PREFIXES.items() if event.eid.startswith(prefix)), None)
    if reserved not in (None, ARGILLA):
        return f"An event's id may not begin with {ID_PREFIXES[reserved]!r}: Rondo makes such ids itself."
    if (reserved == ARGILLA) != (event.source == ARGILLA):
        return f"Only what comes from Argilla has an id that begins with {ID_PREFIXES[ARGILLA]!r}."
    if event.action not in _ACTIONS:
        return f"{event.action!r} is no action; there are {', '.join(_ACTIONS)}."
    if not math.isfinite(event.ts) or abs(event.seq) >= 2**62:
        return "The event's time or number is out of range."
    if event.action == "undo" and not event.undoes:
        return "An undo must say which event it takes back."
    if len(event.undoes or "") > UNDOES_LIMIT or len(event.model or "") > MODEL_LIMIT:
        return (
            f"`undoes` may have {UNDOES_LIMIT:,} characters and `model` {MODEL_LIMIT}; this event has more. It is not "
            "stored."
        )
    if event.note is not None and len(event.note) > NOTE_LIMIT:
        return f"The note has {len(event.note)} characters; at most {NOTE_LIMIT} are kept."
    return task_of(settings).refusal(event.answer, settings, cursor) if event.action == "submit" else None


def store_events(
    cursor: duckdb.DuckDBPyConnection,
    events: Sequence[Event],
    numbers: Mapping[str, RecordNo],
    arrival: Arrival,
    settings: Settings,
) -> dict[str, str]:
    """eid -> 'stored', 'known' (it was there already) or one sentence on why it was refused; one never blocks the rest.

    They take effect in the order of `events`.

    numbers: record id -> n, of the records that exist. Durable when the caller's transaction has committed.
    """
    statuses: dict[str, str] = {}
    good: dict[str, Event] = {}
    for event in in_canonical_form(events, settings):
        reason = refusal(event, settings, cursor)
        if reason is None and event.record not in numbers:
            reason = f"There is no record {event.record[:80]!r}."
        if reason is None:
            good.setdefault(event.eid, event)
        else:
            statuses[event.eid] = reason
    stored = _stored(cursor, list(good)) if good else {}
    new = []
    for eid, event in good.items():
        status = _stored_event_status(event, numbers[event.record], arrival.annotator, stored)
        statuses[eid] = status or STORED
        if status is None:
            new.append(event)
    _insert(cursor, new, numbers, arrival, settings)
    return statuses


def _insert(
    cursor: duckdb.DuckDBPyConnection,
    events: Sequence[Event],
    numbers: Mapping[str, RecordNo],
    arrival: Arrival,
    settings: Settings,
) -> None:
    """Writers are serialized, so looking first is safe, and three times as fast as `on conflict do nothing`."""
    if not events:
        return
    stamp, version = first_stamp(cursor, len(events)), settings.taxonomy.version
    rows = [
        [*_row(event, numbers[event.record], arrival, version), stamp + index, _difference(event, settings)]
        for index, event in enumerate(events)
    ]
    values_list = ", ".join([f"({placeholders(rows[0])})"] * len(rows))
    values = [value for row in rows for value in row]
    cursor.execute(f"insert into responses ({COLUMNS}, difference) values {values_list}", values)


def _difference(event: Event, settings: Settings) -> str | None:
    """As it is stored."""
    difference = task_of(settings).difference
    if difference is None or event.suggested is None or event.action != "submit":
        return None
    return answer_text(difference(event.answer, event.suggested))


def in_canonical_form(events: Iterable[Event], settings: Settings) -> Iterator[Event]:
    """The same events with canonical answers."""
    canonical = task_of(settings).canonical
    return (replace(one, answer=canonical(one.answer)) if one.action == "submit" else one for one in events)


def stored_status(
    cursor: duckdb.DuckDBPyConnection, event: Event, record_no: RecordNo, annotator: str, settings: Settings
) -> str | None:
    """KNOWN where this very event is stored, a sentence where its id is another event's, None where it is new."""
    [event] = in_canonical_form([event], settings)
    return _stored_event_status(event, record_no, annotator, _stored(cursor, [event.eid]))


_Stored = dict[str, tuple[str, int, str, str | None, str | None]]
"""eid -> annotator, n, action, undoes, answer"""


def _stored(cursor: duckdb.DuckDBPyConnection, ids: Sequence[str]) -> _Stored:
    query = (
        f"select event_id, annotator, n, action, undoes, answer from responses where event_id in ({placeholders(ids)})"
    )
    return {eid: tuple(rest) for eid, *rest in cursor.execute(query, list(ids)).fetchall()}


def _stored_event_status(event: Event, record_no: RecordNo, annotator: str, stored: _Stored) -> str | None:
    if event.eid not in stored:
        return None
    if stored[event.eid] == (annotator, record_no, event.action, *_content(event)):
        return KNOWN
    return "The id of this event belongs to another one, so it was not stored. Give the answer again."


def first_stamp(cursor: duckdb.DuckDBPyConnection, size: int) -> int:
    """The first of so many stamps in a row, larger than any before, in the caller's transaction."""
    return count(cursor, "update clock set stamp = stamp + ? returning stamp", [size]) - size + 1


def last_stamp(cursor: duckdb.DuckDBPyConnection) -> int:
    """Stamp of the newest response; later ones have larger stamps."""
    return count(cursor, "select stamp from clock")


COLUMNS = """event_id, n, annotator, action, labels, answer, note, undoes, made_at, seq, received_at, round, taxonomy,
    model, source, origin, blind, stamp"""
"""of `responses`, in the order in which rows are made"""


def _row(event: Event, record_no: RecordNo, arrival: Arrival, taxonomy: int) -> list[object]:
    """In the order of COLUMNS, the stamp aside."""
    undoes, answer = _content(event)
    made = made_at(event.ts, arrival.at)
    labels = labels_in(event.answer) if event.action == "submit" else []
    about = [event.eid, record_no, arrival.annotator, event.action, labels, answer, event.note, undoes]
    came = [made, event.seq, arrival.at, arrival.round, taxonomy, event.model]
    return [*about, *came, event.source, event.origin, is_blind(event.source, event.model)]


def _content(event: Event) -> tuple[str | None, str | None]:
    """(undoes, answer) as they are stored."""
    answer = answer_text(event.answer) if event.action == "submit" else None
    return event.undoes if event.action == "undo" else None, answer


def placeholders(values: Iterable[object]) -> str:
    """Question marks for so many values, for `in (...)`."""
    return ", ".join("?" for _ in values)


def made_at(ts: float, received: datetime) -> datetime:
    """The browser's time as naive UTC, but never later than when the event arrived: clocks run ahead."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)
    seconds = min(max(ts, 0.0), (received - epoch).total_seconds())
    return min(epoch + timedelta(seconds=seconds), received)
