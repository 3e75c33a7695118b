"""Who holds which record until when, mirrored from the table `leases`. Knows no queue, no answers."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb


@dataclass(frozen=True)
class Holder:
    """A person in one browser tab: two tabs of one person are two holders, else both would show the same record."""

    annotator: str
    tab: str


class Leases:
    """All leases in memory; `save` writes what changed since the last time, in the caller's transaction."""

    def __init__(self, rows: Iterable[tuple[int, str, str, datetime]] = ()) -> None:
        self._until: dict[int, dict[Holder, datetime]] = {}
        self._changed: set[int] = set()
        for n, annotator, tab, until in rows:
            self._until.setdefault(n, {})[Holder(annotator, tab)] = until

    def live(self, n: int, now: datetime) -> list[Holder]:
        """Who holds the record at this moment."""
        return [holder for holder, until in self._until.get(n, {}).items() if until > now]

    def held_by(self, holder: Holder, now: datetime) -> set[int]:
        """The records that this holder has at this moment."""
        return {n for n, held in self._until.items() if held.get(holder, now) > now}

    def take(self, n: int, holder: Holder, now: datetime, seconds: int) -> None:
        """Leases or renews; with more than half its time left a lease stays as it is: renewing is rarely a write."""
        held = self._until.setdefault(n, {})
        if held.get(holder, now) - now >= timedelta(seconds=seconds / 2):
            return
        held[holder] = now + timedelta(seconds=seconds)
        for other in [other for other, until in held.items() if until <= now]:
            del held[other]
        self._changed.add(n)

    def release(self, n: int, holder: Holder) -> None:
        """Gives one record back; unknown is fine, a request may come twice."""
        if self._until.get(n, {}).pop(holder, None) is not None:
            self._changed.add(n)

    def release_person(self, n: int, annotator: str) -> None:
        """Ends every lease of this person on the record, in whichever tab."""
        for holder in [holder for holder in self._until.get(n, {}) if holder.annotator == annotator]:
            self.release(n, holder)

    def save(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Writes the records whose leases changed."""
        changed = list(self._changed)
        if not changed:
            return
        rows = [(n, who, until) for n in changed for who, until in self._until.get(n, {}).items()]
        cursor.execute(f"delete from leases where n in ({', '.join('?' for _ in changed)})", changed)
        if rows:
            values = [value for n, who, until in rows for value in (n, who.annotator, who.tab, until)]
            cursor.execute(f"insert into leases values {', '.join(['(?, ?, ?, ?)'] * len(rows))}", values)
        for n in changed:
            if not self._until.get(n):
                self._until.pop(n, None)
        self._changed.clear()


def read_leases(cursor: duckdb.DuckDBPyConnection, now: datetime) -> Leases:
    """The leases that have not run out."""
    return Leases(cursor.execute("select n, annotator, tab, until from leases where until > ?", [now]).fetchall())
