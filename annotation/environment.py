"""The environment that the embedded Argilla runs in: made once per set of pinned libraries, kept in the user's cache.

Argilla's server pins libraries that conflict with ours, so it gets an environment of its own. Starts no server.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import Refused
from core.jobs.bundle import Report

ENGINE = Path(__file__).parent / "engine"
CONSTRAINTS = ENGINE / "constraints.txt"
PYTHONS = ((3, 11), (3, 13))
"""from, to: what Argilla's server was proven with"""
NO_NETWORK = (
    *("Failed to establish a new connection", "Temporary failure in name resolution", "NewConnectionError"),
    *("No matching distribution found", "ProxyError", "Max retries exceeded", "Read timed out"),
)


def cache_folder() -> Path:
    """As the XDG convention has it."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rondo"


def environment_folder() -> Path:
    """Where the environment is, or will be."""
    return cache_folder() / f"argilla-{hashlib.sha256(CONSTRAINTS.read_bytes()).hexdigest()[:12]}"


def argilla_python(report: Report) -> Path:
    """The interpreter of Argilla's environment, which is made first where it is not there (about a minute, 580 MB).

    Raises Refused where it cannot be made: no network, no fitting Python.
    """
    folder = environment_folder()
    python = folder / "bin" / "python"
    if python.exists():
        return python
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _alone(folder.with_suffix(".lock"), report):
        if not python.exists():
            partial = folder.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            try:
                _make(partial, report)
            except BaseException:
                shutil.rmtree(partial, ignore_errors=True)
                raise
            partial.rename(folder)
    return python


@contextmanager
def _alone(path: Path, report: Report) -> Iterator[None]:
    """Two starts at once make one environment: the second waits."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("Waiting for another start that installs Argilla.", 0, 0)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make(folder: Path, report: Report) -> None:
    total = sum(1 for line in CONSTRAINTS.read_text(encoding="utf-8").splitlines() if "==" in line)
    report("Installing Argilla into an environment of its own", 0, total)
    subprocess.run([_fitting_python(), "-m", "venv", str(folder)], check=True, capture_output=True)
    pinned = ["--constraint", str(CONSTRAINTS), "argilla-server", "click"]
    quick = ["--disable-pip-version-check", "--no-input", "--retries", "1", "--timeout", "20", "--progress-bar", "off"]
    command = [str(folder / "bin" / "python"), "-m", "pip", "install", *quick, *pinned]
    last: deque[str] = deque(maxlen=30)
    done = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        try:
            for line in pip.stdout or ():
                last.append(line.strip())
                if line.startswith("Collecting "):
                    done = min(done + 1, total - 1)
                    report("Installing Argilla into an environment of its own", done, total)
        except BaseException:  # a person stopped it
            pip.terminate()
            raise
    if pip.returncode:
        raise Refused(_why(list(last)))
    report("Installing Argilla into an environment of its own", total, total)


def _fitting_python() -> str:
    low, high = PYTHONS
    if low <= sys.version_info[:2] <= high:
        return sys.executable
    for minor in range(high[1], low[1] - 1, -1):
        if result := shutil.which(f"python3.{minor}"):
            return result
    raise Refused(
        f"Argilla's server needs Python {low[0]}.{low[1]} to {high[0]}.{high[1]}; none was found. Install one."
    )


def _why(lines: list[str]) -> str:
    """pip's error as one sentence."""
    if any(sign in line for line in lines for sign in NO_NETWORK):
        return (
            "Argilla could not be installed, because no package index can be reached. Connect this machine once, or "
            f"copy {environment_folder()} from one of the same kind; later starts need no network."
        )
    answer = next((line for line in reversed(lines) if line.startswith("ERROR")), lines[-1] if lines else "nothing")
    return f"Argilla could not be installed. pip said: {answer}"
