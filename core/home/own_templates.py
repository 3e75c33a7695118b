"""Templates of projects that people save: in which folder they lie, and keeping a project's settings as one."""

from dataclasses import dataclass
from pathlib import Path

from core.config.new_project import check_template_name, template_of, write_template
from core.home.folders import PRIVATE, default_home
from core.jobs.bundle import Report
from core.project import Project

LONGEST_CAPTION = 200


@dataclass(frozen=True)
class SavedTemplate:
    """file: that was written. home: the folder of projects whose page offers it. replaced: did it take the place of
    another?"""

    name: str
    file: str
    home: str
    replaced: bool


def home_of(folder: Path) -> Path:
    """The home that a project lies in, else the one that is opened unless somebody says otherwise."""
    parent = folder.resolve().parent
    return parent if (parent / PRIVATE).is_dir() else default_home()


def templates_folder(home: Path) -> Path:
    """Beside the projects."""
    return home / "templates"


def template_save(  # noqa: PLR0913 - an option is an argument
    project: Project, report: Report, *, name: str, caption: str = "", home: str = "", overwrite: bool = False
) -> SavedTemplate:
    """Keeps task, labels, guidelines and steps for other projects: no record, answer or person is in it.

    home: a folder of projects; empty: the project's own. Raises BadInput for a name that is none, Refused where there
    is one of this name and `overwrite` is not.
    """
    where = Path(home) if home else home_of(project.folder)
    folder = templates_folder(where)
    replaced = (folder / f"{check_template_name(name)}.toml").is_file()
    template = template_of(project.settings(), name, " ".join(caption.split())[:LONGEST_CAPTION])
    file = write_template(template, folder, overwrite=overwrite)
    return SavedTemplate(name, str(file), str(where), replaced)
