"""How many records are in each state: counted once, then kept by looking again at the records that were touched.

Each figure is of a set of records, and whether a record is in it follows from the rows about this record, from those
about records with its text, and from its leases alone. So a set is kept as bits, of which these few are set again.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import duckdb
import numpy as np
import numpy.typing as npt

from core.arrays import Bools, Ints
from core.labelling.gold import UNASKED_TEST
from core.labelling.record_states import WITHIN, numbers_of
from core.labelling.waiting import asked_parameters
from core.project import Project
from core.store.database import count
from core.store.record_numbers import NUMBERS

T = TypeVar("T")

MOST = 20_000
"""touched records that are looked at again; of more everything is counted anew"""

_OUTSIDE = f"select n from outside_pool where true {WITHIN}"
_SETS = {
    **{name: numbers_of(name) for name in ("labelled", "gold", "queued", "flagged", "skipped", "tied", "left_out")},
    "audit": f"select n from settled where stratum = 'audit' {WITHIN}",
    "machine": f"""select n from machine_labels
        where n not in (select s.n from settled s where true {WITHIN}) {WITHIN}""",
    "unasked_test": UNASKED_TEST,
}
_SUGGESTED = "select label, count(*) from suggestions where label is not null group by 1"
_SUGGESTED_OUTSIDE = """
    select label, count(*) from suggestions where label is not null and n in (select n from outside_pool) group by 1
"""
_AMONG = "n in (select unnest($ns::bigint[]))"
_WITH_FIRSTS = f"""
    select distinct unnest([n, coalesce(duplicate_of, n)]) as n from records where {_AMONG} order by n
