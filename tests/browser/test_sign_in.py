"""Signing in for real: access codes on a phone, an organisation's accounts, lines that are cut, shut doors."""

import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.browser.conftest import QUIET, Machines
from tests.browser.real import ROOT, Card, Server
from tests.command_line import rondo, rondo_json
from tests.oidc_provider import CLIENT, CLIENT_SECRET, Provider, provider
from tests.waiting import LATEST_SECONDS

pytestmark = pytest.mark.browser
PHONE = {"width": 390, "height": 844}


class Team:
    """A project with a manager and an annotator, served; `server.start` may be left to whoever changes it first."""

    def __init__(self, folder: Path, *, running: bool = True) -> None:
        texts = [f"Message {number}." for number in range(400)]
        self.server = Server(folder, "praise,question", texts, QUIET, running=running)
        self.codes = {name: rondo_json(folder, "people", "add", name)["code"] for name in ("Max", "Ann")}
        self.base = f"http://127.0.0.1:{self.server.port}"

    def sign_in(self, page: Page, name: str, path: str = "/label") -> None:
        page.goto(self.base + path)
        page.get_by_label("Name").fill(name)
        page.get_by_label("Access code").fill(self.codes[name])
        page.get_by_role("button", name="Sign in").click()

    def cookie(self, page: Page) -> str:
        return "; ".join(f"{one['name']}={one['value']}" for one in page.context.cookies() if one["httpOnly"])


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    team = Team(tmp_path_factory.mktemp("team") / "project")
    yield team
    team.server.kill()


def test_an_annotator_signs_in_on_a_phone_labels_and_signs_out(team: Team, machines: Machines) -> None:
    page = machines(viewport=PHONE, color_scheme="dark").new_page()
    page.goto(team.base + "/label")
    assert [(one["id"], one["nodes"]) for one in Axe().run(page).response["violations"]] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    team.sign_in(page, "Ann")
    card = Card(page)
    expect(card.record).not_to_have_attribute("data-record-id", "")
    supplied = card.label("1212")
    card.wait_saved()
    assert team.server.answers("Ann") == supplied
    page.goto(team.base + "/sign-out")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Access code")).to_be_visible()
    page.goto(team.base + "/label")
    expect(page.get_by_label("Access code")).to_be_visible()


def test_what_a_role_may_not_open_is_not_in_the_menu_and_refuses_by_its_address(team: Team, machines: Machines) -> None:
    page = machines().new_page()
    team.sign_in(page, "Ann", "/settings")
    expect(page.get_by_role("alert")).to_contain_text("Only managers")
    assert page.url == f"{team.base}/settings"
    menu = page.get_by_test_id("stSidebarNav")
    expect(menu.get_by_role("link")).to_contain_text(["Label", "Your labels"])
    expect(page.get_by_label("New label")).to_have_count(0)
    page.get_by_role("link", name="Sign out").click()
    page.get_by_role("button", name="Sign out").click()
    team.sign_in(page, "Max", "/settings")
    expect(page.get_by_label("New label")).to_be_visible()
    page.goto(team.base + "/history")
    expect(page.get_by_role("heading", name="History")).to_be_visible()


def open_line(team: Team, cookie: str) -> ClientConnection:
    """A websocket, as a page opens it."""
    url = team.base.replace("http", "ws") + "/_stcore/stream"
    return connect(url, additional_headers={"Cookie": cookie}, proxy=None)


def cut_with(line: ClientConnection) -> int:
    """The code that the server closes it with, within 20 seconds."""
    try:
        while True:
            line.recv(20)
    except ConnectionClosed as error:
        return error.rcvd.code if error.rcvd else 0


def handshake(team: Team, cookie: str) -> int:
    """The status that a websocket with this cookie begins with; 101: it is open."""
    try:
        with open_line(team, cookie):
            return 101
    except InvalidStatus as error:
        return error.response.status_code


def test_a_line_opens_only_with_a_cookie_of_this_project(team: Team, machines: Machines) -> None:
    page = machines().new_page()
    team.sign_in(page, "Ann")
    expect(Card(page).record).to_be_visible()
    good = team.cookie(page)
    name = good.partition("=")[0]
    bad = ["", f"{name}=x", good[:-3], f"rondo_other={good.partition('=')[2]}", "_streamlit_user=x"]
    assert [handshake(team, cookie) for cookie in [good, *bad]] == [101, *[403] * len(bad)]


