"""The map in a real browser: a lasso picks records, they are labelled at once, and that is taken back."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from core.explore.maps import read_map
from tests.browser.real import Server
from tests.waiting import wait_for

pytestmark = pytest.mark.browser

LASSO, BOX = (27, 28), (66, 28)
"""where the chart draws its buttons"""


def open_map(server: Server, page: Page, query: str = "") -> Locator:
    """The chart, which the page makes first where there is none."""
    page.goto(f"http://127.0.0.1:{server.port}/map?annotator=mapper{query}")
    chart = page.locator("canvas").first
    expect(chart).to_be_visible()
    page.wait_for_timeout(500)
    return chart


def draw(page: Page, chart: Locator, tool: tuple[int, int], shape: list[tuple[float, float]]) -> int:
    """Takes a tool and draws through points, given as shares of the chart; returns how many records are then picked."""
    box = chart.bounding_box()
    assert box
    page.mouse.click(box["x"] + tool[0], box["y"] + tool[1])
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in shape]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=4)
    page.mouse.up()
    heading = page.get_by_role("heading", name=re.compile("records selected"))
    expect(heading).to_be_visible()
    return int(heading.inner_text().split()[0].replace(",", ""))


def test_records_in_a_lasso_are_labelled_at_once_and_that_is_taken_back(server: Server, page: Page) -> None:
    chart = open_map(server, page, "&colour=state")
    expect(page.get_by_role("radio", name="state")).to_be_checked()
    selected = draw(page, chart, LASSO, [(0.1, 0.2), (0.5, 0.2), (0.5, 0.9), (0.1, 0.9), (0.1, 0.2)])
    assert 0 < selected < 900
    page.get_by_role("combobox", name="Label for all of them").click()
    page.keyboard.type("praise")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Label them").click()
    question = page.get_by_text(re.compile("Give “praise” to [0-9,]+ records"))
    expect(question).to_be_visible()
    supplied = int(re.findall("to ([0-9,]+) records", question.inner_text())[0].replace(",", ""))
    assert 0 < supplied <= selected  # what others have labelled or hold is left out
    page.get_by_role("button", name=f"Yes, label {supplied:,} records").click()
    done = page.get_by_text(re.compile("^[0-9,]+ records answered"))
    expect(done).to_be_visible()
    labelled = int(re.findall("[0-9,]+", done.inner_text())[0].replace(",", ""))
    answers = server.answers("mapper")
    assert len(answers) == labelled
    assert supplied <= labelled <= selected  # what a tab gave back since the question is labelled too
    assert {label for _, label in answers} == {"praise"}
    page.get_by_role("button", name="Take back").last.click()
    expect(page.get_by_role("button", name="Taken back")).to_be_disabled()
    assert server.answers("mapper") == []
    names = page.locator(".st-key-map-keys button").all_inner_texts()
    page.keyboard.press("2")
    frame = page.get_by_test_id("stMain").evaluate("main => getComputedStyle(main, '::before').content")
    assert frame == "none"  # around the whole page it would say nothing
    expect(page.get_by_text(re.compile("^[0-9,]+ records answered: "))).to_be_visible()
    wait_for(lambda: {label for _, label in server.answers("mapper")} == {names[1].split("\n")[0]})
    expect(page.locator(".st-key-map-back")).to_be_visible()
    page.keyboard.press("Backspace")
    wait_for(lambda: server.answers("mapper") == [])


def test_a_box_around_everything_holds_everything(server: Server, page: Page) -> None:
    chart = open_map(server, page)
    assert draw(page, chart, BOX, [(0.01, 0.14), (0.99, 0.99)]) == 900


def test_a_hostile_text_is_only_text_where_the_map_shows_it(odd_server: Server, page: Page) -> None:
    chart = open_map(odd_server, page)
    made = read_map(next((odd_server.folder / "vectors").glob("*/map.npz")))
    box = chart.bounding_box()
    assert made
    assert box
    x, y = made.xy[0].tolist()  # the record with the script
    left, top, width, height = 2, 76, box["width"] - 4, box["height"] - 78
    page.mouse.move(box["x"] + left + (x + 1.06) / 2.12 * width, box["y"] + top + (1.06 - y) / 2.12 * height, steps=5)
    tip = page.get_by_text("<img src=x onerror=")
    expect(tip.first).to_be_visible()
    assert page.evaluate("[window.broken, document.querySelectorAll('img[src=x]').length]") == [None, 0]
