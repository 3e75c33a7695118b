"""The home for real: from a dropped file to the first label, a project that sleeps and wakes, a home that is killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from app.client import answers
from tests.browser.conftest import Machines
from tests.browser.real import ROOT, Card
from tests.command_line import rondo
from tests.conftest import write_csv
from tests.pair_world import write_pairs
from tests.ports import free_port
from tests.waiting import wait_for

pytestmark = pytest.mark.browser
PHONE = {"width": 390, "height": 844}


class Home:
    """`rondo` outside of a project, in a process of its own."""

    def __init__(self, folder: Path, *, options: Sequence[str] = ("--no-token",), **environment: str) -> None:
        self.folder, self.port, self.options = folder, free_port(), options
        folder.mkdir(exist_ok=True)
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT), "RONDO_HOME": str(folder), **environment}
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "app", "up", "--port", str(self.port), *self.options]
        log = self.folder.parent / "home.log"
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                command, cwd=self.folder.parent, env=self.environment, stdout=file, stderr=file, start_new_session=True
            )
        wait_for(lambda: self.process.poll() is not None or answers(self.url))
        assert self.process.poll() is None, log.read_text()

    def engines(self) -> list[psutil.Process]:
        """The projects' own servers: whoever has one of this home's folders in its command."""
        matches = []
        for one in psutil.process_iter():
            try:
                if "app.home.engine" in (command := one.cmdline()) and str(self.folder) in command[-1]:
                    matches.append(one)
            except psutil.Error:
                continue
        return matches

    def answers(self, key: str) -> list[tuple[str, str]]:
        """(record, label) of what people answered, as `rondo export` says, wherever the project is open."""
        out = self.folder.parent / f"{key}.jsonl"
        words = ("--what", "responses", "--format", "jsonl", "--out", out)
        rondo("--project", self.folder / key, "export", *words)
        rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
        return [(row["record_id"], row["label"]) for row in rows if row["source"] != "file"]

    def kill(self) -> None:
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def homes(tmp_path: Path) -> Iterator[Callable[..., Home]]:
    """Makes one in the test's folder, which ends with the test."""
    made: list[Home] = []

    def make(**environment: str) -> Home:
        made.append(Home(tmp_path / "home", **environment))
        return made[-1]

    yield make
    for home in made:
        home.kill()


def faults(page: Page) -> list[Any]:
    return [(one["id"], [node["html"] for node in one["nodes"]]) for one in Axe().run(page).response["violations"]]


def test_a_dropped_file_is_labelled_by_keyboard_alone_and_stands_in_the_list(
    homes: Callable[..., Home], machines: Machines
) -> None:
    home = homes()
    page = machines(viewport={"width": 1280, "height": 860}).new_page()
    file = home.folder.parent / "mails.csv"
    hostile = "<img src=x onerror='window.broken=1'>"
    rows = [f'"{hostile} message {number}",m{number}' for number in range(60)]
    file.write_text("\n".join(["body,id", *rows, ",m60"]), encoding="utf-8")
    page.goto(home.url)
    assert faults(page) == []
    page.get_by_role("link", name="New project").first.click()
    page.get_by_label("File with your texts").set_input_files(file)
    expect(page.locator("#notes")).to_contain_text("1 row is left out: row 61 (line 62) has no text")
    page.get_by_label("Another label").focus()
    for label in ("praise", "complaint", hostile):
        page.keyboard.type(label)
        page.keyboard.press("Enter")
    assert page.locator(".chip").all_inner_texts() == [f"{one}\n×" for one in ("praise", "complaint", hostile)]
    assert page.locator("main img").count() == 0
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert faults(page) == []
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.get_by_role("button", name="Start labelling").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/p/mails/label?annotator=me")
    card = Card(page)
    expect(card.record).not_to_have_attribute("data-record-id", "")
    supplied = card.label("12")
    card.wait_saved()
    assert home.answers("mails") == supplied
    page.set_viewport_size({"width": 1280, "height": 860})
    page.get_by_role("button", name="Switch project").click()
    expect(page.get_by_text("There is no other project.")).to_be_visible()
    page.get_by_role("link", name="All projects").click()
    item = page.get_by_role("listitem").filter(has_text="mails")
    expect(item).to_contain_text("2 of 60 settled")
    assert page.evaluate("window.broken") is None
    assert faults(page) == []


def test_a_project_sleeps_when_nobody_is_there_wakes_when_opened_and_ends_with_a_killed_home(
    encoded: Path, tmp_path: Path, homes: Callable[..., Home], machines: Machines
) -> None:
    shutil.copytree(encoded, tmp_path / "home" / "topics")
    home = homes(RONDO_SLEEP_SECONDS="5")
    page = machines().new_page()
    for _ in range(2):
        page.goto(f"{home.url}/p/topics/label?annotator=ana")
        expect(Card(page).record).not_to_have_attribute("data-record-id", "")
        assert len(home.engines()) == 1
        page.goto(home.url)
        expect(page.get_by_role("listitem")).to_contain_text("12 of 60 settled")
        wait_for(lambda: not home.engines())
    page.goto(f"{home.url}/p/topics/label?annotator=ana")
    expect(Card(page).record).not_to_have_attribute("data-record-id", "")
    supplied = Card(page).label("1")
    Card(page).wait_saved()
    home.kill()
    wait_for(lambda: not home.engines())
    home.start()
    page.goto(f"{home.url}/p/topics/label?annotator=ana")
    expect(Card(page).record).not_to_have_attribute("data-record-id", "")
    assert home.answers("topics") == supplied


