"""Commands that keep a project: backup, restore, check, repair."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import JsonOption, ProjectOption, errors, folder_of, run_verb
from app.cli.terminal import Ticker, present

if TYPE_CHECKING:
    pass


def backup(
    context: typer.Context,
    out: Annotated[Path | None, typer.Option(help="Folder to write to. Default: backups/ in the project.")] = None,
    archive: Annotated[
        Path | None,
        typer.Option(help="One file instead, of Parquet and JSON, that needs no DuckDB: rondo restore reads it."),
    ] = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy database, settings and models, also while the app is running: whole and checked, or nothing."""
    if archive and out:
        raise typer.BadParameter("Name --out for a folder or --archive for a file, not both.")
    from core.backup.archives import Archived, write_archive
    from core.backup.backups import BackedUp, back_up

    def archive_lines(result: Archived) -> list[str]:
        return [
            f"Wrote {result.file} ({result.bytes:,} bytes): {result.rows:,} rows in {result.tables} tables.",
            "Vectors are not in it; they are made again.",
        ]

    def lines(result: BackedUp) -> list[str]:
        return [f"Copied to {result.folder} ({result.bytes:,} bytes)."]

    folder = folder_of(context, project)
    if archive:
        present(run_verb(folder, write_archive, archive=str(archive.resolve())), archive_lines, as_json=as_json)
    else:
        present(run_verb(folder, back_up, out=str(out.resolve()) if out else None), lines, as_json=as_json)


def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="An archive that rondo backup --archive has written.")],
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a project of an archive, in a folder that is empty or not there yet."""
    with errors("Stopped. Nothing was restored."):
        from core.backup.archives import Restored
        from core.backup.archives import restore as restore_archive

        def lines(result: Restored) -> list[str]:
            return [
                f"Restored {result.records:,} records, {result.rows:,} rows in all, to {result.folder}.",
                f"Next: rondo --project {result.folder} encode (makes the vectors again).",
            ]

        result = restore_archive(file.resolve(), folder_of(context, project), Ticker())
    present(result, lines, as_json=as_json)


def check(context: typer.Context, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Read everything that is stored and compare it with its checksums: settings, database, vectors, models."""
    with errors("Stopped. Nothing was changed."):
        from app.client import call
        from core.backup.integrity import Finding, Integrity, advice, check_files, check_tables
        from core.config.settings import FILE
        from core.errors import BadInput, Damaged, NotAProject
        from core.store.database import FILE as DATABASE

        def lines(result: Integrity) -> list[str]:
            sound = [each.part for each in result.findings if not each.damage]
            return [
                *(f"Damaged: {each.damage}" for each in result.findings if each.damage),
                *([f"Sound: {', '.join(sound)}."] if sound else []),
                *([result.advice] if result.advice else []),
            ]

        folder = folder_of(context, project)
        if not (folder / FILE).exists() and not (folder / DATABASE).exists():
            raise NotAProject(f"There is no project in {folder} (no {FILE}). Name one with --project.")
        findings = check_files(folder, Ticker())
        if not any(finding.damage for finding in findings if "/" not in finding.part):
            try:  # the tables: where a server has the project open it is asked
                findings += call(folder, check_tables, Ticker()).findings
            except (BadInput, Damaged) as error:
                findings.append(Finding("tables", str(error)))
        result = Integrity(findings, advice(folder, findings))
    present(result, lines, as_json=as_json)
    if any(finding.damage for finding in result.findings):
        sys.exit(5)


def repair(context: typer.Context, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Save what can be read of a damaged project; what cannot comes from the newest backup. Keeps the damaged files."""
    with errors("Stopped. The project is as it was."):
        from app.client import answers, read_address
        from core.backup.repair import Repair
        from core.backup.repair import repair as repair_project
        from core.errors import Refused

        def lines(result: Repair) -> list[str]:
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

        folder = folder_of(context, project)
        address = read_address(folder)
        if address and answers(address.url, address.key):
            raise Refused(f"The project is open at {address.url}. Stop that server first.")
        result = repair_project(folder, Ticker())
    present(result, lines, as_json=as_json)
