"""The job that reads a person's file into its bundle. Knows the bundle and the parameters; not the project's store."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from core.data.ingest import ingest as ingest_file
from core.data.ingest_job import FileReport, IngestParams
from core.data.remote_files import is_remote
from gpu_jobs.work.data.fetch import fetch


def ingest(bundle: Path, params: IngestParams, report: Callable[[int, int], None]) -> FileReport:
    """Writes what `core.data.ingest` does to out/. What lies on a network is copied into the bundle first."""
    if is_remote(params.file):
        (bundle / "in").mkdir(exist_ok=True)
        params = replace(params, file=str(fetch(params.file, bundle / "in", report)))
    return ingest_file(params, bundle / "out", report)
