"""Two records side by side, decided by keyboard in a real browser: what differs is seen, what must not be is not."""

import json
import shutil
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from core.project import open_project
from gpu_jobs.runners.local import InProcessRunner
from tests.browser.conftest import Machines
from tests.browser.real import Card, Server
from tests.pair_project import HOSTILE, is_match

pytestmark = pytest.mark.browser


@pytest.fixture
def server(paired: Path, tmp_path: Path) -> Iterator[Server]:
    """Twenty pairs wait, six of them blind; ann and bob do not agree on one."""
    made = Server(tmp_path / "shops", "spam,ham", ["Note."], {}, running=False)
    shutil.rmtree(made.folder)
    shutil.copytree(paired, made.folder)
    yield made
    if hasattr(made, "process"):
        made.kill()


def waiting(server: Server) -> dict[str, bool]:
    """The batch: id -> whether it is asked blind."""
    project = open_project(server.folder, InProcessRunner())
    query = "select id, audit from queue join records using (n) where not spare and batch = 2"
    found = dict(project.store.query(query))
    project.close()
    return found


def decisions(server: Server, user: str) -> list[tuple[str, str, Any]]:
    """(record, action, what was decided) in order."""
    return [(one["record_id"], one["action"], one["label"]) for one in server.events(user)]


def test_pairs_are_decided_by_key_taken_back_and_left_to_others(server: Server, page: Page) -> None:
    server.start()
    card = server.open(page, "eve")
    expect(page.locator(".sides thead th")).to_have_count(2)
    expect(page.locator("[data-action=skip]")).to_have_count(0)
    [first] = card.press("1")
    [second] = card.press("d")
    [third] = card.press("3")
    card.press("Backspace", "Backspace")
    assert card.on_screen == second
    card.press("s")
    assert card.on_screen not in (first, second)
    fourth = card.on_screen
    page.get_by_role("button", name="Different").click()
    expect(card.record).not_to_have_attribute("data-record-id", fourth)
    card.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_contain_text("they are the same: merge them")
    page.keyboard.press("Escape")
    card.wait_saved()
    expect(page.locator(".tally li")).to_have_text(["same 2", "different 1"])
    assert decisions(server, "eve") == [
        (first, "submit", "same"),
        (second, "submit", "different"),
        (third, "skip", None),
        (third, "undo", None),
        (second, "undo", None),
        (second, "submit", "same"),
        (fourth, "submit", "different"),
    ]


def test_a_blind_pair_shows_no_probability_and_every_other_does(server: Server, page: Page) -> None:
    blind = waiting(server)
    server.start()
    card = server.open(page, "eve")
    suggested: dict[str, bool] = {}
    for _ in blind:
        record = card.on_screen
        chances = page.locator(".verdicts .chance").all_inner_texts()
        shown = [text for text in chances if text]
        assert page.locator(".verdicts .suggested").count() == len(shown)
        suggested[record] = bool(shown)
        card.press("1" if is_match(record) else "2")
        expect(card.record).not_to_have_attribute("data-record-id", record)
    assert suggested == {record: not is_blind for record, is_blind in blind.items()}
    assert set(suggested.values()) == {True, False}
    card.press("h")
    expect(page.locator(".verdicts .suggested")).to_have_count(0)


def test_the_card_fits_a_phone_and_shows_texts_as_texts(server: Server, machines: Machines) -> None:
    server.start()
    page = machines(viewport={"width": 390, "height": 844}, color_scheme="dark").new_page()
    card = server.open(page, "eve")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    expect(page.locator(".sides tbody tr").nth(2).locator("td").nth(1)).to_have_text(HOSTILE)
    expect(page.locator(".sides .missing")).to_have_text("missing")
    assert card.record.locator("img, script").count() == 0
    assert page.evaluate("window.broken") is None
    left, right = (page.locator(".sides tbody tr").first.locator("td").nth(side).bounding_box() for side in (0, 1))
    assert left
    assert right
    assert right["y"] >= left["y"] + left["height"] - 1
    expect(page.locator(".record .outcome")).to_contain_text("If they are the same")


def test_an_adjudicator_decides_pairs_in_the_same_frame(server: Server, page: Page) -> None:
    server.start()
    page.goto(f"http://127.0.0.1:{server.port}/team?annotator=judge")
    card = Card(page)
    expect(card.record).not_to_have_attribute("data-record-id", "")
    assert sorted(page.locator(".opinions .words").all_inner_texts()) == ["different", "same"]
    expect(page.locator(".verdicts .chance")).to_have_text(["1×", "1×", ""])
    [record] = card.press("2")
    card.wait_saved()
    expect(page.get_by_text("No conflicts")).to_be_visible()
    assert decisions(server, "judge") == [(record, "submit", "different")]


def test_axe_finds_nothing_serious_in_the_card(server: Server, machines: Machines) -> None:
    server.start()
    small = "all => all.filter(one => one.offsetParent && Math.min(one.offsetHeight, one.offsetWidth) < 44)"
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    context = {"cluster": "a1", "members": [{"title": "a1", "here": True}, {"title": "b2", "here": False}], "more": 3}
    context |= {"joined": True, "apart": [{"one": "a1", "other": "b3", "by": ["ben"]}]}
    for scheme, width in product(schemes, (1280, 390)):
        page = machines(color_scheme=scheme, viewport={"width": width, "height": 900}).new_page()

        def with_context(route: Any) -> None:
            reply = route.fetch(max_retries=5)  # a kept connection may end just then
            body = reply.json()
            for one in body.get("cards", ()):
                one["context"] = context
            route.fulfill(response=reply, body=json.dumps(body))

        page.route("**/api/label/events", with_context)
        server.open(page, f"eve-{scheme}-{width}")
        expect(page.locator(".warning:visible")).to_have_text(
            "a1 and b3 were said apart by ben: this merge would be held for a decision."
        )
        matches = Axe().run(page, context={"include": [[".st-key-card"]]})
        serious = [one for one in matches.response["violations"] if one["impact"] in ("serious", "critical")]
        assert [(one["id"], node["html"][:300], node["target"]) for one in serious for node in one["nodes"]] == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.unroute_all(behavior="ignoreErrors")
        assert page.locator("button[data-action]").evaluate_all(small) == []
