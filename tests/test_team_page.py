"""The Team page says who labelled what, how far people agree and what cannot be told; names are never markup."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import background
from core import verbs
from core.agreement import agreement, pace
from core.project import Project, open_project
from gpu_jobs.runners.local import InProcessRunner
from tests.conftest import TOPICS, quiet
from tests.crowd_world import SKILLS, answer, crowd_answers

MAIN = Path(__file__).parent.parent / "app" / "main.py"
HOSTILE = "![x](http://x/y) :red[hi]"


@pytest.fixture
def server(project: Project) -> Iterator[background.ProjectServer]:
    opened = background.open_server(lambda: project)
    yield opened
    background._OPEN.clear()


def team() -> AppTest:
    test = AppTest.from_file(str(MAIN), default_timeout=60)
    test.switch_page("pages/team.py").run()
    assert not test.exception
    return test


def texts(page: AppTest) -> str:
    return "\n".join(one.value for one in [*page.text, *page.info, *page.warning, *page.caption])


def test_without_answers_it_says_so(server: background.ProjectServer) -> None:
    assert "Nobody has answered yet." in texts(team())


def test_people_alone_cannot_be_compared_and_the_page_says_what_to_do(server: background.ProjectServer) -> None:
    answer(server.project, [("ann", "r0", ["food"]), ("bob", "r1", ["food"])])
    shown = texts(team())
    assert "Too few to say how far people agree: no record has answers of two people." in shown
    assert "overlap, on the Settings page" in shown
    assert "There is no conflict" in shown


def test_a_crowd_is_shown_measured_and_warned_of(
    server: background.ProjectServer, truth: dict[str, tuple[str, ...]]
) -> None:
    answer(server.project, crowd_answers(truth, list(TOPICS)))
    page = team()
    work = next(one.value for one in page.dataframe if "per hour" in one.value)
    assert sorted(work["annotator"]) == sorted(SKILLS)
    assert set(work["seconds"]) == {1.0}
    assert set(work["per hour"]) == {3600}
    assert "Krippendorff's alpha is" in texts(page)
    assert len(page.dataframe[0].value) == 3
    assert len(page.dataframe[1].value) == 15
    verbs.function_of("quality")(server.project, quiet)
    page = team()
    assert sorted(page.dataframe[-1].value["annotator"]) == sorted(SKILLS)
    assert any(one.value.startswith("contrarian answers against the others") for one in page.warning)


def test_two_people_can_be_chosen(server: background.ProjectServer) -> None:
    answer(server.project, [("ann", "r0", ["food"]), ("bob", "r0", ["music"]), ("cat", "r1", ["food"])])
    page = team()
    assert page.dataframe[2].value.to_dict("records") == [{"first": "food", "second": "music", "records": 1}]
    page.selectbox(key="second").select("cat").run()
    assert "They share no record." in texts(page)


def test_a_name_is_asked_for_before_the_card_comes(server: background.ProjectServer) -> None:
    answer(server.project, [("ann", "r0", ["food"]), ("bob", "r0", ["music"])])
    page = team()
    assert not page.main.get("bidi_component")
    page.text_input(key="records-who").input("judge").run()
    assert page.main.get("bidi_component")


def test_a_persons_name_is_no_markup(server: background.ProjectServer, truth: dict[str, tuple[str, ...]]) -> None:
    crowd = crowd_answers(truth, list(TOPICS))
    answer(
        server.project,
        [(HOSTILE if user == "contrarian" else user, record, message) for user, record, message in crowd],
    )
    verbs.function_of("quality")(server.project, quiet)
    shown = [warning.value for warning in team().warning]
    assert any("answers against the others" in value for value in shown)
    assert not any("![x](" in value or ":red[hi]" in value for value in shown)


def test_it_opens_where_several_labels_hold(encoded: Path, tmp_path: Path) -> None:
    folder = tmp_path / "multi"
    shutil.copytree(encoded, folder)
    file = folder / "rondo.toml"
    file.write_text(file.read_text().replace("multi = false", "multi = true"))
    server = background.open_server(lambda: open_project(folder, InProcessRunner()))
    answer(server.project, [("ann", "r0", ["food", "music"]), ("bob", "r0", []), ("ann", "r1", []), ("bob", "r1", [])])
    page = team()
    assert page.dataframe[2].value.to_dict("records") == [
        {"first": agreement.NONE, "second": agreement.NONE, "records": 1},
        {"first": "food, music", "second": agreement.NONE, "records": 1},
    ]
    background.close_server()


def test_pauses_do_not_slow_anybody_down(project: Project) -> None:
    answer(project, [("ann", f"r{number}", ["food"]) for number in range(5)])
    project.store.query("select 1")
    with project.store.transaction() as cursor:
        cursor.execute("update responses set made_at = made_at - interval 1 hour where n < 2 and annotator = 'ann'")
    row = pace.work(project)[0]
    assert (row.seconds, row.per_hour, row.labels) == (1.0, 3600, 5)
    assert sum(one.answers for one in pace.over_time(project, 3)) == 5
