"""The runner for models that a provider tunes: a process here follows the job there, and cancelling cancels both.

It loads no client: what must be said to the provider is said by a short process of its own.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

from core.errors import Refused
from core.hosted.fine_tuning import HOSTED_TUNING, read_state
from core.jobs.bundle import Bundle, Handle, Resources, RunStatus
from core.jobs.environment_variables import for_job
from gpu_jobs.runners.local import LocalRunner

REQUEST_SECONDS = 90.0
AGAIN_SECONDS = 60.0
"""between two tries of a cancel that did not get through"""
FAILED_CANCEL = "cancel.txt"


class HostedRunner(LocalRunner):
    """As the local one; what it did at the provider stands in the bundle's `hosted.json`."""

    def start(self, bundle: Path, resources: Resources) -> Handle:
        """Raises Refused for a job of another kind: providers tune models and do nothing else."""
        if Bundle(bundle).kind != HOSTED_TUNING.name:
            raise Refused("`--on hosted` is for `rondo train --trainer hosted`. Choose local, modal or ray.")
        return super().start(bundle, resources)

    def poll(self, bundle: Path, handle: Handle) -> RunStatus:
        """While it runs the message is how the job stands at the provider."""
        status = super().poll(bundle, handle)
        if status.state == "lost" and bundle.is_dir():
            return RunStatus("lost", f"{status.message} `rondo jobs retry {bundle.name}` follows it again.".strip())
        if status.state != "running":
            return status
        state = read_state(bundle)
        known = f"{state.job}: {state.word}" if state.job else ""
        return RunStatus("running", f"{known} ({state.message})" if known and state.message else known)

    def cancel(self, bundle: Path, handle: Handle) -> None:
        """The process here first, so that it creates nothing any more, then the job there.

        Raises Refused where the provider cannot be reached; it is tried again.
        """
        self.stop(bundle, handle)
        failed = bundle / FAILED_CANCEL
        if failed.exists() and time.time() - failed.stat().st_mtime < AGAIN_SECONDS:
            raise Refused(failed.read_text(encoding="utf-8"))
        try:
            _request(bundle, "cancel")
        except Refused as error:
            failed.write_text(str(error), encoding="utf-8")
            raise
        failed.unlink(missing_ok=True)
        super().cancel(bundle, handle)

    def forget(self, bundle: Path, handle: Handle) -> None:
        """Deletes the training file at the provider."""
        if read_state(bundle).file:
            _request(bundle, "forget")


def _request(bundle: Path, what: str) -> None:
    """Raises Refused with the reason where it did not get through."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "gpu_jobs.work.hosted.hosted_request", bundle.name, what],
            cwd=bundle.parent,
            env=for_job(os.environ, HOSTED_TUNING.name),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=REQUEST_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Refused(
            f"The provider did not answer within {REQUEST_SECONDS:.0f} s, so the job may still run."
        ) from None
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise Refused(lines[-1] if lines else f"The provider was not reached (exit {done.returncode}).")
