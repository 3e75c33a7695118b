"""The runner for a person's own Ray cluster, by its Jobs API and a shared folder. Knows bundles; needs no Ray here."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import Refused
from core.jobs.bundle import LOG, Bundle, Handle, Resources, RunStatus
from gpu_jobs.runners.local import status_of_result
from gpu_jobs.runners.ray.ray_api import NoAnswer, ask, check_address
from gpu_jobs.runners.ray.shared_folder import (
    bring_progress,
    bring_result,
    carry_bundle,
    carry_code,
    may_go_on,
    new_attempt,
    open_shared,
    stop_attempts,
    succeeded,
)

JOBS = "/api/jobs/"
_UNDER_WAY = ("PENDING", "RUNNING")
_BEGINNING = "Running entrypoint for job"
"""what the cluster itself logs when it begins one, at times after what the job has printed"""
_STATES = {
    "PENDING": RunStatus("queued", "The cluster has not begun it: it waits for CPUs, GPUs or memory to be free."),
    "RUNNING": RunStatus("running"),
    "STOPPED": RunStatus("cancelled", "It was stopped."),
    "SUCCEEDED": RunStatus(
        "lost", "It ended, but its result is not in ray_folder. Is that one folder on all machines?"
    ),
}


@dataclass(frozen=True)
class RayRunner:
    """address: of the cluster's dashboard. folder: seen by this machine and by every node under the same path.

    A job takes one CPU unless more are asked for; of a GPU only the number counts ("L4:2" is two), not the kind.
    """

    address: str
    folder: str

    def start(self, bundle: Path, resources: Resources) -> Handle:
        """The bundle's name and a number are the submission's id, so the cluster itself refuses to begin it twice.

        One that ended without success is restarted from its checkpoints.
        """
        address, shared = check_address(self.address), open_shared(self.folder, "ray_folder")
        if resources.environment:
            raise Refused("A Ray dashboard shows a job's variables to everyone: set them on the nodes instead.")
        try:
            number, state = 0, ""  # of the newest submission; no id is used again: Ray's watch would end the new one
            while result := ask(address, "GET", f"{JOBS}{bundle.name}-{number + 1}"):
                number, state = number + 1, str(result["status"])
            work = carry_bundle(bundle, shared)
            if state in _UNDER_WAY and not may_go_on(work):
                raise Refused("The cluster is still stopping this job. Try again in a moment, or start a new one.")
            if state not in _UNDER_WAY and not succeeded(work):
                number += 1
                _submit(address, f"{bundle.name}-{number}", work, resources)
        except NoAnswer as error:
            raise Refused(str(error)) from None
        except OSError as error:
            raise Refused(f"The job could not be carried to {shared}: {error}.") from None
        return Handle(address=address, submission=f"{bundle.name}-{number}", work=str(work))

    def poll(self, bundle: Path, handle: Handle) -> RunStatus:
        """The job's result comes first; where there is none, the cluster is asked."""
        if known := status_of_result(bundle):
            return known
        result, work = _asked(handle), Path(handle.work)  # before the result: one that ends now has written it
        try:
            work.stat()
            bring_progress(work, bundle)
            if bring_result(work, bundle):
                return status_of_result(bundle) or result
            if result.state != "running" and not may_go_on(work):
                return RunStatus("cancelled", "It was stopped.")
            if result.state == "failed" and not (bundle / LOG).exists():
                (bundle / LOG).write_text(result.message + "\n", encoding="utf-8")
        except OSError as error:
            return RunStatus("lost", f"Its files cannot be brought: {error}.")
        return result

    def cancel(self, bundle: Path, handle: Handle) -> None:
        """Tells the cluster and marks the job's folder: either is enough. Raises Refused where both failed."""
        received = []
        for tell in (_forbid, _stop):
            try:
                tell(handle)
                received.append(tell)
            except (NoAnswer, OSError) as error:
                error_message = error
        if not received:
            raise Refused(f"The job could not be stopped and may still run: {error_message}")

    def forget(self, bundle: Path, handle: Handle) -> None:
        """Deletes its files in the shared folder. Raises Refused where that cannot be reached."""
        try:
            Path(handle.work).parent.stat()  # else a folder that is not mounted would seem empty
            Bundle(Path(handle.work)).empty()
        except OSError as error:
            raise Refused(
                f"Its texts may still lie in ray_folder: {error}. Try again when it can be reached."
            ) from None

    def price(self, resources: Resources, seconds: float) -> float | None:
        """An own cluster is free."""
        return None


def _forbid(handle: Handle) -> None:
    stop_attempts(Path(handle.work))


def _stop(handle: Handle) -> None:
    ask(handle.address, "POST", f"{JOBS}{handle.submission}/stop")


def _submit(address: str, submission: str, work: Path, resources: Resources) -> None:
    code = carry_code(work.parent.parent)
    command = ["python", "-P", "-m", "gpu_jobs.runners.supervised_run", str(work), new_attempt(work)]
    request: dict[str, Any] = {
        "entrypoint": shlex.join([*command, str(resources.seconds)]),
        "submission_id": submission,
        "entrypoint_num_cpus": resources.cpu or 1,  # without any, Ray runs it on the head node
        "runtime_env": {"env_vars": {"PYTHONPATH": str(code), "HF_HUB_DISABLE_TELEMETRY": "1"}},
    }
    if gpu := resources.gpu:
        count = gpu.partition(":")[2]
        request["entrypoint_num_gpus"] = int(count) if count.isdigit() else 1
    if memory := resources.memory_mb:
        request["entrypoint_memory"] = memory * 2**20
    try:
        ask(address, "POST", JOBS, request)
    except NoAnswer:
        if ask(address, "GET", JOBS + submission) is None:  # else the answer was lost, or another was first
            stop_attempts(work)
            raise


def _asked(handle: Handle) -> RunStatus:
    """The job's status by the cluster; a failure or end of the cluster is `lost`."""
    try:
        result = ask(handle.address, "GET", JOBS + handle.submission)
    except NoAnswer as error:
        return RunStatus("lost", str(error))
    if result is None:
        return RunStatus("lost", "The cluster does not know this job: was the cluster restarted?")
    if result["status"] != "FAILED":
        return _STATES[result["status"]]
    # a job that fails writes its result; without one, only an exit status of its own process speaks of the job
    message, status = str(result.get("message") or ""), result.get("driver_exit_code")
    if result.get("error_type") != "JOB_ENTRYPOINT_COMMAND_ERROR" or status is None:
        first = message.strip().partition("\n")[0]
        return RunStatus("lost", f"The cluster lost it: {first}")
    if status < 0 or status > 128:
        killed = -status if status < 0 else status - 128
        return RunStatus("lost", f"Its process was killed (signal {killed}): out of memory, or its node went down.")
    lines = [line for line in message.strip().splitlines() if not line.startswith(_BEGINNING)]
    last = lines[-1] if lines else "it printed nothing."
    return RunStatus(
        "failed",
        f"It could not run on the cluster (exit status {status}): {last} "
        "Does every node see ray_folder, and has its Python the packages that Rondo needs?",
    )