"""


@dataclass(frozen=True)
class RecordSet:
    """A set of record numbers. bits: one for each number there is."""

    bits: npt.NDArray[np.uint8]
    size: int

    @staticmethod
    def of(numbers: Ints, total: int) -> "RecordSet":
        """total: how many numbers there are; a repair may have left others, of lost records."""
        members = np.zeros(max(total, numbers.max(initial=-1) + 1), np.bool_)
        members[numbers] = True
        return RecordSet(np.packbits(members, bitorder="little"), int(members.sum()))

    def has(self, numbers: Ints) -> Bools:
        """Of each of these, whether it is in it."""
        return np.asarray(self.bits[numbers >> 3] >> (numbers & 7) & 1, np.bool_)

    def renewed(self, numbers: Ints, members: Bools) -> "RecordSet":
        """Of these, each once, those that are `members` are in it, and no others; the rest is as it was."""
        bits, masks = self.bits.copy(), (1 << (numbers & 7)).astype(np.uint8)
        np.bitwise_and.at(bits, numbers >> 3, ~masks)
        np.bitwise_or.at(bits, numbers[members] >> 3, masks[members])
        return RecordSet(bits, self.size + int(members.sum()) - int(self.has(numbers).sum()))


@dataclass(frozen=True)
class _Figures(Generic[T]):
    """leased: the records in the table of leases when the value was read."""

    value: T
    leased: Ints


def cached_figure(project: Project, name: str, read: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
    """Of every record and these settings: read once, until anything is stored, or a lease ends."""
    leased = project.store.one("select count(*) from leased")  # that it ends frees a spare record, and stores nothing
    return project.store.cached((name, repr(asked_parameters(project.settings())), leased), read)


def _renewed_figure(
    project: Project,
    name: str,
    read: Callable[[duckdb.DuckDBPyConnection], T],
    renew: Callable[[duckdb.DuckDBPyConnection, T, Ints], T],
) -> T:
    """The same, but where it is known which records were touched, `renew` makes it of the one before and of these."""

    def renewed(cursor: duckdb.DuckDBPyConnection, before: _Figures[T] | None, touched: Sequence[int]) -> _Figures[T]:
        leased = _numbers(cursor, "select n from leases")
        if before is None or len(touched) > MOST:
            return _Figures(read(cursor), leased)
        again = np.unique(np.concatenate([np.array(touched, np.int64), before.leased, leased]))
        if not len(again):
            return before
        again = _numbers(cursor, _WITH_FIRSTS, {"ns": again.tolist()})
        return _Figures(renew(cursor, before.value, again), leased)

    inputs = repr(asked_parameters(project.settings()))
    return cached_figure(project, name, lambda _: project.store.derived(name, inputs, renewed).value)


def record_counts(project: Project) -> dict[str, int]:
    """How many records there are, how many are in each state, and, as `pool`, how many can be chosen."""
    bound = asked_parameters(project.settings())

    def read(cursor: duckdb.DuckDBPyConnection) -> tuple[int, dict[str, RecordSet]]:
        total = count(cursor, f"select {NUMBERS}")
        sets = {name: RecordSet.of(_numbers(cursor, query, bound), total) for name, query in _SETS.items()}
        return count(cursor, "select count(*) from records"), sets | {"outside": _outside(cursor)}

    def renew(
        cursor: duckdb.DuckDBPyConnection, before: tuple[int, dict[str, RecordSet]], again: Ints
    ) -> tuple[int, dict[str, RecordSet]]:
        records, sets = before
        queries = _SETS | {"outside": _OUTSIDE}
        return records, {
            name: sets[name].renewed(again, _members(cursor, query, again, bound)) for name, query in queries.items()
        }

    records, sets = _renewed_figure(project, "counts", read, renew)
    counts = {name: members.size for name, members in sets.items()}
    return counts | {"records": records, "pool": records - counts.pop("outside")}


def suggested_counts(project: Project) -> dict[str, int]:
    """By label, for how many of the records that can be chosen it is suggested."""

    def read(cursor: duckdb.DuckDBPyConnection) -> tuple[RecordSet, Counter[str]]:
        counts = Counter[str](dict(cursor.execute(_SUGGESTED).fetchall()))
        counts.subtract(dict(cursor.execute(_SUGGESTED_OUTSIDE).fetchall()))
        return _outside(cursor), counts

    def renew(
        cursor: duckdb.DuckDBPyConnection, before: tuple[RecordSet, Counter[str]], again: Ints
    ) -> tuple[RecordSet, Counter[str]]:
        outside, counts = before
        now = _members(cursor, _OUTSIDE, again)
        moved = {"ns": again[now != outside.has(again)].tolist()}
        labels = cursor.execute(f"select n, label from suggestions where label is not null and {_AMONG}", moved)
        change = Counter[str]()
        out = set(again[now].tolist())
        for n, label in labels.fetchall():
            change[label] += -1 if n in out else 1
        counts = Counter(counts)
        counts.update(change)
        return outside.renewed(again, now), counts

    return dict(_renewed_figure(project, "suggested", read, renew)[1])


def _outside(cursor: duckdb.DuckDBPyConnection) -> RecordSet:
    """Who cannot be chosen: all of them records, but for what a repair has left of those that were lost."""
    total, numbers = count(cursor, f"select {NUMBERS}"), _numbers(cursor, _OUTSIDE)
    return RecordSet.of(numbers[(numbers >= 0) & (numbers < total)], total)


def _members(
    cursor: duckdb.DuckDBPyConnection, query: str, numbers: Ints, bound: Mapping[str, object] | None = None
) -> Bools:
    """Which of these a query has."""
    parameters = {**(bound or {}), "ns": numbers.tolist()}
    return np.isin(numbers, _numbers(cursor, query.replace(WITHIN, f"and {_AMONG}"), parameters))


def _numbers(cursor: duckdb.DuckDBPyConnection, query: str, bound: Mapping[str, object] | None = None) -> Ints:
    """The numbers of records, none below 0, that a query has; bound: all that it binds and more."""
    parameters = {name: value for name, value in (bound or {}).items() if f"${name}" in query}
    return np.asarray(cursor.execute(query, parameters).fetchnumpy()["n"], np.int64)
