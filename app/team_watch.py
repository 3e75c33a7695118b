"""The thread that keeps a team's answers flowing while the app runs: registers the webhook, reads missed answers,
pushes.

A server that is down is logged once, asked again later, and stops nothing else.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeVar

import duckdb

from app import client
from app.http.webhook_routes import register
from core.config.settings import Settings
from core.errors import Cancelled, RondoError
from core.exchange.exchange_state import answers_from_elsewhere, has_exchange, newest_batch
from core.exchange.pull import sync
from core.exchange.push import push
from core.jobs.bundle import Report
from core.models.in_use import active_model
from core.project import Project

log = logging.getLogger("rondo")
TICK_SECONDS = 2.0
SYNC_SECONDS = 30.0
WHOLE_SECONDS = 3600.0
"""after so long everything is read again, whether or not Argilla says that somebody answered"""
SHARE = 10
"""a sync that took t seconds is not repeated for this times t: at most a tenth of the time goes into it"""


Options = ParamSpec("Options")
Result = TypeVar("Result")


class ExchangingProject(Protocol):
    """The part of an open project that is needed here."""

    @property
    def project(self) -> Project:
        """The project."""

    def settings(self) -> Settings:
        """As they are now."""

    def do_alone(
        self,
        user: str,
        verb: Callable[Concatenate[Project, Report, Options], Result],
        *args: Options.args,
        **options: Options.kwargs,
    ) -> Result | None:
        """Does the verb; None, and nothing is done, while it runs already."""

    def after_events(self) -> None:
        """Starts a round when one is due; returns at once."""


class TeamWatch:
    """Runs until the event is set. Its state is lost with the process, and read again from Argilla."""

    def __init__(self, server: ExchangingProject) -> None:
        self._server = server
        self._asked = False  # whether Argilla was asked to call us
        self._next, self._whole = 0.0, 0.0
        self._pushed: tuple[object, ...] | None = None
        self._answers = 0
        self._logged: str | None = None

    def run(self, closed: threading.Event) -> None:
        """Looks every TICK_SECONDS."""
        while not closed.wait(TICK_SECONDS):
            try:
                if has_exchange(self._server.project):
                    self.poll()
                self._logged = None
            except Cancelled:
                continue
            except (RondoError, OSError, duckdb.Error) as error:
                self._asked = False
                self._next = time.monotonic() + SYNC_SECONDS
                if str(error) != self._logged:
                    self._logged = str(error)
                    log.warning("team: %s", error)

    def poll(self) -> None:
        """One turn."""
        now = time.monotonic()
        if now < self._next and not self._is_new():
            return
        address = client.read_address(self._server.project.folder)
        if not self._asked and address:
            register(self._server.project, address.url)
            self._asked = True
        if now >= self._next:
            whole = now >= self._whole
            result = self._server.do_alone("rondo", sync, changed_only=not whole)
            took = time.monotonic() - now
            self._next = time.monotonic() + max(SYNC_SECONDS, SHARE * took)
            if whole and result is not None:
                self._whole = now + WHOLE_SECONDS
            if result and result.stored:
                self._server.after_events()
            self._answers = answers_from_elsewhere(self._server.project)
        if self._server.settings().team_automatic and self._is_new():
            before = self._state()
            if self._server.do_alone("rondo", push) is not None:
                self._pushed = before

    def _is_new(self) -> bool:
        """Whether what a push would send may have changed since the last one."""
        return self._server.settings().team_automatic and self._state() != self._pushed

    def _state(self) -> tuple[object, ...]:
        """Answers given here count once per sync only: each of them closes records there."""
        settings, project = self._server.settings(), self._server.project
        rules = (settings.overlap, settings.show_suggestions, settings.guidelines, settings.taxonomy)
        return (newest_batch(project), active_model(project), rules, self._answers)
