"""An attempt at a bundle in Modal's container: works on its disk and copies to the Volume. Knows no server.

A commit reloads the Volume: files would be taken away from under a process that works there.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.jobs.bundle import LOG, Bundle, write_json
from core.jobs.environment_variables import for_job
from gpu_jobs.runners.modal.modal_errors import AGAIN, TOO_LONG
from gpu_jobs.trainers.checkpoints import WHOLE

VOLUME = "rondo-jobs"
ROOT = "/mnt/rondo"
CALL = "call-"
"""`call-1`, `call-2` ... of a bundle: ids of the calls made for it; only the newest may run"""
STARTED = "started-"
CANCELLED = "cancelled-"
"""with a call's id: it has begun; somebody asked for its end"""

CLAIM_SECONDS = 30.0
COMMIT_SECONDS = 2.0
"""between two looks that an owner can have at a running job; more often where it may take minutes at most"""
LOOK_SECONDS = 0.1
GROWING = ("events.jsonl", LOG)
"""lines are added to them, so that any beginning of them is of use"""
STOP_SECONDS = 10.0
Stamp = tuple[int, int]
"""(nanoseconds since 1970, bytes)"""


def run_job(name: str, number: int, seconds: int) -> dict[str, Any]:
    """Runs the bundle if this call is recorded as its `number`th. seconds: at most, over all of its attempts.

    A call that is preempted or whose container breaks is restarted by Modal, and resumes from `ckpt/`.
    """
    import modal

    volume = modal.Volume.from_name(VOLUME)
    call, bundle = str(modal.current_function_call_id()), Path(ROOT) / name
    if not _stands(volume, bundle, number, call):
        return {"ran": False}
    until = _begin(bundle, call) + seconds
    if Bundle(bundle).result is None:
        volume.commit()
        with tempfile.TemporaryDirectory(prefix="rondo-job-") as disk:
            work = Work(Path(disk) / name, bundle)
            try:
                _carry_out(volume, work, until, min(COMMIT_SECONDS, seconds / 100))
            finally:  # stopped or preempted too: complete checkpoints must reach the Volume
                work.keep()
                volume.commit()
    return {"ran": True}


@dataclass
class Work:
    """A bundle on the container's disk, `here`, and its copy on the Volume, `kept`. Making one copies all of it."""

    here: Path
    retained: Path
    _known: dict[str, Stamp] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shutil.copytree(self.retained, self.here)
        self._known = self._stamps()

    def keep(self) -> None:
        """Brings the copy up to date with every file that is whole. A file that was written to meanwhile waits for the
        next time; markers that others are complete, above all the result, go last.
        """
        stamps = self._stamps()
        for name in sorted(self._known.keys() - stamps.keys(), key=lambda name: not name.endswith(WHOLE)):
            (self.retained / name).unlink(missing_ok=True)
            del self._known[name]
        for name in sorted(stamps, key=lambda name: (name == "result.json", name.endswith(WHOLE), name)):
            if self._known.get(name) != stamps[name] and self._copy(name, stamps[name]):
                self._known[name] = stamps[name]

    def _copy(self, name: str, stamp: Stamp) -> bool:
        """False for a file that changed since its stamp was taken."""
        target = self.retained / name
        partial = target.with_name(f"{target.name}.partial")
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(self.here / name, partial)
        except FileNotFoundError:
            return False
        if name not in GROWING and _stamp(self.here / name) != stamp:
            partial.unlink()
            return False
        os.replace(partial, target)
        return True

    def _stamps(self) -> dict[str, Stamp]:
        """Stamps of all files but those being written, by path below the bundle."""
        result: dict[str, Stamp] = {}
        for folder, _, files in os.walk(self.here):  # passes over folders that vanish meanwhile, as old checkpoints do
            for path in (Path(folder) / file for file in files if not file.endswith(".partial")):
                if stamp := _stamp(path):
                    result[path.relative_to(self.here).as_posix()] = stamp
        return result


def _stamp(path: Path) -> Stamp | None:
    """None for a file that has vanished."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_mtime_ns, stat.st_size


def _stands(volume: Any, bundle: Path, number: int, call: str) -> bool:
    """Is this call recorded? The server records a call's id right after making it; without a record it must not run."""
    until = time.monotonic() + CLAIM_SECONDS
    while time.monotonic() < until:
        volume.reload()
        if (bundle / f"{CALL}{number + 1}").exists():
            return False
        if (written := bundle / f"{CALL}{number}").exists():
            return written.read_text(encoding="utf-8") == call
        time.sleep(0.2)
    return False


def _begin(bundle: Path, call: str) -> float:
    """When this call first began, in seconds since 1970. Removes what an older call left, but for checkpoints."""
    started = bundle / f"{STARTED}{call}"
    if not started.exists():
        for name in ("result.json", "events.jsonl"):
            (bundle / name).unlink(missing_ok=True)
        started.write_text(str(time.time()), encoding="utf-8")
    return float(started.read_text(encoding="utf-8"))


def _carry_out(volume: Any, work: Work, until: float, every: float) -> None:
    bundle = work.here
    child, stored_at = _start(bundle), time.monotonic()
    try:
        while child.poll() is None:
            if time.time() > until:
                _stop(child)
                write_json(bundle / "result.json", {"state": "timed_out", "message": TOO_LONG})
                return
            if time.monotonic() - stored_at > every:
                work.keep()
                _commit(volume)
                stored_at = time.monotonic()
            time.sleep(LOOK_SECONDS)
    finally:
        _stop(child)
    if Bundle(bundle).result is None:
        write_json(bundle / "result.json", {"state": "failed", **_without_result(bundle, child.returncode)})


def _start(bundle: Path) -> "subprocess.Popen[bytes]":
    code = os.pathsep.join([str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")])
    with (bundle / LOG).open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "gpu_jobs.run", str(bundle)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**for_job(os.environ, Bundle(bundle).kind), "PYTHONPATH": code},
            start_new_session=True,  # an interrupt is for this process: in the job it would look like a failure
        )


def _stop(child: "subprocess.Popen[bytes]") -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait(STOP_SECONDS)


def _commit(volume: Any) -> None:
    """For people who watch progress: where it fails, the next commit will do."""
    try:
        volume.commit()
    except RuntimeError as error:
        sys.stderr.write(f"not committed: {error}\n")


def _without_result(bundle: Path, status: int) -> dict[str, str]:
    """kind and message of a process that ended without a result."""
    if status < 0 or status > 128:
        killed = -status if status < 0 else status - 128
        advice = "most likely out of memory: lower batch_size or max_length, or take a larger GPU with --gpu"
        return {"kind": "Killed", "message": f"Its process was killed (signal {killed}), {advice}. {AGAIN}"}
    last = [line for line in Bundle(bundle).log() if line.strip()]
    result = last[-1] if last else "it printed nothing"
    return {"kind": "Broke", "message": f"Its process ended with status {status} and no result: {result[:300]}"}
