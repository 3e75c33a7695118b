"""What a person does on the Records page, in a real browser: find a record, read it, correct it."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import HOSTILE, QUIET, TWELVE, Machines
from tests.browser.real import Server

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def records_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One whose records no other file's tests answer."""
    texts = [HOSTILE, *(f"Plain message {number}." for number in range(29))]
    server = Server(tmp_path_factory.mktemp("browser") / "records", TWELVE, texts, QUIET)
    yield server
    server.kill()


def records(server: Server, query: str = "") -> str:
    return f"http://127.0.0.1:{server.port}/records{query}"


def test_a_record_is_found_by_words_opened_labelled_and_corrected(records_server: Server, page: Page) -> None:
    page.goto(records(records_server))
    search = page.get_by_placeholder("Words in the text")
    search.fill("MESSAGE 21")
    search.press("Enter")
    expect(page.get_by_text("1 record", exact=True)).to_be_visible()
    table = page.get_by_test_id("stDataFrame").first
    table.click(position={"x": 120, "y": 35 + 17})  # the first cell, below the header
    expect(page.locator(".st-key-record-text")).to_have_text("Plain message 21.")
    assert page.url.endswith("q=MESSAGE+21&record=r22")
    page.get_by_label("Your name").fill("corrector")
    page.get_by_label("Your name").press("Enter")
    for button, name, how in (
        ("Give this label", "cash", "single · chosen"),
        ("Correct", "refund", "adjudicated · chosen"),
    ):
        page.get_by_label("Right label").click()
        page.get_by_role("option", name=name, exact=True).click()
        page.get_by_role("button", name=button).click()
        expect(page.get_by_text(how).first).to_be_visible()
    assert [(one["record_id"], one["label"]) for one in records_server.events("corrector")] == [
        ("r22", "cash"),
        ("r22", "refund"),
    ]


def test_a_text_with_html_in_it_is_shown_as_text_and_nothing_scrolls_sideways_on_a_phone(
    records_server: Server, machines: Machines
) -> None:
    page = machines(viewport={"width": 390, "height": 844}, color_scheme="dark").new_page()
    page.goto(records(records_server, "?record=r0"))
    text = page.locator(".st-key-record-text")
    expect(text).to_contain_text(HOSTILE)
    expect(page.get_by_text("Nearest records")).to_be_visible()
    assert text.locator("img, script, strong, .katex").count() == 0
    assert page.evaluate("window.broken") is None
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="All records").click()
    expect(page.get_by_test_id("stDataFrame").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
