"""A folder on the card is a small tree: whatever names hold, they stay text, and a narrow screen has room for it."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from core.store.database import Store
from tests.browser.conftest import HOSTILE, QUIET, Machines
from tests.browser.real import Server
from tests.command_line import rondo

pytestmark = pytest.mark.browser
NAME = HOSTILE.replace("/", "\u2215")
DEEP = "/".join(["one", "two", "three", "four", "five", "six", NAME])


@pytest.fixture(scope="module")
def folder_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The folder DEEP with two files is asked first, beside twelve others."""
    home = tmp_path_factory.mktemp("tree")
    server = Server(home / "folders", "theme,pack", ["A plain text."], QUIET, running=False)
    files = [
        f"{DEEP}/a.png",
        f"{DEEP}/b {NAME}.svg",
        *(f"one/two/three/four/five/six/other {n}/c.txt" for n in range(12)),
    ]
    (home / "paths.txt").write_text("\n".join(files), encoding="utf-8")
    rondo("--project", server.folder, "gather", home / "paths.txt")
    rondo("--project", server.folder, "features")
    store = Store(server.folder)
    with store.transaction() as cursor:
        cursor.execute(
            """insert into queue select n, 1, if(id = ?, 0, n + 1), true, false, null, null, null, null, null
               from records""",
            [DEEP],
        )
    store.close()
    server.start()
    yield server
    server.kill()


def test_a_folder_is_a_tree_of_names_that_stay_text(folder_server: Server, page: Page) -> None:
    card = folder_server.open(page, "ana")
    expect(card.record).to_have_attribute("data-record-id", DEEP)
    here = page.locator(".tree .here")
    expect(here.locator("> .name")).to_have_text(NAME)
    expect(here.locator(".extensions")).to_have_text("png 1, svg 1")
    expect(here.locator(".file .name")).to_have_text(["a.png", f"b {NAME}.svg"])
    assert page.locator(".tree .parent > .name").all_text_contents() == ["one / two / three", "four", "five", "six"]
    siblings = page.locator(".tree .sibling > .name").all_text_contents()
    assert (len(siblings), siblings[-1]) == (9, "… 4 more")
    expect(page.locator(".fields")).to_be_hidden()
    assert page.locator(".tree img, .tree script").count() == 0
    assert page.evaluate("window.broken") is None


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_tree_fits_a_narrow_screen_and_axe_finds_nothing(
    folder_server: Server, machines: Machines, scheme: str
) -> None:
    page = machines(viewport={"width": 390, "height": 780}, color_scheme=scheme).new_page()
    folder_server.open(page, f"ben-{scheme}")
    expect(page.locator(".tree .here")).to_be_visible()
    box = page.locator("[data-testid=record]")
    assert box.evaluate("one => one.scrollWidth <= one.clientWidth")
    result = Axe().run(page)
    assert result.violations_count == 0, result.generate_report()


def test_a_plain_record_has_no_tree(folder_server: Server, page: Page) -> None:
    card = folder_server.open(page, "cleo")
    for _ in range(30):
        if card.on_screen == "r0":
            break
        card.press(" ")
    expect(card.record).to_have_text("A plain text.")
    assert page.locator(".tree").count() == 0
