"""Every page shows a task that the app does not have, and takes its answers as text."""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from app import background
from app.cli.status import status_lines
from app.http.adjudication_routes import adjudicate_routes
from app.http.label_routes import label_routes
from app.navigation import ENTRIES
from core import loop, verbs
from core.config.settings import Settings, write_settings
from core.data.file_import import import_file
from core.errors import Refused
from core.explore.browse import find
from core.explore.filters import RecordSearch
from core.explore.map_points import colourings, points
from core.explore.maps import open_map, project_map
from core.explore.record_detail import record_detail
from core.labelling.bulk import bulks
from core.labelling.leases import Holder
from core.labelling.queue import QueueRequest
from core.labelling.responses import Event
from core.people.people import MANAGER, Person
from core.project import Project, open_project
from core.reports.overview import show_status
from core.tasks.tasks import TASKS
from gpu_jobs.runners.local import InProcessRunner
from tests.conftest import quiet
from tests.number_task import NUMBER
from tests.test_pages import PAGES, shown
from tests.waiting import LATEST_SECONDS


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Sixty baskets, of which somebody has counted the apples of twenty; a model, a batch that waits, and a map."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TASKS, "number", NUMBER)
        folder = tmp_path_factory.mktemp("counted") / "numbers"
        folder.mkdir()
        write_settings(folder, Settings(name="numbers", task="number", batch_size=10, audit_share=0.2))
        table = folder.parent / "baskets.csv"
        table.write_text("id,text\n" + "".join(f"b{n},A basket of {n % 30} apples of stand {n}\n" for n in range(60)))
        project = open_project(folder, InProcessRunner())
        import_file(project, quiet, file=str(table), text=["text"], id="id")
        for _ in range(2):
            loop.play_round(project, quiet)
            count_some(project)
        loop.play_round(project, quiet)
        project_map(project, quiet)
        project.close()
        yield folder


def count_some(project: Project) -> None:
    """Somebody answers a batch of ten."""
    holder = Holder("ann", "a")
    for _ in range(2):
        cards = project.label_queue.exchange(holder, QueueRequest(want=5)).cards
        events = tuple(
            Event(f"e-{card.id}", card.id, "submit", {"number": float(card.text.split()[3])}) for card in cards
        )
        assert set(project.label_queue.exchange(holder, QueueRequest(events=events)).statuses.values()) == {"stored"}


