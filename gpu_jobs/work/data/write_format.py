"""The job that writes an export in a format that is not written by the database. Knows the bundle, not the store."""

from collections.abc import Callable
from pathlib import Path

from core.data.formats.write_job import TABLE, WriteParams, WrittenParts, write_parts


def write_format(bundle: Path, params: WriteParams, report: Callable[[int, int], None]) -> WrittenParts:
    """in/table.parquet -> a file, or a folder, for each part in out/."""
    result = write_parts(params, bundle / "in" / TABLE, bundle / "out")
    report(1, 1)
    return result
