"""Commands that keep a project: backup, restore, check, repair."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import JsonOption, ProjectOption, errors, folder_of, run_verb
from app.cli.terminal import Ticker, present


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
        from app.integrity import check as check_project
        from core.backup.integrity import Integrity

        def lines(result: Integrity) -> list[str]:
            sound = [each.part for each in result.findings if not each.damage]
            return [
                *(f"Damaged: {each.damage}" for each in result.findings if each.damage),
                *([f"Sound: {', '.join(sound)}."] if sound else []),
                *([result.advice] if result.advice else []),
            ]

        result = check_project(folder_of(context, project), Ticker())
    present(result, lines, as_json=as_json)
    if any(finding.damage for finding in result.findings):
        sys.exit(5)


def repair(context: typer.Context, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Save what can be read of a damaged project; what cannot comes from the newest backup. Keeps the damaged files."""
    with errors("Stopped. The project is as it was."):
        from app.integrity import repair as repair_project
        from app.integrity import repair_lines

        result = repair_project(folder_of(context, project), Ticker())
    present(result, repair_lines, as_json=as_json)