@pytest.fixture
def numbers(counted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[background.ProjectServer]:
    """A copy, open in this process as the server would have it."""
    monkeypatch.setitem(TASKS, "number", NUMBER)
    shutil.copytree(counted, tmp_path / "numbers")
    yield background.open_server(lambda: open_project(tmp_path / "numbers", InProcessRunner()))
    background.close_server()


def record_page(record: str) -> AppTest:
    """One record, opened by its link."""
    page = shown("records.py")
    page.query_params["record"] = record
    page.run()
    assert not page.exception
    return page


def any_record(server: background.ProjectServer, state: str) -> str:
    """The id of one in this state."""
    return find(server.project, RecordSearch(state=state)).lines[0].id


def text_of(page: AppTest) -> list[str]:
    return [text.value for text in page.text]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_on_a_project_of_another_task(numbers: background.ProjectServer, name: str) -> None:
    page = shown(name)
    assert not [link for link in page.get("page_link") if link.proto.label == "Add labels"]


def test_answers_and_suggestions_are_shown_as_the_task_says_them(numbers: background.ProjectServer) -> None:
    record = any_record(numbers, "labelled")
    number = record.removeprefix("b")
    listed = shown("records.py").dataframe[0].value.set_index("id")
    assert listed.loc[record, "label"] == str(int(number) % 30)
    assert listed["suggestion"].dropna().str.fullmatch("[0-9]+|hidden until answered").all()
    page = record_page(record)
    assert page.text_input(key="right").value == str(int(number) % 30)
    [answers] = [table.value for table in page.dataframe if "answer" in table.value]
    assert answers["answer"].tolist() == [str(int(number) % 30)]
    [models] = [table.value for table in page.dataframe if "learnt from it" in table.value]
    assert models["suggestion"].str.fullmatch("[0-9]+").all()
    assert models["probability"].between(0, 100).all()


def test_a_correction_is_typed_and_stored(numbers: background.ProjectServer) -> None:
    record = any_record(numbers, "labelled")
    page = record_page(record)
    page.text_input(key="records-who").input("max").run()
    page.text_input(key="right").input("many")
    page.button(key="correct").click().run()
    assert [error.value for error in page.error] == ["'many' is not a number."]
    assert "Nothing was saved: there is no number above." in text_of(page)
    page.text_input(key="right").input("51")
    page.button(key="correct").click().run()
    assert [error.value for error in page.error] == ["A number from 0 to 50 is needed."]
    page.text_input(key="right").input("41")
    page.button(key="correct").click().run()
    assert not page.exception
    detail = record_detail(numbers.project, record)
    assert (detail.answer, detail.line.how, detail.answers[-1].answer) == ({"number": 41.0}, "adjudicated", "41")


def test_a_record_without_an_answer_is_given_one(numbers: background.ProjectServer) -> None:
    record = any_record(numbers, "unlabelled")
    page = record_page(record)
    assert page.text_input(key="right").value == ""
    page.text_input(key="records-who").input("max").run()
    page.text_input(key="right").input("7")
    page.button(key="correct").click().run()
    assert record_detail(numbers.project, record).line.label == "7"


def pick_all() -> None:
    """The part of the Map page below a map on which everything was picked."""
    import numpy as np

    from app.background import opened
    from app.pages.parts.records.map_selection import draw_bulks, draw_selection
    from core.explore.map_points import colourings, points
    from core.explore.maps import open_map

    server = opened()
    record_map = open_map(server.project)
    assert record_map is not None
    shown = points(server.project, record_map, colourings(server.settings())[0])
    draw_selection(server, shown, np.asarray(shown.record_nos))
    draw_bulks(server)


def test_many_records_are_answered_at_once_from_the_map(numbers: background.ProjectServer) -> None:
    page = AppTest.from_function(pick_all, default_timeout=LATEST_SECONDS).run()
    page.session_state["annotator"] = "max"
    page.text_input(key="bulk-label").input("3").run()
    assert not page.exception
    assert any(text.startswith("Give “3” to ") for text in text_of(page))
    page.button(key="bulk-yes").click().run()
    assert not page.exception
    [bulk] = bulks(numbers.project)
    assert (bulk.answer, bulk.user) == ({"number": 3.0}, "max")
    assert any(f"max: “3” to {bulk.count:,} records" in text for text in text_of(page))
    done = numbers.project.store.query("select answer from settled where how = 'bulk'")
    assert done == [('{"number":3.0}',)] * bulk.count


def test_a_map_is_coloured_by_what_a_number_can_tell(numbers: background.ProjectServer) -> None:
    assert colourings(numbers.settings()) == ["state", "confidence", "round"]
    record_map = open_map(numbers.project)
    assert record_map is not None
    assert "labelled by people" in points(numbers.project, record_map, "state").groups


def test_what_only_labels_have_is_refused_in_a_sentence_and_not_in_the_menu(
    numbers: background.ProjectServer,
) -> None:
    refused: list[Callable[[], object]] = [
        lambda: verbs.function_of("train")(numbers.project, quiet, trainer="head"),
        lambda: verbs.function_of("evaluate")(numbers.project, quiet),
        lambda: verbs.function_of("compare")(numbers.project, quiet, first="a", second="b"),
        lambda: verbs.function_of("compare_encoders")(numbers.project, quiet, names=["a", "b"]),
        lambda: verbs.function_of("inspect")(numbers.project, quiet),
    ]
    for verb in refused:
        with pytest.raises(Refused, match="needs labels to choose from, and answers of the task 'number' have none"):
            verb()
    assert "answers of the task 'number' have none" in shown("jobs.py").info[0].value
    menu = [
        entry.file for entry in ENTRIES if entry.in_menu(Person("max", MANAGER).rights, signed_in=True, trains=False)
    ]
    assert "models" in menu
    assert "jobs" not in menu


def test_status_says_where_it_stands(numbers: background.ProjectServer) -> None:
    lines = list(status_lines(show_status(numbers.project, quiet)))
    assert "20 labelled" in lines[0]
    assert lines[-1].startswith("Next: Label the 10 records that wait in the queue.")


def test_answers_come_and_go_over_http(numbers: background.ProjectServer) -> None:
    trusted = numbers.authenticator
    routes = [*label_routes(background.opened, trusted), *adjudicate_routes(background.opened, trusted)]
    settled = any_record(numbers, "labelled")

    def event(record: str, number: float) -> dict[str, object]:
        return {
            "eid": f"{record}-{number}",
            "record": record,
            "action": "submit",
            "seq": 1,
            "ts": 0.0,
            "number": number,
        }

    with TestClient(Starlette(routes=routes)) as client:
        headers = {"x-rondo-tab": "t", "x-rondo-token": trusted.label_token(Person("bob", MANAGER), time.time())}
        sent = {"events": [event(settled, 49.0), event("b1", 99.0)], "want": 10}
        reply = client.post("/api/label/events", json=sent, headers=headers).json()
        assert reply["statuses"] == {f"{settled}-49.0": "stored", "b1-99.0": "A number from 0 to 50 is needed."}
        suggested = [card["suggestion"] for card in reply["cards"] if card["suggestion"]]
        assert suggested
        assert all(0 <= one["number"] <= 50 for one in suggested)
        reply = client.post("/api/adjudicate", json={"want": 5}, headers=headers).json()
        [conflict] = reply["cards"]
        said = [(one["user"], one["number"], one["answer"], one["labels"]) for one in conflict["answers"]]
        assert (conflict["id"], conflict["answer"], reply["left"]) == (settled, None, 1)
        assert said[1] == ("bob", 49.0, {"number": 49.0}, [])
        decision = {**event(settled, 4.0), "eid": "decided"}
        reply = client.post("/api/adjudicate", json={"events": [decision], "have": [settled]}, headers=headers).json()
        assert (reply["statuses"], reply["taken"], reply["left"]) == ({"decided": "stored"}, [settled], 0)
    assert record_detail(numbers.project, settled).answer == {"number": 4.0}
