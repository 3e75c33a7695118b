"""Checking and repairing a project from the list: one at a time for each project, in a process of its own."""

import logging
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.home.child import follow
from app.home.drafts import UNEXPECTED
from app.home.home_guard import lacking
from app.home.home_routes import HomeServer, answered, body_of, rest
from app.home.tending import ACTS
from core.errors import BadInput, Cancelled, RondoError
from core.home import folders

log = logging.getLogger("rondo")
RUNNING = "running"


@dataclass
class Tending:
    """One act on a project. phase: running, done, stopped, failed."""

    act: str
    phase: str = RUNNING
    progress: tuple[str, int, int] = ("Waiting", 0, 0)
    error: str = ""
    result: Any = None
    stop: threading.Event = field(default_factory=threading.Event)

    def state(self) -> dict[str, object]:
        """As the page gets it."""
        return {name: value for name, value in vars(self).items() if name != "stop"}


@dataclass
class Care:
    """What is or was done to the projects of a home since it began."""

    home: HomeServer
    _tendings: dict[str, Tending] = field(default_factory=dict)
    _changing: threading.Lock = field(default_factory=threading.Lock)

    def of(self, key: str) -> Tending:
        """The last act. Raises BadInput where there was none."""
        if known := self._tendings.get(key):
            return known
        raise BadInput("Nothing was begun here. Reload the page.")

    def begin(self, key: str, act: str) -> Tending:
        """Returns at once; what is under way goes on in place of it. Raises BadInput, NotAProject."""
        if act not in ACTS:
            raise BadInput(f"There is no act {act[:40]!r}.")
        folders.project_path(self.home.folder, key)
        with self._changing:
            known = self._tendings.get(key)
            if known and known.phase == RUNNING:
                return known
            tending = self._tendings[key] = Tending(act)
        threading.Thread(target=self._tend, args=(key, tending), name=f"care-{key}", daemon=True).start()
        return tending

    def close(self) -> None:
        """Stops all."""
        for tending in list(self._tendings.values()):
            tending.stop.set()

    def _tend(self, key: str, tending: Tending) -> None:
        phase = "done"
        try:
            tending.result = self._done(key, tending)
        except Cancelled as error:
            phase, tending.error = "stopped", str(error)
        except RondoError as error:
            phase, tending.error = "failed", str(error)
        except Exception:
            phase, tending.error = "failed", UNEXPECTED
            log.exception("%s of %s", tending.act, key)
        finally:
            self.home.entries.forget(key)
            tending.phase = phase  # last: who sees it finds the list as it is now

    def _done(self, key: str, tending: Tending) -> Any:
        """The lock keeps the project's server from starting meanwhile: it would hold the file, or write to it."""

        def progress(what: str, done: int, total: int) -> None:
            tending.progress = (what, done, total)

        with self.home.engines.lock(key):
            if tending.act == "repair":
                rest(self.home, key)
            folder = folders.project_path(self.home.folder, key)
            output = folders.private(self.home.folder, f"{key}.care")
            try:
                return follow("app.home.tending", [tending.act, folder], output, tending.stop, progress)
            finally:
                output.unlink(missing_ok=True)


def care_routes(home: HomeServer, care: Care) -> list[Route]:
    """For whoever manages the project: begin, how far it is, stop."""

    async def begin(request: Request, key: str) -> Tending:
        act = str((await body_of(request)).get("act", ""))
        return await run_in_threadpool(care.begin, key, act)

    async def state(_: Request, key: str) -> Tending:
        return care.of(key)

    async def stop(_: Request, key: str) -> Tending:
        tending = care.of(key)
        tending.stop.set()
        return tending

    path = "/api/home/projects/{key}/care"
    return [
        Route(path, _managed(begin), methods=["POST"]),
        Route(path, _managed(state)),
        Route(path, _managed(stop), methods=["DELETE"]),
    ]


def _managed(act: Callable[[Request, str], Coroutine[None, None, Tending]]) -> Callable[[Request], Any]:
    async def route(request: Request) -> Response:
        key = str(request.path_params["key"])
        if refusal := lacking(request, lambda visitor: visitor.manages(key)):
            return refusal
        try:
            return JSONResponse((await act(request, key)).state())
        except RondoError as error:
            return answered(error)

    return route
