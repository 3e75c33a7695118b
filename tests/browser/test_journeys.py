"""What a person does on the card, in a real browser against the real command: every answer is stored, once, rightly."""

import json
import subprocess
import sys
import time
from collections import Counter

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from core.store.database import Store
from tests.browser.conftest import Machines
from tests.browser.real import ROOT, Server

pytestmark = pytest.mark.browser


def test_labels_given_by_keys_are_stored_once_against_the_record_on_the_screen(server: Server, page: Page) -> None:
    card = server.open(page, "keys")
    supplied = card.label("1234" * 6)
    card.wait_saved()
    assert server.answers("keys") == supplied
    assert len(server.events("keys")) == 24


def test_a_click_labels_and_the_keys_go_on_working(server: Server, page: Page) -> None:
    card = server.open(page, "mouse")
    first = card.on_screen
    page.locator("[data-label=praise]").click()
    page.keyboard.press(" ")
    rest = card.label("3")
    card.wait_saved()
    assert server.answers("mouse") == [(first, "praise"), *rest]
    assert [event["action"] for event in server.events("mouse")] == ["submit", "skip", "submit"]


def test_undo_goes_back_through_the_whole_visit_and_past_a_reload(server: Server, page: Page) -> None:
    card = server.open(page, "undo")
    supplied = card.label("111")
    card.wait_saved()
    page.reload()
    expect(card.record).not_to_have_attribute("data-record-id", "")
    card.press("Backspace", "Backspace")
    assert card.on_screen == supplied[1][0]
    again = card.label("2")
    card.wait_saved()
    assert server.answers("undo") == [supplied[0], *again]
    card.press("Backspace", "Backspace", "Backspace", "Backspace")
    assert card.on_screen == supplied[0][0]
    card.wait_saved()
    assert server.answers("undo") == []


def test_skip_and_flag_are_stored_with_the_note(server: Server, page: Page) -> None:
    card = server.open(page, "flag")
    skipped = card.press(" ")[0]
    flagged = card.press("f")[0]
    page.keyboard.type("3 torn pages")
    page.keyboard.press("Escape")
    assert card.on_screen == flagged, "Escape cancels"
    card.press("f")
    page.keyboard.type("1 torn page")
    page.keyboard.press("Enter")
    labelled = card.label("1")
    card.wait_saved()
    events = [(event["action"], event["record_id"], event["note"]) for event in server.events("flag")]
    assert events == [("skip", skipped, None), ("flag", flagged, "1 torn page"), ("submit", labelled[0][0], None)]


def test_a_reload_in_the_middle_of_typing_loses_nothing(server: Server, page: Page) -> None:
    card = server.open(page, "reload")
    supplied = []
    for keys in ("12", "341", "2"):
        supplied += card.label(keys)
        page.reload()
        expect(card.record).not_to_have_attribute("data-record-id", "")
        supplied += card.label("4")
    card.wait_saved()
    assert Counter(server.answers("reload")) == Counter(supplied)


def test_offline_typing_is_kept_shown_so_and_stored_later(server: Server, page: Page, context: BrowserContext) -> None:
    card = server.open(page, "offline")
    supplied = card.label("12")
    card.wait_saved()
    context.set_offline(True)
    supplied += card.label("341234" * 5)
    expect(card.saved).to_have_text("offline: 30 kept in this browser")
    context.set_offline(False)
    card.wait_saved()
    supplied += card.label("1")
    card.wait_saved()
    assert server.answers("offline") == supplied


def test_what_a_closed_tab_left_behind_is_sent_by_the_next_one(
    server: Server, page: Page, context: BrowserContext
) -> None:
    card = server.open(page, "orphan")
    context.set_offline(True)
    supplied = card.label("123")
    page.close()
    context.set_offline(False)
    later = server.open(context.new_page(), "orphan")
    later.wait_saved()
    assert server.answers("orphan") == supplied


def test_a_second_tab_of_one_person_gets_other_records(server: Server, page: Page, context: BrowserContext) -> None:
    first = server.open(page, "tabs")
    second = server.open(context.new_page(), "tabs")
    supplied = [pair for _ in range(6) for card in (first, second) for pair in card.label("1")]
    first.wait_saved()
    second.wait_saved()
    assert len({record for record, _ in supplied}) == 12
    assert Counter(server.answers("tabs")) == Counter(supplied)


def test_who_comes_back_after_the_browser_was_killed_goes_on_where_it_stopped(
    server: Server, machines: Machines
) -> None:
    context = machines()
    card = server.open(context.new_page(), "gone")
    card.label("12")
    card.wait_saved()
    shown, header = card.on_screen, card.page.locator(".batch").text_content()
    context.set_offline(True)  # a browser that is killed gives nothing back
    context.close()
    again = server.open(machines().new_page(), "gone")
    assert again.on_screen == shown
    expect(again.page.locator(".batch")).to_have_text(header or "")


def test_a_killed_server_that_comes_back_has_every_answer(server: Server, page: Page) -> None:
    card = server.open(page, "killed")
    supplied = card.label("123")
    server.kill()
    supplied += card.label("4123")
    page.wait_for_timeout(9000)  # by then Streamlit says so in a dialog, which must not take the keys
    supplied += card.label("4")
    server.start()
    supplied += card.label("12")
    card.wait_saved()
    assert server.answers("killed") == supplied


