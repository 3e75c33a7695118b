"""Checking a project's files and repairing them wherever the project is open, as the commands and the home do it."""

from pathlib import Path

from app.client import answers, call, read_address
from core.backup.integrity import Finding, Integrity, advice, check_files, check_tables
from core.backup.repair import Repair
from core.backup.repair import repair as repair_project
from core.config.settings import FILE
from core.errors import BadInput, Damaged, NotAProject, Refused
from core.jobs.bundle import Report
from core.store.database import FILE as DATABASE


def check(folder: Path, report: Report) -> Integrity:
    """Every file of the project, and its tables: by its server, where one has it open. Raises NotAProject."""
    if not (folder / FILE).exists() and not (folder / DATABASE).exists():
        raise NotAProject(f"There is no project in {folder} (no {FILE}). Name one with --project.")
    findings = check_files(folder, report)
    if not any(finding.damage for finding in findings if "/" not in finding.part):
        try:  # the tables: where a server has the project open it is asked
            findings += call(folder, check_tables, report).findings
        except (BadInput, Damaged) as error:
            findings.append(Finding("tables", str(error)))
    return Integrity(findings, advice(folder, findings))


def repair(folder: Path, report: Report) -> Repair:
    """Raises Refused where a server has the project open, and what `core.backup.repair` raises."""
    address = read_address(folder)
    if address and answers(address.url, address.key):
        raise Refused(f"The project is open at {address.url}. Stop that server first.")
    return repair_project(folder, report)


def repair_lines(result: Repair) -> list[str]:
    """What came of it, for a person."""
    if not result.damage:
        return ["The database is sound: nothing was changed."]
    lines = [f"Damage: {each.rstrip('.')}." for each in result.damage]
    if result.backup:
        lines.append(f"What could not be read was taken from the backup {result.backup}.")
    lines.append(f"{result.saved_answers:,} answers are saved.")
    if result.from_write_ahead:
        lines.append(f"{result.from_write_ahead:,} of them stood in the write-ahead file alone.")
    lines += [f"Lost: {rows:,} rows of {table}, which no backup has." for table, rows in result.lost.items()]
    return [*lines, f"The damaged files are kept in {result.damaged_files}."]
