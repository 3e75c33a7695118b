"""A project's own server, started by a home: ends with the home, and when nobody has used it for a while."""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from app.background import opened
from app.cli import interrupts
from app.server import Listening, serve
from core.errors import NotAProject, RondoError
from core.jobs.job_states import UNDER_WAY

LOOK_SECONDS = 1.0
GRACE_SECONDS = 25.0
"""for which a server that was told to stop may go on storing"""
HEALTH = ("/api/health", "/_stcore/health")
"""what a home or a page asks only to learn whether the server is there"""


@dataclass
class Use:
    """When the project was last used: a page that is open keeps it in use, whatever it does."""

    last: float = field(default_factory=time.monotonic)
    open: int = 0

    def idle_seconds(self) -> float:
        """0 while a page is open."""
        return 0.0 if self.open else time.monotonic() - self.last


class Counted:
    """Plain ASGI: notes requests and open pages in a `Use`."""

    def __init__(self, app: ASGIApp, use: Use) -> None:
        self._app = app
        self._use = use

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes everything on."""
        if scope["type"] == "lifespan" or str(scope["path"]).endswith(HEALTH):
            await self._app(scope, receive, send)
            return
        self._use.open += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._use.open -= 1
            self._use.last = time.monotonic()


def is_busy() -> bool:
    """Does anything go on in the project: a task of this server, or a job of its own or of a runner?"""
    try:
        server = opened()
        rows = "select count(*) from jobs where list_contains(?, state)"
        return bool(server.activities) or bool(server.project.store.one(rows, [[*UNDER_WAY]]))
    except NotAProject:  # it is being opened
        return True


def watch(use: Use, limit: float) -> None:
    """Ends this process when the project was idle for so many seconds: without a page, and with nothing going on. Runs
    in a thread."""
    while use.idle_seconds() < limit:
        if is_busy():
            use.last = time.monotonic()
        time.sleep(min(LOOK_SECONDS, limit / 4))
    end("idle")


def follow_home(ended: Callable[[], None]) -> None:
    """Calls `ended` when the home is gone: its end of the pipe closes with it, even where it was killed."""
    while os.read(0, 1024):
        pass
    ended()


def end(_reason: str) -> None:
    """What Ctrl-C would do; at once, where that takes too long."""
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(GRACE_SECONDS)
    os._exit(1)


def main() -> None:
    """`python -m app.home.engine JSON`: folder, port, public, home, idle (seconds). Errors are one line on stderr."""
    options = json.loads(sys.argv[1])
    use = Use()
    threading.Thread(target=follow_home, args=(lambda: end("home"),), daemon=True).start()
    threading.Thread(target=watch, args=(use, float(options["idle"])), daemon=True).start()
    listening = Listening(port=options["port"], public=options["public"], home=options["home"])
    with interrupts.noted():
        try:
            serve(Path(options["folder"]), listening, lambda _: None, [Middleware(Counted, use=use)])
        except RondoError as error:
            if not interrupts.pressed():
                sys.stderr.write(f"{error}\n")
                sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
