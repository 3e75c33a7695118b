"""The guard: every route and every role, what is behind it, what is not, and where names are taken on trust."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from app import background
from app.auth.api_token import read_token
from app.auth.authenticator import TRUSTED, Binding
from app.auth.guard import FREE, HEADER, RIGHTS, Guard
from app.server import own_routes
from core.people.people import Person, remove_person, set_role
from core.people.roles import ROLES
from core.project import Project
from tests.conftest import copy_of, quiet
from tests.people_world import NAMES, Visit

KEY = "the key of the command line"
WHO = [None, *ROLES]
SHUT_TO_ALL = "/api/something/new"


@pytest.fixture
def server(peopled: Path, tmp_path: Path) -> Iterator[background.ProjectServer]:
    """With one person of each role."""
    with copy_of(peopled, tmp_path / "project") as project:
        yield background.open_server(lambda: project)
        background._OPEN.clear()


async def page(request: Request) -> Response:
    """Stands for Streamlit's own routes; says what session it was told."""
    return JSONResponse({"session": request.headers.get(HEADER.decode())})


def client(server: background.ProjectServer, user: str | None = None, **options: Any) -> TestClient:
    """Our routes behind the guard, and a browser that somebody of this role has signed in with."""
    routes = [
        *own_routes(server, KEY),
        Route(SHUT_TO_ALL, page),
        Route("/{rest:path}", page, methods=["GET", "POST", "PUT"]),
    ]
    app = Starlette(routes=routes, middleware=[Middleware(Guard, authenticator=lambda: server.authenticator)])
    cookies = Visit(server.authenticator, NAMES[user]).cookies if user else {}
    return TestClient(app, cookies=cookies, follow_redirects=False, base_url="http://127.0.0.1:8501", **options)


def routes_of(server: background.ProjectServer) -> set[tuple[str, str]]:
    routes = [one for one in own_routes(server, KEY) if one.path != "/api/{rest:path}"]
    return {(method, one.path) for one in routes for method in (one.methods or ()) if method != "HEAD"}


def test_every_route_has_a_decision(server: background.ProjectServer) -> None:
    paths = {path for _, path in routes_of(server)}
    assert not {path for path in paths if path not in FREE and path not in RIGHTS}
    assert not FREE.keys() & RIGHTS.keys()
    assert set(RIGHTS.values()) <= ROLES["manager"]
    assert all(path in paths or path in ("/_stcore/health", "/api/webhooks/argilla") for path in FREE)


@pytest.mark.parametrize("user", WHO)
def test_every_route_asks_every_role(server: background.ProjectServer, user: str | None) -> None:
    for method, path in sorted(routes_of(server)):
        with client(server, user) as browser:
            headers = card(server, NAMES[user]) if user else {}
            url = path.format(id="x", verb="people")
            status = browser.request(method, url, headers=headers, content=b"{}").status_code
        right = RIGHTS.get(path)
        if path in ("/sign-in", "/sign-out", "/api/health", "/api/docs", "/api/openapi.json"):
            assert status in (200, 303, 403), path
        elif right is None:
            assert status == 401, f"{path} wants a key or a token, whoever is signed in"
        elif user is None:
            assert status == 401, path
        elif right not in ROLES[user] or path == "/api/label/token":  # names are not believed here
            assert status == 403, path
        else:
            assert status == 200, path


def test_the_key_and_the_token_work_as_before(server: background.ProjectServer) -> None:
    bearer = {"authorization": f"Bearer {read_token(server.project.folder)}"}
    with client(server) as program:
        assert program.post("/api/verbs/people", json={}, headers={"x-rondo-key": KEY}).status_code == 200
        assert program.get("/api/jobs", headers=bearer).status_code == 200
        assert program.get("/api/health").json() == {"ok": True}
        assert "records" in program.get("/api/health", headers={"x-rondo-key": KEY}).json()


