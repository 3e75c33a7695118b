"""Who holds which record until when, mirrored from the table `leases`. Knows no order."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb

from core.ids import RecordNo
from core.labelling.waiting import Waiting


@dataclass(frozen=True)
class Holder:
    """A person in one browser tab: two tabs of one person are two holders, else both would show the same record."""

    annotator: str
    tab: str


class Leases:
    """All leases in memory; `save` writes what changed since the last time, in the caller's transaction.

    seconds: how long a lease is. It ends when its holder answers, but its row may stay until it expires: `read_leases`
    ignores such rows.
    """

    def __init__(self, rows: Iterable[tuple[RecordNo, str, str, datetime]] = (), seconds: int = 0) -> None:
        self._longest = timedelta(seconds=seconds)
        self._until: dict[RecordNo, dict[Holder, datetime]] = {}
        self._held: dict[Holder, set[RecordNo]] = {}
        self._changed: set[RecordNo] = set()
        self._stored: set[RecordNo] = set()
        for n, annotator, tab, until in rows:
            self._put(n, Holder(annotator, tab), until)
            self._stored.add(n)

    def __len__(self) -> int:
        """Records that somebody holds, or held until now."""
        return len(self._until)

    def record_nos(self) -> list[RecordNo]:
        """Those records."""
        return list(self._until)

    def live(self, record_no: RecordNo, now: datetime) -> list[Holder]:
        """Who holds the record at this moment."""
        held = self._until.get(record_no)
        return [holder for holder, until in held.items() if self._lasts(until, now)] if held else []

    def held_by(self, holder: Holder, now: datetime) -> set[RecordNo]:
        """The records that this holder has at this moment."""
        latest = now + self._longest
        return {n for n in self._held.get(holder, ()) if now < self._until[n][holder] <= latest}

    def held_by_others(self, holder: Holder, now: datetime) -> set[RecordNo]:
        """The records that anybody else has at this moment, this person in another tab among them."""
        return set().union(*(self.held_by(other, now) for other in self._held if other != holder))

    def holders(self, now: datetime) -> set[Holder]:
        """Everybody who holds something at this moment."""
        return {
            holder for holder, held in self._held.items() if any(self._lasts(self._until[n][holder], now) for n in held)
        }

    def _lasts(self, until: datetime, now: datetime) -> bool:
        """Is it running? One that ends later than a new one would is from a clock that ran ahead: it has ended."""
        return now < until <= now + self._longest

    def take(self, record_no: RecordNo, holder: Holder, now: datetime) -> None:
        """Leases or renews; a lease with over half its time left stays as it is, so that renewing rarely writes."""
        held = self._until.get(record_no, {})
        if self._longest / 2 <= held.get(holder, now) - now <= self._longest:
            return
        for other in [other for other, until in held.items() if not self._lasts(until, now)]:
            self._end(record_no, other)
        self._put(record_no, holder, now + self._longest)
        self._changed.add(record_no)

    def hand_on(self, holder: Holder, now: datetime, spared: Collection[str]) -> None:
        """Moves this person's leases of other tabs, except the spared ones, to this tab."""
        tabs = [one for one in self._held if one.annotator == holder.annotator and one.tab not in spared]
        for other in [tab for tab in tabs if tab != holder]:
            for n in list(self._held[other]):
                until = self._end(n, other)
                if until is not None and self._lasts(until, now):
                    self._put(n, holder, until)
                    self._changed.add(n)

    def give_back(self, record_no: RecordNo, holder: Holder) -> None:
        """Ends one lease; an unknown one is fine, a request may come twice."""
        if self._end(record_no, holder) is not None:
            self._changed.add(record_no)

    def answered(self, record_no: RecordNo, annotator: str) -> None:
        """Ends every lease of this person on the record, in any tab. Writes nothing: the stored answer implies it."""
        for holder in [holder for holder in self._until.get(record_no, {}) if holder.annotator == annotator]:
            self._end(record_no, holder)

    def save(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Writes the records whose leases changed."""
        if not self._changed:
            return
        rows = [(n, holder, until) for n in self._changed for holder, until in self._until.get(n, {}).items()]
        if old := list(self._changed & self._stored):
            cursor.execute(f"delete from leases where n in ({', '.join('?' for _ in old)})", old)
        if rows:
            values = [value for n, holder, until in rows for value in (n, holder.annotator, holder.tab, until)]
            cursor.execute(f"insert into leases values {', '.join(['(?, ?, ?, ?)'] * len(rows))}", values)
        self._stored = (self._stored - self._changed) | {n for n, _, _ in rows}
        self._changed.clear()

    def _put(self, record_no: RecordNo, holder: Holder, until: datetime) -> None:
        self._until.setdefault(record_no, {})[holder] = until
        self._held.setdefault(holder, set()).add(record_no)

    def _end(self, record_no: RecordNo, holder: Holder) -> datetime | None:
        """Until when the lease would have lasted; None where there was none."""
        until = self._until.get(record_no, {}).pop(holder, None)
        if until is None:
            return None
        if not self._until[record_no]:
            del self._until[record_no]
        self._held[holder].discard(record_no)
        if not self._held[holder]:
            del self._held[holder]
        return until


def drop_ended(cursor: duckdb.DuckDBPyConnection, now: datetime, seconds: int) -> None:
    """Deletes those that have expired, or that end later than a new one would, because a clock ran ahead."""
    cursor.execute("delete from leases where until <= ? or until > ?", [now, now + timedelta(seconds=seconds)])


def read_leases(cursor: duckdb.DuckDBPyConnection, now: datetime, seconds: int, waiting: Waiting) -> Leases:
    """The leases that have neither expired nor ended with an answer."""
    rows = cursor.execute("select n, annotator, tab, until from leases where until > ?", [now]).fetchall()
    leases = Leases(rows, seconds)
    for n, annotator, _, _ in rows:
        if waiting.answered_by(n, annotator):
            leases.answered(n, annotator)
    return leases
