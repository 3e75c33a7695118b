"""Bundles and our code in a folder that this machine and a cluster's nodes all see. Knows files, no cluster."""

import os
import secrets
import shutil
from pathlib import Path

from core.errors import BadInput
from core.jobs.bundle import LOG, Bundle, manifest
from core.jobs.code_version import PACKAGES, code_version
from core.store.whole_files import whole_file, write_whole
from gpu_jobs.runners.supervised_run import NAME

SOURCES = Path(__file__).parents[3]


def open_shared(folder: str, setting: str) -> Path:
    """The folder, after a test that files can be made in it. Raises BadInput that names the setting."""
    if not folder:
        raise BadInput(f"{setting} is not set: it names a folder that this machine and every node see (NFS, say).")
    path = Path(folder).expanduser()
    if not path.is_absolute() or not path.is_dir():
        raise BadInput(f"{setting} is {folder!r}, but there is no such folder here. Give the full path of one.")
    if not os.access(path, os.W_OK | os.X_OK):
        raise BadInput(
            f"{setting} is {folder!r}, but nothing can be written there. Choose another, or change its rights."
        )
    return path


def carry_bundle(bundle: Path, shared: Path) -> Path:
    """The bundle's copy for the nodes, with its checkpoints; copied once, atomically."""
    target = shared / "jobs" / bundle.name
    if target.exists():
        return target
    partial = _partial(target)
    for name in ("in", "ckpt"):
        if (bundle / name).is_dir():
            shutil.copytree(bundle / name, partial / name)
    shutil.copy2(bundle / "job.json", partial / "job.json")
    _settle(partial, target)
    return target


def succeeded(work: Path) -> bool:
    """Has it left a result that can be used?"""
    result = Bundle(work).result
    return result is not None and result["state"] == "succeeded"


def new_attempt(work: Path) -> str:
    """Starts a new attempt, the only one that may run from now on, and returns its name. Deletes the result of the one
    before, not its other files.
    """
    for name in ("result.json", "events.jsonl"):
        (work / name).unlink(missing_ok=True)
    attempt = secrets.token_hex(8)
    write_whole(work / NAME, attempt.encode())
    return attempt


def stop_attempts(work: Path) -> None:
    """Forbids all attempts to continue or start. Raises OSError where the folder cannot be reached."""
    work.stat()
    (work / NAME).unlink(missing_ok=True)


def may_go_on(work: Path) -> bool:
    """Is there an attempt that nobody stopped?"""
    return (work / NAME).exists()


def carry_code(shared: Path) -> Path:
    """The copy of our packages for jobs; copied once per version of the code."""
    target = shared / "code" / code_version()
    if not target.exists():
        partial = _partial(target)
        for package in PACKAGES:
            shutil.copytree(SOURCES / package, partial / package, ignore=shutil.ignore_patterns("__pycache__"))
        _settle(partial, target)
    return target


def _partial(target: Path) -> Path:
    partial = target.with_name(f"{target.name}-{secrets.token_hex(4)}.partial")
    partial.mkdir(parents=True)
    return partial


def _settle(partial: Path, target: Path) -> None:
    """Renames it into place; another process may have been first with the same."""
    try:
        partial.rename(target)
    except OSError:
        shutil.rmtree(partial, ignore_errors=True)
        if not target.is_dir():
            raise


def bring_progress(work: Path, bundle: Path) -> None:
    """Copies what was added to the log and the events since the last time."""
    for name in (LOG, "events.jsonl"):
        source, target = work / name, bundle / name
        if not source.exists():
            continue
        known = target.stat().st_size if target.exists() else 0
        if source.stat().st_size < known:  # not the file that was copied before
            known = 0
        with source.open("rb") as news, target.open("r+b" if known else "wb") as copy:
            news.seek(known)
            copy.seek(known)
            shutil.copyfileobj(news, copy)


def bring_result(work: Path, bundle: Path) -> bool:
    """Copies the result, and before it what came out if it is a success; False while there is none.

    What has arrived whole is removed there: models and checkpoints are large.
    """
    result = Bundle(work).result
    if result is None:
        return False
    if result["state"] == "succeeded":
        for source in sorted((work / "out").rglob("*")):
            if source.is_file() and not source.is_symlink():
                _bring(source, bundle / "out" / source.relative_to(work / "out"))
    _bring(work / "result.json", bundle / "result.json")
    if result["state"] == "succeeded" and manifest(bundle / "out") == result.get("manifest"):
        Bundle(work).empty()
    return True


def _bring(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(target) as partial:
        shutil.copyfile(source, partial)