@pytest.mark.parametrize("user", WHO)
def test_only_who_may_adjudicate_decides_and_under_the_name_of_the_session(
    server: background.ProjectServer, user: str | None
) -> None:
    event = {"eid": "e", "record": "r0", "action": "submit", "labels": ["food"], "seq": 1, "ts": 1.0}
    with client(server, user) as browser:
        headers = card(server, NAMES[user]) if user else {}
        status = browser.post("/api/adjudicate", json={"events": [event]}, headers=headers).status_code
        if user:
            other = next(name for name in ("Max", "Joy") if name != NAMES[user])
            stolen = browser.post(
                "/api/adjudicate", json={"events": [{**event, "eid": "f"}]}, headers=card(server, other)
            )
            assert stolen.status_code == 403
    rows = server.project.store.query("select event_id, annotator from responses where event_id in ('e', 'f')")
    if user in ("adjudicator", "manager"):
        assert (status, rows) == (200, [("e", NAMES[user])])
    else:
        assert (status, rows) == (403 if user else 401, [])


@pytest.mark.parametrize("user", WHO)
def test_a_route_without_a_decision_is_open_to_nobody(server: background.ProjectServer, user: str | None) -> None:
    with client(server, user) as browser:
        assert browser.get(SHUT_TO_ALL).status_code == 404
        assert browser.get("/api").status_code == 404


def test_what_the_api_has_not_is_reported_in_json_and_what_a_route_takes_stands_in_allow(
    server: background.ProjectServer,
) -> None:
    with client(server, "manager") as browser:
        for path in ("/api", "/api/", "/api/nothing", "/api/jobs/x/y", "/api/health/", "/api/label/events/"):
            answer = browser.get(path, headers={"accept": "text/html"})
            assert (answer.status_code, list(answer.json())) == (404, ["error"]), path
        allowed = {
            "/api/jobs": "GET, HEAD, POST",
            "/api/jobs/x": "DELETE, GET, HEAD",
            "/api/health": "GET, HEAD",
            "/api/label/events": "POST",
            "/api/verbs/next": "POST",
        }
        for path, methods in allowed.items():
            answer = browser.request("PUT", path)
            assert (answer.status_code, answer.headers["allow"], list(answer.json())) == (405, methods, ["error"])


PATHS = ["/", "/label", "/settings?x=1", "/static/js/index.js", "/media/abc.csv", "/component/x/y", "/_stcore/stream"]
TRICKS = ["/sign-in/", "/sign-in/../label", "//sign-in", "/SIGN-IN", "/_stcore/health/x", "/api/health/../label"]


@pytest.mark.parametrize("path", PATHS + TRICKS)
def test_somebody_not_signed_in_gets_nothing_but_the_way_to_sign_in(
    server: background.ProjectServer, path: str
) -> None:
    with client(server) as browser:
        answer = browser.get(path, headers={"accept": "text/html"})
        nothing = 404 if path.startswith("/api/") else 401
        assert answer.status_code == (404 if path.startswith("/api/") else 303), path
        assert "session" not in answer.text
        assert browser.get(path, headers={"accept": "*/*"}).status_code == nothing
        assert browser.post(path).status_code == nothing
    if answer.status_code == 303:
        assert answer.headers["location"].removeprefix("../" * (path.count("/") - 1)).lstrip("./").startswith("sign-in")


def test_a_page_learns_the_session_from_the_guard_alone(server: background.ProjectServer) -> None:
    liar = {HEADER.decode(): Visit(server.authenticator, "Max").session}
    with client(server, "annotator") as browser:
        result = browser.get("/label", headers=liar).json()["session"]
    person = server.authenticator.session(result, time.time())
    assert person is not None
    assert person.name == "Ann"
    for name in NAMES.values():
        if name != "Max":
            remove_person(server.project, quiet, name=name)
    remove_person(server.project, quiet, name="Max")
    with client(server) as anybody:  # names are taken on trust again
        assert anybody.get("/label", headers=liar).json()["session"] is None


