"""An open project's connection to the server where its team labels: its lock, and how the last exchange went. Sends
nothing.
"""

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
    """For a process without a connection to Argilla."""
    raise Refused("This process cannot reach Argilla. Use the command line or the app.")


@dataclass
class Link:
    """The state of the exchange since the project was opened. marks: dataset -> its activity when it was last read."""

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
        """A connection; the page shows whether the last one succeeded."""
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
