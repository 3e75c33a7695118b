"""The desk where people get records and hand in answers: leases, order, durability. Knows neither HTTP nor pages."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import duckdb

from core.leases import Holder, Leases, read_leases
from core.responses import STORED, Arrival, Event, read_facts, settle_few, store_events
from core.settings import Settings
from core.store import Store, utc_now
from core.waiting import Row, Waiting, read_rows, read_waiting

REPLY_BYTES = 512_000
MOST_CARDS = 50
DRAWN = 100


@dataclass(frozen=True)
class Ask:
    """One request of a tab. have: ids of the records it holds; give_back: ids it holds no more; want: how many cards.

    turn: counts the tab's requests; one that was overtaken by a later one still stores its events but moves no lease.
    """

    events: tuple[Event, ...] = ()
    have: tuple[str, ...] = ()
    give_back: tuple[str, ...] = ()
    want: int = 0
    turn: int = 0


@dataclass(frozen=True)
class Card:
    """A record as a person sees it. suggestion: {"labels": [{"id", "probability"}], "model"}, best first, or None."""

    id: str
    text: str
    fields: list[dict[str, str]]
    meta: list[dict[str, str]]
    suggestion: dict[str, object] | None


@dataclass(frozen=True)
class Reply:
    """statuses: eid -> 'stored', 'known' or a reason. taken: records of `have` that are no longer this holder's."""

    statuses: dict[str, str]
    cards: list[Card]
    taken: list[str]
    version: int
    progress: dict[str, int]


class Desk:
    """One per open project, safe to call from several threads, but not inside a transaction (`reload` may be).

    Every exchange is one transaction: what a reply says is stored is durable, and leases are as durable as answers.
    The mirror in memory is rebuilt from the database at start, after `reload`, and after any failure.
    """

    def __init__(self, store: Store, settings: Callable[[], Settings], clock: Callable[[], datetime] = utc_now) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._lock = threading.RLock()
        self._stale = True
        self._version = int(clock().timestamp() * 1000)  # differs from the one before a restart
        self._turns: dict[Holder, int] = {}
        self._records = 0
        self._waiting = Waiting([], [], 1, clock())
        self._leases = Leases()

    def reload(self) -> None:
        """The queue, the answers or the taxonomy changed elsewhere: read them anew before the next use. Cheap."""
        self._stale = True

    @contextmanager
    def changing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A transaction that may change the queue, the records or the labels while nobody is served."""
        with self._lock, self._store.transaction() as cursor:
            cursor.execute("delete from leases where until <= ?", [self._clock()])
            try:
                yield cursor
            finally:
                self.reload()

    def exchange(self, holder: Holder, ask: Ask) -> Reply:
        """Stores the events, takes back, renews, lends. When it raises, nothing was done."""
        with self._lock:
            try:
                with self._store.transaction() as cursor:
                    self._refresh(cursor)
                    return self._serve(cursor, holder, ask)
            except BaseException:
                self._stale = True
                raise

    def round_due(self) -> bool:
        """Whether the newest batch is answered to its last record, or as many answers as it has records have come."""
        with self._current() as waiting:
            since_enough = waiting.since >= (len(waiting.own) or self._settings().batch_size)
            return bool(waiting.rows) and (waiting.batch_done() or since_enough)

    def waiting(self) -> int:
        """How many queued records could still be answered by somebody."""
        with self._current() as waiting:
            return len(waiting)

    @property
    def version(self) -> int:
        """Changes whenever the queue was read anew: what a tab has prefetched may then be out of order."""
        with self._current():
            return self._version

    @contextmanager
    def _current(self) -> Iterator[Waiting]:
        with self._lock:
            if self._stale:
                with self._store.reading() as cursor:
                    self._refresh(cursor)
            yield self._waiting

    def _refresh(self, cursor: duckdb.DuckDBPyConnection) -> None:
        if not self._stale:
            return
        self._stale = False  # first: a reload that comes while this one reads is not lost
        self._waiting = read_waiting(cursor, self._settings())
        self._leases = read_leases(cursor, self._clock(), self._waiting)
        self._records = cursor.execute("select count(*) from records").fetchall()[0][0]
        self._version += 1

    def _serve(self, cursor: duckdb.DuckDBPyConnection, holder: Holder, ask: Ask) -> Reply:
        now, settings = self._clock(), self._settings()
        numbers = self._numbers(cursor, [*(event.record for event in ask.events), *ask.have, *ask.give_back])
        statuses = self._take_in(cursor, holder, ask.events, numbers)
        rows: list[Row] = []
        taken: list[str] = []
        if ask.turn >= self._turns.get(holder, 0):
            self._turns[holder] = ask.turn
            for n in _known(numbers, ask.give_back):
                self._leases.give_back(n, holder)
            for n in _known(numbers, [*(e.record for e in ask.events if e.action == "undo"), *ask.have]):
                if self._room(n, holder, now, settings.overlap):
                    self._leases.take(n, holder, now, settings.lease_seconds)
            taken = [id for id in ask.have if holder not in self._leases.live(numbers.get(id, -1), now)]
            rows = self._lend(cursor, holder, min(ask.want, MOST_CARDS), set(_known(numbers, ask.have)))
        self._leases.save(cursor)
        cards = _cards(cursor, rows, settings)
        return Reply(statuses, cards, taken, self._version, self._progress())

    def _numbers(self, cursor: duckdb.DuckDBPyConnection, ids: Sequence[str]) -> dict[str, int]:
        """id -> n of the records that exist; queued ones are known without asking the database."""
        queued = self._waiting.numbers
        numbers = {id: queued[id] for id in ids if id in queued}
        missing = [id for id in set(ids) if id not in numbers]
        if missing:
            found = cursor.execute(
                "select id, n from records where id in (select unnest($ids::varchar[]))", {"ids": missing}
            )
            numbers.update(found.fetchall())
        return numbers

    def _take_in(
        self, cursor: duckdb.DuckDBPyConnection, holder: Holder, events: Sequence[Event], numbers: dict[str, int]
    ) -> dict[str, str]:
        """Events to responses, settled labels and the mirror; an answer ends its author's lease on the record."""
        if not events:
            return {}
        settings = self._settings()
        arrival = Arrival(holder.annotator, self._clock(), self._waiting.batch)
        statuses = store_events(cursor, events, numbers, arrival, settings)
        ns = sorted({numbers[event.record] for event in events if statuses[event.eid] == STORED})
        if ns:
            facts = self._waiting.facts(ns) or read_facts(cursor, ns)
            self._waiting.update(ns, settle_few(cursor, facts, settings))
        for n in ns:
            if self._waiting.answered_by(n, holder.annotator):
                self._leases.answered(n, holder.annotator)
        return statuses

    def _room(self, n: int, holder: Holder, now: datetime, overlap: int) -> bool:
        """Whether this holder may have (or keep) the record."""
        if not self._waiting.is_open(n) or self._waiting.answered_by(n, holder.annotator):
            return False
        others = [other for other in self._leases.live(n, now) if other != holder]
        if any(other.annotator == holder.annotator for other in others):
            return False
        return len(self._waiting.labelled_by(n) | {other.annotator for other in others}) < overlap

    def _lend(self, cursor: duckdb.DuckDBPyConnection, holder: Holder, want: int, have: set[int]) -> list[Row]:
        """Leases up to `want` more records, fewer where their texts would make the reply too long, but at least one."""
        now, settings = self._clock(), self._settings()
        lent: list[Row] = []
        size = 0
        for row in self._candidates(cursor, holder, want, have):
            if len(lent) == want or (lent and size + row.size > REPLY_BYTES):
                break
            if row.n in have or not self._room(row.n, holder, now, settings.overlap):
                continue
            self._leases.take(row.n, holder, now, settings.lease_seconds)
            have.add(row.n)
            lent.append(row)
            size += row.size
        return lent

    def _candidates(
        self, cursor: duckdb.DuckDBPyConnection, holder: Holder, want: int, have: set[int]
    ) -> Iterator[Row]:
        """What the holder has already (its page was reloaded), then the queue, then records drawn from the pool."""
        if want <= 0:
            return
        mine = self._leases.held_by(holder, self._clock())
        yield from (row for row in self._waiting.open() if row.n in mine)
        yield from self._waiting.open()
        yield from self._draw(cursor, want)

    def _draw(self, cursor: duckdb.DuckDBPyConnection, count: int) -> list[Row]:
        """Queues records of the pool as spare rows, in one fixed random order, so that nobody waits for a batch."""
        first = {"position": self._waiting.end, "batch": self._waiting.batch}
        drawn = cursor.execute(_DRAW, {**first, "seed": self._settings().seed, "count": max(count, DRAWN)}).fetchall()
        rows = read_rows(cursor, [n for (n,) in drawn]) if drawn else []
        self._waiting.add(rows)
        return sorted(rows, key=lambda row: row.position)

    def _progress(self) -> dict[str, int]:
        own = self._waiting.own
        answered = sum(self._waiting.answered(n) for n in own)
        waiting = self._waiting
        return {
            "batch": waiting.batch,
            "size": len(own),
            "answered": answered,
            "waiting": len(waiting),
            "records": self._records,
        }


