"""An open project's tie to the place where its team labels: who may ask when, and how it went last. Sends nothing."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from core.config.settings import Settings
from core.errors import Refused
from core.exchange.workspace import Connect, Workspace


def no_workspace(project: Path, settings: Settings) -> Workspace:
    """For a process that was given no way to Argilla."""
    raise Refused("This process cannot reach Argilla. Use the command line or the app.")


@dataclass
class Link:
    """What is known of the exchange since the project was opened. marks: dataset -> its activity when last heard."""

    connect: Connect = no_workspace
    url: str = ""
    in_order: bool = True
    """whether the server hands records out by their rank; as `Workspace` says"""
    called: bool = True
    """whether Argilla can call this app; else answers come with the next sync"""
    marks: dict[str, str] = field(default_factory=dict)
    synced_at: datetime | None = None
    error_message: str | None = None
    """why the last exchange failed, until one succeeds"""
    bad: dict[str, str] = field(default_factory=dict)
    """record id -> why Argilla refused it at the last push"""
    unreadable: dict[str, str] = field(default_factory=dict)
    """record id -> why its answers could not be taken in at the last sync"""
    reconciling: threading.Lock = field(default_factory=threading.Lock)
    """held from asking what people said to having stored it: an old answer never overtakes a newer one"""
    pushing: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def open(self, project: Path, settings: Settings) -> Iterator[Workspace]:
        """A connection; whether it went well is remembered for the page."""
        try:
            workspace = self.connect(project, settings)
            self.url, self.in_order = workspace.url, workspace.in_order
            try:
                yield workspace
            finally:
                workspace.close()
        except Refused as error:
            self.error_message = str(error)
            raise
        self.error_message = None
