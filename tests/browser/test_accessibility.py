"""No page has a fault that axe calls serious, nor headings that jump, in light and in dark."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from app.navigation import ENTRIES
from tests.browser.real import Server

pytestmark = pytest.mark.browser
ADDRESSES = [*(f"{entry.file}?annotator=axe" for entry in ENTRIES), "records?record=r0"]
BAD = ("serious", "critical")


@pytest.fixture(scope="module")
def played_server(played: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two batches labelled, audit and gold among them, and a model."""
    server = Server(tmp_path_factory.mktemp("axe") / "project", "spam,ham", ["Note."], {}, running=False)
    shutil.rmtree(server.folder)
    shutil.copytree(played, server.folder)
    server.start()
    yield server
    server.kill()


def faults(page: Page) -> list[tuple[str, str]]:
    """(rule, element) of what is serious or out of order."""
    violations = Axe().run(page).response["violations"]
    bad = [one for one in violations if one["impact"] in BAD or one["id"] == "heading-order"]
    return [(one["id"], node["html"][:200]) for one in bad for node in one["nodes"]]


def background(page: Page) -> str:
    """The colour of the page."""
    return str(page.get_by_test_id("stApp").evaluate("app => getComputedStyle(app).backgroundColor"))


def test_axe_finds_nothing_on_any_page(played_server: Server, page: Page) -> None:
    page.set_viewport_size({"width": 1280, "height": 860})
    bad, colours = {}, set()
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for address in ADDRESSES:
        page.emulate_media(color_scheme="light")
        page.goto(f"http://127.0.0.1:{played_server.port}/{address}")
        expect(page.locator("h1, [data-testid=record]").first).to_be_visible(timeout=60_000)
        expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning", timeout=60_000)
        for scheme in schemes:
            page.emulate_media(color_scheme=scheme)
            page.wait_for_timeout(500)
            colours.add((scheme, background(page)))
            if matches := faults(page):
                bad[address, scheme] = matches
    assert bad == {}
    assert len(dict(colours)) == len(colours) == len({colour for _, colour in colours}), colours
