"""Whose pages may ask, by which names, under which address behind a proxy: over the guard and our real routes."""

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from app import background
from app.auth.authenticator import TRUSTED, Binding
from app.auth.guard import Guard
from app.auth.public_address import PublicPath, parse_address
from app.server import own_routes
from core.errors import BadInput, Refused
from core.project import Project
from tests.people_world import NAMES, Visit, add_all

OWN, OTHER = "http://127.0.0.1:8501", "http://127.0.0.1:9999"
PUBLIC = "https://label.example/rondo"
SAME = {"sec-fetch-site": "same-origin"}
TOKEN = "the-token-of-the-link"


async def page(request: Request) -> Response:
    """Stands for Streamlit's own routes."""
    if request.url.path == "/away":
        answer: Response = RedirectResponse("/label", 302)
        answer.set_cookie("theirs", "x")
        return answer
    return JSONResponse({"path": request.url.path, "host": request.headers["host"], "scheme": request.url.scheme})


def client(server: background.ProjectServer, user: str | None = None, base: str = OWN) -> TestClient:
    routes = [*own_routes(server, "key"), Route("/{rest:path}", page, methods=["GET", "POST"])]
    public = server.authenticator.bound.public
    behind = [Middleware(PublicPath, address=public)] if public else []
    app = Starlette(routes=routes, middleware=[*behind, Middleware(Guard, authenticator=lambda: server.authenticator)])
    cookies = Visit(server.authenticator, NAMES[user]).cookies if user else {}
    return TestClient(app, cookies=cookies, follow_redirects=False, base_url=base)


@pytest.fixture
def opened(project: Project) -> Iterator[Any]:
    """The project, served as it is bound."""
    yield lambda bound=TRUSTED: background.open_server(lambda: project, bound)
    background._OPEN.clear()


@pytest.mark.parametrize("signed_in", [False, True])
def test_a_page_of_another_port_or_site_is_refused_whatever_it_asks(opened: Any, signed_in: bool) -> None:
    server = opened()
    if signed_in:
        add_all(server.project)
    browser = client(server, "manager" if signed_in else None)
    for origin in (OTHER, "http://evil.example", "null", "http://127.0.0.1", f"{OWN}0", "https://127.0.0.1:9999", "x"):
        for method, path in (("GET", "/label"), ("POST", "/api/label/token"), ("POST", "/x"), ("GET", "/api/health")):
            answer = browser.request(method, path, headers={"origin": origin}, json={"annotator": "a"})
            assert answer.status_code == 403, (origin, path)
            assert "--public-address" in answer.json()["error"]
    assert browser.get("/label", headers={"origin": OWN}).status_code == 200
    assert browser.get("/label").status_code == 200


def test_on_trust_a_name_that_is_not_this_machines_is_refused(opened: Any) -> None:
    browser = client(opened())
    for host in ("evil.example", "evil.example:8501", "localhost.evil.example", "", "a@localhost", "[::1"):
        for path in ("/label", "/api/health", "/api/docs"):
            assert browser.get(path, headers={"host": host}).status_code == 400, host
    for host in ("127.0.0.1", "LOCALHOST:8501", "[::1]:8501"):
        assert browser.get("/label", headers={"host": host}).status_code == 200
    rebound = {"host": "127.0.0.1:8501", "origin": "http://evil.example:8501", **SAME}
    assert browser.post("/x", headers=rebound).status_code == 403, "through a proxy that puts our name for any"


def test_where_people_sign_in_a_proxy_may_have_a_name_of_its_own(opened: Any) -> None:
    server = opened()
    add_all(server.project)
    browser = client(server, "manager")
    named = {"host": "label.example", "origin": "https://label.example"}
    assert browser.post("/x", headers=named).status_code == 200
    assert browser.post("/x", headers={**named, "host": "127.0.0.1:8501"}).status_code == 403
    assert browser.post("/x", headers={**named, "host": "127.0.0.1:8501", **SAME}).status_code == 200


