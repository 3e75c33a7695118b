"""Every keyboard gives the label that its button shows: French, Czech, Persian, Russian, Caps Lock, input methods."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.real import Card, Server

pytestmark = pytest.mark.browser

DIGITS: list[tuple[str, dict[str, Any], bool]] = [  # what the key sends, and whether it is a 1
    ("French", {"key": "&", "code": "Digit1"}, True),
    ("French with Shift", {"key": "1", "code": "Digit1", "shiftKey": True}, True),
    ("Slovak", {"key": "+", "code": "Digit1"}, True),
    ("Persian", {"key": "۱", "code": "Digit1"}, True),
    ("Hindi", {"key": "१", "code": "Digit1"}, True),
    ("Arabic number pad", {"key": "١", "code": "Numpad1"}, True),
    ("number pad", {"key": "1", "code": "Numpad1"}, True),
    ("number pad without Num Lock", {"key": "End", "code": "Numpad1"}, False),
    ("US !", {"key": "!", "code": "Digit1", "shiftKey": True}, False),
    ("AltGr on Windows", {"key": "1", "code": "Digit1", "ctrlKey": True, "altKey": True}, False),
    ("AltGr on Linux", {"key": "¹", "code": "Digit1", "modifierAltGraph": True}, False),
    ("composing", {"key": "1", "code": "Digit1", "isComposing": True}, False),
    ("composing in Safari", {"key": "1", "code": "Digit1", "keyCode": 229}, False),
]
LETTERS = [("f", "f"), ("Caps Lock", "F"), ("Russian", "а"), ("Greek", "φ"), ("Arabic", "ب")]


def press(page: Page, **sent: Any) -> None:
    """A key press as another keyboard sends it, and the time that a page takes for it."""
    page.evaluate(
        """sent => document.activeElement.dispatchEvent(
            new KeyboardEvent("keydown", {bubbles: true, cancelable: true, composed: true, ...sent}))""",
        sent,
    )
    page.evaluate("new Promise(requestAnimationFrame)")


def answered_by(card: Card, **sent: Any) -> bool:
    before = card.on_screen
    press(card.page, **sent)
    return card.on_screen != before


def test_the_digit_row_gives_labels_on_every_keyboard(server: Server, page: Page) -> None:
    card = server.open(page, "digits")
    assert {name: answered_by(card, **sent) for name, sent, _ in DIGITS} == {
        name: supplied for name, _, supplied in DIGITS
    }
    card.wait_saved()
    assert {label for _, label in server.answers("digits")} == {"delivery"}


def test_letters_are_shortcuts_in_every_alphabet_and_under_caps_lock(server: Server, page: Page) -> None:
    server.open(page, "letters")
    form = page.locator("form.flagging")
    for _, key in LETTERS:
        press(page, key=key, code="KeyF")
        expect(form).to_be_visible()
        form.locator(".cancel").click()
    press(page, key="f", code="KeyF", modifierAltGraph=True)
    expect(form).to_be_hidden()


def test_an_enter_that_ends_a_word_sends_no_note_and_takes_no_label(odd_server: Server, page: Page) -> None:
    card = odd_server.open(page, "composing")
    seen = card.on_screen
    enter = """(field, composing) => field.dispatchEvent(new KeyboardEvent("keydown", {key: "Enter", code: "Enter",
        keyCode: 229, isComposing: composing, bubbles: true, cancelable: true, composed: true}))"""
    field = page.get_by_label("Find a label")
    field.fill("card")
    for composing in (True, False):
        field.evaluate(enter, composing)
        expect(field).to_be_focused()
        expect(field).to_have_value("card")
    field.press("Escape")
    page.locator("[data-action=flag]").click()
    note = page.get_by_label("What is wrong with this record?")
    note.fill("包裹")
    assert not note.evaluate(enter, False), "the form is not sent"
    expect(note).to_be_visible()
    note.press("Escape")
    assert card.on_screen == seen
    assert odd_server.events("composing") == []


def test_labels_that_are_called_by_digits_answer_to_those_keys(server: Server, page: Page) -> None:
    names = {"delivery": "3", "praise": "1", "question": "2 stars", "bug": "other"}
    renamed = {f'name = "{old}"': f'name = "{new}"' for old, new in names.items()}
    server.change(renamed)
    try:
        card = server.open(page, "stars")
        card.press("1", "2", "3", "4", "5", "0")
        card.wait_saved()
        assert [label for _, label in server.answers("stars")] == ["1", "2 stars", "3", "other"]
    finally:
        server.change({new: old for old, new in renamed.items()})


def test_among_many_labels_digits_are_letters_where_a_name_begins_with_one(odd_server: Server, page: Page) -> None:
    renamed = {'name = "cash"': 'name = "11"', 'name = "fees"': 'name = "1"', 'name = "refund"': 'name = "24/7 help"'}
    odd_server.change(renamed)
    try:
        card = odd_server.open(page, "numbers")
        expect(page.locator("[data-label] kbd", has_text="1")).to_have_count(0)
        card.press("1", "1", "Enter", "1", "Enter", "2", "4", "/", "7", "Enter")
        press(page, key="۱", code="Digit1")
        press(page, key="&", code="Digit1")
        card.press("Enter")
        card.wait_saved()
        assert [label for _, label in odd_server.answers("numbers")] == ["11", "1", "24/7 help", "11"]
    finally:
        odd_server.change({new: old for old, new in renamed.items()})


def test_what_is_typed_gives_the_number_keys_to_the_labels_that_are_left(odd_server: Server, page: Page) -> None:
    card = odd_server.open(page, "left")
    card.press("c", "a", "2")
    card.wait_saved()
    assert [label for _, label in odd_server.answers("left")] == ["card stolen"]
