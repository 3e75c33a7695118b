"""The sign-in page: who it lets in, where it leads, what it writes down, and what it lets nobody do."""

from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from annotation.engine.throttle import FREE_TRIES
from app.auth.authenticator import Authenticator
from app.auth.guard import Guard
from app.auth.sign_in import MOST_BYTES, safe_next, sign_in_routes
from core.people.people import remove_person
from core.project import Project
from tests.conftest import quiet
from tests.people_world import add_all, entrance_of

BASE = "http://127.0.0.1:8501"
HOSTILE = '"><script>alert(1)</script>'


@dataclass
class World:
    """A server with the sign-in page and a page behind it."""

    project: Project
    authenticator: Authenticator
    codes: dict[str, str]

    def __post_init__(self) -> None:
        async def behind(_: Request) -> Response:
            return PlainTextResponse("behind")

        routes = [*sign_in_routes(self.authenticator), Route("/{rest:path}", behind)]
        self.app = Starlette(routes=routes, middleware=[Middleware(Guard, authenticator=lambda: self.authenticator)])

    def browser(self, base: str = BASE, address: str = "testclient") -> TestClient:
        return TestClient(self.app, base_url=base, follow_redirects=False, client=(address, 50_000))

    def log(self, what: str) -> list[tuple[str, str]]:
        return self.project.store.query("select user, detail::varchar from audit_log where what = ?", [what])


@pytest.fixture
def world(project: Project) -> World:
    codes = add_all(project)
    return World(project, entrance_of(project), codes)


def test_a_right_code_leads_to_where_one_was_going(world: World) -> None:
    browser = world.browser()
    query = browser.get("/records?record=r1&x=a b", headers={"accept": "text/html"})
    shown = browser.get(urljoin("/records", query.headers["location"]))
    assert 'value="/records?record=r1&amp;x=a%20b"' in shown.text
    answer = browser.post(
        "/sign-in", data={"name": "ann", "code": world.codes["annotator"], "next": "/records?record=r1"}
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "./records?record=r1")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(world.authenticator.cookie)
    assert {"HttpOnly", "SameSite=strict", "Max-Age=43200"} <= {part.strip() for part in cookie.split(";")}
    assert "Secure" not in cookie
    assert browser.get("/records").text == "behind"
    assert browser.get("/sign-in?next=/label").headers["location"] == "./label"
    assert world.log("signed in") == [("Ann", '{"role": "annotator", "address": "testclient"}')]


def test_over_https_the_cookie_goes_nowhere_else(world: World) -> None:
    browser = world.browser("https://rondo.example")
    answer = browser.post("/sign-in", data={"name": "Ann", "code": world.codes["annotator"]})
    assert "; Secure" in answer.headers["set-cookie"]


def test_a_wrong_code_is_written_down_without_the_code_and_without_what_is_no_name(world: World) -> None:
    browser = world.browser()
    for name, code in (("Ann", "my-secret-guess"), ("my-secret-code", "x")):
        answer = browser.post("/sign-in", data={"name": name, "code": code})
        assert answer.status_code == 403
        assert "The name or the access code is wrong." in answer.text
        assert "set-cookie" not in answer.headers
    refused = world.log("sign-in refused")
    assert refused == [
        ("nobody", '{"name": "Ann", "address": "testclient"}'),
        ("nobody", '{"name": null, "address": "testclient"}'),
    ]
    assert "secret" not in str(world.project.store.query("select * from audit_log"))


def test_after_five_wrong_tries_the_right_code_waits_there_and_nowhere_else(world: World) -> None:
    browser = world.browser()
    for _ in range(FREE_TRIES["name and address"]):
        assert browser.post("/sign-in", data={"name": "Ann", "code": "no"}).status_code == 403
    answer = browser.post("/sign-in", data={"name": "ANN", "code": world.codes["annotator"]})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) >= 1
    assert "Too many wrong tries" in answer.text
    assert len(world.log("sign-in refused")) == FREE_TRIES["name and address"]
    own = world.browser(address="192.0.2.7")
    matches = own.post("/sign-in", data={"name": "Ann", "code": world.codes["annotator"]})
    assert matches.status_code == 303, "nobody else's tries keep Ann out"
    other = browser.post("/sign-in", data={"name": "Joy", "code": world.codes["adjudicator"]})
    assert other.status_code == 303, "others are not kept out"


