"""One attempt at a bundle where nobody minds it: what limits it, stops it or takes its place. Knows no cluster."""

import subprocess
import sys
import time
from pathlib import Path

import psutil

from core.jobs import LOG, Bundle, Sight, write_json

NAME = "attempt"
"""a file of the bundle: the name of the attempt that may go on; no such file: none may"""
LOOK_SECONDS = 0.2
STOP_SECONDS = 10.0


def attempt(bundle: Path, name: str, seconds: int) -> int:
    """Runs the bundle in a process of its own whose output goes to the log; its exit status, as a shell gives it.

    0 where it was stopped: for a reason that a result then gives, or because another attempt has begun (a cluster that
    lost sight of a process starts a second one). seconds: at most; 0: as long as it takes.
    """
    until = time.monotonic() + seconds if seconds else float("inf")
    if end := _end_of(bundle, name, until):
        return _ended(bundle, end)
    with (bundle / LOG).open("ab") as log:
        # in our own session: what ends us with all our processes, as a cluster does, ends the job too
        child = psutil.Popen(
            [sys.executable, "-P", "-m", "gpu_jobs.run", str(bundle)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    while child.poll() is None:
        if end := _end_of(bundle, name, until):
            _stop(child)
            return _ended(bundle, end)
        time.sleep(LOOK_SECONDS)
    return int(child.returncode) if child.returncode >= 0 else 128 - int(child.returncode)


def _end_of(bundle: Path, name: str, until: float) -> Sight | None:
    """Why this attempt may not go on; None while it may."""
    try:
        standing = (bundle / NAME).read_text(encoding="utf-8")
    except FileNotFoundError:
        return Sight("cancelled", "It was stopped.")
    if standing != name:
        return Sight("lost", "Another attempt has begun.")
    if time.monotonic() > until:
        return Sight("timed_out", "It took longer than jobs.job_seconds in rondo.toml allows.")
    return None


def _ended(bundle: Path, end: Sight) -> int:
    """The result is that of the attempt which stands, and of a job that ended by itself just then its own."""
    if end.state != "lost" and Bundle(bundle).result is None:
        write_json(bundle / "result.json", {"state": end.state, "message": end.message})
    return 0


def _stop(child: psutil.Popen) -> None:
    """Terminates it with all that it started, and kills what does not go."""
    family = [*child.children(recursive=True), child]
    for process in family:
        process.terminate()
    _, left = psutil.wait_procs(family, STOP_SECONDS)
    for process in left:
        process.kill()
    psutil.wait_procs(left, STOP_SECONDS)


if __name__ == "__main__":
    sys.exit(attempt(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
