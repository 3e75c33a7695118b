"""A project of folders for tests: a real tree on the disk, gathered and described by jobs in this process."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import loop
from core.data.encoding import encode
from core.project import Project, open_project
from core.trees.features import features
from core.trees.gather import gather
from gpu_jobs.runners.local import InProcessRunner

LABELS = ["format", "pack", "theme"]


def quiet(what: str, done: int, total: int) -> None:
    """A report that nobody reads."""


FORMATS, THEMES = ("PNG", "Vector", "Spritesheet"), ("Castle", "Forest", "Desert", "Space")


def make_tree(root: Path) -> Path:
    """4 themes x 2 packs x 3 formats with a file or more in each format: 36 folders."""
    for theme in THEMES:
        for number in (1, 2):
            for which, kind in enumerate(FORMATS):
                folder = root / theme / f"{theme} pack {number}" / kind
                folder.mkdir(parents=True)
                for index in range(which + number):
                    (folder / f"{theme.lower()}{number}_{index}.{kind[:3].lower()}").write_text("x" * (index + 1))
    return root


def label_of(path: str) -> str:
    return ("theme", "pack", "format")[path.count("/")]


@pytest.fixture(scope="session")
def folder_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with features of the tree's first snapshot, and the tree beside it; tests work on copies."""
    home = tmp_path_factory.mktemp("folders")
    loop.create_project(home / "project", LABELS)
    tree = make_tree(home / "assets")
    project = open_project(home / "project", InProcessRunner())
    gather(project, quiet, source=str(tree))
    features(project, quiet)
    encode(project, quiet)
    project.close()
    return home


@pytest.fixture
def folders(folder_template: Path, tmp_path: Path) -> Iterator[Project]:
    """36 folders of `assets` are records, none of them answered; the tree itself is beside the project."""
    shutil.copytree(folder_template, tmp_path, dirs_exist_ok=True)
    opened = open_project(tmp_path / "project", InProcessRunner())
    yield opened
    opened.close()
