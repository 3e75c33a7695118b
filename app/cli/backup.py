"""Commands that keep a project: backup, restore, check, repair."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.options import JsonOption, ProjectOption, errors, folder_of, run_verb
from app.cli.terminal import Ticker, show


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
    if archive:
        result = run_verb(folder_of(context, project), "archive", archive=str(archive.resolve()))
        show("archive", result, as_json=as_json)
        return
    result = run_verb(folder_of(context, project), "backup", out=str(out.resolve()) if out else None)
    show("backup", result, as_json=as_json)


def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="An archive that rondo backup --archive has written.")],
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a project of an archive, in a folder that is empty or not there yet."""
    with errors("Stopped. Nothing was restored."):
        from core.backup.archives import restore as restore_archive

        result = restore_archive(file.resolve(), folder_of(context, project), Ticker())
    show("restore", result, as_json=as_json)


def check(context: typer.Context, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Read everything that is stored and compare it with its checksums: settings, database, vectors, models."""
    folder = folder_of(context, project)
    with errors("Stopped. Nothing was changed."):
        findings, advice = _findings(folder)
    show("integrity", {"findings": findings, "advice": advice}, as_json=as_json)
    if any(finding["damage"] for finding in findings):
        sys.exit(5)


def _findings(folder: Path) -> tuple[list[dict[str, Any]], str | None]:
    """Of the files as they lie, and of the tables: where a server has the project open it is asked."""
    from app.client import call
    from core.backup.integrity import Finding, advice, check_files
    from core.config.settings import FILE
    from core.errors import BadInput, Damaged, NotAProject
    from core.store.database import FILE as DATABASE

    if not (folder / FILE).exists() and not (folder / DATABASE).exists():
        raise NotAProject(f"There is no project in {folder} (no {FILE}). Name one with --project.")
    findings = check_files(folder, Ticker())
    if not any(finding.damage for finding in findings if "/" not in finding.part):
        try:
            result = call(folder, "integrity", Ticker())
            findings += [Finding(**each) for each in result["findings"]]
        except (BadInput, Damaged) as error:
            findings.append(Finding("tables", str(error)))
    return [asdict(finding) for finding in findings], advice(folder, findings)


def repair(context: typer.Context, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Save what can be read of a damaged project; what cannot comes from the newest backup. Keeps the damaged files."""
    with errors("Stopped. The project is as it was."):
        from app.client import answers, read_address
        from core.backup.repair import repair as repair_project
        from core.errors import Refused

        folder = folder_of(context, project)
        address = read_address(folder)
        if address and answers(address):
            raise Refused(f"The project is open at {address['url']}. Stop that server first.")
        result = repair_project(folder, Ticker())
    show("repair", result, as_json=as_json)
