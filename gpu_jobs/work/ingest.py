"""The job that reads a person's file into its bundle. Knows the bundle and the parameters; not the project's store."""

from collections.abc import Callable
from pathlib import Path

from core.data.ingest import ingest as ingest_file
from core.data.ingest_job import FileReport, IngestParams


def ingest(bundle: Path, params: IngestParams, report: Callable[[int, int], None]) -> FileReport:
    """Writes what `core.data.ingest` does to out/."""
    file = Path(params.file)
    return ingest_file(file, params.layout, bundle / "out", report, near_duplicates=params.near_duplicates)
