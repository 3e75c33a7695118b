"""What a home knows of its projects: figures, people, secrets. Asks a project's server where it runs, else its file."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb

from app.auth.secret_file import read_secret_table
from app.client import ask_server
from app.home.engines import Engines
from core.config.settings import FILE as SETTINGS
from core.errors import RondoError
from core.home.folders import project_keys
from core.home.summary import HomeEntry, ProjectSummary, home_entry, read_closed
from core.store.database import FILE as DATABASE

FRESH_SECONDS = 2.0
"""for which an answer of a running server is used again"""
LOCK_SECONDS = 0.3
Stamp = tuple[tuple[int, int], ...]


@dataclass
class _Remembered:
    entry: HomeEntry
    stamp: Stamp
    at: float


@dataclass
class Entries:
    """Reads nothing twice that has not changed. Call it in a thread."""

    home: Path
    engines: Engines
    _remembered: dict[Path, _Remembered] = field(default_factory=dict)
    _changing: threading.Lock = field(default_factory=threading.Lock)

    def project_keys(self) -> list[str]:
        """Of the projects that can be opened."""
        return project_keys(self.home)

    def of(self, key: str) -> HomeEntry:
        """The newest that can be read; while another program has the project open, what was known before."""
        return self._read(self.home / key, lambda: self._newest(key))

    def put_away(self, folder: Path) -> HomeEntry:
        """Of a project that is archived or in the trash."""
        return self._read(folder, lambda: read_closed(folder))

    def by_accounts(self, folder: Path) -> bool:
        """Do people sign in to it with an organisation's accounts? It lets them in itself then."""
        try:
            return "auth" in read_secret_table(folder)
        except RondoError:
            return True

    def forget(self, key: str) -> None:
        """It was changed, moved or made anew."""
        folder = self.home / key
        with self._changing:
            known = self._remembered.pop(folder, None)
            if known and folder.exists():  # its people are needed where a slip makes it unreadable
                self._remembered[folder] = replace(known, stamp=())

    def _read(self, folder: Path, newest: Callable[[], HomeEntry]) -> HomeEntry:
        stamp, now = _stamp(folder), time.monotonic()
        with self._changing:
            known = self._remembered.get(folder)
        if known and known.stamp == stamp and (stamp[-1] == (0, 0) or now - known.at < FRESH_SECONDS):
            return known.entry
        try:
            entry = newest()
        except duckdb.IOException:  # another program is at work on it: a moment ago is near enough
            entry = known.entry if known else HomeEntry(ProjectSummary(folder.name, note="It is in use elsewhere."))
            stamp = ()
        if known and entry.summary.note and not entry.people:  # a slip in the settings locks nobody out
            entry = replace(entry, people=known.entry.people, ended=known.entry.ended)
        with self._changing:
            self._remembered[folder] = _Remembered(entry, stamp, now)
        return entry

    def _newest(self, key: str) -> HomeEntry:
        if self.engines.awake(key):
            try:
                if entry := ask_server(self.home / key, home_entry):
                    return entry
            except RondoError as error:
                return HomeEntry(ProjectSummary(key, note=str(error)))
        lock = self.engines.lock(key)  # a server that begins meanwhile would find the file held
        if not lock.acquire(timeout=LOCK_SECONDS):
            raise duckdb.IOException("locked")
        try:
            return read_closed(self.home / key)
        finally:
            lock.release()


def _stamp(folder: Path) -> Stamp:
    """Changes with whatever is stored. Its last part is (0, 0) where nothing waits in a write-ahead file."""
    return tuple(_file_stamp(folder / name) for name in (SETTINGS, DATABASE, f"{DATABASE}.wal"))


def _file_stamp(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return 0, 0
    return stat.st_mtime_ns, stat.st_size
