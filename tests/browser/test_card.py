"""What the card shows and how it is operated: many labels, several labels, strange texts, small screens, no mouse."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import ARABIC, HOSTILE, LONG, Machines
from tests.browser.real import Card, Server

pytestmark = pytest.mark.browser


def go_to(card: Card, record: str) -> None:
    """Skips until this record is on the screen."""
    for _ in range(40):
        if card.on_screen == record:
            return
        card.press(" ")
        expect(card.record).not_to_have_attribute("data-record-id", "")
    pytest.fail(f"{record} never came.")


def test_letters_find_one_of_many_labels(odd_server: Server, page: Page) -> None:
    card = odd_server.open(page, "typist")
    seen = card.press("2")
    seen += card.press("r", "e", "f", "Enter")[:1]
    seen += card.press("c", "a", "r", "d", " ", "s", "Enter")[:1]
    seen += card.press("e", "c", "l", "Enter")[:1]
    seen += card.press("x", "Backspace", "1")[:1]
    seen += card.press("/")
    page.keyboard.type("phone")
    page.keyboard.press("Enter")
    card.wait_saved()
    supplied = ["card stolen", "refund", "card stolen", "éclair", "card arrival", "lost phone"]
    assert odd_server.answers("typist") == list(zip(seen, supplied, strict=True))


def test_a_hyphen_may_be_typed_for_a_label(odd_server: Server, page: Page) -> None:
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    renamed = {'name = "cash"': 'name = "an e-money fee"', 'name = "exchange"': 'name = "the e-mail"'}
    odd_server.change(renamed)
    try:
        card = odd_server.open(page, "hyphen")
        seen = card.press("e", "-", "m", "Enter")[:1]
        card.wait_saved()
        assert odd_server.answers("hyphen") == [(seen[0], "an e-money fee")]
        assert faults == []
    finally:
        odd_server.change({new: old for old, new in renamed.items()})


def test_the_filter_shows_what_fits_and_says_when_nothing_does(odd_server: Server, page: Page) -> None:
    card = odd_server.open(page, "filter")
    card.press("f", "e", "e")
    expect(page.locator("[data-label]:visible")).to_have_count(1)
    card.press("q")
    expect(page.locator("[data-label]:visible")).to_have_count(0)
    card.press("Enter", "Escape")
    expect(page.locator("[data-label]:visible")).to_have_count(12)
    assert odd_server.events("filter") == []


def test_several_labels_are_switched_on_and_submitted_with_enter(odd_server: Server, page: Page) -> None:
    card = odd_server.open(page, "multi")
    odd_server.change({"multi = false": "multi = true"})
    try:
        card.press(" ")
        expect(page.locator("[data-action=submit]")).to_be_visible()
        first = card.press("1", "2", "2", "3", "l", "o", "s", "Enter", "Enter")[0]
        second = card.press("Enter")[0]
        card.press("Backspace")
        third = card.press("4", "Enter")[0]
        card.wait_saved()
        assert second == third
        assert odd_server.answers("multi") == [(first, "card arrival|cash|lost phone"), (second, "change pin")]
    finally:
        odd_server.change({"multi = true": "multi = false"})


def test_text_is_never_html_and_shows_in_its_own_direction(odd_server: Server, page: Page) -> None:
    card = odd_server.open(page, "texts")
    go_to(card, "r0")
    assert card.record.text_content() == HOSTILE
    assert card.record.evaluate("record => record.childElementCount") == 0
    page.wait_for_timeout(300)
    assert page.evaluate("window.broken") is None
    card = odd_server.open(page, "arabic")
    go_to(card, "r1")
    assert card.record.text_content() == ARABIC
    assert card.record.evaluate("record => getComputedStyle(record).direction") == "rtl"


def test_a_very_long_text_scrolls_inside_the_card_and_space_still_skips(odd_server: Server, page: Page) -> None:
    card = odd_server.open(page, "long")
    go_to(card, "r2")
    assert card.record.text_content() == LONG
    expect(page.get_by_text(f"{len(LONG):,} characters")).to_be_visible()
    card.press("PageDown", "ArrowDown")
    assert card.record.evaluate("record => record.scrollTop") > 300
    expect(page.locator("[data-label=cash]")).to_be_in_viewport()
    card.record.focus()
    card.press(" ")
    expect(card.record).not_to_have_attribute("data-record-id", "r2")
    assert card.record.evaluate("record => record.scrollTop") == 0


def test_guidelines_metadata_counts_and_keys_are_there(odd_server: Server, page: Page) -> None:
    card = odd_server.open(page, "reader")
    card.press("1", "1", "2")
    expect(page.get_by_text("Label what it is *about*.")).to_be_visible()
    expect(page.get_by_label("About this record")).to_have_text("source mail")
    expect(page.get_by_label("Given in this visit")).to_contain_text("card arrival 2")
    card.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_contain_text("letters")
    page.keyboard.press("1")
    page.keyboard.press("Escape")
    card.wait_saved()
    assert len(odd_server.events("reader")) == 3, "keys in the dialog are not ours"


def test_a_label_that_is_added_elsewhere_comes_up_without_a_reload(odd_server: Server, page: Page) -> None:
    card = odd_server.open(page, "later")
    odd_server.change({'name = "éclair"': 'name = "éclairs"'})
    card.press("1", "1")
    expect(page.locator("[data-label='éclairs']")).to_be_visible()
    odd_server.change({'name = "éclairs"': 'name = "éclair"'})


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390)])
def test_axe_finds_nothing_serious(odd_server: Server, machines: Machines, scheme: str, width: int) -> None:
    page = machines(color_scheme=scheme, viewport={"width": width, "height": 800}).new_page()
    card = odd_server.open(page, f"axe{scheme}{width}")
    card.press("1")
    card.wait_saved()
    matches = Axe().run(page, context={"include": [["[data-testid=stMain]"]]})
    assert [one["id"] for one in matches.response["violations"] if one["impact"] in ("serious", "critical")] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    small = "all => all.filter(one => one.offsetParent && Math.min(one.offsetHeight, one.offsetWidth) < 44)"
    assert page.locator("button[data-action]").evaluate_all(small) == []
