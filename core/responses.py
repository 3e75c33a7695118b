"""What people answered, as events that are only ever added, and the labels that follow. Knows no queue and no page."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb

from core.settings import Settings

STORED = "stored"
KNOWN = "known"
NOTE_LIMIT = 2_000
_ACTIONS = ("submit", "skip", "flag", "undo")


@dataclass(frozen=True)
class Event:
    """One key press, made in the browser. `eid` is its identity: what arrives twice is one event.

    labels are ids; [] with submit says "none of them" (multi-label only). `undoes` is the eid that an undo takes back.
    `seq` counts up within a tab, `ts` is the browser's clock in seconds since 1970, `model` whose suggestion was shown.
    """

    eid: str
    record: str
    action: str
    labels: tuple[str, ...] = ()
    note: str | None = None
    undoes: str | None = None
    seq: int = 0
    ts: float = 0.0
    model: str | None = None


@dataclass(frozen=True)
class Arrival:
    """What the server knows about the events of one request: who sent them, when they came, in which round."""

    annotator: str
    at: datetime
    round: int


@dataclass(frozen=True)
class Answer:
    """What one person says about one record now. `counts` is False where it names a label that is gone."""

    n: int
    annotator: str
    action: str
    labels: tuple[str, ...]
    counts: bool
    received_at: datetime


def refusal(event: Event, settings: Settings) -> str | None:
    """Why this event cannot be stored, or None. An undo may name an event that has not arrived yet."""
    if not 0 < len(event.eid) <= 64:
        return "An event needs an id of 1 to 64 characters."
    if event.action not in _ACTIONS:
        return f"{event.action!r} is no action; there are {', '.join(_ACTIONS)}."
    if not math.isfinite(event.ts) or abs(event.seq) >= 2**62:
        return "The event's time or number is out of range."
    if event.action == "undo" and not event.undoes:
        return "An undo must say which event it takes back."
    if event.note is not None and len(event.note) > NOTE_LIMIT:
        return f"The note has {len(event.note)} characters; at most {NOTE_LIMIT} are kept."
    return _label_refusal(event, settings) if event.action == "submit" else None


def _label_refusal(event: Event, settings: Settings) -> str | None:
    active = {label.id for label in settings.taxonomy.active}
    for label in event.labels:
        if label not in active:
            name = settings.taxonomy.names.get(label)
            return f"The label {name!r} was retired." if name else f"There is no label {label!r}."
    if not settings.multi and len(set(event.labels)) != 1:
        return f"Exactly one label is needed, and this answer has {len(set(event.labels))}."
    return None


def store_events(
    cursor: duckdb.DuckDBPyConnection,
    events: Sequence[Event],
    numbers: Mapping[str, int],
    arrival: Arrival,
    settings: Settings,
) -> dict[str, str]:
    """eid -> 'stored', 'known' (it was there already) or one sentence on why it was refused; one never blocks the rest.

    numbers: record id -> n, of the records that exist. Durable when the caller's transaction has committed.
    """
    statuses: dict[str, str] = {}
    good: dict[str, Event] = {}
    for event in events:
        reason = refusal(event, settings)
        if reason is None and event.record not in numbers:
            reason = f"There is no record {event.record[:80]!r}."
        if reason is None:
            good.setdefault(event.eid, event)
        else:
            statuses[event.eid] = reason
    new = _insert(cursor, list(good.values()), numbers, arrival, settings) if good else set()
    for eid in good:
        statuses[eid] = STORED if eid in new else KNOWN
    return statuses


def _insert(
    cursor: duckdb.DuckDBPyConnection,
    events: Sequence[Event],
    numbers: Mapping[str, int],
    arrival: Arrival,
    settings: Settings,
) -> set[str]:
    columns = {
        "event": [event.eid for event in events],
        "n": [numbers[event.record] for event in events],
        "action": [event.action for event in events],
        "labels": [sorted(set(event.labels)) if event.action == "submit" else [] for event in events],
        "note": [event.note for event in events],
        "undoes": [event.undoes if event.action == "undo" else None for event in events],
        "made_at": [made_at(event.ts, arrival.at) for event in events],
        "seq": [event.seq for event in events],
        "model": [event.model for event in events],
        "annotator": arrival.annotator,
        "at": arrival.at,
        "round": arrival.round,
        "taxonomy": settings.taxonomy.version,
    }
    stored = cursor.execute(
        """
        insert into responses
        select unnest($event::varchar[]), unnest($n::bigint[]), $annotator, unnest($action::varchar[]),
               unnest($labels::varchar[][]), unnest($note::varchar[]), unnest($undoes::varchar[]),
               unnest($made_at::timestamp[]), unnest($seq::bigint[]), $at::timestamp, $round::integer,
               $taxonomy::integer, unnest($model::varchar[])
        on conflict do nothing returning event_id
        """,
        columns,
    ).fetchall()
    return {row[0] for row in stored}


def made_at(ts: float, received: datetime) -> datetime:
    """The browser's time as naive UTC, but never later than when the event arrived: clocks run ahead."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)
    seconds = min(max(ts, 0.0), (received - epoch).total_seconds())
    return min(epoch + timedelta(seconds=seconds), received)


