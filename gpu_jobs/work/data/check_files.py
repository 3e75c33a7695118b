"""The job that reads every file of a project and compares it with its checksum. Opens no database that is in use."""

from pathlib import Path

from core.backup.integrity import CheckFilesParams, Integrity, check_files
from gpu_jobs.trainers.trainer_types import Progress


def check(bundle: Path, params: CheckFilesParams, report: Progress) -> Integrity:
    """Settings, database, vectors, models."""
    return Integrity(check_files(Path(params.folder), lambda _, done, total: report(done, total)))