def test_another_sites_page_changes_nothing_in_a_browser_that_is_signed_in(server: background.ProjectServer) -> None:
    with client(server, "manager") as browser:
        assert browser.put("/_stcore/upload_file/x/y", headers={"origin": "http://evil.example"}).status_code == 403
        headers = card(server, "Max")
        assert browser.post("/api/adjudicate", json={}, headers={**headers, "origin": "null"}).status_code == 403
        headers |= {"origin": "http://127.0.0.1:8501"}
        assert browser.post("/api/adjudicate", json={}, headers=headers).status_code == 200


def test_removal_ends_the_browsers_session_at_once(server: background.ProjectServer) -> None:
    with client(server, "annotator") as browser:
        assert browser.get("/label").status_code == 200
        remove_person(server.project, quiet, name="Ann")
        assert browser.get("/label").status_code == 401


def test_a_change_of_role_holds_from_the_next_request_on(server: background.ProjectServer) -> None:
    with client(server, "annotator") as browser:
        headers = card(server, "Ann")
        assert browser.post("/api/adjudicate", json={}, headers=headers).status_code == 403
        set_role(server.project, quiet, name="Ann", role="adjudicator")
        assert browser.post("/api/adjudicate", json={}, headers=headers).status_code == 200
        set_role(server.project, quiet, name="Ann", role="annotator")
        assert browser.post("/api/adjudicate", json={}, headers=headers).status_code == 403


def card(server: background.ProjectServer, name: str) -> dict[str, str]:
    person = server.authenticator.person(name)
    assert person
    return {"x-rondo-token": server.authenticator.label_token(person, time.time()), "x-rondo-tab": "tab"}


def test_answers_go_under_the_name_of_who_is_signed_in_and_no_other(server: background.ProjectServer) -> None:
    with client(server, "annotator") as browser:
        assert browser.post("/api/label/events", json={}, headers=card(server, "Ann")).status_code == 200
        other = browser.post("/api/label/events", json={}, headers=card(server, "Max"))
        assert other.status_code == 403
        assert "not signed in here" in other.json()["error"]
        assert browser.post("/api/label/token", json={"annotator": "Ann"}).status_code == 403
    with client(server) as stranger:
        assert stranger.post("/api/label/events", json={}, headers=card(server, "Ann")).status_code == 401


def test_a_role_that_there_is_no_more_may_do_nothing(server: background.ProjectServer) -> None:
    with server.project.store.transaction() as cursor:
        cursor.execute("update people set role = 'king' where name = 'Ann'")
    with client(server, "annotator") as browser:
        assert browser.post("/api/label/events", json={}, headers=card(server, "Ann")).status_code == 403


@pytest.mark.parametrize(("bound", "status"), [(TRUSTED, 200), (Binding(loopback=False), 403)])
def test_with_nobody_in_the_table_this_machine_is_trusted_and_others_are_not(
    project: Project, bound: Binding, status: int
) -> None:
    server = background.open_server(lambda: project, bound)
    try:
        with client(server) as browser:
            assert browser.get("/label").status_code == status
            token = server.authenticator.label_token(Person("typed", "manager"), time.time())
            headers = {"x-rondo-token": token, "x-rondo-tab": "tab"}
            assert browser.post("/api/adjudicate", json={}, headers=headers).status_code == status
    finally:
        background._OPEN.clear()


def test_a_shared_code_lets_in_annotators(project: Project) -> None:
    server = background.open_server(lambda: project, Binding(loopback=False, shared="correct horse battery"))
    try:
        guest = Person("Bob", "annotator")
        assert server.authenticator.person("Bob") != guest, "it has the stamp of the code"
        with client(server) as browser:
            browser.cookies.update(Visit(server.authenticator, "Bob").cookies)
            assert browser.get("/label").status_code == 200
            assert browser.post("/api/adjudicate", json={}, headers=card(server, "Bob")).status_code == 403
    finally:
        background._OPEN.clear()