def test_an_origin_is_known_once_the_browser_said_that_it_leads_here(opened: Any) -> None:
    """A proxy on another port that puts its own Host: websockets have the page's Origin and nothing else."""
    server, through = opened(), "http://127.0.0.1:9000"
    browser = client(server)
    line = {"origin": through}
    assert browser.get("/_stcore/stream", headers=line).status_code == 403
    browser.get("/label", headers={"referer": f"{OTHER}/x", "sec-fetch-site": "same-site"})
    browser.get("/label", headers={"referer": f"{OTHER}/x"})
    browser.get("/label", headers={"referer": f"{through}/rondo/label", **SAME})
    answer = browser.get("/_stcore/stream", headers=line)
    assert (answer.status_code, answer.json()["host"]) == (200, "127.0.0.1:9000"), "Streamlit compares them again"
    assert browser.get("/x", headers={"origin": OTHER}).status_code == 403
    stranger = client(opened(Binding(token=TOKEN)))
    stranger.get("/label", headers={"referer": f"{through}/label", **SAME})
    assert stranger.get("/x", headers=line).status_code == 403, "somebody without the token teaches it nothing"


def test_the_link_is_exchanged_for_a_cookie_and_is_no_way_in_where_people_sign_in(opened: Any) -> None:
    server = opened(Binding(token=TOKEN))
    browser = client(server)
    page = {"accept": "text/html"}
    assert browser.get("/label", headers=page).headers["location"] == "./sign-in?next=%2Flabel"
    assert browser.get("/label?token=wrong", headers=page).headers["location"] == "./label"
    assert browser.get("/label").status_code == 401
    assert browser.post("/api/label/token", json={"annotator": "a"}).status_code == 401
    answer = browser.get(f"/label?annotator=ä+b&token={TOKEN}", headers=page)
    assert (answer.status_code, answer.headers["location"]) == (303, "./label?annotator=%C3%A4+b")
    assert {"HttpOnly", "SameSite=lax"} <= {part.strip() for part in answer.headers["set-cookie"].split(";")}
    assert browser.get("/label").status_code == 200
    assert browser.post("/api/label/token", json={"annotator": "a"}).status_code == 200
    add_all(server.project)
    assert browser.get("/label").status_code == 401
    assert client(server).get(f"/label?token={TOKEN}", headers=page).status_code == 303


def test_the_first_page_is_found_under_its_own_address(opened: Any) -> None:
    server, page = opened(), {"accept": "text/html"}
    assert client(server).get("/overview?x=1", headers=page).headers["location"] == "./?x=1"
    assert client(server).get("/mine", headers=page).status_code == 200
    add_all(server.project)
    assert client(server, "annotator").get("/mine", headers=page).headers["location"] == "./"
    assert client(server, "annotator").get("/overview", headers=page).status_code == 200


@pytest.mark.parametrize("prefix", ["", "/rondo"])
def test_behind_a_proxy_all_is_as_people_see_it_whether_or_not_it_cuts_the_prefix(opened: Any, prefix: str) -> None:
    server = opened(Binding(loopback=False, public=parse_address(PUBLIC)))
    add_all(server.project)
    browser = client(server, "manager", "http://127.0.0.1:8501")
    seen = browser.post(f"{prefix}/x", headers={"origin": "https://label.example"}).json()
    assert seen == {"path": "/x", "host": "label.example", "scheme": "https"}
    assert browser.post(f"{prefix}/x", headers={"origin": "http://label.example"}).status_code == 403
    away = browser.get(f"{prefix}/away")
    assert away.headers["location"] == "/rondo/label"
    assert away.headers["set-cookie"].endswith("; Secure")
    query = client(server).get(f"{prefix}/records?record=r1", headers={"accept": "text/html"})
    assert query.headers["location"] == "./sign-in?next=%2Frecords%3Frecord%3Dr1"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://label.example", "https://label.example"),
        ("https://label.example:443/rondo/", "https://label.example/rondo"),
        ("http://LABEL.example:8080/a/b", "http://label.example:8080/a/b"),
        ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
    ],
)
def test_an_address_is_kept_as_browsers_have_it(text: str, url: str) -> None:
    assert parse_address(text).url == url


@pytest.mark.parametrize(
    "text",
    [
        "label.example",
        "ftp://x",
        "https://",
        "https://a:b@x",
        "https://x?y",
        "https://x#y",
        "https://x:99999",
        "https://x//y",
        "https://x/../y",
    ],
)
def test_what_no_browser_opens_is_no_address(text: str) -> None:
    with pytest.raises(BadInput, match="https://host/path"):
        parse_address(text)


def test_a_public_address_asks_for_people_since_this_machine_alone_no_longer_reaches_it(opened: Any) -> None:
    from app.auth.authenticator import refuse_open_door

    server = opened(Binding(loopback=False, public=parse_address(PUBLIC)))
    with pytest.raises(Refused, match=r"On https://label\.example/rondo anyone who reaches"):
        refuse_open_door(server.authenticator, "127.0.0.1")
