"""An adjudicator decides conflicts by keyboard, in a real browser; nothing is lost to a reload or a killed server."""

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import HOSTILE, QUIET, Machines
from tests.browser.real import Server
from tests.command_line import rondo

pytestmark = pytest.mark.browser
WAIT = 30_000
SAID = (("ann", "praise"), ("bob", "bug"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Eight records on which ann and bob do not agree; the names of both stand in a file."""
    texts = [HOSTILE, *(f"Note {number}." for number in range(7))]
    made = Server(tmp_path / "team", "delivery,praise,question,bug", texts, QUIET, running=False)
    file = tmp_path / "answers.jsonl"
    rows = [
        {"id": f"r{number}", "text": text, "said": label, "who": user}
        for number, text in enumerate(texts)
        for user, label in SAID
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    options = ("--text", "text", "--id", "id", "--label", "said", "--annotator", "who")
    rondo("--project", made.folder, "import", file, *options)
    made.start()
    yield made
    made.kill()


class Bench:
    """The adjudication card on a page."""

    def __init__(self, page: Page, server: Server) -> None:
        self.page, self.conflict = page, page.get_by_test_id("record")
        self.saved = page.get_by_test_id("saved")
        page.goto(f"http://127.0.0.1:{server.port}/team?annotator=judge")
        self.wait_shown()

    def wait_shown(self) -> None:
        expect(self.conflict).not_to_have_attribute("data-record-id", "", timeout=WAIT)

    @property
    def on_screen(self) -> str:
        return self.conflict.get_attribute("data-record-id") or ""

    def press(self, key: str) -> str:
        seen = self.on_screen
        self.page.keyboard.press(key)
        return seen

    def wait_saved(self) -> None:
        expect(self.saved).to_have_attribute("data-pending", "0", timeout=WAIT)
        expect(self.saved).to_have_text("saved", timeout=WAIT)


def test_three_conflicts_are_decided_by_keyboard_with_a_reload_in_between(server: Server, page: Page) -> None:
    bench = Bench(page, server)
    expect(page.locator(".opinions li")).to_have_count(2)
    assert page.locator(".opinions").inner_text().split() == ["ann", "praise", "bob", "bug"]
    first = bench.press("1")
    passed = bench.press(" ")
    page.keyboard.press("n")
    page.keyboard.type("it is a 2")
    page.keyboard.press("Enter")
    second = bench.press("3")
    bench.wait_saved()
    page.reload()
    bench.wait_shown()
    assert bench.on_screen not in (first, second)
    page.keyboard.press("Backspace")
    assert bench.on_screen == second
    bench.press("4")
    bench.wait_saved()
    third = bench.press("2")
    bench.wait_saved()
    assert len({first, second, third}) == 3
    assert passed not in (first, second)
    assert sorted(server.answers("judge")) == sorted([(first, "delivery"), (second, "bug"), (third, "praise")])
    assert [one["note"] for one in server.events("judge") if one["note"]] == ["it is a 2"]
    expect(page.locator(".batch")).to_have_text("5 conflicts")


def test_several_labels_are_switched_and_decided_with_enter(server: Server, page: Page) -> None:
    server.change({"multi = false": "multi = true"})
    bench = Bench(page, server)
    expect(page.locator("[data-action=submit]")).to_be_visible(timeout=WAIT)
    seen = bench.on_screen
    for key in ("1", "3", "4", "3", "Enter"):
        page.keyboard.press(key)
    bench.wait_saved()
    assert [(one["record_id"], one["label"]) for one in server.events("judge")] == [(seen, "bug|delivery")]


def test_decisions_survive_a_killed_server_and_are_stored_once(server: Server, page: Page) -> None:
    bench = Bench(page, server)
    decided = [(bench.press("1"), "delivery")]
    bench.wait_saved()
    server.kill()
    decided += [(bench.press("2"), "praise"), (bench.press("3"), "question")]
    expect(bench.saved).to_contain_text("offline: 2 kept", timeout=WAIT)
    server.start()
    bench.wait_saved()
    outbox = page.evaluate(
        "Object.keys(localStorage).filter((key) => key.startsWith('rondo:outbox:adjudication')).length"
    )
    assert outbox == 0
    assert sorted(server.answers("judge")) == sorted(decided)
    assert len(server.events("judge")) == 3


def test_axe_finds_nothing_serious_in_the_card(server: Server, machines: Machines) -> None:
    small = "all => all.filter(one => one.offsetParent && Math.min(one.offsetHeight, one.offsetWidth) < 44)"
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme, width in product(schemes, (1280, 390)):
        page = machines(color_scheme=scheme, viewport={"width": width, "height": 900}).new_page()
        bench = Bench(page, server)
        bench.press("1")
        bench.wait_saved()
        matches = Axe().run(page, context={"include": [[".st-key-adjudication"]]})
        serious = [one for one in matches.response["violations"] if one["impact"] in ("serious", "critical")]
        assert [(one["id"], node["html"][:300], node["target"]) for one in serious for node in one["nodes"]] == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.locator("button[data-action]").evaluate_all(small) == []


def test_the_card_fits_a_phone_in_the_dark_and_shows_texts_as_texts(server: Server, machines: Machines) -> None:
    page = machines(viewport={"width": 390, "height": 844}, color_scheme="dark").new_page()
    bench = Bench(page, server)
    for _ in range(8):
        if bench.on_screen == "r0":
            break
        seen = bench.press(" ")
        expect(bench.conflict).not_to_have_attribute("data-record-id", seen)
    expect(bench.conflict).to_have_text(HOSTILE)
    assert bench.conflict.locator("*").count() == 0
    assert page.evaluate("window.broken") is None
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
