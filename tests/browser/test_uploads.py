"""A file that a page is given: it is streamed to the disk, can be stopped and taken away, and leaves nothing then."""

from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.real import Server
from tests.command_line import figures
from tests.waiting import wait_for

pytestmark = pytest.mark.browser
SLOW = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 100_000}


def box_of(page: Page) -> Locator:
    """Below the one for labels from a spreadsheet, which is folded up."""
    return page.locator(".box").last


def left(server: Server) -> list[str]:
    """Files of uploads that lie in the project."""
    folders = (server.folder / ".rondo" / name for name in ("uploads", "import"))
    return [path.name for folder in folders for path in folder.rglob("*") if path.is_file()]


def test_a_file_is_sent_looked_at_taken_away_and_imported(few_server: Server, page: Page, tmp_path: Path) -> None:
    file = tmp_path / "more <i>mails.csv"
    file.write_text("text\nA first one\nA second one\n", encoding="utf-8")
    page.goto(f"http://127.0.0.1:{few_server.port}/import?annotator=me")
    page.get_by_label("A file: CSV").set_input_files(file)
    expect(page.get_by_role("button", name="Import", exact=True)).to_be_visible()
    expect(box_of(page).locator(".present .name")).to_have_text("more imails.csv")
    assert "more imails.csv" in left(few_server)
    box_of(page).get_by_role("button", name="Remove").click()
    expect(box_of(page).locator(".drop")).to_be_visible()
    wait_for(lambda: left(few_server) == [])
    page.get_by_label("A file: CSV").set_input_files(file)
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("2 rows read, 2 new records")).to_be_visible()
    assert figures(few_server.folder)["records"] == 8
    wait_for(lambda: left(few_server) == [])


def test_an_upload_that_is_stopped_leaves_nothing(few_server: Server, page: Page, tmp_path: Path) -> None:
    file = tmp_path / "large.csv"
    file.write_bytes(b"text\n" + b"x" * 30_000_000)
    page.goto(f"http://127.0.0.1:{few_server.port}/import?annotator=me")
    expect(box_of(page).locator(".drop")).to_be_visible()
    page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", SLOW)
    page.get_by_label("A file: CSV").set_input_files(file)
    expect(box_of(page).locator(".doing")).to_contain_text("of 28.6 MB")
    wait_for(lambda: left(few_server) == ["large.csv"])
    box_of(page).get_by_role("button", name="Cancel").click()
    expect(box_of(page).locator(".drop")).to_be_visible()
    wait_for(lambda: left(few_server) == [])
    assert box_of(page).locator(".error").text_content() == ""
