"""The DuckDB file of a project: opening, migrating, transactions, backup. Knows no domain rule."""

import fcntl
import json
import logging
import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, TypeVar

import duckdb

from core.errors import Cancelled, Damaged, Refused, RondoError
from core.store.damage import damaged, damaged_wal, in_sentences, is_lock, wal_of
from core.store.derived import Derivations, Read
from core.store.migrations import MIGRATIONS
from core.store.tables import quoted
from core.store.views import VIEWS
from core.store.wal import Wal, read_wal, wal_header
from core.store.whole_files import copy_elsewhere, sync_folder

log = logging.getLogger("rondo")
T = TypeVar("T")
FILE = "rondo.duckdb"
CHECKPOINT_SECONDS = 30.0
"""so old is the oldest answer that stands in the write-ahead file alone"""
PATIENCE_SECONDS = 20.0


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


def note(cursor: duckdb.DuckDBPyConnection, user: str, what: str, detail: Mapping[str, object]) -> None:
    """A line of the audit log, in the caller's transaction. detail: what JSON can hold."""
    cursor.execute("insert into audit_log values (?, ?, ?, ?)", [utc_now(), user, what, json.dumps(detail)])


class Store:
    """One connection per process, a cursor per operation; writers are serial (else DuckDB fails the later of two)."""

    def __init__(self, project: Path) -> None:
        self.path = project / FILE
        self.why_read_only = _why_read_only(self.path)
        """the reason for which nothing can be changed; empty where it can"""
        self._writing = threading.RLock()
        self._appending = threading.Lock()
        self._checkpoint: threading.Timer | None = None
        self._closed = False
        self._idle = threading.Condition()
        self._open: Counter[int] = Counter()
        self._swapping = False
        self._cached: dict[Hashable, Any] = {}
        self._derived = Derivations(self._cursor)
        self._connection = _connect(self.path, read_only=bool(self.why_read_only))
        try:
            if self.why_read_only:
                version = self.one("select max(version) from schema_version")
                if version != len(MIGRATIONS):
                    raise Refused(
                        f"{self.why_read_only} It was written by another version of Rondo (schema {version}, this one "
                        f"knows {len(MIGRATIONS)}), which cannot be changed there. Copy the folder to where you may "
                        "write."
                    )
                return
            with self.transaction() as cursor:
                if (version := migrate(cursor, len(MIGRATIONS))) > len(MIGRATIONS):
                    raise Refused(
                        f"{self.path} was written by a newer Rondo (schema {version}, this one knows "
                        f"{len(MIGRATIONS)}). Upgrade Rondo; nothing was changed."
                    )
        except BaseException as error:
            self._connection.close()
            if isinstance(error, duckdb.InternalException | duckdb.SerializationException):
                raise Damaged(damaged(self.path, str(error))) from None
            raise
        _keep_private(self.path)

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """All rows of a read."""
        with self._cursor() as cursor:
            return cursor.execute(sql, list(parameters)).fetchall()

    def one(self, sql: str, parameters: Sequence[object] = ()) -> Any:
        """First column of the first row, or None."""
        with self._cursor() as cursor:
            row = cursor.execute(sql, list(parameters)).fetchone()
        return row[0] if row else None

    @contextmanager
    def transaction(self, touched: Collection[int] | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """Durable when the block has ended, nothing of it where it raised. Raises Refused where nothing can change.

        touched: see `derived`; where rows about these records change, and leases, and nothing else. It may grow inside.
        """
        with self._committing(self._writing, touched) as cursor:
            yield cursor

    @contextmanager
    def appending(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A transaction that does not wait for writers: only to insert new rows, which no writer can know of yet."""
        with self._committing(self._appending) as cursor:
            yield cursor

    @contextmanager
    def checkpoints_aside(self) -> Iterator[Callable[[], None]]:
        """Inside, no commit checkpoints, which takes seconds that an answer would wait; calling what it yields does.

        Call it after each large commit, since a checkpoint writes all that came since the last one.
        """
        before = self.one("select current_setting('checkpoint_threshold')")
        with self._cursor() as cursor:
            cursor.execute("set checkpoint_threshold = '1TB'")

        def checkpoint() -> None:
            for _ in range(20):  # DuckDB refuses while a writer is at work, which is seldom and short
                with suppress(duckdb.TransactionException), self._cursor() as cursor:
                    cursor.execute("checkpoint")
                    return
                time.sleep(0.02)

        try:
            yield checkpoint
        finally:
            with self._cursor() as cursor:
                cursor.execute(f"set checkpoint_threshold = '{before}'")

    def require_writable(self) -> None:
        """Raises Refused where nothing can be changed."""
        if self.why_read_only:
            raise Refused(f"{self.why_read_only} You can look at it, and export to elsewhere; nothing was changed.")

    @contextmanager
    def _committing(
        self, lock: AbstractContextManager[Any], touched: Collection[int] | None = None
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """lock: of the writers. The cursor is made first: a swap of the file waits for cursors, not for the lock."""
        self.require_writable()
        with self._cursor() as cursor, lock:
            cursor.execute("begin")
            try:
                yield cursor
                self._derived.note(touched)
                _commit(cursor)
                _keep_private(self.path)
            except BaseException:
                _roll_back(cursor)
                raise
            finally:
                self._cached = {}
                self._derived.note(touched)
            self._checkpoint_soon()

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor on one snapshot, for reads that must agree with each other."""
        with self._cursor() as cursor:
            cursor.execute("begin")
            try:
                yield cursor
            finally:
                _roll_back(cursor)

    def cached(self, what: Hashable, read: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        """What `read` finds, read once until anything at all is stored: for figures that need a look at every record.

        what: names it, with all that it depends on besides the database, the time of day too. Nobody may change it.
        """
        cached = self._cached  # a commit puts another in its place: then what is read here is kept for nobody
        if what not in cached:
            with self.reading() as cursor:
                cached[what] = read(cursor)
        return cached[what]  # type: ignore[no-any-return]

    def derived(self, name: str, inputs: Hashable, read: Read[T]) -> T:
        """What `read` makes of all there is; once every transaction since has said which records it touched, it gets
        what it made before, which it must not change, and the numbers of those; else None.

        inputs: all that it depends on besides the database. Leases, which end by themselves, it must look after.
        """
        return self._derived.read(name, inputs, read)

    def backup(self, folder: Path) -> Path:
        """A copy of the file that opens by itself; writers wait while it is made. Raises OSError where it cannot be."""
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / FILE
        with self._cursor() as cursor, self._appending, self._writing:
            cursor.execute("checkpoint")  # DuckDB makes none while anybody writes
            target.touch(0o600)
            copy_elsewhere(self.path, target)
        return target

    def rewrite(self) -> None:
        """Copies all into a fresh file that replaces the old one, since the bytes of deleted rows stay in free pages.

        Not inside a transaction. Waits for readers; new ones wait for it. Raises Refused.
        """
        fresh = self.path.with_name(f"{FILE}.fresh.partial")
        fresh.unlink(missing_ok=True)
        with self._alone():
            try:
                self._copy_to(fresh)
                shutil.copymode(self.path, fresh)
            except (duckdb.Error, OSError) as error:
                fresh.unlink(missing_ok=True)
                raise Refused(
                    f"{self.path} could not be rewritten ({str(error).splitlines()[0]}), so what was erased may stand "
                    "in its free pages. Free the disk; the next command tries again."
                ) from None
            self._swap(fresh)

    def _copy_to(self, fresh: Path) -> None:
        """Checks for free space first: DuckDB invalidates a database that could not be checkpointed."""
        written = [self.path, wal_of(self.path)]
        needed = 2 * sum(path.stat().st_size for path in written if path.exists()) + 2**20
        if shutil.disk_usage(self.path.parent).free < needed:
            raise OSError(f"{needed:,} bytes are needed")
        self._connection.execute("checkpoint")
        (name,) = self._connection.execute("select current_database()").fetchall()[0]
        self._connection.execute(f"attach '{quoted(fresh)}' as fresh")
        try:
            self._connection.execute(f'copy from database "{name}" to fresh')
            self._connection.execute("checkpoint fresh")
        finally:
            self._connection.execute("detach fresh")

    def _swap(self, fresh: Path) -> None:
        """Our lock on the old file is held until the fresh one is open, so that no other process writes to the old.

        A file that we close gives up every lock that this process has on it, DuckDB's too: so before DuckDB opens it.
        """
        with fresh.open("r+b") as new:
            os.fsync(new.fileno())
        with self.path.open("r+b") as old:
            self._connection.close()
            mine = _locked(old)
            if mine:
                wal_of(self.path).unlink(missing_ok=True)
                os.replace(fresh, self.path)
                sync_folder(self.path.parent)
                self._reopen()
        if not mine:
            fresh.unlink()
            self._reopen()
            raise Refused(f"Another process opened {self.path} just now. Run the same command again.")

    def _reopen(self) -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                self._connection = _connect(self.path)
                return
            except StoreHeld:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)

    @contextmanager
    def _cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A thread that has one may have another while a swap waits, since the swap waits for that thread's first."""
        me = threading.get_ident()
        with self._idle:
            self._idle.wait_for(lambda: not self._swapping or self._open[me])
            self._open[me] += 1
        try:
            with in_sentences(self.path), self._connection.cursor() as cursor:
                yield cursor
        finally:
            with self._idle:
                self._open[me] -= 1
                self._open += Counter()  # drops threads with a count of 0
                self._idle.notify_all()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While no cursor is open."""
        with self._idle:
            self._idle.wait_for(lambda: not self._swapping)
            self._swapping = True
        try:
            with self._idle:
                if not self._idle.wait_for(lambda: not self._open, PATIENCE_SECONDS):
                    raise Refused(f"{self.path} was read for over {PATIENCE_SECONDS:.0f} s. Try again.")
            yield
        finally:
            with self._idle:
                self._swapping = False
                self._idle.notify_all()

    def close(self) -> None:
        """Checkpoints, so that no write-ahead file is left."""
        with self._appending, self._writing:
            self._closed = True
            if self._checkpoint:
                self._checkpoint.cancel()
            if wal_of(self.path).exists():
                # closing does so only where no other thread has a cursor open
                with suppress(duckdb.Error), self._connection.cursor() as cursor:
                    cursor.execute("checkpoint")
            self._connection.close()

    def _checkpoint_soon(self) -> None:
        """Once in CHECKPOINT_SECONDS at most, in a thread of its own, so that no answer waits for it."""
        if self._checkpoint is None and not self._closed:
            self._checkpoint = threading.Timer(CHECKPOINT_SECONDS, self._checkpoint_now)
            self._checkpoint.daemon = True
            self._checkpoint.start()

    def _checkpoint_now(self) -> None:
        self._checkpoint = None
        try:
            with self._cursor() as cursor, self._writing:
                if not self._closed:
                    cursor.execute("checkpoint")
        except duckdb.TransactionException:  # another writer is active: later
            self._checkpoint_soon()
        except (duckdb.Error, RondoError) as error:  # closed, or a full disk: the write-ahead log has all commits
            if not self._closed:
                log.warning("checkpoint of %s: %s", self.path, error)


def migrate(cursor: duckdb.DuckDBPyConnection, to: int) -> int:
    """Runs the missing steps up to this version of the schema; returns the version reached."""
    cursor.execute("create table if not exists schema_version (version integer not null)")
    version = count(cursor, "select coalesce(max(version), 0) from schema_version")
    for number, step in enumerate(MIGRATIONS[version:to], version + 1):
        cursor.execute(step)
        cursor.execute("insert into schema_version values (?)", [number])
        if number == len(MIGRATIONS):
            for view in VIEWS:
                cursor.execute(view)
    return max(version, to)


def _keep_private(path: Path) -> None:
    """Makes database and write-ahead log readable by the owner only: they have people's texts."""
    for file in (path, wal_of(path)):
        with suppress(OSError):  # not there, or of somebody else
            if file.stat().st_mode & 0o077:
                file.chmod(0o600)


def _roll_back(cursor: duckdb.DuckDBPyConnection) -> None:
    with suppress(duckdb.TransactionException):  # a failed commit has already rolled back
        cursor.execute("rollback")


def _locked(file: IO[bytes]) -> bool:
    """Locks it; False where another process has the lock."""
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _commit(cursor: duckdb.DuckDBPyConnection) -> None:
    """Ctrl-C that comes while DuckDB commits is raised after the commit."""
    try:
        cursor.execute("commit")
    except RuntimeError:
        try:
            cursor.execute("rollback")
        except duckdb.TransactionException:
            return  # nothing is left to roll back
        raise Cancelled("Stopped. Nothing of this step was stored.") from None


def _why_read_only(path: Path) -> str:
    """A sentence; empty where the project can be changed."""
    effective = os.access in os.supports_effective_ids
    if not path.exists():
        if path.parent.is_dir() and not os.access(path.parent, os.W_OK, effective_ids=effective):
            raise Refused(f"{path.parent} has no database yet, and may not be written to by you.")
        return ""
    if not os.access(path, os.R_OK, effective_ids=effective):
        raise Refused(f"{path} may not be read by you: ask its owner for it.")
    for checked in (path, path.parent):
        if not os.access(checked, os.W_OK, effective_ids=effective):
            medium = os.statvfs(checked).f_flag & os.ST_RDONLY
            why = "lies on a file system that is mounted read-only" if medium else "may not be written to by you"
            return f"{checked} {why}."
    return ""


def _connect(path: Path, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    if wal := unsound_wal(path):
        refuse_held(path)
        raise Damaged(damaged_wal(path, wal))
    with in_sentences(path):
        try:
            # One thread: answers are small queries; a second thread only takes time from browsers and jobs.
            return duckdb.connect(str(path), read_only=read_only, config=CONFIG)
        except duckdb.IOException as error:
            if is_lock(error):
                raise StoreHeld(f"{path} is open in another process.") from None
            raise
        except (duckdb.InternalException, duckdb.SerializationException) as error:
            raise Damaged(damaged(path, str(error))) from None


CONFIG: dict[str, Any] = {"autoinstall_known_extensions": "false", "threads": 1}


def unsound_wal(path: Path) -> Wal | None:
    """The write-ahead log, if opening the database would silently lose part of it or fail."""
    beside = wal_of(path)
    if not beside.exists() or not beside.stat().st_size or not path.exists():
        return None
    header = wal_header(path)
    wal = read_wal(beside, header) if header else None
    return wal if wal and wal.damage else None


def refuse_held(path: Path) -> None:
    """Raises StoreHeld for a file that another process has open: it may be writing what we read."""
    try:
        duckdb.connect(str(path), read_only=True, config=CONFIG).close()
    except duckdb.IOException as error:
        if is_lock(error):
            raise StoreHeld(f"{path} is open in another process.") from None
    except duckdb.Error:
        pass
