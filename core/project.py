"""An open project: its folder, store, desk and jobs in one hand. Knows no verb."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from core.jobs import Jobs, Runner
from core.queue import Desk
from core.settings import FILE, Settings, read_settings, write_settings
from core.store import Store, utc_now


@dataclass
class Project:
    """Made by `open_project`, ended by `close`."""

    folder: Path
    store: Store
    desk: Desk
    jobs: Jobs
    settings: Callable[[], Settings]
    encoding_now: threading.Lock = field(default_factory=threading.Lock)
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

    def save_settings(self, settings: Settings) -> None:
        """Writes `rondo.toml`."""
        write_settings(self.folder, settings)

    def close(self) -> None:
        """Leaves a file that another process can open."""
        self.store.close()


def open_project(folder: Path, runner: Runner) -> Project:
    """Raises NotAProject, BadInput (settings), Damaged, or StoreHeld when another process has it open."""
    settings = _current_settings(folder)
    settings()
    store = Store(folder)
    return Project(
        folder=folder,
        store=store,
        desk=Desk(store, settings, utc_now),
        jobs=Jobs(store, runner, folder / "jobs"),
        settings=settings,
    )


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
