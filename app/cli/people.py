"""The command line's part for people and the history. Imports nothing heavy."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import JsonOption, ProjectOption, folder_of, run_verb, without_a_command
from app.cli.terminal import present

if TYPE_CHECKING:
    from rich.table import Table

    from core.people.people import People

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Under which the answers are kept.")]
_ROLES = "annotator labels; adjudicator corrects and settles, too; manager may do everything."

people = typer.Typer(
    help="Who may use the app, and as what. As soon as somebody is added, the app asks everybody to sign in.",
    invoke_without_command=True,
    rich_markup_mode=None,
)


@people.command("list")
def list_(context: typer.Context, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """List them."""
    from core.people.people import list_people

    present(run_verb(folder_of(context, project), list_people), _people, as_json=as_json)


without_a_command(people, list_)


def _people(result: "People") -> "list[Table | str]":
    from rich.markup import escape
    from rich.table import Table

    if not result.people:
        return [
            "Nobody yet: whoever reaches the app is a manager, under any name. `rondo people add NAME` changes that."
        ]
    table = Table(box=None, pad_edge=False, show_header=False)
    for one in result.people:
        table.add_row(escape(one.name), one.role, escape(one.email))
    return [table]


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
    from core.people.people import AddedPerson, add_person

    def lines(result: AddedPerson) -> list[str]:
        line = f"{result.name} is {_a(result.role)}. The access code, shown this once: {result.code}"
        return [line, *(["From now on the app asks everybody to sign in, you too."] if result.first else [])]

    result = run_verb(folder_of(context, project), add_person, name=name, role=role, email=email)
    present(result, lines, as_json=as_json)


def _a(role: str) -> str:
    return f"an {role}" if role[0] in "aeiou" else f"a {role}"


@people.command()
def remove(
    context: typer.Context, name: NameArgument, project: ProjectOption = None, as_json: JsonOption = False
) -> None:
    """Remove somebody: what is open with their code ends at once. Their answers stay."""
    from core.people.people import RemovedPerson, remove_person

    def lines(result: RemovedPerson) -> list[str]:
        nobody = "Nobody is left: the app on this machine asks nobody to sign in any more."
        return [f"{result.name} is out; every answer is kept.", *([] if result.left else [nobody])]

    present(run_verb(folder_of(context, project), remove_person, name=name), lines, as_json=as_json)


@people.command("role")
def role_(
    context: typer.Context,
    name: NameArgument,
    role: Annotated[str, typer.Argument(metavar="ROLE", help=_ROLES)],
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give somebody another role."""
    from core.people.people import ChangedRole, set_role

    def lines(result: ChangedRole) -> list[str]:
        return [f"{result.name} is {_a(result.role)} now, and was {_a(result.before)}."]

    present(run_verb(folder_of(context, project), set_role, name=name, role=role), lines, as_json=as_json)


@people.command()
def code(
    context: typer.Context, name: NameArgument, project: ProjectOption = None, as_json: JsonOption = False
) -> None:
    """Make a new access code; prints it, once."""
    from core.people.people import NewCode, new_code

    def lines(result: NewCode) -> list[str]:
        return [
            f"{result.name} has a new access code, shown this once: {result.code}",
            "The old one is worth nothing any more; who signed in with it has to sign in again.",
        ]

    present(run_verb(folder_of(context, project), new_code, name=name), lines, as_json=as_json)


def history_(
    context: typer.Context,
    user: Annotated[str | None, typer.Option("--who", help="Only what this person did.")] = None,
    what: Annotated[str | None, typer.Option("--what", help="Only this kind of line, as settings or import.")] = None,
    since: Annotated[str | None, typer.Option("--since", help="From this time on, UTC: 2026-11-27T14:30.")] = None,
    limit: Annotated[int, typer.Option("--limit", help="Lines to show, the newest.")] = 100,
    out: Annotated[Path | None, typer.Option("--out", help="Write all lines to this file.")] = None,
    file_format: Annotated[str, typer.Option("--format", help="csv, jsonl or parquet.")] = "csv",
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Who did what, and when: the newest first, or all of it as a file."""
    from core.people.audit_log import History, history

    def lines(result: History) -> list[str]:
        if result.file is not None:
            return [f"Wrote {result.rows:,} lines to {result.file}."]
        if not result.lines:
            return ["Nothing like this has happened yet."]
        return [f"{one.at}  {_printable(one.user)}  {one.what}  {one.detail}" for one in result.lines]

    result = run_verb(
        folder_of(context, project),
        history,
        by=user,
        what=what,
        since=since,
        limit=limit,
        out=str(out.resolve()) if out else None,
        file_format=file_format,
    )
    present(result, lines, as_json=as_json)


def _printable(text: str) -> str:
    """Without what would move a terminal's cursor."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
