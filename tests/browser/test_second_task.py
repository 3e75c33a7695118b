"""A task that the app does not have works in the same frame: a real browser, the real server's records and leases."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from app.card import bundle, card_sources
from app.http.label_routes import card_setup
from core.config.settings import read_settings
from tests.browser.conftest import QUIET
from tests.browser.real import ROOT, Card, Server

pytestmark = pytest.mark.browser
PAGE = """<!doctype html><title>Numbers</title><style>%s</style><main id="card">%s</main><script type="module">
import card from "./numbers.js";
card({data: %s, parentElement: document.getElementById("card")});
</script>"""


@pytest.fixture(scope="module")
def number_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Thirty records; any answer is taken that names no label."""
    texts = [f"Basket {number}." for number in range(30)]
    settings = {**QUIET, "multi = false": "multi = true"}
    server = Server(tmp_path_factory.mktemp("numbers") / "few", "a,b", texts, settings)
    yield server
    server.kill()


def open_numbers(server: Server, page: Page, annotator: str, source: str) -> Card:
    """The card as the server ships it and the task beside it, on a page of the server's own address."""
    html, css, _ = card_sources()
    module = bundle(ROOT / "tests/javascript/number_card.js")
    key = card_setup(read_settings(server.folder))["key"]
    setup = {"task": "number", "most": 50, "guidelines": "Count.", "lease_seconds": 60, "key": key}
    data = {"source": source, "project": "p", "annotator": annotator, "token": "", "setup": setup}

    def fulfil(route: Route) -> None:
        if route.request.url.endswith(".js"):
            route.fulfill(body=module, content_type="text/javascript")
        else:
            route.fulfill(body=PAGE % (css, html, json.dumps(data)), content_type="text/html")

    page.route(re.compile(r"/numbers\.(html|js)"), fulfil)
    page.goto(f"http://127.0.0.1:{server.port}/numbers.html")
    card = Card(page)
    expect(card.record).not_to_have_attribute("data-record-id", "")
    return card


def test_a_number_is_typed_sent_taken_back_and_kept_offline(number_server: Server, page: Page) -> None:
    card = open_numbers(number_server, page, "counter", "labelling")
    expect(card.record).to_contain_text("How many? Basket")
    first = card.press("1", "2", "Enter")[0]
    second = card.press("9", "9", "Enter", "Backspace", "Enter")[0]
    third = card.press("f")[0]
    page.keyboard.type("torn")
    page.keyboard.press("Enter")
    card.press("Backspace", "Backspace")
    assert card.on_screen == second
    expect(page.locator(".answer output")).to_have_text("9")
    page.context.set_offline(True)
    page.get_by_role("button", name="Zero").click()
    fourth = card.press(" ")[0]
    expect(card.saved).to_have_text(re.compile("^offline: . kept in this browser"))
    page.context.set_offline(False)
    card.wait_saved()
    expect(page.locator(".tally li")).to_have_text(["number 12 1", "number 0 1", "skipped 1"])
    card.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_contain_text("type a number")
    events = [(one["action"], one["record_id"]) for one in number_server.events("counter")]
    assert events[:3] == [("submit", first), ("submit", second), ("flag", third)]
    assert events[3:] == [("undo", third), ("undo", second), ("submit", second), ("skip", fourth)]


def test_the_adjudicator_sees_numbers_in_the_same_frame(number_server: Server, page: Page) -> None:
    # the server settles no numbers yet, so the conflict is written here
    answers = [{"user": "ann", "action": "submit", "number": 3, "note": "three"}, {"user": "bob", "action": "skip"}]
    conflict = {"id": "r1", "text": "Basket 1.", "answers": answers, "reason": "nothing is settled", "sure": None}
    sent: list[dict[str, Any]] = []

    def adjudicate(route: Route) -> None:
        body = json.loads(route.request.post_data or "{}")
        sent.extend(body["events"])
        statuses = {event["eid"]: "stored" for event in body["events"]}
        cards = [conflict] if not sent and not body["have"] else []
        route.fulfill(json={"statuses": statuses, "cards": cards, "taken": [], "left": len(cards), "setup": None})

    page.route("**/api/adjudicate", adjudicate)
    card = open_numbers(number_server, page, "judge", "adjudication")
    expect(page.locator(".opinions li")).to_have_text(["annnumber 3three", "bobskipped"])
    card.press("n")
    page.keyboard.type("recount")
    page.keyboard.press("Enter")
    card.press("4", "Enter")
    card.wait_saved()
    expect(page.get_by_text("No conflicts")).to_be_visible()
    assert [(one["record"], one["number"], one["note"]) for one in sent] == [("r1", 4, "recount")]
