"""Checks of what is stored: settings, database, vectors, models. Reads everything, changes nothing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from core.backup.backups import newest_backup
from core.backup.stored_tables import broken_rules, scan
from core.config.settings import read_settings
from core.errors import Damaged, RondoError
from core.jobs.bundle import Report
from core.jobs.kinds import JobKind
from core.models.artifacts import MANIFEST, check_model
from core.models.vectors import MANIFEST as VECTORS_MANIFEST
from core.models.vectors import check_vectors, read_encoder_name
from core.project import Project
from core.store.damage import wal_of
from core.store.database import FILE as DATABASE
from core.store.database import StoreHeld, refuse_held, unsound_wal
from core.store.wal import damaged_pages


@dataclass(frozen=True)
class Finding:
    """One part of a project. damage: what is wrong and what to do, or None."""

    part: str
    damage: str | None


@dataclass(frozen=True)
class Integrity:
    """Every checked part, and what to do about damage of the database, in a sentence."""

    findings: list[Finding]
    advice: str | None = None


def check_tables(project: Project, report: Report) -> Integrity:
    """Reads every row of an open project and checks the constraints between its tables."""
    report("Reading tables", 0, 1)
    with project.store.reading() as cursor:
        broken = scan(cursor) or broken_rules(cursor)
    report("Reading tables", 1, 1)
    return Integrity([Finding("tables", each) for each in broken] or [Finding("tables", None)])


@dataclass(frozen=True)
class CheckFilesParams:
    """folder: of the project."""

    folder: str


CHECK_FILES = JobKind("check_files", CheckFilesParams, Integrity)


def check_project(project: Project, report: Report) -> Integrity:
    """All that is stored: every file, by a job, for a process that opened the database may not open its file; and every
    table."""
    bundle = project.jobs.prepare(CHECK_FILES, CheckFilesParams(str(project.folder)))
    try:
        findings = [*project.jobs.finish(bundle, CHECK_FILES, report, "Checking files").findings]
    finally:
        bundle.empty()
    findings += check_tables(project, report).findings
    return Integrity(findings, advice(project.folder, findings))


def check_files(folder: Path, report: Report) -> list[Finding]:
    """Every file that can be checked without the database, which may be open elsewhere."""
    parts = list(_parts(folder))
    findings = []
    for done, (part, check) in enumerate(parts):
        report(f"Checking {part}", done, len(parts))
        try:
            check()
            findings.append(Finding(part, None))
        except (RondoError, OSError) as error:
            findings.append(Finding(part, str(error)))
    report("Checking", len(parts), len(parts))
    return findings


def advice(folder: Path, findings: list[Finding]) -> str | None:
    """What to do about damage of the database, in a sentence."""
    if not any(finding.damage for finding in findings if is_database(finding.part)):
        return None
    backup = newest_backup(folder)
    rest = f"and takes the rest from the backup {backup.name}" if backup else "(there is no backup for the rest)"
    return f"`rondo repair` saves what can be read {rest}. It keeps the damaged files."


SETTINGS = "settings"
_WAL = "write-ahead file"


def is_database(part: str) -> bool:
    """Is this part of a project stored in its database?"""
    return part in (DATABASE, "tables", _WAL)


def _parts(folder: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    yield SETTINGS, partial(read_settings, folder)
    if (folder / DATABASE).exists():
        yield DATABASE, partial(_check_pages, folder / DATABASE)
    if wal_of(folder / DATABASE).exists():
        yield _WAL, partial(_check_wal, folder / DATABASE)
    for manifest in sorted((folder / "vectors").glob(f"*/{VECTORS_MANIFEST}")):
        yield f"vectors/{manifest.parent.name}", partial(_check_vectors, manifest.parent)
    for model in sorted((folder / "models").glob("*")):
        if model.is_dir() and not model.name.endswith(".partial"):
            yield f"models/{model.name}", partial(_check_model, model)


def _check_pages(database: Path) -> None:
    """A page that is being written while it is read is read again."""
    bad = set(damaged_pages(database))
    if bad:
        bad &= set(damaged_pages(database))
    if bad:
        offsets = ", ".join(f"{start:,}" for start in sorted(bad)[:5]) + (", …" if len(bad) > 5 else "")
        raise Damaged(f"{database}: {len(bad)} pages are not what was written (at byte {offsets}).")


def _check_wal(database: Path) -> None:
    """An open database is writing it, and read it when it was opened."""
    try:
        refuse_held(database)
    except StoreHeld:
        return
    wal = unsound_wal(database)
    if wal:
        raise Damaged(f"{wal_of(database)}: {wal.damage}; {wal.commits:,} transactions before it can be saved.")


def _check_vectors(folder: Path) -> None:
    check_vectors(folder.parent, read_encoder_name(folder))


def _check_model(folder: Path) -> None:
    if not (folder / MANIFEST).exists():
        raise Damaged(f"{folder} has no {MANIFEST}: it is no whole model.")
    check_model(folder)
