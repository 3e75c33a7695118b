"""What can carry a job, by name. Knows settings, not jobs."""

from collections.abc import Callable
from functools import cache

from core.jobs import Runner
from core.settings import Settings
from gpu_jobs.local import LocalRunner


def _local(settings: Settings) -> Runner:
    return LocalRunner(settings.threads)


def _modal(settings: Settings) -> Runner:
    return _connected_to_modal()


@cache
def _connected_to_modal() -> Runner:
    """One for the process: it keeps its connection."""
    from gpu_jobs.modal_runner import ModalRunner

    return ModalRunner()


def _ray(settings: Settings) -> Runner:
    from gpu_jobs.ray_runner import RayRunner

    return RayRunner(settings.ray_address, settings.ray_folder)


RUNNERS: dict[str, Callable[[Settings], Runner]] = {"local": _local, "modal": _modal, "ray": _ray}
