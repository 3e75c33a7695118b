"""Checks or repairs a project in a process of its own: `python -m app.home.tending ACT FOLDER`."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from app.home.child import speak
from app.integrity import check, repair, repair_lines
from core.backup.backups import newest_backup
from core.backup.integrity import SETTINGS, Finding, is_database
from core.backup.repair import DAMAGED
from core.config.settings import LAST_GOOD
from core.jobs.bundle import Report
from core.store.damage import way_out


@dataclass(frozen=True)
class Checked:
    """damage: a sentence for each part that is not as it was written. sound: the other parts. plan: what a repair would
    do about it, in sentences; empty where it mends nothing."""

    damage: list[str]
    sound: list[str]
    plan: list[str]


@dataclass(frozen=True)
class Repaired:
    """lines: what came of it, in sentences."""

    lines: list[str]


def check_for_page(folder: Path, report: Report) -> Checked:
    """As `rondo check` does it; in place of the commands that help, the plan."""
    findings = check(folder, report).findings
    damage = [_within(folder, finding.damage.replace(way_out(folder), "")) for finding in findings if finding.damage]
    sound = [finding.part for finding in findings if not finding.damage]
    return Checked(damage, sound, repair_plan(folder, findings))


def repair_plan(folder: Path, findings: list[Finding]) -> list[str]:
    """What `repair` would do about this damage, in sentences; empty where it mends nothing of it."""
    damaged = [finding.part for finding in findings if finding.damage]
    plan = []
    if any(map(is_database, damaged)):
        backup = newest_backup(folder)
        rest = (
            f"what cannot is taken from the newest backup, {backup.name}"
            if backup
            else "there is no backup for what cannot"
        )
        plan.append(f"Every row of the database that can be read is saved, the newest answers, too; {rest}.")
    if SETTINGS in damaged and (folder / LAST_GOOD).exists():
        plan.append("The settings that were last in force take the place of those that cannot be read.")
    if plan:
        plan.append(f"The damaged files are kept, in {DAMAGED}/ of the project, which nobody can open meanwhile.")
    return plan


def repair_for_page(folder: Path, report: Report) -> Repaired:
    """As `rondo repair` does it."""
    return Repaired([_within(folder, line) for line in repair_lines(repair(folder, report))])


def _within(folder: Path, line: str) -> str:
    """Files by their names in the project: who manages one need not know where on the machine it lies."""
    return line.replace(f"{folder}/", "").replace(str(folder), "the project").strip()


ACTS: dict[str, Callable[[Path, Report], object]] = {"check": check_for_page, "repair": repair_for_page}
STOPPED = "Stopped. The database is as it was."


def main() -> None:
    """The act and the project's folder are the arguments."""
    act, folder = sys.argv[1:]
    speak(partial(ACTS[act], Path(folder)), STOPPED)


if __name__ == "__main__":
    main()
