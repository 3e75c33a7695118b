"""Argilla's own interface on the embedded server, as an annotator uses it."""

import shutil
import uuid
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core.exchange import push as exchange
from core.project import open_project
from gpu_jobs.runners.local import InProcessRunner
from tests.argilla_server import ArgillaServer, quiet
from tests.argilla_world import annotator, make_dataset, push, request
from tests.exchange_world import Team, dataset_of

pytestmark = pytest.mark.browser
SECONDS = 60_000


def sign_in(page: Page, argilla: ArgillaServer, person: dict[str, str]) -> None:
    page.goto(f"{argilla.url}/sign-in")
    page.locator("input[name=Username]").fill(person["username"], timeout=SECONDS)
    page.locator("input[name=Password]").fill(person["password"])
    page.keyboard.press("Enter")


def test_a_person_signs_in_labels_by_key_in_turn_and_searches(argilla: ArgillaServer, page: Page) -> None:
    name = f"ui-{uuid.uuid4().hex[:8]}"
    dataset = make_dataset(argilla, name, ranked=True)
    records = push(argilla, dataset, 30, [29 - number for number in range(30)])  # the last one first
    person = annotator(argilla, name)

    sign_in(page, argilla, person)
    expect(page.get_by_text(name).first).to_be_visible(timeout=SECONDS)
    page.goto(f"{argilla.url}/dataset/{dataset}/annotation-mode")
    expect(page.get_by_text("record number 29", exact=True)).to_be_visible(timeout=SECONDS)
    page.keyboard.press("2")
    expect(page.get_by_text("record number 28", exact=True)).to_be_visible(timeout=SECONDS)

    [answer] = request(argilla, "GET", f"/records/{records[29]}")["responses"]
    assert (answer["values"], answer["status"]) == ({"label": {"value": "b"}}, "submitted")
    page.locator(".search-area").click()
    page.get_by_placeholder("Introduce a query").fill("17")
    page.keyboard.press("Enter")
    expect(page.get_by_text("record number 17", exact=True)).to_be_visible(timeout=SECONDS)


def test_a_text_in_which_pieces_are_marked_is_no_html_there(
    argilla: ArgillaServer, extracted: Path, tmp_path: Path, page: Page
) -> None:
    shutil.copytree(extracted, tmp_path / "tales")
    project = open_project(tmp_path / "tales", InProcessRunner())
    team = Team(argilla)
    team.join(project)
    exchange.push(project, quiet)
    person = annotator(argilla, team.name)
    sign_in(page, argilla, person)
    expect(page.get_by_text("tales").first).to_be_visible(timeout=SECONDS)
    page.goto(f"{argilla.url}/dataset/{dataset_of(project)}/annotation-mode")
    for _ in range(5):
        expect(page.get_by_text("Mark where it stands")).to_be_visible(timeout=SECONDS)
        if page.get_by_text("Mara met Pim").count():
            break
        page.keyboard.press("ArrowRight")
    text = page.get_by_text("Mara met Pim")
    expect(text).to_contain_text("img src=x")
    assert text.locator("img").count() == 0
    assert page.evaluate("window.broken") is None
    project.close()
    team.close()
