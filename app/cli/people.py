"""The command line's part for people and the history. Imports nothing heavy."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import JsonOption, ProjectOption, folder_of, run_verb
from app.cli.terminal import show

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Under which the answers are kept.")]
_ROLES = "annotator labels; adjudicator corrects and settles, too; manager may do everything."

people = typer.Typer(
    help="Who may use the app, and as what. As soon as somebody is added, the app asks everybody to sign in.",
    invoke_without_command=True,
    rich_markup_mode=None,
)


@people.callback()
def root(context: typer.Context, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Without a command: list them."""
    context.obj = project or context.obj
    if context.invoked_subcommand is None:
        show("people", run_verb(folder_of(context, project), "people"), as_json=as_json)


@people.command("list")
def list_(context: typer.Context, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """List them."""
    show("people", run_verb(folder_of(context, project), "people"), as_json=as_json)


@people.command()
def add(
    context: typer.Context,
    name: NameArgument,
    role: Annotated[
        str | None, typer.Option(help=f"{_ROLES} Default: annotator; manager for the first person.")
    ] = None,
    email: Annotated[str | None, typer.Option(help="By which OIDC knows them, where it is set up.")] = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add somebody; prints an access code, once."""
    result = run_verb(folder_of(context, project), "people_add", name=name, role=role, email=email)
    show("people_add", result, as_json=as_json)


@people.command()
def remove(
    context: typer.Context, name: NameArgument, project: ProjectOption = None, as_json: JsonOption = False
) -> None:
    """Remove somebody: what is open with their code ends at once. Their answers stay."""
    show("people_remove", run_verb(folder_of(context, project), "people_remove", name=name), as_json=as_json)


@people.command("role")
def role_(
    context: typer.Context,
    name: NameArgument,
    role: Annotated[str, typer.Argument(metavar="ROLE", help=_ROLES)],
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give somebody another role."""
    result = run_verb(folder_of(context, project), "people_role", name=name, role=role)
    show("people_role", result, as_json=as_json)


@people.command()
def code(
    context: typer.Context, name: NameArgument, project: ProjectOption = None, as_json: JsonOption = False
) -> None:
    """Make a new access code; prints it, once."""
    show("people_code", run_verb(folder_of(context, project), "people_code", name=name), as_json=as_json)


def history(
    context: typer.Context,
    who: Annotated[str | None, typer.Option("--who", help="Only what this person did.")] = None,
    what: Annotated[str | None, typer.Option("--what", help="Only this kind of line, as settings or import.")] = None,
    since: Annotated[str | None, typer.Option("--since", help="From this time on, UTC: 2026-11-27T14:30.")] = None,
    limit: Annotated[int, typer.Option("--limit", help="Lines to show, the newest.")] = 100,
    out: Annotated[Path | None, typer.Option("--out", help="Write all lines to this file.")] = None,
    file_format: Annotated[str, typer.Option("--format", help="csv, jsonl or parquet.")] = "csv",
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Who did what, and when: the newest first, or all of it as a file."""
    entries = {"by": who, "what": what, "since": since, "limit": limit}
    target = {"out": str(out.resolve()), "file_format": file_format} if out else {}
    show("history", run_verb(folder_of(context, project), "history", **entries, **target), as_json=as_json)
