"""The frame in a real browser: the palette finds and opens, and texts in it are texts; an answer is revised."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.real import Server

pytestmark = pytest.mark.browser


def test_the_palette_finds_a_record_whose_text_stays_text_and_opens_it(odd_server: Server, page: Page) -> None:
    page.goto(f"http://127.0.0.1:{odd_server.port}/export")
    expect(page.get_by_role("heading", name="Export", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="find anything")).to_be_enabled()
    page.keyboard.press("Control+k")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.type("onerror")
    option = page.get_by_role("option").filter(has_text="<img")
    expect(option).to_be_visible()
    assert option.locator("img, script").count() == 0
    assert page.evaluate("window.broken") is None
    page.keyboard.press("Enter")
    page.wait_for_url("**/records?record=r0")
    page.keyboard.press("Control+k")
    page.keyboard.type("rounds")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Rounds", exact=True)).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys of this page")).to_contain_text("find a page, a record, a label")


def test_a_click_on_one_of_the_last_answers_puts_its_record_on_the_screen_again(server: Server, page: Page) -> None:
    page.set_viewport_size({"width": 1280, "height": 860})
    card = server.open(page, "reviser")
    first = card.press("1", "2", "3")[0]
    page.get_by_role("region", name="Your last answers").get_by_role("button").nth(2).click()
    expect(card.record).to_have_attribute("data-record-id", first)
    card.press("4")
    card.wait_saved()
    assert dict(server.answers("reviser"))[first] == "bug"
