"""What people answered, as events that are only ever added, and the labels that follow. Knows no queue and no page."""

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
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
    """What one person says now. counts: names no label that is gone. blind: given without a suggestion in view."""

    n: int
    annotator: str
    action: str
    labels: tuple[str, ...]
    counts: bool
    blind: bool
    round: int
    received_at: datetime


@dataclass(frozen=True)
class Facts:
    """What the stratum of a record's label depends on."""

    n: int
    gold: bool
    source: str
    audit: bool


def refusal(event: Event, settings: Settings, known: Collection[str]) -> str | None:
    """Why this event cannot be stored, or None. An undo may name an event that has not arrived yet.

    known: ids of labels there are or ever were. An answer that was given while its label was still there is kept.
    """
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
    return _label_refusal(event, settings, known) if event.action == "submit" else None


def _label_refusal(event: Event, settings: Settings, known: Collection[str]) -> str | None:
    if unknown := [label for label in event.labels if label not in known]:
        return f"There is no label {unknown[0][:80]!r}."
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
    known = _known_labels(cursor, events, settings)
    for event in events:
        reason = refusal(event, settings, known)
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


def _known_labels(cursor: duckdb.DuckDBPyConnection, events: Sequence[Event], settings: Settings) -> Collection[str]:
    """Older versions of the taxonomy are looked at only where an event names a label that this one has not."""
    names = settings.taxonomy.names
    if all(label in names for event in events for label in event.labels):
        return names
    older = cursor.execute("select distinct unnest(labels->>'$[*][0]') from taxonomies").fetchall()
    return {*names, *(label for (label,) in older)}


def _insert(
    cursor: duckdb.DuckDBPyConnection,
    events: Sequence[Event],
    numbers: Mapping[str, int],
    arrival: Arrival,
    settings: Settings,
) -> set[str]:
    """Writers take turns, so looking first is safe, and three times as fast as `on conflict do nothing`."""
    ids = [event.eid for event in events]
    known = cursor.execute(f"select event_id from responses where event_id in ({_marks(ids)})", ids).fetchall()
    new = [event for event in events if (event.eid,) not in known]
    values = [
        value for event in new for value in _row(event, numbers[event.record], arrival, settings.taxonomy.version)
    ]
    if new:
        cursor.execute(f"insert into responses values {', '.join([f'({_marks(range(13))})'] * len(new))}", values)
    return {event.eid for event in new}


def _row(event: Event, n: int, arrival: Arrival, taxonomy: int) -> list[object]:
    """In the order of the table's columns."""
    labels = sorted(set(event.labels)) if event.action == "submit" else []
    undoes = event.undoes if event.action == "undo" else None
    made = made_at(event.ts, arrival.at)
    about = [event.eid, n, arrival.annotator, event.action, labels, event.note, undoes]
    return [*about, made, event.seq, arrival.at, arrival.round, taxonomy, event.model]


def _marks(values: Iterable[object]) -> str:
    return ", ".join("?" for _ in values)


def made_at(ts: float, received: datetime) -> datetime:
    """The browser's time as naive UTC, but never later than when the event arrived: clocks run ahead."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)
    seconds = min(max(ts, 0.0), (received - epoch).total_seconds())
    return min(epoch + timedelta(seconds=seconds), received)


def still_meant(action: str, labels: Sequence[str], settings: Settings) -> tuple[tuple[str, ...], bool]:
    """The labels not retired since, and whether the answer still counts: not when it has lost its last one."""
    active = {label.id for label in settings.taxonomy.active}
    kept = tuple(label for label in labels if label in active)
    fits = (not labels or bool(kept)) if settings.multi else len(kept) == len(labels) == 1
    return kept, action != "submit" or fits


# An event stands unless its author took it back by an undo that names it and its record; a person's answer to a record
# is the newest one that stands. So state is a function of the set of events: neither order nor repeats can change it.
# The same rule stands here twice: in SQL for a million records, and plainly for the few that one request touches,
# where planning the SQL takes three times as long as all the rest. A test holds the two together.
ANSWERS = """
    select n, annotator, action, kept as labels, model is null as blind, round, received_at,
           action <> 'submit' or if($multi, len(labels) = 0 or len(kept) > 0, len(labels) = 1 and len(kept) = 1)
               as counts
    from (
        select *, list_filter(labels, lambda x: list_contains($active::varchar[], x)) as kept from responses
    ) as answer
    where action <> 'undo' and n in ({ns})
      and not exists (
        select 1 from responses as undo where undo.action = 'undo' and undo.undoes = answer.event_id
          and undo.annotator = answer.annotator and undo.n = answer.n
      )
    qualify row_number() over (partition by n, annotator order by made_at desc, seq desc, event_id desc) = 1
