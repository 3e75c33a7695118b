"""Where a training run may go, and what is missing there. Makes no network request, so a token may still be refused."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from core.config.settings import FILE, Settings
from gpu_jobs.runners.modal.modal_prices import PRICES

GPUS = tuple(PRICES)
"""what Modal rents out, from the cheapest on"""


@dataclass(frozen=True)
class RunnerOption:
    """A runner with its name for people. missing: what to do first, or empty. gpu: the one in the settings."""

    on: str
    name: str
    missing: str = ""
    gpus: tuple[str, ...] = ()
    gpu: str = ""


def runner_readiness(settings: Settings, environment: Mapping[str, str] = os.environ) -> list[RunnerOption]:
    """This machine first."""
    gpus = GPUS if settings.gpu in GPUS else (settings.gpu, *GPUS)
    return [
        RunnerOption("local", "This machine"),
        RunnerOption("modal", "Modal", _without_modal(environment), gpus, settings.gpu),
        RunnerOption("ray", "Own Ray cluster", _without_ray(settings)),
    ]


def _without_modal(environment: Mapping[str, str]) -> str:
    written = Path(environment.get("MODAL_CONFIG_PATH") or Path.home() / ".modal.toml")
    if environment.get("MODAL_TOKEN_ID") and environment.get("MODAL_TOKEN_SECRET"):
        return ""
    if written.exists():
        return ""
    return "it rents GPUs by the second. Make a token with `modal setup`, or set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET."


def _without_ray(settings: Settings) -> str:
    if find_spec("ray") is None:
        return "it runs jobs on machines of yours. Install its client: pip install 'ray[default]'."
    if not settings.ray_address:
        return f"it runs jobs on machines of yours. Write its address as ray_address under [jobs] in {FILE}."
    if not settings.ray_folder:
        return f"it needs a folder that this machine and the cluster both see: ray_folder under [jobs] in {FILE}."
    return ""
