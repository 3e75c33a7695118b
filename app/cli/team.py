"""The command line's part for a team: the embedded Argilla server and its people. Imports nothing heavy."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import JsonOption, ProjectOption, errors, folder_of, run_verb
from app.cli.terminal import Ticker, say, show

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

        result = server.start(_project(context, project), host, port, Ticker())
        if result["warning"]:
            say(f"Warning: {result['warning']}", error=True)
        show("team_start", result, as_json=as_json)


@team.command()
def stop(context: typer.Context, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Stop it; everything is kept."""
    with errors():
        from annotation import server

        show("team_stop", server.stop(_project(context, project)), as_json=as_json)


@team.command()
def status(context: typer.Context, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Show whether it runs, where, since when, and how many people and datasets it has."""
    with errors():
        from annotation import server

        show("team_status", server.status(_project(context, project)), as_json=as_json)


@team.command()
def backup(
    context: typer.Context,
    out: Annotated[Path | None, typer.Option(help="Folder to make. Default: backups/ in the project.")] = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy Argilla's database and its secrets, also while it is running."""
    with errors():
        from annotation.home import back_up

        result = back_up(_project(context, project), out.resolve() if out else None)
        show("team_backup", result, as_json=as_json)


@team.command()
def push(context: typer.Context, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Send the queue to Argilla: only what has changed, with suggestions, the most useful records first."""
    show("team_push", run_verb(folder_of(context, project), "team_push"), as_json=as_json)


@team.command()
def sync(context: typer.Context, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Read what people answered in Argilla; while the app runs this goes on by itself."""
    show("team_sync", run_verb(folder_of(context, project), "team_sync"), as_json=as_json)


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
        from annotation.accounts import add_user
        from annotation.server import find_connection
        from core.config.settings import read_settings

        folder = _project(context, project)
        settings = read_settings(folder)
        result = add_user(find_connection(folder, settings), settings.team_workspace, name, role)
        show("team_user_added", result, as_json=as_json)


@users.command("list")
def list_(context: typer.Context, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """List the people, their roles, and whether they belong to the project's workspace."""
    with errors():
        from annotation.accounts import list_users
        from annotation.server import find_connection
        from core.config.settings import read_settings

        folder = _project(context, project)
        settings = read_settings(folder)
        matches = list_users(find_connection(folder, settings), settings.team_workspace)
        show("team_users", {"workspace": settings.team_workspace, "users": matches}, as_json=as_json)
