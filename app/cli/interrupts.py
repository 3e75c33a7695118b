"""Ctrl-C on the command line: noted at once, carried out where the work can stop. Knows no verb.

Python would raise it anywhere: between a commit and the line after it, or inside DuckDB, which turns it into an error
of its own. So it is only noted, and the next report of the work raises `Cancelled`.
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
    """Inside, Ctrl-C raises nothing. Outside the main thread, which gets no signals, it does nothing."""
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
    """Was Ctrl-C pressed since the process began?"""
    return bool(_pressed)


@contextmanager
def stopping(stop: Callable[[], None]) -> Iterator[None]:
    """Inside, Ctrl-C also calls `stop`, for work in another process."""
    _stops.append(stop)
    try:
        yield
    finally:
        _stops.remove(stop)


def stoppable(report: Report) -> Report:
    """The same report, which stops the work when Ctrl-C has come. A report that all is done does not stop."""

    def report_step(what: str, done: int, total: int) -> None:
        if _pressed and not (total and done >= total):
            raise Cancelled(f"{what}: stopped. What was saved is kept.")
        report(what, done, total)

    return report_step


def tolerant(report: Report) -> Report:
    """The same report, which raises nothing: the server was told to stop, and its answer has the outcome."""

    def report_step(what: str, done: int, total: int) -> None:
        with suppress(Cancelled):
            report(what, done, total)

    return report_step
