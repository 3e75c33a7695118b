"""The Prepare page: what would be cleaned, evened out or split is shown first; a click does it, another undoes it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import background
from core.data.clean import cleaning_in_force
from core.data.file_import import import_file
from core.erasure.erase import erase
from core.loop import create_project
from core.project import open_project
from gpu_jobs.runners.local import InProcessRunner
from tests.conftest import quiet
from tests.test_pages import MAIN, shown
from tests.waiting import LATEST_SECONDS, wait_for

SIZES = {"weather": 30, "food": 12, "music": 6}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[background.ProjectServer]:
    """48 labelled records of six authors, every third with a link in it, two of them with the same words."""
    folder = tmp_path / "project"
    create_project(folder, list(SIZES))
    rows = ["id,text,topic,author"]
    for topic, size in SIZES.items():
        for n in range(size):
            link = f" https://t.co/{topic}{n}" if n % 3 == 0 else ""
            rows.append(f'{topic}{n},"A sentence about {topic} with number {n}{link}",{topic},author {n % 6}')
    file = tmp_path / "texts.csv"
    file.write_text("\n".join(rows) + "\n", encoding="utf-8")
    project = open_project(folder, InProcessRunner())
    import_file(project, quiet, file=str(file), text=["text"], id="id", label="topic", meta=["author"])
    yield background.open_server(lambda: project)
    background.close_server()


def at(tab: str) -> AppTest:
    """The page with this tab open."""
    page = AppTest.from_file(str(MAIN), default_timeout=LATEST_SECONDS)
    page.session_state["prepare-tab"] = tab
    page.switch_page("pages/prepare.py").run()
    assert not page.exception
    return page


def after(page: AppTest, server: background.ProjectServer) -> AppTest:
    """The page once what runs in the background has ended."""
    wait_for(lambda: not server.activities)
    page.run()
    assert not page.exception
    return page


def metrics(page: AppTest) -> dict[str, str]:
    return {one.label: one.value for one in page.metric}


def test_cleaning_is_shown_before_it_is_done_and_taken_back_by_a_click(server: background.ProjectServer) -> None:
    page = shown("prepare.py")
    page.multiselect(key="clean-rules").set_value(["web"])
    page.number_input(key="clean-shortest").set_value(36)
    after(page.button(key="clean-preview").click().run(), server)
    assert metrics(page)["Texts read cleaned"] == "16 of 48"
    assert cleaning_in_force(server.project.store) is None
    [changes] = [one.value for one in page.dataframe if "before" in one.value and "rule" in one.value]
    assert "https://" in changes["before"].iloc[0]
    assert "https://" not in changes["after"].iloc[0]
    left_out = metrics(page)["Records left out"]
    after(page.button(key="clean-apply").click().run(), server)
    assert "models read 16 of 48 texts cleaned" in page.success[0].value
    in_force = cleaning_in_force(server.project.store)
    assert in_force is not None
    assert in_force.left_out == {"short": int(left_out)}
    assert any("In force: models read 16 texts cleaned" in text.value for text in page.text)
    page.button(key="clean-undo").click().run()
    assert not page.exception
    assert cleaning_in_force(server.project.store) is None
    assert "Every text is read as it came, and nothing is left out." in [text.value for text in page.text]


def test_texts_of_a_preview_are_shown_no_more_once_something_was_erased(server: background.ProjectServer) -> None:
    page = shown("prepare.py")
    page.multiselect(key="clean-rules").set_value(["web"])
    after(page.button(key="clean-preview").click().run(), server)
    assert any("before" in one.value for one in page.dataframe)
    server.do("local", erase, record=["food0"], sure=True)
    page.run()
    assert not page.exception
    assert not any("before" in one.value for one in page.dataframe)
    assert server.latest["clean"].result is None


def test_a_cleaning_in_force_is_what_the_next_visit_begins_with(server: background.ProjectServer) -> None:
    page = shown("prepare.py")
    page.multiselect(key="clean-rules").set_value(["links"])
    page.multiselect(key="clean-left-out").set_value(["duplicate"])
    after(page.button(key="clean-preview").click().run(), server)
    after(page.button(key="clean-apply").click().run(), server)
    again = shown("prepare.py")
    assert again.multiselect(key="clean-rules").value == ["links"]
    assert again.multiselect(key="clean-left-out").value == ["duplicate"]


def test_what_cannot_be_meant_is_said_and_nothing_begins(server: background.ProjectServer) -> None:
    page = shown("prepare.py")
    page.multiselect(key="clean-rules").set_value(["tweets", "library"])
    page.button(key="clean-preview").click().run()
    assert "exclude each other" in page.error[0].value
    assert not server.activities
    assert not page.metric


def test_a_balance_shows_what_trains_as_it_is_chosen_and_holds_once_it_is_applied(
    server: background.ProjectServer,
) -> None:
    page = at("Balance")
    page.number_input(key="balance-most").set_value(10).run()
    assert "22 of 48 labelled records are left out of training by this choice." in [one.value for one in page.text]
    page.multiselect(key="balance-labels").set_value(["music"]).run()
    assert "28 of 48 labelled records are left out of training by this choice." in [one.value for one in page.text]
    assert server.project.store.one("select count(*) from left_out") == 0
    page.toggle(key="balance-oversample").set_value(True).run()
    page.button(key="balance-apply").click().run()
    assert not page.exception
    assert server.project.store.one("select count(*) from left_out where step = 'balance'") == 28
    assert server.settings().oversample
    page.button(key="balance-undo").click().run()
    assert not page.exception
    assert server.project.store.one("select count(*) from left_out") == 0
    assert not server.settings().oversample
    assert page.number_input(key="balance-most").value is None


def test_a_split_is_shown_by_label_and_makes_gold_only_when_it_is_applied(server: background.ProjectServer) -> None:
    page = at("Split")
    page.number_input(key="split-train").set_value(0.7)
    page.number_input(key="split-test").set_value(0.5)
    after(page.button(key="split-preview").click().run(), server)
    assert "do not add up to 1" in page.error[0].value
    assert server.error_message is None
    page.number_input(key="split-test").set_value(0.3)
    page.selectbox(key="split-by").select("author")
    after(page.button(key="split-preview").click().run(), server)
    assert not page.exception
    [table] = [one.value for one in page.dataframe if "validation" in one.value]
    assert set(table["name"]) == set(SIZES)
    assert any("6 groups, none of which is divided" in text.value for text in page.text)
    gold = "select count(*) from records where split = 'test'"
    assert server.project.store.one(gold) == 0
    after(page.button(key="split-apply").click().run(), server)
    assert server.project.store.one(gold) == int(metrics(page)["Test"])
    after(page.button(key="split-preview").click().run(), server)
    assert "gold stays gold" in page.error[0].value


def test_pairs_are_prepared_before_they_are_imported_as_the_page_says(tmp_path: Path) -> None:
    create_project(tmp_path / "pairs", [], task="pairs")
    background.open_server(lambda: open_project(tmp_path / "pairs", InProcessRunner()))
    page = shown("prepare.py")
    assert "before it is imported" in page.info[0].value
    assert not page.tabs
    background.close_server()