def test_a_damaged_project_is_repaired_from_its_menu_and_opens(
    encoded: Path, tmp_path: Path, homes: Callable[..., Home], machines: Machines
) -> None:
    folder = tmp_path / "home" / "topics"
    shutil.copytree(encoded, folder)
    rondo("--project", folder, "backup")
    with (folder / "rondo.duckdb").open("r+b") as database:
        database.seek(600)
        database.write(b"\xa5" * 8)
    home = homes()
    page = machines(viewport=PHONE, color_scheme="dark").new_page()
    page.goto(home.url)
    expect(page.get_by_role("listitem")).to_contain_text("Its database is damaged")
    page.get_by_label("More for").click()
    page.get_by_role("menuitem", name="Check and repair …").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("What a repair does")
    assert faults(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    dialog.get_by_role("button", name="Repair", exact=True).click()
    expect(dialog).to_contain_text("It can be opened again.")
    dialog.get_by_role("button", name="Close").click()
    expect(page.get_by_role("listitem")).to_contain_text("12 of 60 settled")
    page.goto(f"{home.url}/p/topics/label?annotator=ana")
    expect(Card(page).record).not_to_have_attribute("data-record-id", "")


def test_a_labelled_file_is_played_and_what_it_saved_is_shown(
    tmp_path: Path, homes: Callable[..., Home], machines: Machines
) -> None:
    home, file = homes(), write_csv(tmp_path / "labelled.csv", 60)
    page = machines(viewport={"width": 1280, "height": 860}).new_page()
    page.goto(home.url)
    page.get_by_role("link", name="Try it on a labelled file").click()
    page.get_by_label("Labelled file").set_input_files(file)
    expect(page.locator("#notes")).to_contain_text("60 rows have a label: ")
    page.get_by_label("margin", exact=False).first.uncheck()
    page.get_by_label("Labels to spend").fill("16")
    page.get_by_label("in batches of").fill("8")
    page.get_by_label("repeated").fill("1")
    expect(page.locator("#estimate")).to_contain_text("4 rounds, about")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert faults(page) == []
    page.get_by_role("button", name="Play it").click()
    expect(page.get_by_role("button", name="Stop it")).to_be_visible()
    page.reload()
    expect(page.locator("#result-sentence")).to_contain_text("All labels reach macro F1")
    page.get_by_text("The numbers", exact=True).click()
    expect(page.get_by_role("row").filter(has_text="default")).to_be_visible()
    picture = page.locator("#result-chart")
    expect(picture).to_be_visible()
    assert picture.evaluate("(one) => one.naturalWidth") > 0
    assert faults(page) == []
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_decided_pairs_are_guessed_by_their_columns_and_played(
    tmp_path: Path, homes: Callable[..., Home], machines: Machines
) -> None:
    home, file = homes(), write_pairs(tmp_path / "pairs.csv", 12)
    hostile = "<img src=x onerror='window.broken=1'>"
    rows = file.read_text(encoding="utf-8").replace("text,text_b", "text_a,text_b", 1).replace("name: ", hostile, 1)
    file.write_text(rows, encoding="utf-8")
    page = machines(viewport={"width": 1280, "height": 860}).new_page()
    page.goto(f"{home.url}/replay")
    page.get_by_label("Labelled file").set_input_files(file)
    expect(page.get_by_role("radio", name="Pairs: the same?")).to_be_checked()
    expect(page.get_by_label("The same", exact=True)).to_have_value("match")
    expect(page.locator("#estimate")).to_contain_text("30 rounds, about")
    page.get_by_role("radio", name="Values from text").check()
    expect(page.locator("#estimate")).to_contain_text("Which steps are answered?")
    page.get_by_label("Steps", exact=True).select_option("entities")
    expect(page.locator("#estimate")).to_contain_text("No column is called as a field of the steps")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert faults(page) == []
    page.get_by_role("radio", name="Pairs: the same?").check()
    page.get_by_label("Decisions to spend").fill("20")
    page.get_by_label("repeated").fill("1")
    expect(page.locator("#estimate")).to_contain_text("4 rounds, about")
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.get_by_role("button", name="Play it").click()
    expect(page.locator("#result-sentence")).to_contain_text("All decisions reach F1")
    page.get_by_text("The numbers", exact=True).click()
    expect(page.get_by_role("row").filter(has_text="ours")).to_be_visible()
    expect(page.locator("#result-details")).to_contain_text("12 are 'match'")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert page.evaluate("window.broken") is None
    assert faults(page) == []
