"""The runner for a GPU rented from Modal: a deployed app, a Volume, a call whose id is the handle. Knows bundles."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.errors import Refused, RondoError
from core.jobs.bundle import LOG, Handle, Resources, RunStatus, write_json
from gpu_jobs.runners.local import status_of_result
from gpu_jobs.runners.modal.modal_app import GRACE_SECONDS, MOST_SECONDS, find_function, open_volume
from gpu_jobs.runners.modal.modal_errors import NoAnswer, end_of, ends, in_words
from gpu_jobs.runners.modal.modal_job import CALL, CANCELLED, STARTED
from gpu_jobs.runners.modal.modal_prices import PRICES, parse_gpu, price_of
from gpu_jobs.runners.modal.modal_volume import FarBundle, Stamp
from gpu_jobs.runners.timeouts import TimedCalls, TooSlow

_SILENT = "Modal has not answered yet. Is this machine online? Jobs go on without it."


@dataclass(frozen=True)
class ModalRunner:
    """prices: US dollars a second by GPU, in place of the list prices. patience: seconds to wait for an answer."""

    prices: Mapping[str, float] = field(default_factory=lambda: PRICES)
    patience: float = 10.0
    _timed_calls: TimedCalls = field(default_factory=TimedCalls)
    _brought: dict[str, dict[str, Stamp]] = field(default_factory=dict)

    def start(self, bundle: Path, resources: Resources) -> Handle:
        """The first job of a version of the code deploys the app, which may build the image for some minutes.

        One that ended without success is restarted from its checkpoints.
        """
        # as `Function.with_options` takes them; Modal's own end comes after ours, which leaves a result
        options: dict[str, Any] = {"timeout": min((resources.seconds or MOST_SECONDS) + GRACE_SECONDS, MOST_SECONDS)}
        if gpu := resources.gpu:
            name, count = parse_gpu(self.prices, gpu)
            options["gpu"] = f"{name}:{count}"
        entries = {"cpu": resources.cpu, "memory": resources.memory_mb, "env": dict(resources.environment)}
        options |= {name: value for name, value in entries.items() if value}
        self._timed_calls.forget(bundle.name)
        self._brought.pop(bundle.name, None)
        try:
            self._ask("hello", _say_hello)
            # a thread of its own: Modal's client refuses to wait in a thread where an event loop runs
            with in_words(), ThreadPoolExecutor(1) as alone:
                return Handle(call=alone.submit(_call_for, bundle, options).result())
        except (NoAnswer, TooSlow) as error:
            raise Refused(_SILENT if isinstance(error, TooSlow) else str(error)) from None

    def poll(self, bundle: Path, handle: Handle) -> RunStatus:
        """The call's status comes first; where Modal no longer has it, the Volume's files decide."""
        if known := status_of_result(bundle):
            return known
        far = _Far(bundle, handle.call, self._brought.setdefault(bundle.name, {}))
        try:
            status, result = self._ask(bundle.name, far.visit)
        except TooSlow:
            return RunStatus("lost", _SILENT)
        except RondoError as error:
            return RunStatus("lost", str(error))
        if result is not None:
            write_json(bundle / "result.json", result)
            if status.state == "succeeded":
                with suppress(RondoError):  # files that stay there cost little
                    self._ask(f"clear {bundle.name}", lambda: far.open().clear())
        return RunStatus(status.state, status.message)

    def cancel(self, bundle: Path, handle: Handle) -> None:
        """Records it on the Volume too, to show why it ended. Raises Refused if Modal cannot be reached."""
        far = _Far(bundle, handle.call, {})
        try:
            self._ask(f"cancel {bundle.name}", far.cancel)
        except RondoError as error:
            error_message = _SILENT if isinstance(error, TooSlow) else error
            raise Refused(f"The job could not be stopped and may still run: {error_message}") from None

    def forget(self, bundle: Path, handle: Handle) -> None:
        """The record of the job and its result stay. Raises Refused if Modal cannot be reached."""
        far = _Far(bundle, handle.call, {})
        try:
            self._ask(f"clear {bundle.name}", lambda: far.open().clear())
        except RondoError as error:
            error_message = _SILENT if isinstance(error, TooSlow) else error
            raise Refused(f"Its texts may still lie on Modal's Volume: {error_message}") from None

    def price(self, resources: Resources, seconds: float) -> float:
        """An estimate from list prices: the GPU, and the cores and memory that are reserved with it."""
        return price_of(self.prices, resources, seconds)

    def _ask(self, name: str, work: Callable[[], Any]) -> Any:
        def worded() -> Any:
            with in_words():
                return work()

        return self._timed_calls.ask(name, worded, self.patience)


def _say_hello() -> None:
    import modal

    modal.Client.from_env().hello()


def _call_for(bundle: Path, options: Mapping[str, Any]) -> str:
    """The id of the call that runs this bundle, made if there is none that runs or has done it."""
    function, far = find_function(), FarBundle(open_volume().hydrate(), bundle.name)
    files = far.files()
    number, call = far.newest_call(files)
    if call and not _may_begin_again(far, call, f"{CANCELLED}{call}" in files):
        return call
    if "job.json" not in files:
        far.carry(bundle)
    made = function.with_options(**options).spawn(bundle.name, number + 1, options["timeout"] - GRACE_SECONDS)
    if far.write_once(f"{CALL}{number + 1}", made.object_id):
        return str(made.object_id)
    made.cancel()  # another server was first
    return far.newest_call(far.files())[1]


def _may_begin_again(far: FarBundle, call: str, cancelled: bool) -> bool:
    """Has its newest call ended without success?"""
    if _end(call) is None:
        if cancelled:
            raise Refused("Modal is still stopping this job. Try again in a moment, or start a new one.")
        return False
    result = far.result()
    return result is None or result["state"] != "succeeded"


def _end(call: str) -> RunStatus | None:
    """How the call ended, None while it has not."""
    import modal

    try:
        modal.FunctionCall.from_id(call).get(timeout=0)
    except TimeoutError:
        return None
    except ends() as error:
        return end_of(error)
    return RunStatus("succeeded")


@dataclass(frozen=True)
class _Far:
    """Questions about one call. brought: stamps of the files that were downloaded already."""

    bundle: Path
    call: str
    fetched: dict[str, Stamp]

    def open(self) -> FarBundle:
        return FarBundle(open_volume().hydrate(), self.bundle.name, self.fetched)

    def visit(self) -> tuple[RunStatus, dict[str, Any] | None]:
        """Its status, and its result once all other files were downloaded."""
        ended = _end(self.call)  # before the files are read: a call that ends in between has written them
        far = self.open()
        files = far.files()
        began = f"{STARTED}{self.call}" in files
        if began:
            far.bring_progress(self.bundle, files)
        if ended is None:
            return RunStatus("running") if began else RunStatus(
                "queued", "Modal looks for a machine, or starts one."
            ), None
        result = far.result() if began else None
        if result is not None:
            far.bring_out(self.bundle, result.get("manifest", {}))
            return RunStatus(result["state"], str(result.get("message", ""))), result
        return self._without_result(ended, f"{CANCELLED}{self.call}" in files), None

    def _without_result(self, ended: RunStatus, cancelled: bool) -> RunStatus:
        if cancelled:
            return RunStatus("cancelled", "It was stopped.")
        if ended.state == "succeeded":
            return RunStatus("lost", "Its call ended, but Modal's Volume has no result of it.")
        if ended.state == "failed" and not (self.bundle / LOG).exists():
            (self.bundle / LOG).write_text(ended.message + "\n", encoding="utf-8")
        return ended

    def cancel(self) -> None:
        import modal

        self.open().write_once(f"{CANCELLED}{self.call}", "")
        with suppress(modal.exception.NotFoundError):  # it is gone already
            modal.FunctionCall.from_id(self.call).cancel()