"""


def answer_parameters(settings: Settings) -> dict[str, object]:
    """What `ANSWERS` binds."""
    return {"active": [label.id for label in settings.taxonomy.active], "multi": settings.multi}


def read_answers(cursor: duckdb.DuckDBPyConnection, query: str, settings: Settings) -> list[Answer]:
    """Every standing answer to the records of a query whose only column is n."""
    rows = cursor.execute(
        f"select n, annotator, action, labels, counts, blind, round, received_at from ({ANSWERS.format(ns=query)})",
        answer_parameters(settings),
    ).fetchall()
    return [Answer(n, who, action, tuple(labels), *rest) for n, who, action, labels, *rest in rows]


def read_few_answers(cursor: duckdb.DuckDBPyConnection, ns: Sequence[int], settings: Settings) -> list[Answer]:
    """The same for a few record numbers."""
    rows = cursor.execute(
        f"""select n, annotator, event_id, action, labels, undoes, made_at, seq, model is null, round, received_at
            from responses where n in ({_marks(ns)}) order by made_at, seq, event_id""",
        list(ns),
    ).fetchall()
    undone = {(n, who, undoes) for n, who, _, action, _, undoes, *_ in rows if action == "undo"}
    newest = {
        (n, who): Answer(n, who, action, *still_meant(action, labels, settings), *rest[3:])
        for n, who, eid, action, labels, *rest in rows
        if action != "undo" and (n, who, eid) not in undone
    }
    return list(newest.values())


# The answer that most people gave settles the record and a tie settles nothing; skips, flags and answers that name a
# retired label do not count. An answer given with a suggestion in view is no audit. Again in SQL and plainly.
_SETTLE = f"""
    insert into settled
    with votes as (
        select answer.n, answer.labels, count(*) as votes, max(answer.round) as round, max(received_at) as at,
               bool_and(answer.blind) as blind,
               bool_and(answer.annotator = records.source or list_contains($files::varchar[], annotator)) as from_file
        from ({ANSWERS}) as answer join records using (n)
        where action = 'submit' and counts
        group by all
    ), winners as (
        select *, sum(votes) over (partition by n) as voters from votes
        qualify rank() over (partition by n order by votes desc) = 1 and count(*) over (partition by n, votes) = 1
    ), audits as (
        select distinct n from queue where audit
    )
    select n, labels, if(voters = 1, 'single', 'majority'),
           case when records.split = 'test' then 'gold' when audits.n is not null and blind then 'audit'
                when from_file then 'file' else 'chosen' end,
           winners.round, winners.at
    from winners join records using (n) left join audits using (n)
"""


def settle(cursor: duckdb.DuckDBPyConnection, query: str, settings: Settings, files: Iterable[str] = ()) -> None:
    """Recomputes `settled` for the records of a query whose only column is n, in the caller's transaction.

    files: annotators that stand for an imported file, besides each record's own source.
    """
    cursor.execute(f"delete from settled where n in ({query})")
    cursor.execute(_SETTLE.format(ns=query), {**answer_parameters(settings), "files": list(files)})


def read_facts(cursor: duckdb.DuckDBPyConnection, ns: Sequence[int]) -> list[Facts]:
    """Of a few records, in no order."""
    rows = cursor.execute(
        f"""select n, split is not distinct from 'test', source,
                   exists (select 1 from queue where queue.n = records.n and audit)
            from records where n in ({_marks(ns)})""",
        list(ns),
    ).fetchall()
    return [Facts(*row) for row in rows]


def settle_few(cursor: duckdb.DuckDBPyConnection, facts: Sequence[Facts], settings: Settings) -> list[Answer]:
    """The same for a few records; returns the standing answers that it found."""
    ns = [fact.n for fact in facts]
    answers = read_few_answers(cursor, ns, settings)
    rows = [row for fact in facts if (row := _verdict(answers, fact)) is not None]
    cursor.execute(f"delete from settled where n in ({_marks(ns)})", ns)
    if rows:
        places = ", ".join(["(?, ?, ?, ?, ?, ?)"] * len(rows))
        cursor.execute(f"insert into settled values {places}", [value for row in rows for value in row])
    return answers


def _verdict(answers: Sequence[Answer], fact: Facts) -> list[object] | None:
    """A row of `settled`, or None where the answers settle nothing."""
    votes: dict[tuple[str, ...], list[Answer]] = defaultdict(list)
    for answer in answers:
        if answer.n == fact.n and answer.action == "submit" and answer.counts:
            votes[answer.labels].append(answer)
    most = max(map(len, votes.values()), default=0)
    winners = [labels for labels, given in votes.items() if len(given) == most]
    if len(winners) != 1:
        return None
    given = votes[winners[0]]
    how = "single" if sum(map(len, votes.values())) == 1 else "majority"
    from_file = all(answer.annotator == fact.source for answer in given)
    blind = all(answer.blind for answer in given)
    stratum = "gold" if fact.gold else "audit" if fact.audit and blind else "file" if from_file else "chosen"
    latest, received = max(answer.round for answer in given), max(answer.received_at for answer in given)
    return [fact.n, list(winners[0]), how, stratum, latest, received]
