"""The command line's part for a team: the embedded Argilla server and its people. Imports nothing heavy."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import JsonOption, ProjectOption, errors, folder_of, run_verb
from app.cli.terminal import Ticker, present, say

team = typer.Typer(
    help="Annotate as a team in Argilla: start, stop, status, push, sync, users, backup.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
users = typer.Typer(help="People of the Argilla server: add, list.", no_args_is_help=True, rich_markup_mode=None)
team.add_typer(users, name="users")


def _project(context: typer.Context, project: Path | None) -> Path:
    """The folder, with its secrets in the environment."""
    from app.auth.secret_file import load_secrets
    from core.config.settings import require_project

    folder = folder_of(context, project)
    require_project(folder)
    load_secrets(folder)
    return folder


@team.command()
def start(
    context: typer.Context,
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65_535)] = 6900,
    host: Annotated[
        str, typer.Option(help="Address to listen on; anything but loopback opens it to others.")
    ] = "127.0.0.1",
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start the project's own Argilla, which goes on in the background; the first start installs it (a minute)."""
    with errors("Stopped; the server was not started."):
        from annotation import server
        from app.cli.interrupts import stoppable

        def lines(result: server.Started) -> list[str]:
            if result.already:
                return [f"Argilla runs already at {result.url} (since {result.since})."]
            lines = [f"Argilla runs at {result.url}. It goes on until `rondo team stop`."]
            if result.owner:
                lines += [
                    f"  user      {result.owner.username}",
                    f"  password  {result.owner.password}",
                    f"  API key   {result.owner.api_key}",
                    "The password is shown this once and stored nowhere: write it down. "
                    "The key is kept in .rondo/team/, which only you can read.",
                ]
            return [*lines, "Next: rondo team users add NAME"]

        result = server.start(_project(context, project), host, port, stoppable(Ticker()))
        if result.warning:
            say(f"Warning: {result.warning}", error=True)
        present(result, lines, as_json=as_json)


@team.command()
def stop(context: typer.Context, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Stop it; everything is kept."""
    with errors():
        from annotation import server

        def lines(result: server.Stopped) -> list[str]:
            return ["Argilla is stopped." if result.stopped else "No Argilla server ran."]

        present(server.stop(_project(context, project)), lines, as_json=as_json)


@team.command()
def status(context: typer.Context, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Show whether it runs, where, since when, and how many people and datasets it has."""
    with errors():
        from annotation import server

        def lines(result: server.ServerStatus) -> list[str]:
            if not result.running:
                return ["No Argilla server runs for this project. Next: rondo team start"]
            line = f"Argilla {result.version} runs at {result.url} since {result.since} (pid {result.pid}, "
            line += f"{result.memory_mb:,} MB)"
            if not result.answers:
                return [f"{line}, but does not answer. Look into .rondo/team/log.txt, or start it again."]
            return [f"{line}. People: {result.users:,}, datasets: {result.datasets:,}."]

        present(server.status(_project(context, project)), lines, as_json=as_json)


@team.command()
def backup(
    context: typer.Context,
    out: Annotated[Path | None, typer.Option(help="Folder to make. Default: backups/ in the project.")] = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy Argilla's database and its secrets, also while it is running."""
    with errors():
        from annotation.home import TeamBackup, back_up

        def lines(result: TeamBackup) -> list[str]:
            return [f"Copied to {result.folder} ({result.bytes:,} bytes)."]

        present(back_up(_project(context, project), out.resolve() if out else None), lines, as_json=as_json)


@team.command("push")
def push_(context: typer.Context, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Send the queue to Argilla: only what has changed, with suggestions, the most useful records first."""
    from core.exchange.push import Pushed, push

    def lines(result: Pushed) -> list[str]:
        lines = [
            f"Sent {result.sent:,} records ({result.unchanged:,} were there); {result.waiting:,} wait for answers."
        ]
        if result.replaced:
            lines.append(f"Labels or fields have changed: {result.name!r} replaces {result.replaced!r}.")
        if result.bad:
            lines.append(f"Argilla refused {len(result.bad):,} records; the others are there.")
            lines += [f"  {record}: {why}" for record, why in list(result.bad.items())[:10]]
        return [*lines, f"People answer at {result.url}"]

    present(run_verb(folder_of(context, project), push), lines, as_json=as_json)


@team.command("sync")
def sync_(context: typer.Context, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Read what people answered in Argilla; while the app runs this goes on by itself."""
    from core.exchange.pull import Synced, sync

    def lines(result: Synced) -> list[str]:
        line = f"Read {result.records:,} records: {result.stored:,} answers are new or changed."
        refused = f"{result.refused:,} cannot be taken in; the Team page says why."
        return [line, refused] if result.refused else [line]

    present(run_verb(folder_of(context, project), sync), lines, as_json=as_json)


@users.command("add")
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What the person signs in as.")],
    role: Annotated[str, typer.Option(help="annotator, admin or owner.")] = "annotator",
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a person, with a password that is shown this once."""
    with errors():
        from annotation.accounts import AddedUser, add_to_team

        def lines(result: AddedUser) -> list[str]:
            return [
                f"Added {result.name} ({result.role}), who signs in at {result.url}.",
                f"  password  {result.password}",
                "It is shown this once.",
            ]

        present(add_to_team(_project(context, project), name, role), lines, as_json=as_json)


@users.command("list")
def list_(context: typer.Context, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """List the people, their roles, and whether they belong to the project's workspace."""
    with errors():
        from annotation.accounts import TeamUsers, list_team

        def lines(result: TeamUsers) -> list[str]:
            outside = f", not in the workspace {result.workspace}"
            return [f"{one.name}  {one.role}{'' if one.member else outside}" for one in result.users]

        present(list_team(_project(context, project)), lines, as_json=as_json)
