"""Files that a browser sends to a project's server: under a plain name, whole or not at all, and found by their id."""

import os
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app import background
from app.http.upload_routes import upload_routes, uploads
from app.uploads import MOST_BYTES, MOST_KEPT, kept_file
from core.project import Project


@pytest.fixture
def browser(project: Project) -> Iterator[TestClient]:
    """Of somebody who may upload; who may is what `tests/test_guard.py` asks."""
    background.open_server(lambda: project)
    with TestClient(Starlette(routes=upload_routes(background.opened))) as client:
        yield client
    background._OPEN.clear()


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("../../a.csv", "a.csv"),
        ("C:\\mails\\..\\b.csv", "b.csv"),
        (".rondo.toml", "rondo.toml"),
        ("a/\x00d\n.csv", "d.csv"),
        ("Б" * 300 + ".csv", "Б" * 98 + ".csv"),
    ],
)
def test_a_file_lies_in_a_folder_of_its_own_whatever_it_is_called(
    browser: TestClient, project: Project, name: str, plain: str
) -> None:
    sent = browser.post("/api/uploads", params={"name": name}, content=b"text\nOne\n").json()
    file = kept_file(uploads(project), sent["id"])
    assert file == uploads(project) / sent["id"] / plain
    assert file
    assert file.read_bytes() == b"text\nOne\n"
    browser.delete(f"/api/uploads/{sent['id']}")
    assert not list(uploads(project).iterdir())


def test_what_is_too_large_or_has_no_name_is_refused_before_it_is_read(browser: TestClient, project: Project) -> None:
    large = {"content-length": str(MOST_BYTES + 1)}
    refused = browser.post("/api/uploads?name=a.csv", headers=large, content=b"text")
    assert (refused.status_code, "20 GB can be uploaded" in refused.json()["error"]) == (400, True)
    assert browser.post("/api/uploads?name=..", content=b"text").json() == {"error": "The file has no name."}
    assert not list(uploads(project).iterdir())


@pytest.mark.parametrize("identifier", ["", "..", "0" * 32, "../uploads", "x" * 32])
def test_only_the_id_of_an_upload_finds_a_file(project: Project, identifier: str) -> None:
    (uploads(project) / "other").mkdir()
    (uploads(project) / "other" / "a.csv").touch()
    assert kept_file(uploads(project), identifier) is None


def test_uploads_that_no_page_took_make_room_after_a_day(browser: TestClient, project: Project) -> None:
    for _ in range(MOST_KEPT):
        identifier = browser.post("/api/uploads?name=a.csv", content=b"text").json()["id"]
    refused = browser.post("/api/uploads?name=a.csv", content=b"text")
    assert (refused.status_code, "wait for a page" in refused.json()["error"]) == (400, True)
    os.utime(uploads(project) / identifier, (0, 0))
    assert browser.post("/api/uploads?name=a.csv", content=b"text").status_code == 200
    assert kept_file(uploads(project), identifier) is None
