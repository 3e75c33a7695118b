"""The queue that hands out records and receives answers: leases, order, durability. Knows neither HTTP nor pages."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

import duckdb

from core.config.settings import Settings
from core.ids import RecordNo
from core.labelling.cards import Card, read_cards
from core.labelling.leases import Holder, Leases, drop_ended, read_leases
from core.labelling.responses import STORED, Arrival, Event, store_events
from core.labelling.settling import read_facts, read_few_answers, settle_few
from core.labelling.waiting import CALIBRATION, Row, Waiting, read_open, read_rows
from core.store.answers import APP, ARGILLA
from core.store.database import Store, utc_now
from core.tasks.tasks import space_of

REPLY_BYTES = 512_000
MOST_CARDS = 50
MOST_HELD = 80
"""records that one tab can hold, whatever it asks for: twice what a card has ahead (app/card/labelling.js)"""
DRAWN = 100
WINDOW = 1_000
"""open records that are read at first; GROWTH times as many when they are used up"""
GROWTH = 8
AMONG = 50
"""times as many records are looked at as are drawn, by their place in the random order; where that is too few, more"""
IDLE_SECONDS = 5


@dataclass(frozen=True)
class QueueRequest:
    """One request of a tab. have: ids of the records it holds; give_back: ids it holds no more; want: how many cards.

    turn: counts the tab's requests; one that arrives after a later one still stores its events but changes no lease.
    tabs: other tabs of this person that are known to be open.
    """

    events: tuple[Event, ...] = ()
    have: tuple[str, ...] = ()
    give_back: tuple[str, ...] = ()
    want: int = 0
    turn: int = 0
    tabs: tuple[str, ...] = ()


@dataclass(frozen=True)
class QueueReply:
    """statuses: eid -> 'stored', 'known' or a reason. taken: records of `have` that are no longer this holder's.

    return_request: somebody else has no records; give back at most so many unseen records, the last first.
    """

    statuses: dict[str, str]
    cards: list[Card]
    taken: list[str]
    return_request: int
    version: int
    progress: dict[str, int]


class LabelQueue:
    """One per open project, safe to call from several threads, but not inside a transaction (`reload` may be).

    Every exchange is one transaction: events that a reply calls stored are durable, and so are leases.
    The mirror in memory is rebuilt from the database at start, after `reload`, and after any failure.
    """

    def __init__(
        self,
        store: Store,
        settings: Callable[[], Settings],
        clock: Callable[[], datetime] = utc_now,
        window: int = WINDOW,
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._first_window = self._window = window
        self._lock = threading.RLock()
        self._stale = True
        self._version = int(clock().timestamp() * 1000)  # differs from any version before a restart
        self._turns: dict[Holder, int] = {}
        self._idle_annotators: dict[Holder, datetime] = {}
        self._pool_exhausted = False  # whether the pool has nothing more to draw
        self._next_drawn: list[RecordNo] = []  # that could be drawn when the pool was looked through last, in order
        self._records = 0
        self._touched: set[RecordNo] = set()  # records that the transaction stores something about
        self._waiting = Waiting([], [], 1, clock())
        self._leases = Leases()

    def reload(self) -> None:
        """For changes of queue, answers or taxonomy made elsewhere: they are read anew before the next use. Cheap."""
        self._stale = True

    def more_records(self) -> None:
        """For records that were imported into the pool: the queue stays as it is. Cheap."""
        with self._lock:
            self._pool_exhausted, self._next_drawn = False, []
            self._records = int(self._store.one("select count(*) from records"))

    @contextmanager
    def changing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A transaction that may change the queue, the records or the labels while nobody is served."""
        with self._lock, self._store.transaction() as cursor:
            drop_ended(cursor, self._clock(), self._settings().lease_seconds)
            try:
                yield cursor
            finally:
                self.reload()

    def exchange(self, holder: Holder, ask: QueueRequest) -> QueueReply:
        """Stores the events; returns, renews and grants leases. When it raises, nothing was done."""
        with self._lock, self._transaction() as cursor:
            return self._serve(cursor, holder, ask)

    def receive(self, supplied: Sequence[tuple[str, Event]]) -> dict[str, str]:
        """(annotator, event) of people who answered elsewhere, in one transaction; returns `QueueReply.statuses`."""
        with self._lock, self._transaction() as cursor:
            numbers = self._numbers(cursor, [event.record for _, event in supplied])
            self._read_late(cursor, numbers.values())
            statuses: dict[str, str] = {}
            for user, event in supplied:
                statuses |= self._apply_result(cursor, Holder(user, ""), [event], numbers)
            return statuses

    def round_due(self) -> bool:
        """Whether the newest batch is answered to its last record, or as many answers as it has records have come."""
        with self._current() as waiting:
            since_enough = waiting.since >= (len(waiting.own) or self._settings().batch_size)
            return bool(waiting.rows or waiting.own) and (waiting.batch_done() or since_enough)

    def waiting(self) -> int:
        """How many queued records could still be answered by somebody."""
        with self._current() as waiting:
            return len(waiting)

    def progress(self) -> dict[str, int]:
        """Of the newest batch: its number, size and answered records; how many records wait, and how many there are."""
        with self._current():
            return self._progress()

    @property
    def version(self) -> int:
        """Changes whenever the queue was read anew: what a tab has prefetched may then be out of order."""
        with self._current():
            return self._version

    @contextmanager
    def _transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """One that keeps the mirror in step."""
        try:
            self._touched = set()
            with self._store.transaction(self._touched) as cursor:
                if self._stale:
                    drop_ended(cursor, self._clock(), self._settings().lease_seconds)
                self._refresh(cursor)
                yield cursor
        except BaseException:
            self._stale = True
            raise

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
        self._stale = False  # first, so that a reload during this one is not lost
        self._pool_exhausted, self._next_drawn = False, []
        settings = self._settings()
        self._window = self._first_window
        self._waiting = read_open(cursor, settings, self._window)
        self._leases = read_leases(cursor, self._clock(), settings.lease_seconds, self._waiting)
        self._records = cursor.execute("select count(*) from records").fetchall()[0][0]
        self._version += 1

    def _serve(self, cursor: duckdb.DuckDBPyConnection, holder: Holder, ask: QueueRequest) -> QueueReply:
        now, settings = self._clock(), self._settings()
        numbers = self._numbers(cursor, [*(event.record for event in ask.events), *ask.have, *ask.give_back])
        self._read_late(cursor, numbers.values())
        statuses = self._apply_result(cursor, holder, ask.events, numbers)
        rows: list[Row] = []
        taken: list[str] = []
        if ask.turn >= self._turns.get(holder, 0):
            held = self._leases.held_by(holder, now)
            if holder not in self._turns and not held and not ask.have:
                self._leases.hand_on(holder, now, ask.tabs)  # the same person is back after a killed browser
            self._turns[holder] = ask.turn
            for n in _known(numbers, ask.give_back):
                self._leases.give_back(n, holder)
            for n in _known(numbers, [*(e.record for e in ask.events if e.action == "undo"), *ask.have]):
                if len(held) + (n not in held) <= MOST_HELD and self._room(n, holder, now):
                    self._leases.take(n, holder, now)
                    held.add(n)
            taken = [id for id in ask.have if id not in numbers or holder not in self._leases.live(numbers[id], now)]
            rows = self._lend(cursor, holder, min(ask.want, MOST_CARDS), set(_known(numbers, ask.have)))
            self._note_hunger(holder, ask, rows)
        self._leases.save(cursor)
        return_request = len(ask.have) // 2 if self._is_idle(other_than=holder) else 0
        cards = read_cards(cursor, rows, settings)
        return QueueReply(statuses, cards, taken, return_request, self._version, self._progress())

    def _numbers(self, cursor: duckdb.DuckDBPyConnection, ids: Sequence[str]) -> dict[str, RecordNo]:
        """id -> n of the records that exist; queued ones are known without asking the database."""
        queued = self._waiting.numbers
        numbers = {id: queued[id] for id in ids if id in queued}
        missing = [id for id in set(ids) if id not in numbers]
        if missing:
            rows = cursor.execute(
                "select id, n from records where id in (select unnest($ids::varchar[]))", {"ids": missing}
            )
            numbers.update(rows.fetchall())
        return numbers

    def _read_late(self, cursor: duckdb.DuckDBPyConnection, record_nos: Iterable[RecordNo]) -> None:
        """Those that the mirror has left out, before anything about them changes."""
        if unread := [n for n in set(record_nos) if n not in self._waiting.rows]:
            answers = read_few_answers(cursor, unread, self._settings())
            self._waiting.read_late(read_rows(cursor, unread), answers)

    def _read_on(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """More of the queue; what this request has stored is there already."""
        self._window *= GROWTH
        held = self._leases.record_nos()
        self._waiting = read_open(cursor, self._settings(), self._window, held)

    def _apply_result(
        self, cursor: duckdb.DuckDBPyConnection, holder: Holder, events: Sequence[Event], numbers: dict[str, RecordNo]
    ) -> dict[str, str]:
        """Events to responses, settled labels and the mirror; an answer ends its author's lease on the record."""
        if not events:
            return {}
        settings = self._settings()
        arrival = Arrival(holder.annotator, self._clock(), self._waiting.batch)
        statuses = store_events(cursor, events, numbers, arrival, settings)
        record_nos = sorted({numbers[event.record] for event in events if statuses[event.eid] == STORED})
        if record_nos:
            self._touched.update(record_nos)
            facts = self._waiting.facts(record_nos) or read_facts(cursor, record_nos)
            self._waiting.update(record_nos, settle_few(cursor, facts, settings))
            if any(event.source in (APP, ARGILLA) for event in events):
                self._waiting.people.add(holder.annotator)
        for n in record_nos:
            if self._waiting.answered_by(n, holder.annotator):
                self._leases.answered(n, holder.annotator)
        return statuses

    def _room(self, record_no: RecordNo, holder: Holder, now: datetime) -> bool:
        """Whether this holder may have (or keep) the record."""
        if not self._waiting.may_answer(record_no, holder.annotator):
            return False
        people = {other.annotator for other in self._leases.live(record_no, now) if other != holder}
        if holder.annotator in people:
            return False
        return len(self._waiting.labelled_by(record_no) | people) < self._waiting.answers_requested(record_no)

    def _lend(self, cursor: duckdb.DuckDBPyConnection, holder: Holder, want: int, have: set[RecordNo]) -> list[Row]:
        """Leases up to `want` more records, fewer where their texts would make the reply too long, but at least one.

        Where records run short, nobody gets more than an equal share of the free ones and the own ones together.
        """
        now = self._clock()
        mine = self._leases.held_by(holder, now) - have
        lent: list[Row] = []
        size = 0
        for row in self._offers(cursor, holder, want, have | mine, mine):
            if lent and size + row.size > REPLY_BYTES:
                break
            self._leases.take(row.record_no, holder, now)
            lent.append(row)
            size += row.size
        return lent

    def _offers(
        self, cursor: duckdb.DuckDBPyConnection, holder: Holder, want: int, have: set[RecordNo], mine: set[RecordNo]
    ) -> list[Row]:
        """Records that the holder has leased but not in its tab (a reload), then its share of the free ones."""
        again = self._waiting.open_among(mine)[:want]
        held = len(self._leases.held_by(holder, self._clock()))
        want = min(want - len(again), MOST_HELD - held)
        if want <= 0 or (have and self._is_idle(other_than=holder)):
            return again
        people = len(self._leases.holders(self._clock()) | {holder})
        enough = (held + want) * people - held  # an equal share of so many leaves this holder with what it asks for
        if self._waiting.untouched - len(self._leases) >= enough:  # surely free: none is scarce
            return again + self._free(cursor, holder, have, want)
        free = self._free(cursor, holder, have, enough)
        if len(free) < enough and not self._pool_exhausted:
            self._draw(cursor, enough)
            free = self._free(cursor, holder, have, enough)
        scarce = [row.record_no for row in free if row.purpose != CALIBRATION]  # the others are not scarce
        share = max(0 if held else 1, (len(scarce) + held) // people - held)
        out_of_reach = set(scarce[share:])
        return again + [row for row in free if row.record_no not in out_of_reach][:want]

    def _free(self, cursor: duckdb.DuckDBPyConnection, holder: Holder, have: set[RecordNo], most: int) -> list[Row]:
        """The first records in order that this holder may have."""
        now = self._clock()
        others = self._leases.held_by_others(holder, now)
        while True:
            requested = self._waiting.answers_requested
            rows = (row for row in self._waiting.open() if row.record_no not in have)
            # most of what comes first waits for one answer, which somebody else is giving
            rows = (row for row in rows if row.record_no not in others or requested(row.record_no) > 1)
            free = list(islice((row for row in rows if self._room(row.record_no, holder, now)), most))
            if len(free) == most or self._waiting.complete:
                return free
            self._read_on(cursor)

    def _draw(self, cursor: duckdb.DuckDBPyConnection, count: int) -> None:
        """Queues records of the pool as spare rows, in one fixed random order, so that nobody waits for a batch."""
        count = max(count, DRAWN)
        first = {"position": self._waiting.end, "batch": self._waiting.batch}
        settings = self._settings()
        parameters = {"seed": settings.seed, "exclusive": space_of(settings).exclusive}
        rows = self._undrawn(cursor, count)
        if len(rows) < count:
            self._look_ahead(cursor, count)
            rows = self._undrawn(cursor, count)
        drawn = cursor.execute(_DRAW, first | parameters | {"ns": rows}).fetchall()
        self._pool_exhausted = len(drawn) < count
        if drawn:
            self._touched.update(n for (n,) in drawn)
            self._waiting.add(read_rows(cursor, [n for (n,) in drawn]))

    def _look_ahead(self, cursor: duckdb.DuckDBPyConnection, count: int) -> None:
        """The next records of the pool in the order of drawing, at least `count` where there are so many; of very many
        records few need be looked at, and what is not drawn now is known the next time."""
        some, every = AMONG * count * 2**64 // max(self._records, 1), 2**64 - 1
        for bound in dict.fromkeys(min(bound, every) for bound in (some, 8 * some, 64 * some, every)):
            parameters = {"seed": self._settings().seed, "count": AMONG * count, "bound": bound}
            self._next_drawn = [n for (n,) in cursor.execute(_TO_DRAW, parameters).fetchall()]
            if len(self._next_drawn) >= count:
                break

    def _undrawn(self, cursor: duckdb.DuckDBPyConnection, count: int) -> list[RecordNo]:
        """The first of the records ahead that can still be drawn; whatever has become of the others, they are ahead no
        more."""
        rows: list[RecordNo] = []
        while self._next_drawn and len(rows) < count:
            need = count - len(rows)
            some, self._next_drawn = self._next_drawn[:need], self._next_drawn[need:]
            free = {n for (n,) in cursor.execute(_STILL_FREE, {"ns": some}).fetchall()}
            rows += [n for n in some if n in free]
        return rows

    def _note_hunger(self, holder: Holder, ask: QueueRequest, rows: Sequence[Row]) -> None:
        """Notes a person who got nothing and has nothing, while others hold records that this person could answer."""
        self._idle_annotators.pop(holder, None)
        if ask.want and not rows and not ask.have:
            could = (self._waiting.may_answer(row.record_no, holder.annotator) for row in self._waiting.open())
            if any(could):
                self._idle_annotators[holder] = self._clock()

    def _is_idle(self, other_than: Holder) -> bool:
        now = self._clock()
        recently = now - timedelta(seconds=IDLE_SECONDS)
        return any(recently <= at <= now for holder, at in self._idle_annotators.items() if holder != other_than)

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


# Where several labels may hold, the stored probability is that of all together, so it is not shown beside one label.
_DRAW = """
    insert into queue
    select n, $batch::integer, $position::double + row_number() over (order by hash(n, $seed::bigint), n), false, true,
           score, if(label is null or not $exclusive, null, json_array(json_array(label, probability))), model,
           null, null
    from (select unnest($ns::bigint[]) as n)
    left join (select * from suggestions where n in (select unnest($ns::bigint[]))) using (n)
    returning n
"""
_CAN_BE_DRAWN = """
    from askable where not is_labelled(n) and n not in (select n from responses) and n not in (select n from queue)
      and n not in (select n from machine_labels)
"""
# The same of a few: each table is cut down to them first.
_FEW = "in (select unnest($ns::bigint[]))"
_STILL_FREE = f"""
    select n from askable where n {_FEW} and n not in (select s.n from settled s where s.n {_FEW})
      and n not in (select r.n from responses r where r.n {_FEW})
      and n not in (select q.n from queue q where q.n {_FEW})
      and n not in (select m.n from machine_labels m where m.n {_FEW})
"""
_TO_DRAW = f"""
    select n {_CAN_BE_DRAWN} and hash(n, $seed::bigint) <= $bound::ubigint
    order by hash(n, $seed::bigint), n limit $count::bigint
"""


def _known(numbers: dict[str, RecordNo], ids: Sequence[str]) -> list[RecordNo]:
    return [numbers[id] for id in ids if id in numbers]