def test_ten_people_at_three_keys_a_second_never_share_a_record(server: Server, machines: Machines) -> None:
    names = [f"person{number}" for number in range(10)]
    cards = [server.open(machines().new_page(), name) for name in names]
    entries: dict[str, list[tuple[str, str | None]]] = {name: [] for name in names}
    for number in range(9):
        began = time.monotonic()
        for name, card in zip(names, cards, strict=True):
            entries[name] += card.label(str(number % 4 + 1))
        time.sleep(max(0.0, began + 1 / 3 - time.monotonic()))
    for card in cards:
        card.wait_saved()
    assert {name: server.answers(name) for name in names[:3]} == {name: entries[name] for name in names[:3]}
    stored = server.answers(*names)
    assert Counter(stored) == Counter(pair for pairs in entries.values() for pair in pairs)
    assert max(Counter(record for record, _ in stored).values()) == 1


TWO_KEYS_AT_ONCE = """() => {
    const keys = ["1", "2"].map(key => new KeyboardEvent("keydown", {key, bubbles: true}));
    for (const key of keys) document.body.dispatchEvent(key);
}"""


def test_a_key_pressed_before_a_record_came_up_answers_the_one_before(server: Server, page: Page) -> None:
    card = server.open(page, "early")
    first = card.on_screen
    page.evaluate(TWO_KEYS_AT_ONCE)
    second = card.label("3")
    card.wait_saved()
    assert server.answers("early") == [(first, "praise"), *second]


def test_a_held_key_counts_once_and_keys_with_ctrl_are_not_ours(server: Server, page: Page) -> None:
    card = server.open(page, "held")
    first = card.on_screen
    page.keyboard.down("1")
    page.keyboard.down("1")
    page.keyboard.up("1")
    page.keyboard.press("Control+2")
    card.wait_saved()
    assert server.answers("held") == [(first, "delivery")]


def test_without_a_name_the_page_asks_for_one(server: Server, page: Page) -> None:
    page.goto(f"http://127.0.0.1:{server.port}/label")
    page.get_by_role("textbox", name="Your name").fill("Zoë  Müller")
    page.get_by_role("button", name="Start labelling").click()
    expect(page.get_by_test_id("record")).not_to_have_attribute("data-record-id", "")
    expect(page).to_have_url(f"http://127.0.0.1:{server.port}/label?annotator=Zo%C3%AB++M%C3%BCller")


def test_the_last_records_are_shared_out_and_nobody_starves(few_server: Server, machines: Machines) -> None:
    first = few_server.open(machines().new_page(), "first")
    expect(first.record).not_to_have_attribute("data-record-id", "")
    second = few_server.open(machines().new_page(), "second")
    supplied = [first.label("1"), second.label("2")]
    expect(second.record).not_to_have_attribute("data-record-id", "")
    supplied.append(second.label("2"))
    first.wait_saved()
    second.wait_saved()
    assert Counter(few_server.answers("first", "second")) == Counter(pair for pairs in supplied for pair in pairs)


def test_enter_accepts_the_suggestion_which_audit_records_do_not_have(few_server: Server, page: Page) -> None:
    few_server.kill()
    store = Store(few_server.folder)
    with store.transaction() as cursor:
        for table in ("queue", "leases", "responses", "settled"):
            cursor.execute(f"delete from {table}")
        guess = json.dumps([["spam", 0.9], ["ham", 0.1]])
        cursor.execute("insert into queue select n, 1, n, n = 1, false, 0.5, ?, 'm1', null, null from records", [guess])
    store.close()
    few_server.start()
    card = few_server.open(page, "guided")
    accept, tinted = page.locator("[data-action=accept]"), page.locator("[data-label].suggested")
    expect(accept).to_contain_text("spam")
    expect(tinted).to_contain_text("90 %")
    card.press("h", "Enter")
    expect(accept).to_be_disabled()
    expect(tinted).to_have_count(0)
    card.press("h", "Enter")
    expect(card.record).to_have_attribute("data-record-id", "r1")
    expect(accept).to_be_disabled()
    card.press("Enter", "2")
    expect(accept).to_be_enabled()
    card.press("h")
    page.evaluate(TWO_KEYS_AT_ONCE)  # the second corrects the first, and neither was given with a suggestion in view
    card.press("h")
    card.wait_saved()
    events = [(event["record_id"], event["label"], event["model"]) for event in few_server.events("guided")]
    assert events[:2] == [("r0", "spam", "m1"), ("r1", "ham", None)]
    assert events[2:] == [("r2", "spam", None), ("r2", None, None), ("r2", "ham", None)]


def test_a_batch_that_is_chosen_meanwhile_never_leaves_the_screen_empty(odd_server: Server, page: Page) -> None:
    card = odd_server.open(page, "busy")
    command = [sys.executable, "-m", "app", "--project", str(odd_server.folder), "next", "--size", "5"]
    supplied: list[tuple[str, str | None]] = []
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as choosing:
        while choosing.poll() is None and len(supplied) < 24:
            supplied += card.label("1")
            page.wait_for_timeout(300)
    supplied += card.label("2233")
    card.wait_saved()
    assert all(record for record, _ in supplied)
    assert odd_server.answers("busy") == supplied
