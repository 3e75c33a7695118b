"""A project with people in it, and their ways in: what the tests of roles share."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.auth.authenticator import TRUSTED, Authenticator, Binding
from app.auth.identity import SESSION
from core.errors import BadInput
from core.people.people import add_person
from core.people.roles import ROLES
from core.project import Project, open_project
from gpu_jobs.runners.local import InProcessRunner
from tests.argilla_server import quiet

SECRET = b"a secret of this project"
NAMES = {"manager": "Max", "adjudicator": "Joy", "annotator": "Ann"}
assert NAMES.keys() == ROLES.keys()


def add(project: Project, name: str, role: str | None = None, email: str | None = None) -> str:
    """The new person's access code."""
    return add_person(project, quiet, name=name, role=role, email=email).code


def add_all(project: Project) -> dict[str, str]:
    """One person of each role; role -> access code."""
    return {role: add(project, name, role, f"{name}@example.org") for role, name in NAMES.items()}


@pytest.fixture(scope="session", name="peopled")
def make_peopled(encoded: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`encoded` with one person of each role, made once: a code is slow to hash, on purpose. Tests work on copies."""
    folder = tmp_path_factory.mktemp("people") / "project"
    shutil.copytree(encoded, folder)
    project = open_project(folder, InProcessRunner())
    add_all(project)
    project.close()
    return folder


@dataclass(frozen=True)
class Visit:
    """Somebody who has signed in."""

    authenticator: Authenticator
    name: str

    @property
    def cookies(self) -> dict[str, str]:
        return {self.authenticator.cookie: self.session}

    @property
    def session(self) -> str:
        person = self.authenticator.person(self.name)
        if person is None:
            raise BadInput(f"Nobody is called {self.name}.")
        return self.authenticator.open_session(person, time.time())

    @property
    def user(self) -> dict[str, str]:
        """What st.user holds on a page."""
        return {SESSION: self.session}


def entrance_of(project: Project, bound: Binding = TRUSTED) -> Authenticator:
    return Authenticator(project.store, SECRET, bound)
