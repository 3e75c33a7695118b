"""Structured answers in a real browser: text is given to fields by key, a suggestion is accepted or mended."""

import json
import shutil
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Machines
from tests.browser.real import Card, Server
from tests.extract_project import DISPUTED, HOSTILE, SUGGESTED, TALE, TEXTS

pytestmark = pytest.mark.browser
SELECT = """(passage, [words, skipped]) => {
  let start = -1;
  for (let count = 0; count <= skipped; count += 1) start = passage.textContent.indexOf(words, start + 1);
  const at = (offset) => {
    const walker = document.createTreeWalker(passage, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      if (offset <= walker.currentNode.length) return [walker.currentNode, offset];
      offset -= walker.currentNode.length;
    }
  };
  getSelection().setBaseAndExtent(...at(start), ...at(start + words.length));
}"""


@pytest.fixture(scope="module")
def server(extracted: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Every record is for everybody, so that each test has a person of its own."""
    made = Server(tmp_path_factory.mktemp("extract") / "tales", "spam,ham", ["Note."], {}, running=False)
    shutil.rmtree(made.folder)
    shutil.copytree(extracted, made.folder)
    made.start()
    yield made
    made.kill()


def bring(card: Card, text: str) -> str:
    """Skips to the record that has this in its text; returns its id."""
    expect(card.record).not_to_have_attribute("data-record-id", "")
    while text not in card.record.inner_text():
        [before] = card.press(" ")
        expect(card.record).not_to_have_attribute("data-record-id", before)
    return card.on_screen


def give(page: Page, words: str, key: str, skipped: int = 0) -> None:
    """Selects words of the text and presses a field's key."""
    page.locator(".passage").evaluate(SELECT, [words, skipped])
    page.keyboard.press(key)


def field(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name, exact=True)


def stored(server: Server, user: str) -> list[tuple[str, Any]]:
    """(action, answer) in order, skips left out."""
    events = [one for one in server.events(user) if one["action"] != "skip"]
    return [(one["action"], json.loads(one["label"]) if one["label"] else None) for one in events]


def test_a_suggestion_is_changed_taken_back_and_accepted(server: Server, page: Page) -> None:
    card = server.open(page, "eve")
    record = bring(card, TALE[:20])
    doers = field(page, "doers")
    expect(doers.locator(".status")).to_have_text("suggested")
    expect(field(page, "moral").locator(".absent")).to_have_text("not in the text")
    give(page, "Old Ink", "1")
    expect(doers.locator(".status")).to_have_text("suggested, 1 changed")
    give(page, "Pim", "2", skipped=1)
    page.keyboard.press("a")
    expect(field(page, "receivers").locator(".count")).to_have_text("×2")
    card.press("Enter")
    expect(card.record).not_to_have_attribute("data-record-id", record)
    card.press("Backspace")
    expect(card.record).to_have_attribute("data-record-id", record)
    page.locator("mark", has_text="Old Ink").click()
    menu = page.get_by_role("group", name="Values at this place")
    expect(menu).to_contain_text("doersOld Ink")
    menu.get_by_role("button", name="Remove").click()
    expect(doers.locator(".status")).to_have_text("suggested")
    card.press("Enter")
    card.wait_saved()
    (first, changed), (second, _), (third, mended) = stored(server, "eve")
    assert (first, second, third) == ("submit", "undo", "submit")
    assert changed["values"]["character"]["doers"] == ["Mara the weaver", "Pim", "Old Ink"]
    assert changed["spans"]["character.doers"]["Old Ink"] == [[70, 77]]
    assert mended["values"] == SUGGESTED["values"]
    assert mended["spans"]["character.receivers"] == {"Pim": [[37, 40], [42, 45]]}
    before, _, after = (one["difference"] for one in server.events("eve") if one["action"] != "skip")
    doers = SUGGESTED["values"]["character"]["doers"]
    assert before["values"] == {"character.doers": doers}, "as it was suggested"
    assert after == {"spans": {"character.receivers": {"Pim": [[37, 40]]}}}, "only a mention was added"


def test_values_are_typed_and_chosen_without_leaving_the_keyboard(server: Server, page: Page) -> None:
    card = server.open(page, "ted")
    record = bring(card, "Nobody came")
    card.press("1")
    page.keyboard.type("a x f ")
    card.press("Backspace", "Backspace", "Enter")
    page.keyboard.type("Nobody")
    card.press("Enter", "Enter")
    expect(field(page, "doers").locator(".chip")).to_have_text(["a xnot in the text×", "Nobody×"])
    card.press("4")
    page.keyboard.type("none")
    card.press("Escape")
    card.press("5")
    page.keyboard.type("2500")
    card.press("Enter", "Enter")
    assert card.on_screen == record
    expect(field(page, "status").locator(".problem")).to_have_text("missing")
    card.press("ArrowRight", "ArrowRight", "3")
    expect(field(page, "year").locator(".problem")).to_have_text("at most 2100")
    card.press("5")
    page.keyboard.press("Control+a")
    page.keyboard.type("1999")
    card.press("Enter", "Enter")
    expect(card.record).not_to_have_attribute("data-record-id", record)
    card.wait_saved()
    [(_, answer)] = stored(server, "ted")
    assert answer["values"]["outcome"] == {"status": "failure", "year": 1999}
    assert answer["values"]["character"] == {"doers": ["Nobody", "a x"]}
    assert answer["spans"] == {"character.doers": {"Nobody": [[0, 6]]}}


def test_an_answer_outlives_a_reload_without_a_server(server: Server, page: Page) -> None:
    card = server.open(page, "rae")
    bring(card, "مشى")
    page.route("**/api/label/events", lambda route: route.abort())
    give(page, "بطرس", "1")
    card.press("a", "Enter")
    expect(card.saved).to_contain_text("kept in this browser")
    page.reload()
    page.unroute("**/api/label/events")
    card.wait_saved()
    expect(page.locator(".tally li", has_text="doers 1")).to_have_count(1)
    [(_, answer)] = stored(server, "rae")
    starts = [TEXTS[2].index("بطرس"), TEXTS[2].rindex("بطرس")]
    assert answer["spans"] == {"character.doers": {"بطرس": [[start, start + 4] for start in starts]}}


def test_the_card_fits_a_phone_and_shows_texts_as_texts(server: Server, machines: Machines) -> None:
    page = machines(viewport={"width": 390, "height": 844}, color_scheme="dark").new_page()
    card = server.open(page, "phil")
    bring(card, "Mara met Pim")
    give(page, "Mara", "1")
    page.locator(".passage").evaluate(SELECT, ["Pim", 0])
    field(page, "receivers").get_by_role("button", name="receivers").click()
    expect(field(page, "receivers").locator(".chip")).to_have_text("Pim×")
    expect(card.record).to_have_text(HOSTILE)
    assert card.record.locator("img, script").count() == 0
    assert page.evaluate("window.broken") is None
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    passage, form = (page.locator(one).bounding_box() for one in (".passage", ".schema"))
    assert passage
    assert form
    assert form["y"] >= passage["y"] + 40


def test_an_adjudicator_takes_the_answer_of_either_field_by_field(server: Server, page: Page) -> None:
    page.goto(f"http://127.0.0.1:{server.port}/team?annotator=judge")
    card = Card(page)
    expect(card.record).to_have_attribute("data-record-id", DISPUTED)
    doers, receivers = field(page, "doers"), field(page, "receivers")
    expect(receivers.locator(".status")).to_have_text("all agree")
    expect(receivers.locator(".chip")).to_have_text("Bobnot in the text×")
    expect(doers.locator(".votes button")).to_have_text(["annAnn", "bobAnn, Bob"])
    doers.locator(".votes button").last.click()
    expect(doers.locator(".chip")).to_have_text(["Ann×", "Bob×"])
    card.press("Enter")
    card.wait_saved()
    expect(page.get_by_text("No conflicts")).to_be_visible()
    [(_, answer)] = stored(server, "judge")
    assert answer["values"]["character"] == {"doers": ["Ann", "Bob"], "receivers": ["Bob"]}


def test_axe_finds_nothing_serious_in_the_card(server: Server, machines: Machines) -> None:
    small = "all => all.filter(one => one.offsetParent && Math.min(one.offsetHeight, one.offsetWidth) < 44)"
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme, width in product(schemes, (1280, 390)):
        page = machines(color_scheme=scheme, viewport={"width": width, "height": 900}).new_page()
        card = server.open(page, f"axe-{scheme}-{width}")
        bring(card, TALE[:20])
        give(page, "Old Ink", "1")
        matches = Axe().run(page, context={"include": [[".st-key-card"]]})
        serious = [one for one in matches.response["violations"] if one["impact"] in ("serious", "critical")]
        assert [(one["id"], node["html"][:300], node["target"]) for one in serious for node in one["nodes"]] == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        if width == 390:
            assert page.locator(".schema button").evaluate_all(small) == []
