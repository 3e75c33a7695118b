"""Argilla's own interface on the embedded server, as an annotator uses it."""

import uuid

import pytest
from playwright.sync_api import Page, expect

from tests.argilla_server import ArgillaServer
from tests.argilla_world import annotator, make_dataset, push, request

pytestmark = pytest.mark.browser
SECONDS = 60_000


def test_a_person_signs_in_labels_by_key_in_turn_and_searches(argilla: ArgillaServer, page: Page) -> None:
    name = f"ui-{uuid.uuid4().hex[:8]}"
    dataset = make_dataset(argilla, name, ranked=True)
    records = push(argilla, dataset, 30, [29 - number for number in range(30)])  # the last one first
    person = annotator(argilla, name)

    page.goto(f"{argilla.url}/sign-in")
    page.locator("input[name=Username]").fill(person["username"], timeout=SECONDS)
    page.locator("input[name=Password]").fill(person["password"])
    page.keyboard.press("Enter")
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
