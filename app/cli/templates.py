"""`rondo template`: what a project can be made from, and keeping one's own. Knows settings, no record."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import ProjectOption, errors, folder_of, run_verb
from app.cli.terminal import say

templates = typer.Typer(help="Tasks, labels and guidelines to make projects from: ours, and your own.")
CaptionOption = Annotated[str, typer.Option(help="One line that says what it is for.")]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits, hyphens.")]


def _own_folder() -> Path:
    """Beside the projects of the home."""
    from core.home.folders import default_home
    from core.home.own_templates import templates_folder

    return templates_folder(default_home())


@templates.command("list")
def list_() -> None:
    """Name and purpose of each."""
    with errors():
        from core.config.new_project import templates_in

        for one in templates_in(_own_folder()).values():
            say(f"{one.name:<16} {one.caption}{'' if one.ours else ' (yours)'}")


@templates.command()
def save(
    context: typer.Context,
    name: NameArgument,
    caption: CaptionOption = "",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="In place of the one of this name, if there is one.")
    ] = False,
    project: ProjectOption = None,
) -> None:
    """Keep task, labels and guidelines of a project for others like it: no record, answer or person is in it."""
    from core.home.folders import VARIABLE, default_home
    from core.home.own_templates import home_of, template_save

    folder = folder_of(context, project)
    home = str(home_of(folder).absolute())
    made = run_verb(folder, template_save, name=name, caption=caption, home=home, overwrite=overwrite)
    elsewhere = "" if Path(made.home) == default_home().absolute() else f"{VARIABLE}={made.home} "
    say(f"Saved {made.file}. Next: {elsewhere}rondo init FOLDER --template {made.name}")


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