# An event stands unless its author took it back; a person's answer to a record is the newest one that stands.
# So state is a function of the set of events: their order of arrival and repeats cannot change it.
_ANSWERS = """
    select n, annotator, action, labels, round, received_at,
           action <> 'submit' or (list_has_all($active::varchar[], labels) and ($multi or len(labels) = 1)) as counts
    from responses as answer
    where action <> 'undo' and n in ({ns})
      and not exists (
        select 1 from responses as undo
        where undo.action = 'undo' and undo.undoes = answer.event_id and undo.annotator = answer.annotator
      )
    qualify row_number() over (partition by n, annotator order by made_at desc, seq desc, event_id desc) = 1
"""

_SETTLE = f"""
    insert into settled
    with votes as (
        select answer.n, answer.labels, count(*) as votes, max(answer.round) as round, max(received_at) as at,
               bool_and(answer.annotator = records.source or list_contains($files::varchar[], annotator)) as from_file
        from ({_ANSWERS}) as answer join records using (n)
        where action = 'submit' and counts
        group by all
    ), winners as (
        select *, sum(votes) over (partition by n) as voters from votes
        qualify rank() over (partition by n order by votes desc) = 1 and count(*) over (partition by n, votes) = 1
    ), audits as (
        select n, bool_or(audit) as audit from queue where n in ({{ns}}) group by n
    )
    select n, labels, if(voters = 1, 'single', 'majority'),
           case when records.split = 'test' then 'gold' when audits.audit then 'audit'
                when from_file then 'file' else 'chosen' end,
           winners.round, winners.at
    from winners join records using (n) left join audits using (n)
"""


def _bound(ns: str | Sequence[int], settings: Settings) -> tuple[str, dict[str, object]]:
    parameters: dict[str, object] = {
        "active": [label.id for label in settings.taxonomy.active],
        "multi": settings.multi,
    }
    if isinstance(ns, str):
        return ns, parameters
    return "select unnest($ns::bigint[])", {**parameters, "ns": list(ns)}


def read_answers(cursor: duckdb.DuckDBPyConnection, ns: str | Sequence[int], settings: Settings) -> list[Answer]:
    """Every standing answer to these records. ns: record numbers, or a query whose only column is n."""
    query, parameters = _bound(ns, settings)
    rows = cursor.execute(
        f"select n, annotator, action, labels, counts, received_at from ({_ANSWERS.format(ns=query)})", parameters
    ).fetchall()
    return [Answer(n, who, action, tuple(labels), counts, at) for n, who, action, labels, counts, at in rows]


def settle(
    cursor: duckdb.DuckDBPyConnection, ns: str | Sequence[int], settings: Settings, files: Iterable[str] = ()
) -> None:
    """Recomputes `settled` for these records, in the caller's transaction; right for one record and for a million.

    ns: record numbers, or a query whose only column is n (`select n from records`). The answer that most people gave
    settles the record, a tie does not; skips, flags and answers that name a retired label settle nothing.
    files: annotators that stand for an imported file, besides each record's own source.
    """
    query, parameters = _bound(ns, settings)
    only_ns = {"ns": parameters["ns"]} if "ns" in parameters else {}
    cursor.execute(f"delete from settled where n in ({query})", only_ns)
    cursor.execute(_SETTLE.format(ns=query), {**parameters, "files": list(files)})


def touched(cursor: duckdb.DuckDBPyConnection, eids: Sequence[str]) -> list[int]:
    """The records that these events speak of: their own, and those of the events that they take back."""
    rows = cursor.execute(
        """
        with new as (select n, undoes from responses where event_id in (select unnest($eids::varchar[])))
        select n from new
        union select n from responses where event_id in (select undoes from new)
        order by n
        """,
        {"eids": list(eids)},
    ).fetchall()
    return [row[0] for row in rows]
