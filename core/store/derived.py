"""What was read of a whole database, brought up to date by the records that were stored since. Knows no figure."""

import threading
from collections.abc import Callable, Collection, Hashable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeVar

import duckdb

T = TypeVar("T")
Read = Callable[[duckdb.DuckDBPyConnection, T | None, list[int]], T]


@dataclass(frozen=True)
class _Derived:
    """log: the one that was written to when it was read; seen: how much of it."""

    value: Any
    inputs: Hashable
    log: list[int]
    seen: int


class Derivations:
    """Of one store. The log has the numbers of the records that each transaction touched; one that did not say which
    begins another log, and whatever was read before it is read anew."""

    def __init__(self, open_cursor: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]) -> None:
        self._open_cursor = open_cursor
        self._lock = threading.Lock()
        self._log: list[int] = []
        self._values: dict[str, _Derived] = {}

    def note(self, touched: Collection[int] | None) -> None:
        """Before a commit, so that nobody reads some of its records anew and not others; and after it, since they were
        perhaps read in between as they had been. None: anything may have changed."""
        if touched is None:
            self._log = []
        else:
            self._log.extend(touched)

    def read(self, name: str, inputs: Hashable, read: Read[T]) -> T:
        """See `Store.derived`. The cursor comes before the lock: a swap of the file waits for cursors."""
        with self._open_cursor() as cursor, self._lock:
            log, seen = self._log, len(self._log)  # before the snapshot: what is stored meanwhile is looked at again
            known = self._values.get(name)
            cursor.execute("begin")
            try:
                if known and known.log is log and known.inputs == inputs:
                    value = read(cursor, known.value, log[known.seen : seen])
                else:
                    value = read(cursor, None, [])
            finally:
                cursor.execute("rollback")
            self._values[name] = _Derived(value, inputs, log, seen)
        return value