_DRAW = """
    insert into queue
    select n, $batch::integer, $position::double + row_number() over (order by hash(n, $seed::bigint), n), false, true,
           score, if(label is null, null, json_array(json_array(label, probability))), model
    from (
        select n from records
        where duplicate_of is null and split is distinct from 'test' and n not in (select n from settled)
          and n not in (select n from responses) and n not in (select n from queue)
        order by hash(n, $seed::bigint), n limit $count::bigint
    ) left join suggestions using (n)
    returning n
"""


def _known(numbers: dict[str, int], ids: Sequence[str]) -> list[int]:
    return [numbers[id] for id in ids if id in numbers]


def _cards(cursor: duckdb.DuckDBPyConnection, rows: Sequence[Row], settings: Settings) -> list[Card]:
    """In the order of `rows`."""
    if not rows:
        return []
    found = cursor.execute(
        f"select n, text, fields::varchar, meta::varchar from records where n in ({', '.join('?' for _ in rows)})",
        [row.n for row in rows],
    ).fetchall()
    parts = {n: (text, _pairs(fields), _pairs(meta)) for n, text, fields, meta in found}
    return [Card(row.id, *parts[row.n], _suggestion(row, settings)) for row in rows]


def _pairs(document: str | None) -> list[dict[str, str]]:
    """A JSON object as named texts; values that are empty are left out."""
    values = json.loads(document) if document else {}
    return [
        {"name": name, "value": value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}
        for name, value in values.items()
        if value is not None and value != ""
    ]


def _suggestion(row: Row, settings: Settings) -> dict[str, object] | None:
    """None on audit rows: what people answer there must not lean on the model that it judges."""
    if row.audit or not settings.show_suggestions or not row.suggestion or not row.model:
        return None
    active = {label.id for label in settings.taxonomy.active}
    labels = [{"id": id, "probability": chance} for id, chance in json.loads(row.suggestion) if id in active]
    return {"labels": labels, "model": row.model} if labels else None
