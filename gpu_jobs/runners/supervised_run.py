"""One attempt at a bundle on another machine, with its time limit, cancelling and replacement. Knows no cluster."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

from core.jobs.bundle import LOG, Bundle, write_json
from core.jobs.environment_variables import for_job

NAME = "attempt"
"""a file of the bundle: the name of the attempt that may go on; no such file: none may"""
LOOK_SECONDS = 0.2
STOP_SECONDS = 10.0


def attempt(bundle: Path, name: str, seconds: int) -> int:
    """Runs the bundle in a process of its own whose output goes to the log; its exit status, as a shell gives it.

    0 where it was stopped: by a person, by its limit, which is in its result, or because another attempt has begun (a
    cluster that lost sight of a process starts a second one). seconds: at most; 0: as long as it takes.
    """
    if _revoked(bundle, name):
        return 0
    until = time.monotonic() + seconds if seconds else float("inf")
    with (bundle / LOG).open("ab") as log:
        # in our session, so that a cluster that ends this process group ends the job too
        child = psutil.Popen(
            [sys.executable, "-P", "-m", "gpu_jobs.run", str(bundle)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=for_job(os.environ, Bundle(bundle).kind),
        )
    while child.poll() is None:
        late = time.monotonic() > until
        if late or _revoked(bundle, name):
            _stop(child)
            # with a result it had ended by itself just then
            if late and not _revoked(bundle, name) and Bundle(bundle).result is None:
                message = "It took longer than jobs.job_seconds in rondo.toml allows."
                write_json(bundle / "result.json", {"state": "timed_out", "message": message})
            return 0
        time.sleep(LOOK_SECONDS)
    return int(child.returncode) if child.returncode >= 0 else 128 - int(child.returncode)


def _revoked(bundle: Path, name: str) -> bool:
    """Was it stopped, or has another begun? False while the (perhaps shared) folder cannot be reached."""
    try:
        return (bundle / NAME).read_text(encoding="utf-8") != name
    except FileNotFoundError:
        return (bundle / "job.json").exists()
    except OSError:
        return False


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
