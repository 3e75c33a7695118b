"""Work of a home in a process of its own: a line of JSON for each report, the last a result or an error.

The end of its input tells the process to stop, so it also ends with a home that was killed. Knows no work.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from app.cli import interrupts
from core.errors import BadInput, Cancelled, RondoError
from core.jobs.bundle import Report
from core.typed_json import to_json

ENDED = "The process ended before it was done. Try again."
LOOK_SECONDS = 0.2


def speak(work: Callable[[Report], object], stopped: str) -> None:
    """In the process: does the work and says what came of it. stopped: what is said where it was stopped.

    Whatever prints, trainers do, prints to the log from here on.
    """
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(message: Mapping[str, object]) -> None:
        out.write(json.dumps(message) + "\n")
        out.flush()

    def report(what: str, done: int, total: int) -> None:
        say({"progress": [what, done, total]})

    with interrupts.noted():
        threading.Thread(target=_stop_with_input, daemon=True).start()
        try:
            say({"result": to_json(work(interrupts.stoppable(report)))})
        except Cancelled:
            say({"error": stopped})
        except RondoError as error:
            say({"error": str(error)})


def follow(module: str, words: Sequence[object], log: Path, stop: threading.Event, progress: Report) -> Any:
    """In the home: starts `python -m module words` and returns its result. log: gets what it writes besides.

    Raises BadInput with what it complains of, and Cancelled where it was stopped before it had one.
    """
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, *map(str, words)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=file,
            start_new_session=True,
        )
    threading.Thread(target=_close_on, args=(stop, process), daemon=True).start()
    last: dict[str, Any] = {"error": ENDED}
    try:
        for line in process.stdout or ():
            message = json.loads(line)
            if "progress" in message:
                progress(*message["progress"])
            else:
                last = message
    except BaseException:
        _close_input(process)  # nobody listens any more
        raise
    finally:
        process.wait()
        _close_input(process)
    if stop.is_set() and "error" in last:
        raise Cancelled(last["error"])
    if "error" in last:
        raise BadInput(last["error"])
    return last["result"]


def _stop_with_input() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGINT)


def _close_on(stop: threading.Event, process: "subprocess.Popen[bytes]") -> None:
    """The end of its input tells the process to stop."""
    while process.poll() is None:
        if stop.wait(LOOK_SECONDS):
            return _close_input(process)
    return None


def _close_input(process: "subprocess.Popen[bytes]") -> None:
    if process.stdin:
        with suppress(OSError):
            process.stdin.close()
