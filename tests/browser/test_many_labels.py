"""Sixty labels, long names, small screens: buttons stand still, and number keys give what they show."""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from core.config.settings import read_settings
from core.store.database import Store
from tests.browser.conftest import QUIET, Machines
from tests.browser.real import Card, Server

pytestmark = pytest.mark.browser
NAMES = [f"label {one}{other}" for one in "abcdefghij" for other in "uvwxyz"]
NAMES[7] = "a name that says at great length what the person wants who has written this and to whom it should be sent"
TEXTS = ["Short.", "A long sentence, again and again. " * 300, "Three\n\nparagraphs\n\nof text.", "Blind."]


@pytest.fixture(scope="module")
def many_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Twelve records for everybody; the likeliest labels are the last nine, every fourth record is asked blind."""
    settings = {**QUIET, "overlap = 1": "overlap = 50"}
    server = Server(tmp_path_factory.mktemp("many") / "many", ",".join(NAMES), TEXTS * 3, settings, running=False)
    ids = [label.id for label in read_settings(server.folder).taxonomy.active]
    guess = json.dumps([[label, 0.3 / rank] for rank, label in enumerate(ids[:-10:-1], 1)])
    store = Store(server.folder)
    with store.transaction() as cursor:
        blind = "n % 4 = 3"
        cursor.execute(
            f"insert into queue select n, 1, n, {blind}, false, 0.5, ?, 'm1', null, null from records", [guess]
        )
    store.close()
    server.start()
    yield server
    server.kill()


def shown_keys(page: Page) -> dict[str, str]:
    """Key to label, as the buttons of all labels show them."""
    pairs: list[list[str]] = page.locator("[data-label]").evaluate_all(
        "all => all.map(one => [one.querySelector('kbd').textContent, one.dataset.label])"
    )
    return {key: label for key, label in pairs if key}


LIKELIEST = {str(rank): name for rank, name in enumerate(NAMES[:-10:-1], 1)}
FIRST = {str(rank): name for rank, name in enumerate(NAMES[:9], 1)}


def test_number_keys_give_the_likeliest_labels_and_nothing_on_a_blind_record(many_server: Server, page: Page) -> None:
    card = many_server.open(page, "keys")
    row = page.get_by_role("group", name="The model's likeliest labels")
    assert shown_keys(page) == LIKELIEST
    expect(row.locator("button").nth(8)).to_contain_text(f"9{LIKELIEST['9']}")
    supplied = [LIKELIEST["1"], LIKELIEST["9"], LIKELIEST["3"]]
    card.press("1", "9")
    row.locator("button").nth(2).click()
    blind = card.on_screen
    assert shown_keys(page) == {}
    card.press("1", "9", "Enter")
    assert card.on_screen == blind == "r3"
    card.press("c", "v", "Enter")
    card.wait_saved()
    assert [label for _, label in many_server.answers("keys")] == [*supplied, "label cv"]
    models = [event["model"] for event in many_server.events("keys")]
    assert models == ["m1", "m1", "m1", None]


def test_whoever_hides_suggestions_or_turns_them_off_has_the_first_nine(many_server: Server, page: Page) -> None:
    card = many_server.open(page, "fixed")
    page.locator("[data-action=hints]").click()
    assert shown_keys(page) == FIRST
    page.locator("[data-action=hints]").click()
    assert shown_keys(page) == LIKELIEST
    card.press("1")
    card.wait_saved()
    many_server.change({"likeliest_keys = true": "likeliest_keys = false"})
    try:
        expect(page.locator("[data-label]").first.locator("kbd")).to_have_text("1")
        assert shown_keys(page) == FIRST
        card.press("2")
        card.wait_saved()
        assert [label for _, label in many_server.answers("fixed")] == [LIKELIEST["1"], NAMES[1]]
    finally:
        many_server.change({"likeliest_keys = false": "likeliest_keys = true"})


PLACES = """record => [...record.getRootNode().querySelectorAll(".labels button, .actions button, .search, .sheet")]
    .map(one => { const box = one.getBoundingClientRect(); return [box.x, box.y, box.width, box.height] })"""
TWO_KEYS = """() => {
    const keys = ["1", "2"].map(key => new KeyboardEvent("keydown", {key, bubbles: true}));
    for (const key of keys) document.body.dispatchEvent(key);
}"""


def test_a_key_pressed_too_early_means_what_the_record_before_showed(many_server: Server, page: Page) -> None:
    card = many_server.open(page, "early")
    card.press("1", "1")
    assert card.on_screen == "r2"
    page.evaluate(TWO_KEYS)  # the second comes before the blind record is up: it corrects the first
    assert card.on_screen == "r3"
    card.wait_saved()
    assert many_server.answers("early")[2:] == [("r2", LIKELIEST["2"])]


STILL = f"""record => new Promise(done => {{
    let before = "", frames = 0;
    const look = () => {{
        const now = JSON.stringify(({PLACES})(record));
        frames = now === before ? frames + 1 : 0;
        before = now;
        if (frames > 40 && document.fonts.status === "loaded") done(JSON.parse(now)); else requestAnimationFrame(look);
    }};
    look();
}})"""


def laid_out(card: Card) -> list[list[float]]:
    """The boxes of its buttons, once a page that has just come up has moved nothing for forty frames."""
    expect(card.page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    boxes: list[list[float]] = card.record.evaluate(STILL)
    return boxes


@pytest.mark.parametrize(("width", "height"), [(1280, 860), (1280, 640), (390, 844), (390, 600)])
def test_buttons_stand_still_from_record_to_record(
    many_server: Server, machines: Machines, width: int, height: int
) -> None:
    page = machines(viewport={"width": width, "height": height}).new_page()
    card = many_server.open(page, f"still{width}{height}")
    boxes = [laid_out(card)]
    for number in range(4):
        card.press(" " if number else "1")
        expect(card.record).to_be_visible()  # a tab has its share at hand, and the next ones may be on their way
        boxes.append(card.record.evaluate(PLACES))
        expect(page.locator("[data-action=skip]")).to_be_in_viewport(ratio=1)
        expect(page.locator("[data-label]").first).to_be_in_viewport(ratio=1)
    assert boxes == [boxes[0]] * len(boxes)
    card.press("l", "a")
    assert card.record.evaluate(PLACES)[-5:] == boxes[0][-5:], "what is typed moves nothing below the labels"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
