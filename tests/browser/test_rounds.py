"""What a person does on the Rounds and Export pages, in a real browser: see where the model errs, read it, take it."""

import json
import zipfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from core.evaluation.scores import score
from core.sampling.selftest import SelfTest
from core.store.database import Store
from tests.browser.conftest import QUIET, Machines
from tests.browser.real import Server

pytestmark = pytest.mark.browser
LABELS = ("spam", "ham")
TRUTH, SAID = (0, 0, 0, 1, 1, 1), (0, 0, 1, 1, 1, 1)
"""columns of LABELS, of six audit records"""


@pytest.fixture(scope="module")
def judged_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Six notes, labelled and judged as if a round had been played: the model takes the third, a spam, for ham."""
    texts = [f"Note {number}." for number in range(6)]
    server = Server(tmp_path_factory.mktemp("judged") / "notes", ",".join(LABELS), texts, QUIET, running=False)
    play(Store(server.folder))
    server.start()
    yield server
    server.kill()


def play(store: Store) -> None:
    """A batch, a model, labels and verdicts."""
    one_hot = np.eye(2, dtype=bool)
    fields = asdict(score(one_hot[list(TRUTH)], one_hot[list(SAID)], labels=LABELS))
    tested = asdict(SelfTest(None, None, None, None, None, None, ("It is no better than chance.",)))
    with store.transaction() as cursor:
        cursor.execute(
            "insert into batches values (1, now()::timestamp, 7, 'random', 6, 6, 6, 0, null, ?, range(6), 6)",
            [json.dumps(tested)],
        )
        cursor.execute(
            """insert into models
               values ('m1', now()::timestamp, 1, 'all-MiniLM-L6-v2', 1, 6, 7, ?, 1.0, null, null, null, null, null)""",
            [json.dumps({"audit": fields})],
        )
        for n, (truth, answer) in enumerate(zip(TRUTH, SAID, strict=True)):
            true, result = [LABELS[truth]], [LABELS[answer]]
            cursor.execute("insert into settled values (?, ?, 'single', 'audit', 1, now()::timestamp, null)", [n, true])
            cursor.execute(
                "insert into held_out_predictions values (?, 'audit', 0.166, ?, ?, ?, 0.8, 'm1', null, null)",
                [n, true, result, result[0]],
            )
    store.close()


def address(server: Server, path: str) -> str:
    return f"http://127.0.0.1:{server.port}/{path}"


def test_a_click_on_a_cell_opens_the_records_that_the_model_takes_for_another_label(
    judged_server: Server, page: Page
) -> None:
    page.goto(address(judged_server, "rounds?round=1"))
    expect(page.get_by_text("It is no better than chance.")).to_be_visible()
    page.get_by_role("tab", name="Confusion").click()
    expect(page.get_by_text("1: spam taken for ham")).to_be_visible()
    figures = page.locator(".st-key-confusion svg .mark-text.role-mark text")
    expect(figures).to_have_text(["3", "2", "1"])
    figures.nth(2).click()
    page.wait_for_url("**/records?*")
    assert all(part in page.url for part in ("truth=spam", "predicted=ham", "stratum=audit"))
    expect(page.get_by_text("1 record", exact=True)).to_be_visible()


@pytest.mark.parametrize("path", ["rounds", "export"])
def test_on_a_narrow_dark_screen_nothing_scrolls_sideways(judged_server: Server, machines: Machines, path: str) -> None:
    page = machines(viewport={"width": 390, "height": 844}, color_scheme="dark").new_page()
    page.goto(address(judged_server, path))
    if path == "rounds":
        page.get_by_role("tab", name="Batches").click()
    last = page.get_by_role("button", name="Choose again") if path == "rounds" else page.get_by_text("Read it")
    expect(last).to_be_visible()
    assert (
        page.evaluate("(one => one.scrollWidth - one.clientWidth)(document.querySelector('[data-testid=stMain]'))") <= 0
    )


def test_an_export_is_written_with_its_card_and_can_be_fetched(
    judged_server: Server, page: Page, tmp_path: Path
) -> None:
    page.goto(address(judged_server, "export"))
    expect(page.get_by_text("6 rows:")).to_be_visible()
    page.get_by_role("button", name="Write the file").click()
    fetch = page.get_by_role("button", name=".csv", exact=False).first
    expect(fetch).to_be_visible()
    with page.expect_download() as download:
        fetch.click()
    download.value.save_as(tmp_path / "got.csv")
    written = sorted(path.name for path in (judged_server.folder / "exports").glob("labels*"))
    assert [name.split(".", 1)[1] for name in written] == ["csv", "csv.card.json", "csv.card.md"]
    assert (tmp_path / "got.csv").read_text().splitlines()[1].startswith("r0,Note 0.,spam,single,audit,")


def test_a_chart_is_saved_as_a_drawing_and_as_its_data(judged_server: Server, page: Page, tmp_path: Path) -> None:
    page.goto(address(judged_server, "rounds"))
    page.get_by_role("tab", name="Confusion").click()
    page.locator(".st-key-save-confusion").get_by_role("button", name="Save").click()
    for name, file in (("Data as CSV", "confusion.csv"), ("Chart as SVG", "confusion.svg")):
        with page.expect_download() as download:
            page.get_by_role("button", name=name).click()
        assert download.value.suggested_filename == file
        download.value.save_as(tmp_path / file)
    assert "spam,ham,1" in (tmp_path / "confusion.csv").read_text()
    drawing = (tmp_path / "confusion.svg").read_text()
    assert drawing.startswith("<svg")
    assert "the model says" in drawing


def test_the_paper_bundle_is_one_button_and_one_file(judged_server: Server, page: Page) -> None:
    page.goto(address(judged_server, "export"))
    page.get_by_role("button", name="Write the paper bundle").click()
    fetch = page.locator(".st-key-paper-fetch").get_by_role("button")
    expect(fetch).to_contain_text("tables")
    [written] = (judged_server.folder / "exports").glob("paper-*.zip")
    expect(fetch).to_contain_text(written.name)
    with zipfile.ZipFile(written) as archive:
        assert {"methods.tex", "REPRODUCE.md", "answers.parquet"} <= set(archive.namelist())
    expect(page.get_by_text("What it cannot say")).to_be_visible()