@pytest.mark.parametrize("origin", ["http://evil.example", "null", f"{BASE}.evil.example"])
def test_another_sites_form_signs_nobody_in_or_out(world: World, origin: str) -> None:
    browser = world.browser()
    data = {"name": "Ann", "code": world.codes["annotator"]}
    assert browser.post("/sign-in", data=data, headers={"origin": origin}).status_code == 403
    assert browser.post("/sign-in", data=data, headers={"origin": BASE}).status_code == 303
    assert browser.post("/sign-out", headers={"origin": origin}).status_code == 403
    assert browser.get("/label").text == "behind"


def test_signing_out_ends_the_session_everywhere(world: World) -> None:
    browser, thief = world.browser(), world.browser()
    browser.post("/sign-in", data={"name": "Ann", "code": world.codes["annotator"]})
    thief.cookies.update(dict(browser.cookies))
    query = browser.get("/sign-out")
    assert "Signed in as Ann" in query.text
    assert browser.get("/label").text == "behind", "to look at the page signs nobody out"
    assert browser.post("/sign-out", headers={"origin": BASE}).headers["location"] == "./sign-in"
    assert [one.get("/label").status_code for one in (browser, thief)] == [401, 401]
    assert world.log("signed out") == [("Ann", "{}")]
    restarted = World(world.project, entrance_of(world.project), world.codes).browser()
    restarted.cookies.update(dict(thief.cookies))
    assert restarted.get("/label").status_code == 401, "nor does a restart bring it back"


def test_somebody_who_was_removed_is_asked_to_sign_in_and_cannot(world: World) -> None:
    browser = world.browser()
    data = {"name": "Ann", "code": world.codes["annotator"]}
    browser.post("/sign-in", data=data)
    remove_person(world.project, quiet, name="Ann")
    assert browser.get("/label").status_code == 401
    assert browser.post("/sign-in", data=data).status_code == 403


def test_a_link_from_another_site_finds_who_is_signed_in(world: World) -> None:
    """A strict cookie is not sent along: the page asks once more, from here."""
    answer = world.browser().get("/sign-in?next=/records", headers={"sec-fetch-site": "cross-site"})
    assert answer.status_code == 200
    assert '<meta http-equiv="refresh" content="0;url=./sign-in?next=%2Frecords">' in answer.text
    assert "<form" not in answer.text


@pytest.mark.parametrize("name", [HOSTILE, "' onfocus=alert(1) '", "\u202eann"])
def test_what_was_typed_is_shown_as_text(world: World, name: str) -> None:
    answer = world.browser().post("/sign-in", data={"name": name, "code": "x", "next": "/" + HOSTILE})
    assert answer.status_code == 403
    assert "<script" not in answer.text
    assert "' onfocus" not in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_a_body_that_is_too_long_or_odd_is_only_wrong(world: World) -> None:
    browser = world.browser()
    for body in (b"name=" + b"x" * MOST_BYTES, b"&" * 500, b"\xff\xfe=%zz", b"", b"name=Ann&name=Max&code=x"):
        answer = browser.post("/sign-in", content=body)
        assert answer.status_code == 403


AWAY = ["//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example", "javascript:alert(1)", "", "x"]
BACK = ["/sign-in", "/sign-out", "/api/jobs", "/_stcore/health", "/" + "x" * 3000, "/ü", "/a b", "/a\r\nset-cookie:x"]


@pytest.mark.parametrize("requested", AWAY + BACK)
def test_nobody_is_sent_to_another_site_or_round_in_circles(world: World, requested: str) -> None:
    data = {"name": "Ann", "code": world.codes["annotator"], "next": requested}
    assert world.browser().post("/sign-in", data=data).headers["location"] == "./"
    assert 'name="next" value="/"' in world.browser().get(f"/sign-in?next={quote(requested, safe='')}").text


@given(st.one_of(st.text(max_size=30), st.text("/\\:.@?#%\t\n ae", max_size=12)))
def test_whatever_is_asked_for_stays_on_this_site(requested: str) -> None:
    matches = safe_next(requested)
    browsers_view = matches.replace("\\", "/").replace("\t", "").replace("\n", "").replace("\r", "")
    assert urlsplit(urljoin(BASE, browsers_view)).netloc == urlsplit(BASE).netloc
    assert safe_next(matches) == matches
