"""What a person does on the Jobs and Models pages, in a real browser: train, compare, put in use, go back."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import QUIET, Machines
from tests.browser.real import Server
from tests.command_line import rondo
from tests.conftest import TOPICS, write_csv

pytestmark = pytest.mark.browser
COLUMNS = ("--text", "text", "--id", "id", "--label", "topic", "--split", "split")


@pytest.fixture(scope="module")
def trained_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Sixty sentences in three topics, twelve of them gold, and the model of one round."""
    folder = tmp_path_factory.mktemp("trained")
    server = Server(folder / "topics", ",".join(TOPICS), ["A note on rain and songs."], QUIET, running=False)
    file = write_csv(folder / "labelled.csv", 60)
    file.write_text(file.read_text().replace("\nr", "\nt"))  # r0 is the note
    rondo("--project", server.folder, "import", file, *COLUMNS)
    rondo("--project", server.folder, "fit")
    server.start()
    yield server
    server.kill()


def address(server: Server, path: str) -> str:
    return f"http://127.0.0.1:{server.port}/{path}"


def train_a_head(server: Server, page: Page) -> None:
    page.goto(address(server, "jobs"))
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_text("No job was started yet.")).to_have_count(0)
    page.reload()
    expect(page.get_by_text("Succeeded: head").first).to_be_visible()


def test_a_model_is_trained_put_in_use_with_a_reason_and_taken_out_again(trained_server: Server, page: Page) -> None:
    train_a_head(trained_server, page)
    page.get_by_role("link", name="Its model").first.click()
    page.wait_for_url("**/models?model=*")
    expect(page.get_by_text("In use: round head")).to_be_visible()
    page.get_by_role("button", name="Compare in full").click()
    expect(page.get_by_text("The numbers of the comparison")).to_be_visible()

    page.get_by_role("button", name="Promote all the same").click()
    page.get_by_label("Why, in spite of the gate?").fill("It was trained in the browser.")
    page.get_by_role("button", name="Put it in use").click()
    expect(page.get_by_text("In use: head")).to_be_visible()

    page.get_by_role("button", name="Roll back", exact=True).click()
    page.get_by_role("button", name="Roll back now").click()
    expect(page.get_by_text("In use: round head")).to_be_visible()


@pytest.mark.parametrize("path", ["jobs", "models"])
def test_on_a_narrow_dark_screen_no_page_scrolls_sideways(
    trained_server: Server, machines: Machines, path: str
) -> None:
    page = machines(viewport={"width": 390, "height": 844}, color_scheme="dark").new_page()
    page.goto(address(trained_server, path))
    last = "Train a model" if path == "jobs" else "Versions"
    expect(page.get_by_role("heading", name=last)).to_be_visible()
    assert (
        page.evaluate("(one => one.scrollWidth - one.clientWidth)(document.querySelector('[data-testid=stMain]'))") <= 0
    )
