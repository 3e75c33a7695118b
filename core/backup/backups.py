"""Copies of a project: made in a temporary folder, checked by opening, whole or absent. Knows no archive."""

import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from core.backup.stored_tables import scan
from core.config.settings import FILE as SETTINGS
from core.config.settings import copy_settings
from core.errors import BadInput, Damaged
from core.jobs.bundle import Report
from core.models.artifacts import MANIFEST
from core.project import Project
from core.store.database import CONFIG, utc_now
from core.store.database import FILE as DATABASE
from core.store.whole_files import disk_errors, sync_folder, sync_tree
from core.trees.snapshots import SNAPSHOTS

BACKUPS = "backups"
ROUNDS = "rounds"


@dataclass(frozen=True)
class BackedUp:
    """A backup that was made. database: the name of its file in the folder."""

    folder: str
    bytes: int
    database: str


def back_up(project: Project, report: Report, *, out: str | None = None) -> BackedUp:
    """Copies database, settings, models, each round's inputs and snapshots of folders; the copy is a project.

    Vectors can be computed again and are left out. The folder appears when it is complete.
    """
    folder = Path(out) if out else project.folder / BACKUPS / f"{utc_now():%Y%m%d-%H%M%S}"
    if any((folder / name).exists() for name in (DATABASE, SETTINGS, "models")):
        raise BadInput(f"{folder} holds a project or a backup already. Choose an empty folder; nothing was copied.")
    if folder.is_file():
        raise BadInput(f"{folder} is a file; a backup is a folder. Nothing was copied.")

    def fill(partial: Path) -> None:
        snapshot(project, partial, report)
        report("Checking", 0, 1)
        check_copy(partial / DATABASE)

    build_aside(folder, fill, f"The backup in {folder}")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return BackedUp(str(folder), size, DATABASE)


def build_aside(folder: Path, fill: Callable[[Path], None], what: str) -> None:
    """A folder that `fill` makes under a temporary name, flushed and renamed; where it fails nothing is left."""
    partial = folder.with_name(f"{folder.name}-{secrets.token_hex(4)}.partial")
    made = [path for path in (folder.parent, *folder.parent.parents) if not path.exists()]
    try:
        with disk_errors(what):
            partial.mkdir(parents=True)
            fill(partial)
            sync_tree(partial)
            if folder.exists():  # empty, or with what is no project: keeps what is there
                for path in sorted(partial.iterdir()):
                    path.rename(folder / path.name)
                partial.rmdir()
            else:
                partial.rename(folder)
            sync_folder(folder.parent)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        for path in made:
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()
        raise


def snapshot(project: Project, folder: Path, report: Report) -> None:
    """Database, settings, models, rounds and snapshots of folder trees of one moment. Models are only ever added, so
    they are copied last."""
    with project.holding_settings():
        project.store.backup(folder)
        copy_settings(project.folder, folder)
    folders = (path for path in project.models.glob("*") if path.suffix != ".partial")
    models = sorted(path for path in folders if (path / MANIFEST).is_file())
    for done, model in enumerate(models):
        report("Copying models", done, len(models))
        shutil.copytree(model, folder / "models" / model.name)
    if (project.folder / ROUNDS).is_dir():
        shutil.copytree(project.folder / ROUNDS, folder / ROUNDS, ignore=shutil.ignore_patterns("*.partial"))
    if (project.folder / SNAPSHOTS).is_dir():
        shutil.copytree(project.folder / SNAPSHOTS, folder / SNAPSHOTS, ignore=shutil.ignore_patterns("*.partial"))
    with duckdb.connect(str(folder / DATABASE), read_only=True, config=CONFIG) as copy:
        rows = copy.execute("select model from champions order by since desc limit 1").fetchall()
    missing = {model for (model,) in rows} - {model.name for model in models}
    for name in missing:
        if (project.models / name).is_dir():
            raise Damaged(f"{project.models / name}, which is in use, is no whole model. Run `rondo check`.")


def check_copy(database: Path) -> None:
    """Opens it and reads every row. Raises Damaged."""
    with duckdb.connect(str(database), read_only=True, config=CONFIG) as copy:
        broken = scan(copy)
    if broken:
        raise Damaged(
            f"The database cannot be copied: {'; '.join(broken)}. Nothing was written. Run `rondo check`, then "
            "`rondo repair`."
        )


def newest_backup(project: Path) -> Path | None:
    """The newest folder in backups/ whose database opens and can be read completely."""
    for folder in sorted((project / BACKUPS).glob("*"), reverse=True):
        database = folder / DATABASE
        try:
            if not database.is_file() or database.with_name(DATABASE + ".wal").exists():
                continue
            with duckdb.connect(str(database), read_only=True, config=CONFIG) as copy:
                if not scan(copy):
                    return folder
        except duckdb.Error:
            continue
    return None
