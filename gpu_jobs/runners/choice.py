"""The runners by name. Knows settings, not jobs."""

import atexit
import gc
from collections.abc import Callable
from functools import cache
from importlib import import_module

from core.config.settings import Settings
from core.jobs.bundle import Runner
from gpu_jobs.runners.local import LocalRunner


@cache
def _connected_to_modal() -> Runner:
    """One for the process: it keeps its connection. Its 67,000 objects are hidden from the garbage collector
    (gc.freeze), which would else delay key presses by 60 to 90 ms.
    """
    from gpu_jobs.runners.modal.modal_runner import ModalRunner

    import_module("modal")
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)  # collected at exit again, else DuckDB reports them as leaked
    return ModalRunner()


def _ray(settings: Settings) -> Runner:
    from gpu_jobs.runners.ray.ray_runner import RayRunner

    return RayRunner(settings.ray_address, settings.ray_folder)


def _hosted(settings: Settings) -> Runner:
    from gpu_jobs.runners.hosted import HostedRunner

    return HostedRunner(settings.threads)


RUNNERS: dict[str, Callable[[Settings], Runner]] = {
    "local": lambda settings: LocalRunner(settings.threads),
    "hosted": _hosted,
    "modal": lambda settings: _connected_to_modal(),
    "ray": _ray,
}