def test_removal_closes_an_open_websocket_at_the_next_message(team: Team, machines: Machines) -> None:
    team.codes["Bob"] = rondo_json(team.server.folder, "people", "add", "Bob")["code"]
    page = machines().new_page()
    team.sign_in(page, "Bob")
    expect(Card(page).record).to_be_visible()
    cookie = team.cookie(page)

    with open_line(team, cookie) as line:
        rondo("--project", team.server.folder, "people", "remove", "Bob")
        line.send(b"\x72\x00")
        assert cut_with(line) == 1008
    assert handshake(team, cookie) == 403
    page.reload()
    expect(page.get_by_label("Access code")).to_be_visible()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1", "nowhere.invalid"])
def test_others_may_reach_it_only_with_codes(tmp_path: Path, host: str) -> None:
    rondo("init", tmp_path / "open", "--labels", "a,b")
    command = [sys.executable, "-m", "app", "--project", str(tmp_path / "open"), "up", "--host", host, "--port", "0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    if "Cannot listen" not in done.stderr:  # an address of another machine
        assert "rondo people add" in done.stderr
        assert "RONDO_ACCESS_CODE" in done.stderr
        theirs = ("nanobind: ", " - ", "See https://nanobind")  # what DuckDB's binding may add at exit, rarely
        assert len([line for line in done.stderr.splitlines() if not line.startswith(theirs)]) == 1


@pytest.fixture(scope="module")
def account_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Team, Provider]]:
    """A project that asks an OpenID provider who somebody is."""
    with provider() as known:
        team = Team(tmp_path_factory.mktemp("accounts") / "project", running=False)
        rondo_json(team.server.folder, "people", "add", "Zoë", "--role", "manager", "--email", "zoe@example.org")
        rondo_json(team.server.folder, "people", "add", "Tom", "--email", "tom@example.org")
        (team.server.folder / ".streamlit").mkdir()
        (team.server.folder / ".streamlit" / "secrets.toml").write_text(
            f'[auth]\nredirect_uri = "{team.base}/oauth2callback"\ncookie_secret = "{"0123456789abcdef" * 3}"\n'
            f'client_id = "{CLIENT}"\nclient_secret = "{CLIENT_SECRET}"\n'
            f'server_metadata_url = "{known.url}/.well-known/openid-configuration"\n'
        )
        team.server.start()
        yield team, known
        team.server.kill()


def by_account(team: Team, page: Page, email: str) -> None:
    page.goto(team.base)
    page.get_by_role("button", name="Sign in").click()
    page.locator("#email").fill(email)
    page.get_by_role("button", name="Go on").click()


def test_an_account_of_the_table_is_let_in_as_what_it_is(
    account_world: tuple[Team, Provider], machines: Machines
) -> None:
    team, _ = account_world
    page = machines().new_page()
    by_account(team, page, "Tom@example.org")
    expect(page.get_by_text("Tom (annotator)")).to_be_visible()
    page.goto(team.base + "/label")
    card = Card(page)
    expect(card.record).not_to_have_attribute("data-record-id", "")
    supplied = card.label("12")
    card.wait_saved()
    assert team.server.answers("Tom") == supplied
    page.goto(team.base + "/settings")
    expect(page.get_by_role("alert")).to_contain_text("Only managers")
    rondo("--project", team.server.folder, "people", "remove", "Tom")
    page.reload()
    expect(page.get_by_text("is not let in here")).to_be_visible()


def test_an_account_that_is_not_listed_sees_one_sentence(
    account_world: tuple[Team, Provider], machines: Machines
) -> None:
    team, _ = account_world
    page = machines(viewport=PHONE).new_page()
    by_account(team, page, "stranger@example.org")
    expect(page.get_by_text("stranger@example.org is not let in here")).to_be_visible()
    expect(page.get_by_test_id("stSidebarNav")).to_have_count(0)
    expect(page.get_by_test_id("stMetric")).to_have_count(0)


def test_accounts_trust_no_name(account_world: tuple[Team, Provider]) -> None:
    team, _ = account_world
    request = urllib.request.Request(f"{team.base}/api/label/token", b'{"annotator": "Tom"}', method="POST")
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(request, timeout=LATEST_SECONDS)
