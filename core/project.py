"""An open project: its folder, store, desk and jobs in one hand. Knows no verb."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb

from core.jobs import UNDER_WAY, Jobs, Runner
from core.labelling.queue import Desk
from core.records import adopt_taxonomy
from core.settings import FILE, Settings, read_settings, write_settings
from core.store import Store, utc_now
from core.team.link import Link, nowhere
from core.team.workspace import Connect


@dataclass
class Project:
    """Made by `open_project`, ended by `close`."""

    folder: Path
    store: Store
    desk: Desk
    jobs: Jobs
    settings: Callable[[], Settings]
    runners: "Runners" = field(default_factory=dict)
    """what can carry a training job, by name"""
    team: Link = field(default_factory=Link)
    encoding_now: threading.Lock = field(default_factory=threading.Lock)
    _changing: threading.RLock = field(default_factory=threading.RLock)
    turn: threading.Lock = field(default_factory=threading.Lock)
    """held while a round is played: one at a time"""

    @property
    def vectors(self) -> Path:
        """Where the encoders' shards are."""
        return self.folder / "vectors"

    @property
    def models(self) -> Path:
        """Where the artifacts are, one folder each."""
        return self.folder / "models"

    @contextmanager
    def changing_settings(self) -> Iterator[tuple[Settings, duckdb.DuckDBPyConnection]]:
        """The settings as they are, which nobody else changes meanwhile, and a transaction to change them in.

        `save_settings` is the last thing in the block: the desk, which waits for the transaction, never sees one
        without the other. Where the process dies between the file and the commit the file is ahead, and the next
        `open_project` makes the database follow it.
        """
        with self._changing:
            before = self.settings()
            try:
                with self.store.transaction() as cursor:
                    yield before, cursor
            except BaseException:
                if self.settings() != before:
                    write_settings(self.folder, before)
                raise

    def save_settings(self, settings: Settings) -> None:
        """Writes `rondo.toml`."""
        write_settings(self.folder, settings)

    def close(self) -> None:
        """Leaves a file that another process can open."""
        self.store.close()


Runners = Mapping[str, Callable[[Settings], Runner]]


def open_project(folder: Path, runner: Runner, runners: Runners | None = None, connect: Connect = nowhere) -> Project:
    """Raises NotAProject, BadInput (settings), Damaged, or StoreHeld when another process has it open.

    Labels that a person edited in `rondo.toml` meanwhile are a new version of the taxonomy.
    """
    folder = folder.absolute()  # jobs stand elsewhere
    settings = _current_settings(folder)
    settings()
    store = Store(folder)
    project = Project(
        folder=folder,
        store=store,
        desk=Desk(store, settings, utc_now),
        jobs=Jobs(store, runner, folder / "jobs"),
        settings=settings,
        runners=runners or {},
        team=Link(connect),
    )
    if store.why_read_only:
        return project
    with project.changing_settings() as (found, cursor):
        adopted = adopt_taxonomy(cursor, _settle_encoder(cursor, found))
        if adopted != found:
            project.save_settings(adopted)
    return project


def _settle_encoder(cursor: duckdb.DuckDBPyConnection, settings: Settings) -> Settings:
    """The settings as they were, where a promotion was killed after `rondo.toml` and before the database.

    The old champion is whole then: its vectors, suggestions and queue were not touched. Such a job is nobody's any
    more: the database can be opened only when the process that promoted has ended.
    """
    rows = cursor.execute(
        """select id, params->>'before' from jobs where kind = 'activate' and list_contains(?, state)
             and params->>'encoder' = ? and params->>'before' <> params->>'encoder' order by made_at desc limit 1""",
        [list(UNDER_WAY), settings.encoder],
    ).fetchall()
    for job, before in rows:
        cursor.execute("update jobs set state = 'lost', ended_at = ? where id = ?", [utc_now(), job])
        return replace(settings, encoder=before)
    return settings


def _current_settings(folder: Path) -> Callable[[], Settings]:
    """Reads the file again when it has changed, since a person may edit it while the server runs."""
    read: list[tuple[int, int, Settings]] = []

    def settings() -> Settings:
        path = folder / FILE
        stat = path.stat() if path.exists() else None
        stamp = (stat.st_mtime_ns, stat.st_size) if stat else (0, 0)
        if not read or read[0][:2] != stamp:
            read[:] = [(*stamp, read_settings(folder))]
        return read[0][2]

    return settings
