"""The one project that this server process has open, and what goes on in it. Pages and routes ask here."""

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core import loop
from core.errors import Cancelled, NotAProject, RondoError
from core.jobs import Report
from core.project import Project
from core.queue import Desk
from core.settings import Settings

log = logging.getLogger("rondo")
PRIVATE = ".rondo"


@dataclass(frozen=True)
class Activity:
    """What goes on now. `total` 0 means that nobody knows how much there is."""

    what: str
    done: int
    total: int
    since: float

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self.since

    @property
    def share(self) -> float:
        """Done of total, 0..1."""
        return min(self.done / self.total, 1.0) if self.total else 0.0


@dataclass
class Office:
    """An open project with its background work: one round at a time, and encoding beside it."""

    project: Project
    secret: bytes
    local: bool = True
    activities: dict[str, Activity] = field(default_factory=dict)
    trouble: str | None = None
    """what the last background work ended with, until the next one succeeds"""
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _threads: list[threading.Thread] = field(default_factory=list)

    @property
    def desk(self) -> Desk:
        """Where people get records and hand in answers."""
        return self.project.desk

    def settings(self) -> Settings:
        """As `rondo.toml` says now."""
        return self.project.settings()

    def run(self, verb: str, report: Report, **options: Any) -> dict[str, Any]:
        """One verb; those that change the queue or the model take turns."""
        work = loop.VERBS[verb]
        told = self._following(verb, report)
        try:
            if verb in ("next", "fit", "round", "import"):
                with self._turn:
                    return work(self.project, told, **options)
            return work(self.project, told, **options)
        finally:
            self.activities.pop(verb, None)

    def after_events(self) -> None:
        """Starts a round when a batch is finished; returns at once."""
        if self.settings().automatic and not self._turn.locked() and self.desk.round_due():
            self.start("round")

    def start(self, verb: str, **options: Any) -> None:
        """Does the verb in the background; what goes wrong is shown on the pages, what was saved is kept."""
        if verb in self.activities:
            return
        self.activities[verb] = Activity("Starting", 0, 0, time.monotonic())
        thread = threading.Thread(target=self._background, args=(verb, options), name=f"rondo-{verb}", daemon=True)
        self._threads = [one for one in self._threads if one.is_alive()] + [thread]
        thread.start()

    def cancel(self, verb: str) -> None:
        """Stops the job behind this verb; what it finished is kept."""
        (self.project.encoding if verb in ("encode", "open") else self.project.jobs).stop.set()
        self.project.encoding.stop.set()

    def close(self) -> None:
        """Cancels what runs and leaves a project that another process can open."""
        self.project.jobs.stop.set()
        self.project.encoding.stop.set()
        for thread in self._threads:
            thread.join(10)
        self.project.close()

    def _background(self, verb: str, options: dict[str, Any]) -> None:
        try:
            self.run(verb, lambda *_: None, **options)
            self.trouble = None
        except Cancelled:
            self.trouble = None
        except RondoError as error:
            self.trouble = str(error)
            log.warning("%s: %s", verb, error)
        finally:
            self.activities.pop(verb, None)

    def _following(self, verb: str, report: Report) -> Report:
        """The same report, seen by the pages too."""
        since: dict[str, float] = {}

        def told(what: str, done: int, total: int) -> None:
            began = since.setdefault(what, time.monotonic())
            self.activities[verb] = Activity(what, done, total, began)
            report(what, done, total)

        return told


_OPEN: list[Office] = []


def opened() -> Office:
    """The office of this process. Raises NotAProject where none was opened."""
    if not _OPEN:
        raise NotAProject("No project is open in this process. Start the app with `rondo up`.")
    return _OPEN[-1]


def open_office(open_project: Callable[[], Project], *, local: bool = True) -> Office:
    """Opens a project for this process."""
    project = open_project()
    office = Office(project, read_secret(project.folder), local)
    _OPEN[:] = [office]
    return office


def close_office() -> None:
    """Ends what `open_office` began."""
    while _OPEN:
        _OPEN.pop().close()


def private_folder(project: Path) -> Path:
    """Where the secret and the server's address are: for the owner's eyes only."""
    folder = project / PRIVATE
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def read_secret(project: Path) -> bytes:
    """Made once per project, so that a page that is open in a browser goes on after a restart."""
    path = private_folder(project) / "secret"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes()
    with os.fdopen(descriptor, "wb") as file:
        secret = secrets.token_hex(32).encode()
        file.write(secret)
    return secret
