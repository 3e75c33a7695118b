"""No page has a fault that axe calls serious, nor headings that jump, at 1280 and 390 pixels, in light and in dark, and
none logs an error in the browser's console."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page, expect

from app.navigation import ENTRIES
from tests.browser.real import Server

pytestmark = pytest.mark.browser
ADDRESSES = [*(f"{entry.file}?annotator=axe" for entry in ENTRIES), "records?record=r0"]
BAD = ("serious", "critical")
COLOUR_RULES = ("color-contrast", "link-in-text-block")
STATES: tuple[tuple[int, Literal["light", "dark"]], ...] = (
    (1280, "light"),
    (1280, "dark"),
    (390, "dark"),
    (390, "light"),
)
"""width and scheme, each one change from the one before"""


@pytest.fixture(scope="module")
def played_server(played: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two batches labelled, audit and gold among them, and a model."""
    server = Server(tmp_path_factory.mktemp("axe") / "project", "spam,ham", ["Note."], {}, running=False)
    shutil.rmtree(server.folder)
    shutil.copytree(played, server.folder)
    server.start()
    yield server
    server.kill()


def faults(page: Page, rules: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    """(rule, element) of what is serious or out of order. rules: only these; all where none is named."""
    options = {"resultTypes": ["violations"], "preload": False, **({"runOnly": list(rules)} if rules else {})}
    violations = page.evaluate("options => axe.run(options)", options)["violations"]
    bad = [one for one in violations if one["impact"] in BAD or one["id"] == "heading-order"]
    return [(one["id"], node["html"][:200]) for one in bad for node in one["nodes"]]


def background(page: Page) -> str:
    """The colour of the page."""
    return str(page.get_by_test_id("stApp").evaluate("app => getComputedStyle(app).backgroundColor"))


def wait_settled(page: Page) -> None:
    """Until the page is drawn, and drawn again where its size or scheme has changed."""
    expect(page.locator("h1, [data-testid=record]").first).to_be_visible()
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    page.wait_for_timeout(300)


@pytest.mark.timeout(1800)  # every page, four times
def test_axe_finds_nothing_on_any_page_and_none_logs_an_error(played_server: Server, page: Page) -> None:
    """All rules at both widths; in the dark, those that look at colours. Nothing that a page asks for is missing."""
    bad, colours, errors = {}, set(), []
    page.on("console", lambda one: errors.append(f"{page.url}: {one.text}") if one.type == "error" else None)
    for address in ADDRESSES:
        page.set_viewport_size({"width": 1280, "height": 860})
        page.emulate_media(color_scheme="light")
        page.goto(f"http://127.0.0.1:{played_server.port}/{address}")
        expect(page.get_by_test_id("stSidebarNavItems")).to_have_attribute("role", "presentation")  # our script's work
        page.evaluate(AXE_SCRIPT)
        for width, scheme in STATES:
            page.set_viewport_size({"width": width, "height": 860})
            page.emulate_media(color_scheme=scheme)
            wait_settled(page)
            colours.add((scheme, background(page)))
            if matches := faults(page, COLOUR_RULES if scheme == "dark" else ()):
                bad[address, width, scheme] = matches
    assert bad == {}
    assert errors == []
    assert len(dict(colours)) == len(colours) == len({colour for _, colour in colours}), colours
