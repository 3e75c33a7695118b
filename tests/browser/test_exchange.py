"""A person labels in Argilla's own interface while `rondo up` runs, and our pages know it."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from annotation.accounts import add_user
from annotation.server import Connection
from tests.argilla_server import ArgillaServer
from tests.browser.conftest import QUIET
from tests.browser.real import Server
from tests.command_line import rondo, rondo_json

pytestmark = pytest.mark.browser
SECONDS = 60_000


@pytest.fixture
def server(argilla: ArgillaServer, tmp_path: Path) -> Iterator[Server]:
    """A project whose embedded Argilla is the session's; ten records wait."""
    texts = [f"Message {number}: the parcel came on day {number % 7}." for number in range(40)]
    workspace = f"w{uuid4().hex[:10]}"
    settings = {**QUIET, 'team_workspace = "rondo"': f'team_workspace = "{workspace}"'}
    server = Server(tmp_path / "project", "delivery,praise", texts, settings)
    shutil.copytree(argilla.project / ".rondo" / "team", server.folder / ".rondo" / "team", dirs_exist_ok=True)
    rondo("--project", server.folder, "next", "--size", "10")
    yield server
    server.kill()


def test_a_label_given_in_argilla_arrives_on_our_page(server: Server, argilla: ArgillaServer, page: Page) -> None:
    name = f"ann-{uuid4().hex[:8]}"
    workspace = (server.folder / "rondo.toml").read_text().split('team_workspace = "')[1].split('"')[0]
    person = add_user(Connection(argilla.url, argilla.api_key, embedded=True), workspace, name, "annotator")
    address = rondo_json(server.folder, "team", "push")["url"]
    page.goto(f"{argilla.url}/sign-in")
    page.locator("input[name=Username]").fill(name, timeout=SECONDS)
    page.locator("input[name=Password]").fill(person.password)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=server.folder.name)).to_be_visible(timeout=SECONDS)
    page.goto(address)
    page.get_by_text("praise", exact=True).first.click(timeout=SECONDS)
    page.get_by_role("button", name="Submit").click()
    while not (answers := server.answers(name)):
        time.sleep(0.5)
    assert [label for _, label in answers] == ["praise"]
    page.goto(f"http://127.0.0.1:{server.port}/")
    page.get_by_text("Where the records are").click(timeout=SECONDS)
    labelled = page.get_by_test_id("stMetric").filter(has_text="Labelled")
    expect(labelled.get_by_test_id("stMetricValue")).to_have_text("1", timeout=SECONDS)
