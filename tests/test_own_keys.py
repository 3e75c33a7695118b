"""Keys that a person has chosen on the card: with the person where people sign in, and gone with them."""

from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from app import background
from app.auth.guard import Guard
from app.server import own_routes
from core.erasure.erase import erase
from core.labelling.own_keys import choose_keys, own_keys
from core.people.people import remove_person
from core.project import Project
from tests.conftest import quiet
from tests.people_world import Visit, add
from tests.test_guard import card

ADDRESS = "http://127.0.0.1:8501"


@pytest.fixture
def server(project: Project) -> Iterator[background.ProjectServer]:
    yield background.open_server(lambda: project)
    background._OPEN.clear()


def browser(server: background.ProjectServer, name: str) -> TestClient:
    middleware = [Middleware(Guard, authenticator=lambda: server.authenticator)]
    cookies = Visit(server.authenticator, name).cookies
    return TestClient(
        Starlette(routes=own_routes(server, "key"), middleware=middleware), base_url=ADDRESS, cookies=cookies
    )


def test_keys_are_stored_for_who_signs_in_and_what_is_no_key_is_left_out(server: background.ProjectServer) -> None:
    add(server.project, "Ann")
    add(server.project, "Bo")
    store = server.project.store
    with browser(server, "Ann") as page:
        for sent in ({"5": "spam", "w": "ham", "F6": "x", "0": "a", "F5": "b", "é": "c", "7": 7, "8": ""}, None, "no"):
            reply = page.post("/api/label/events", json={"keys": sent}, headers=card(server, "Ann"))
            assert reply.status_code == 200
        assert own_keys(store, "Ann") == {"5": "spam", "w": "ham", "F6": "x"}
        assert own_keys(store, "Bo") == {}
        page.post("/api/label/events", json={"keys": {}}, headers=card(server, "Ann"))
    assert own_keys(store, "Ann") == {}


def test_under_a_name_that_was_only_typed_nothing_is_stored(server: background.ProjectServer) -> None:
    with TestClient(Starlette(routes=own_routes(server, "key")), base_url=ADDRESS) as page:
        token = page.post("/api/label/token", json={"annotator": "ann"}).json()["token"]
        headers = {"x-rondo-token": token, "x-rondo-tab": "tab"}
        assert page.post("/api/label/events", json={"keys": {"5": "spam"}}, headers=headers).status_code == 200
    assert own_keys(server.project.store, "ann") == {}


def test_who_is_erased_has_no_keys_left(project: Project) -> None:
    add(project, "Ann")
    choose_keys(project.store, "Ann", {"5": "spam"})
    remove_person(project, quiet, name="Ann")
    erase(project, quiet, annotator="Ann", sure=True)
    assert project.store.one("select count(*) from own_keys") == 0
