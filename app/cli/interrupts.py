"""Ctrl-C on the command line: noted when it comes, obeyed where the work can stop. Knows no verb.

Python would raise it in the midst of anything: between a commit and the line after it, or inside DuckDB, which makes an
error of its own of it. So it is only noted, and the next report of the work raises `Cancelled`.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from core.errors import Cancelled

AT_ONCE_SECONDS = 1.0
"""a press this long after the first ends the process as a kill would: what was stored is kept"""

Report = Callable[[str, int, int], None]

_pressed: list[float] = []
_stops: list[Callable[[], None]] = []


@contextmanager
def noted() -> Iterator[None]:
    """While it lasts, Ctrl-C raises nothing. Elsewhere than in the main thread, where none arrives, it does nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, lambda *_: _note())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _note() -> None:
    now = time.monotonic()
    if _pressed and now - _pressed[0] > AT_ONCE_SECONDS:
        os.write(2, b"\nEnded at once. What was saved is kept.\n")
        os._exit(130)
    if not _pressed and sys.stderr.isatty():
        os.write(2, b"\nStopping as soon as what is being stored is whole. Ctrl-C again ends it at once.\n")
    _pressed.append(now)
    for stop in _stops:
        threading.Thread(target=stop, daemon=True).start()


def pressed() -> bool:
    """Has it come since the process began?"""
    return bool(_pressed)


@contextmanager
def stopping(stop: Callable[[], None]) -> Iterator[None]:
    """While it lasts, Ctrl-C calls `stop` besides: for work that goes on elsewhere."""
    _stops.append(stop)
    try:
        yield
    finally:
        _stops.remove(stop)


def stoppable(report: Report) -> Report:
    """The same report, which stops the work when Ctrl-C has come. One that says that all is done stops nothing: what is
    done is told."""

    def report_step(what: str, done: int, total: int) -> None:
        if _pressed and not (total and done >= total):
            raise Cancelled(f"{what}: stopped. What was saved is kept.")
        report(what, done, total)

    return report_step


def tolerant(report: Report) -> Report:
    """The same report, which raises nothing: a server was asked to stop, and its answer says what became of it."""

    def report_step(what: str, done: int, total: int) -> None:
        with suppress(Cancelled):
            report(what, done, total)

    return report_step
