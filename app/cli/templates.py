"""`rondo template`: what a project can be made from, and keeping one's own. Knows settings, no record."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import ProjectOption, errors, folder_of
from app.cli.terminal import say

templates = typer.Typer(help="Tasks, labels and guidelines to make projects from: ours, and your own.")
CaptionOption = Annotated[str, typer.Option(help="One line that says what it is for.")]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits, hyphens.")]


def _own_folder() -> Path:
    """Beside the projects of the home."""
    from core.home.folders import default_home

    return default_home() / "templates"


@templates.command("list")
def list_() -> None:
    """Name and purpose of each."""
    with errors():
        from core.config.new_project import templates_in

        for one in templates_in(_own_folder()).values():
            say(f"{one.name:<16} {one.caption}{'' if one.ours else ' (yours)'}")


@templates.command()
def save(
    context: typer.Context, name: NameArgument, caption: CaptionOption = "", project: ProjectOption = None
) -> None:
    """Keep task, labels and guidelines of a project for others like it: no record, answer or person is in it."""
    with errors():
        from core.config.new_project import template_of, write_template
        from core.config.settings import read_settings

        made = template_of(read_settings(folder_of(context, project)), name, caption)
        say(f"Saved {write_template(made, _own_folder())}. Next: rondo init FOLDER --template {name}")


def make_from_template(path: Path, name: str, others: Sequence[str]) -> None:
    """A project of a template. others: options that say what the template says."""
    from core.config.new_project import templates_in, write_project
    from core.config.settings import FILE
    from core.errors import BadInput

    known = templates_in(_own_folder())
    if any(others):
        raise BadInput("--template says what the labels and steps are: leave the other options out.")
    if name not in known:
        raise BadInput(f"There is no template {name[:60]!r}; there are {', '.join(known)}.")
    if path.is_file() or (path / FILE).exists():
        raise BadInput(f"{path} is there already. Choose another folder.")
    write_project(path, known[name], path.resolve().name)
    say(f"Made {path}. Next: rondo --project {path} import FILE --text COLUMN")
