"""The DuckDB file of a project: opening, migrating, transactions, backup. Knows no domain rule."""

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from core.errors import Damaged, Refused, RondoError
from core.migrations import MIGRATIONS

FILE = "rondo.duckdb"


class StoreHeld(RondoError):
    """Another process has the file open."""

    exit_code = 4


def utc_now() -> datetime:
    """Naive UTC, as DuckDB stores it."""
    return datetime.now(UTC).replace(tzinfo=None)


Parameters = Sequence[object] | Mapping[str, object]


def count(cursor: duckdb.DuckDBPyConnection, sql: str, parameters: Parameters = ()) -> int:
    """The one figure that a query asks for."""
    row = cursor.execute(sql, parameters).fetchone()
    return int(row[0]) if row else 0


def note(cursor: duckdb.DuckDBPyConnection, who: str, what: str, detail: Mapping[str, object]) -> None:
    """A line of the audit log, in the caller's transaction. detail: what JSON can hold."""
    cursor.execute("insert into audit_log values (?, ?, ?, ?)", [utc_now(), who, what, json.dumps(detail)])


class Store:
    """One connection per process, a cursor per operation; writers take turns (else DuckDB fails the later of two)."""

    def __init__(self, project: Path) -> None:
        self.path = project / FILE
        self._connection = _connect(self.path)
        self._writing = threading.RLock()
        self._appending = threading.Lock()
        self._migrate()
        _keep_private(self.path)

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """All rows of a read."""
        with self._connection.cursor() as cursor:
            return cursor.execute(sql, list(parameters)).fetchall()

    def one(self, sql: str, parameters: Sequence[object] = ()) -> Any:
        """First column of the first row, or None."""
        with self._connection.cursor() as cursor:
            row = cursor.execute(sql, list(parameters)).fetchone()
        return row[0] if row else None

    @contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Durable when the block has ended, nothing of it where it raised."""
        with self._writing, self._committing() as cursor:
            yield cursor

    @contextmanager
    def appending(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The same beside the writers, whose turns go on: for new rows alone, which no writer can know of yet."""
        with self._appending, self._committing() as cursor:
            yield cursor

    @contextmanager
    def checkpoints_aside(self) -> Iterator[Callable[[], None]]:
        """Meanwhile no commit writes what came in to its place, for seconds that an answer would wait: a call does.

        To be called after each large commit, since what has come in by then is what has to be written.
        """
        before = self.one("select current_setting('checkpoint_threshold')")
        self._connection.execute("set checkpoint_threshold = '1TB'")

        def checkpoint() -> None:
            for _ in range(20):  # DuckDB refuses while a writer is at work, which is seldom and short
                with suppress(duckdb.TransactionException), self._connection.cursor() as cursor:
                    cursor.execute("checkpoint")
                    return
                time.sleep(0.02)

        try:
            yield checkpoint
        finally:
            self._connection.execute(f"set checkpoint_threshold = '{before}'")

    @contextmanager
    def _committing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._connection.cursor() as cursor:
            cursor.execute("begin")
            try:
                yield cursor
                cursor.execute("commit")
                _keep_private(self.path)
            except BaseException:
                _roll_back(cursor)
                raise

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor on one snapshot, for reads that must agree with each other."""
        with self._connection.cursor() as cursor:
            cursor.execute("begin")
            try:
                yield cursor
            finally:
                _roll_back(cursor)

    def backup(self, folder: Path) -> Path:
        """A copy of the file that opens by itself; writers wait while it is made."""
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / FILE
        partial = target.with_suffix(".partial")
        partial.touch(0o600)
        with self._appending, self._writing:  # DuckDB makes no checkpoint while anybody writes
            self._connection.execute("checkpoint")
            shutil.copyfile(self.path, partial)
        partial.replace(target)
        return target

    def close(self) -> None:
        """Checkpoints, so that no write-ahead file is left."""
        with self._appending, self._writing:
            self._connection.close()

    def _migrate(self) -> None:
        with self.transaction() as cursor:
            cursor.execute("create table if not exists schema_version (version integer not null)")
            row = cursor.execute("select max(version) from schema_version").fetchone()
            version = (row[0] if row else 0) or 0
            if version > len(MIGRATIONS):
                raise Refused(
                    f"{self.path} was written by a newer Rondo (schema {version}, this one knows {len(MIGRATIONS)}). "
                    "Upgrade Rondo; nothing was changed."
                )
            for number, step in enumerate(MIGRATIONS[version:], version + 1):
                cursor.execute(step)
                cursor.execute("insert into schema_version values (?)", [number])


def _keep_private(path: Path) -> None:
    """The database and what is not in it yet hold people's texts: for the owner's eyes only. DuckDB asks the umask."""
    for file in (path, path.with_name(f"{path.name}.wal")):
        with suppress(OSError):  # not there, or of somebody else
            if file.stat().st_mode & 0o077:
                file.chmod(0o600)


def _roll_back(cursor: duckdb.DuckDBPyConnection) -> None:
    with suppress(duckdb.TransactionException):  # a failed commit has already rolled back
        cursor.execute("rollback")


def _connect(path: Path) -> duckdb.DuckDBPyConnection:
    try:
        # One thread: answers are small queries; a second thread only takes time from browsers and jobs.
        return duckdb.connect(str(path), config={"autoinstall_known_extensions": "false", "threads": 1})
    except duckdb.IOException as error:
        text = str(error)
        if "lock" in text.lower():
            raise StoreHeld(f"{path} is open in another process.") from None
        raise Damaged(_damaged(path, text)) from None
    except (duckdb.SerializationException, duckdb.InternalException, duckdb.FatalException) as error:
        raise Damaged(_damaged(path, str(error))) from None


def _damaged(path: Path, text: str) -> str:
    return (
        f"{path} cannot be opened: {text.splitlines()[0]} Nothing was changed. "
        f"Put a copy from {path.parent / 'backups'} in its place (and delete {path.name}.wal), "
        "or free the disk if it is full."
    )
