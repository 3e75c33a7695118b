"""Checkpoints of a training that may be killed at any time: which are complete, and the newest. Knows folders only.

They hold optimizer and generator states as torch writes them. They serve the next attempt and never leave the job.
"""

import json
from pathlib import Path

from core.jobs.bundle import write_json

WHOLE = "whole.json"
"""the file that says so"""


def mark_whole(folder: Path) -> None:
    """Marks a folder complete: writes the sizes of all files, last."""
    write_json(folder / WHOLE, _sizes(folder))


def is_whole(folder: Path) -> bool:
    """Was it marked, and are the files still of those sizes?"""
    try:
        expected = json.loads((folder / WHOLE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(expected == _sizes(folder))


def newest(folder: Path, name: str) -> Path | None:
    """Of the folders `name-N` that are whole the one of the highest N, or None."""
    checkpoints = [path for path in folder.glob(f"{name}-*") if path.name.rpartition("-")[2].isdigit()]
    checkpoints.sort(key=lambda path: int(path.name.rpartition("-")[2]), reverse=True)
    return next((path for path in checkpoints if is_whole(path)), None)


def _sizes(folder: Path) -> dict[str, int]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != WHOLE]
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
