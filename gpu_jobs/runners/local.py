"""The runner for this machine: a process per job that outlives the server. Knows bundles, not what is in them."""

import fcntl
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

import psutil

from core import errors
from core.errors import Damaged, Refused, RondoError
from core.jobs.bundle import Bundle, Handle, Resources, RunStatus, write_json
from core.jobs.environment_variables import for_job

BEGINNINGS = 50
"""looks at a process that has no command yet"""
STOP_SECONDS = 5.0


def status_of_result(bundle: Path) -> RunStatus | None:
    """The status by `result.json`, None while there is none."""
    try:
        result = Bundle(bundle).result
    except Damaged as error:
        return RunStatus("failed", str(error))
    if result is None:
        return None
    kind, message = str(result.get("kind", "")), str(result.get("message", ""))
    foreign = kind and not hasattr(errors, kind)  # no error of ours: the message alone would say little
    return RunStatus(str(result["state"]), f"{kind}: {message}" if foreign else message)


def job_environment(kind: str, threads: int) -> dict[str, str]:
    """Of a process that does this kind of job. threads: 0: half of the cores."""
    number = str(threads or max(1, (os.cpu_count() or 2) // 2))  # spinning threads on a busy machine cost 10x
    libraries = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS")
    return {**for_job(os.environ, kind), **dict.fromkeys(libraries, number), "HF_HUB_DISABLE_TELEMETRY": "1"}


class LocalRunner:
    """A handle is a pid. Pids are reused, so the process must have the bundle's name in its command."""

    def __init__(self, threads: int = 0) -> None:
        self._threads = threads

    def start(self, bundle: Path, resources: Resources) -> Handle:
        """In a session of its own: Ctrl-C in the server's terminal, or its end, does not reach the job.

        The process holds a lock as long as it lives: where one works on this bundle already, its handle is returned.
        """
        until = time.monotonic() + STOP_SECONDS
        with (bundle / "lock").open("ab") as lock:
            while not _locked(lock):
                if at_work := _at_work(bundle):
                    return Handle(pid=at_work, seconds=resources.seconds)
                if time.monotonic() > until:
                    raise Refused(f"Job {bundle.name} is just ending. Try again.")
            pid = self._begin(bundle, resources, lock.fileno())
        return Handle(pid=pid, seconds=resources.seconds)

    def _begin(self, bundle: Path, resources: Resources, lock: int) -> int:
        environment = {**job_environment(Bundle(bundle).kind, self._threads), **resources.environment}
        with (bundle / "log.txt").open("ab") as log:
            child = subprocess.Popen(
                [sys.executable, "-P", "-m", "gpu_jobs.run", bundle.name],  # -P: nothing from the current folder
                cwd=bundle.parent,  # by name, not path, so that a renamed project keeps its job
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=environment,
                pass_fds=[lock],
            )
        threading.Thread(target=child.wait, name=f"reap-{child.pid}", daemon=True).start()  # else it stays as a zombie
        return child.pid

    def poll(self, bundle: Path, handle: Handle) -> RunStatus:
        """Running while there is a process of this pid that began when ours did and no result."""
        process = _process(bundle, handle)  # before the result is read: a process that ends in between has written it
        if ended := status_of_result(bundle):
            return ended
        if process is None and not bundle.is_dir():
            moved = "the project was moved, renamed or deleted. Open it where it is now."
            return RunStatus("lost", f"{bundle} is not there any more: {moved}")
        if process is None:
            return RunStatus("lost", _elsewhere(bundle, handle) or "Its process ended without a result.")
        limit = handle.seconds
        if limit and time.time() - process.create_time() > limit:  # both move with the clock
            _end([process, *_descendants(process)])
            return RunStatus("timed_out", f"It took longer than the {limit:,.0f} s that jobs.job_seconds allows.")
        return RunStatus("running")

    def cancel(self, bundle: Path, handle: Handle) -> None:
        """Terminates it with all that it started, and kills what does not go within five seconds."""
        self.stop(bundle, handle)
        if bundle.is_dir() and status_of_result(bundle) is None:
            message = _elsewhere(bundle, handle)
            write_json(bundle / "result.json", {"state": "cancelled", "message": message})

    def stop(self, bundle: Path, handle: Handle) -> None:
        """The same, without a result: what it worked on may be begun again."""
        process = _process(bundle, handle)
        if process is not None:
            _end([process, *_descendants(process)])

    def forget(self, bundle: Path, handle: Handle) -> None:
        """It ran in its owner's folder: there is nothing elsewhere."""

    def price(self, resources: Resources, seconds: float) -> None:
        """This machine costs nothing."""


def _process(bundle: Path, handle: Handle) -> psutil.Process | None:
    """The one that works on this bundle, if it lives."""
    try:
        process = psutil.Process(handle.pid)
        for _ in range(BEGINNINGS):
            if process.cmdline() or process.status() == psutil.STATUS_ZOMBIE:
                break
            time.sleep(0.01)  # one that begins right now has no command for a moment
        ours = _works_on(process, bundle) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.AccessDenied:  # of another user: not ours
        return None
    except psutil.NoSuchProcess:
        return None
    return process if ours else None


def _elsewhere(bundle: Path, handle: Handle) -> str:
    """Where this folder is a copy of the one that the process works on, a sentence that says so; else empty."""
    with suppress(psutil.Error, KeyError):
        process = psutil.Process(handle.pid)
        command, folder = process.cmdline(), Path(process.cwd())
        if command[-2:] == ["gpu_jobs.run", bundle.name] and folder.resolve() != bundle.parent.resolve():
            return f"It runs for {folder.parent}, of which this folder is a copy: it is followed and stopped there."
    return ""


def _works_on(process: psutil.Process, bundle: Path) -> bool:
    """Does its command name this bundle? One of another user's does not."""
    try:
        command = process.cmdline()
        return command[-2:-1] == ["gpu_jobs.run"] and Path(process.cwd(), command[-1]).resolve() == bundle.resolve()
    except psutil.AccessDenied:
        return False


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        descendants = process.children(recursive=True)
        for other in psutil.process_iter():  # of a parent that has ended, say
            with suppress(psutil.NoSuchProcess, ProcessLookupError, PermissionError):
                if other.pid != process.pid and os.getsid(other.pid) == process.pid:
                    descendants.append(other)
        return descendants
    return []


def _end(them: list[psutil.Process]) -> None:
    for one in them:
        with suppress(psutil.NoSuchProcess):
            one.terminate()
    for one in psutil.wait_procs(them, STOP_SECONDS)[1]:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    psutil.wait_procs(them, STOP_SECONDS)


def _locked(lock: IO[bytes]) -> bool:
    """Is it ours now?"""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _at_work(bundle: Path) -> int | None:
    """The pid of the process that works on this bundle; None while one is ending."""
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess):
            if not _works_on(process, bundle):
                continue
            with suppress(psutil.TimeoutExpired):
                process.wait(0.2)  # one that is being killed still has its name
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                return process.pid
    return None


class InProcessRunner:
    """Runs a bundle at once, where it is called: for replays, which play hundreds of rounds. Held to the same tests."""

    def start(self, bundle: Path, resources: Resources) -> Handle:
        """Returns when the work is done; what it raises becomes the result, as in a process of its own."""
        from gpu_jobs.run import record_failure, run

        try:
            run(bundle)
        except RondoError as error:
            record_failure(bundle, error)
        return Handle()

    def poll(self, bundle: Path, handle: Handle) -> RunStatus:
        """As its result says: it has ended before `start` returned."""
        return status_of_result(bundle) or RunStatus("lost")

    def cancel(self, bundle: Path, handle: Handle) -> None:
        """Nothing is left to stop."""

    def forget(self, bundle: Path, handle: Handle) -> None:
        """It ran in its owner's folder: there is nothing elsewhere."""

    def price(self, resources: Resources, seconds: float) -> None:
        """This machine costs nothing."""
