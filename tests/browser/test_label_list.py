"""The labels on the Settings page: moved by pointer, keys and buttons; what was changed is said before it is saved."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.real import Server

pytestmark = pytest.mark.browser


def names(page: Page) -> list[str]:
    return page.locator("li.row .name").all_inner_texts()


def test_labels_are_dragged_and_moved_by_keys_and_what_changes_is_said(few_server: Server, page: Page) -> None:
    page.goto(f"http://127.0.0.1:{few_server.port}/settings")
    rows = page.locator("li.row")
    rows.nth(1).wait_for()
    assert names(page) == ["spam", "ham"]
    rows.nth(0).locator(".handle").focus()
    page.keyboard.press("ArrowDown")
    assert names(page) == ["ham", "spam"]
    expect(page.locator("p.status")).to_have_text("spam is 2 of 2")
    expect(page.get_by_text("The labels stand in another order.")).to_be_visible()
    rows.nth(1).locator(".up").click()
    expect(page.get_by_role("button", name="Save labels")).to_have_count(0)
    handle, first = rows.nth(1).locator(".handle").bounding_box(), rows.nth(0).bounding_box()
    assert handle
    assert first
    page.mouse.move(handle["x"] + 5, handle["y"] + 5)
    page.mouse.down()
    page.mouse.move(handle["x"] + 5, first["y"] + 5, steps=8)
    page.mouse.up()
    assert names(page) == ["ham", "spam"]
    rows.nth(0).locator(".means").fill("Of use")
    rows.nth(0).locator(".means").press("Tab")
    expect(page.get_by_text("'ham' has other description.")).to_be_visible()
    page.get_by_role("button", name="Discard").click()
    expect(rows.nth(0).locator(".name")).to_have_text("spam")
    expect(rows.nth(1).locator(".means")).to_have_value("")
