"""Every page opens: empty, with records, with a model, and says what to do next."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import state
from core import loop, simulate
from core.project import Project, open_project
from gpu_jobs.local import InProcessRunner
from tests.conftest import quiet

MAIN = Path(__file__).parent.parent / "app" / "main.py"
PAGES = sorted(path.name for path in (MAIN.parent / "pages").glob("[a-z]*.py"))


@pytest.fixture
def office(project: Project) -> Iterator[state.Office]:
    """The project, open in this process as the server would have it."""
    opened = state.open_office(lambda: project)
    yield opened
    state._OPEN.clear()


def shown(name: str) -> AppTest:
    """The page after one run; an exception on it fails the test."""
    test = AppTest.from_file(str(MAIN), default_timeout=30)
    test.run()
    test.switch_page(f"pages/{name}").run()
    assert not test.exception
    return test


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_on_a_new_project(tmp_path: Path, name: str) -> None:
    loop.create_project(tmp_path / "new", [])
    state.open_office(lambda: open_project(tmp_path / "new", InProcessRunner()))
    shown(name)
    state.close_office()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_on_a_project_with_a_model(
    office: state.Office, truth: dict[str, tuple[str, ...]], name: str
) -> None:
    simulate.play(office.project, truth, simulate.Budget(2, 10, "default"), quiet)
    shown(name)


def test_the_rounds_page_tells_what_each_self_test_found(
    office: state.Office, truth: dict[str, tuple[str, ...]]
) -> None:
    simulate.play(office.project, truth, simulate.Budget(2, 10, "default"), quiet)
    page = shown("rounds.py")
    assert page.dataframe[-1].value["redundancy_by_chance"].between(0, 1).any()
    assert any("in random batches it is" in text.value for text in page.text)


def test_the_overview_says_the_one_next_thing(office: state.Office) -> None:
    assert any("Choose the first batch" in text.value for text in shown("overview.py").text)


def test_a_label_can_be_added_renamed_and_retired_on_the_settings_page(office: state.Office) -> None:
    page = shown("settings.py")
    page.text_input(key="new-label").input("traffic")
    page.button(key="add-label").click().run()
    assert "traffic" in office.settings().taxonomy.ids
    page.text_input(key="name-food").input("meals")
    page.button(key="rename-food").click().run()
    assert office.settings().taxonomy.names["food"] == "meals"
    page.button(key="retire-music").click().run()
    assert "music" not in {label.id for label in office.settings().taxonomy.active}


def test_a_wrong_name_is_said_on_the_page_and_changes_nothing(office: state.Office) -> None:
    page = shown("settings.py")
    page.text_input(key="new-label").input("a|b")
    page.button(key="add-label").click().run()
    assert any("separates labels" in error.value for error in page.error)
    assert len(office.settings().taxonomy.labels) == 3
