"""The runner for this machine: a process per job that outlives its owner. Knows bundles, not what is in them."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from core.jobs import Bundle, Sight

STOP_SECONDS = 5.0


def sight_of_result(bundle: Path) -> Sight | None:
    """What `result.json` says, None while there is none."""
    result = Bundle(bundle).result
    return Sight(str(result["state"]), str(result.get("message", ""))) if result else None


class LocalRunner:
    """A handle is a pid with its start time, since pids are used again."""

    def __init__(self, threads: int = 0) -> None:
        self._threads = threads or max(1, (os.cpu_count() or 2) // 2)  # spinning threads on a busy machine cost 10x

    def start(self, bundle: Path, resources: Mapping[str, Any]) -> dict[str, Any]:
        """A session of its own: Ctrl-C in the owner's terminal, or its end, does not reach the job."""
        threads = str(self._threads)
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": threads,
            "OPENBLAS_NUM_THREADS": threads,
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "POLARS_MAX_THREADS": threads,
            **resources.get("environment", {}),
        }
        with (bundle / "log.txt").open("ab") as log:
            child = subprocess.Popen(
                [sys.executable, "-P", "-m", "gpu_jobs.run", str(bundle)],  # -P: nothing from the current folder
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=environment,
            )
        try:
            created = psutil.Process(child.pid).create_time()
        except psutil.NoSuchProcess:
            created = 0.0
        threading.Thread(target=child.wait, name=f"reap-{child.pid}", daemon=True).start()  # else it stays as a zombie
        return {"pid": child.pid, "created": created, "seconds": resources.get("seconds", 0)}

    def look(self, bundle: Path, handle: Mapping[str, Any]) -> Sight:
        """Running while there is a process of this pid that began when ours did and no result."""
        process = self._process(handle)  # asked first: a process that ends now has written its result
        if ended := sight_of_result(bundle):
            return ended
        if process is None:
            return Sight("lost", "Its process ended without a result.")
        limit = handle.get("seconds", 0)
        if limit and time.time() - handle["created"] > limit:
            self.cancel(bundle, handle)
            return Sight("timed_out", f"It took longer than the {limit:,.0f} s that jobs.job_seconds allows.")
        return Sight("running")

    def cancel(self, bundle: Path, handle: Mapping[str, Any]) -> None:
        """Terminates, and kills what does not go within five seconds."""
        process = self._process(handle)
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)

    def price(self, resources: Mapping[str, Any], seconds: float) -> None:
        """This machine costs nothing."""

    def _process(self, handle: Mapping[str, Any]) -> psutil.Process | None:
        try:
            process = psutil.Process(handle["pid"])
            same = abs(process.create_time() - handle["created"]) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return process if same else None


class InProcessRunner:
    """Runs a bundle at once, where it is called: for replays, which play hundreds of rounds. Held to the same tests."""

    def start(self, bundle: Path, resources: Mapping[str, Any]) -> dict[str, Any]:
        """Returns when the work is done; what it raises becomes the result, as in a process of its own."""
        from core.errors import RondoError
        from gpu_jobs.run import record_failure, run

        try:
            run(bundle)
        except RondoError as error:
            record_failure(bundle, error)
        return {}

    def look(self, bundle: Path, handle: Mapping[str, Any]) -> Sight:
        """As its result says: it has ended before `start` returned."""
        return sight_of_result(bundle) or Sight("lost")

    def cancel(self, bundle: Path, handle: Mapping[str, Any]) -> None:
        """Nothing is left to stop."""

    def price(self, resources: Mapping[str, Any], seconds: float) -> None:
        """This machine costs nothing."""
