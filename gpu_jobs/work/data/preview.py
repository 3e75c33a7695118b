"""The job that looks into a file before it is imported. Knows the bundle and the parameters; no project."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from core.data.preview import preview as preview_file
from core.data.preview_job import Preview, PreviewParams
from core.data.remote_files import is_remote
from gpu_jobs.work.data.fetch import fetch


def preview(bundle: Path, params: PreviewParams, report: Callable[[int, int], None]) -> Preview:
    """What lies on a network is copied to `in/` first, where it stays: the import need not fetch it again."""
    if is_remote(params.file):
        (bundle / "in").mkdir(exist_ok=True)
        params = replace(params, file=str(fetch(params.file, bundle / "in", report)))
    return preview_file(params, bundle / "out", report)
