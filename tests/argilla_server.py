"""A real Argilla server, embedded as a project's own is: one for the session, started when first asked for."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from annotation import server
from annotation.environment import argilla_python
from core import loop
from core.errors import Refused
from tests.ports import free_port


@dataclass(frozen=True)
class ArgillaServer:
    """project: the folder that it belongs to. Every test makes a workspace of its own."""

    url: str
    api_key: str
    owner_password: str
    project: Path


def quiet(what: str, done: int, total: int) -> None:
    """A report that nobody reads."""


def require_environment() -> None:
    """Makes Argilla's environment. Without a network the tests skip, on CI they fail."""
    try:
        argilla_python(quiet)
    except Refused as error:
        pytest.fail(str(error)) if os.environ.get("CI") == "true" else pytest.skip(str(error))


def start_for(project: Path) -> ArgillaServer:
    """The first start for a folder that is made a project."""
    loop.create_project(project, ["a", "b"])
    result = server.start(project, "127.0.0.1", free_port(), quiet)
    assert result.owner
    return ArgillaServer(result.url, result.owner.api_key, result.owner.password, project)


@pytest.fixture(scope="session", name="argilla")
def serve_argilla(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArgillaServer]:
    """`url`, `api_key`, `owner_password` of a server that ends with the session."""
    require_environment()
    project = tmp_path_factory.mktemp("argilla") / "project"
    yield start_for(project)
    server.stop(project)
