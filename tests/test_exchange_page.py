"""What a page says of the exchange with Argilla and of its server, and what its buttons do; and the thread that keeps
the exchange going."""

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from streamlit.testing.v1 import AppTest

from annotation.home import running
from annotation.server import Owner, Started
from app import background
from app.pages.parts.people.argilla_view import BOX, START
from app.team_watch import TeamWatch
from core import loop, verbs
from core.errors import Refused
from core.exchange.pull import reconcile_now, record_no_of
from core.ids import RecordNo
from core.jobs.bundle import Report
from core.labelling.changes import change_settings
from core.people.people import add_person
from core.project import Project, open_project
from gpu_jobs.runners.local import InProcessRunner
from tests.argilla_server import ArgillaServer
from tests.conftest import quiet
from tests.exchange_world import Team, answers_in_force, where
from tests.waiting import wait_for

PASSWORD = "owner-of-a-test"


@pytest.fixture
def server(encoded: Path, tmp_path: Path) -> Iterator[background.ProjectServer]:
    shutil.copytree(encoded, tmp_path / "project")
    yield background.open_server(lambda: open_project(tmp_path / "project", InProcessRunner()))
    background.close_server()


@pytest.fixture
def team(argilla: ArgillaServer, server: background.ProjectServer) -> Iterator[Team]:
    """A workspace for the project that the server holds; ten records wait."""
    made = Team(argilla)
    made.join(server.project)
    loop.next_batch(server.project, quiet, size=10)
    yield made
    made.close()


def drawn() -> AppTest:
    """The section, alone on a page."""

    def script() -> None:
        from app.background import opened
        from app.pages.parts.people.exchange_view import draw_exchange

        draw_exchange(opened())

    return AppTest.from_function(script, default_timeout=60).run()


def settled(server: background.ProjectServer) -> None:
    """Nothing goes on any more."""
    wait_for(lambda: not server.activities)


def test_before_the_first_push_the_page_says_how_to_begin(server: background.ProjectServer) -> None:
    page = drawn()
    assert not page.exception
    assert "rondo team start" in page.text[0].value


def test_without_a_server_the_page_says_what_to_do_and_goes_on(server: background.ProjectServer) -> None:
    drawn().button(key="team-push").click().run()
    settled(server)
    assert "Argilla" in drawn().warning[0].value


def test_the_buttons_push_and_sync(server: background.ProjectServer, team: Team) -> None:
    (user,) = team.add("ann")
    drawn().button(key="team-push").click().run()
    settled(server)
    assert server.error_message is None
    team.answer(user, next(iter(where(server.project).values())), ["food"])
    drawn().button(key="team-sync").click().run()
    settled(server)
    page = drawn()
    assert not page.exception
    assert [metric.value for metric in page.metric][1:3] == ["1", "1"]


def test_a_changed_label_and_a_replaced_dataset_are_announced(server: background.ProjectServer, team: Team) -> None:
    verbs.function_of("team_push")(server.project, quiet)
    change_settings(server.project, add_label="sport")
    assert "new dataset" in drawn().info[0].value
    verbs.function_of("team_push")(server.project, quiet)
    assert any("Replaced by it" in text.value for text in drawn().text)
    assert server.project.store.one("select count(*) from audit_log where what = 'team_replaced'") == 1


def test_the_watch_takes_answers_in_and_pushes_the_next_batch_by_itself(
    server: background.ProjectServer, team: Team
) -> None:
    (user,) = team.add("ann")
    verbs.function_of("team_push")(server.project, quiet)
    watch, closed = TeamWatch(server), threading.Event()
    thread = threading.Thread(target=watch.run, args=(closed,))
    record, remote_id = next(iter(where(server.project).items()))
    team.answer(user, remote_id, ["food"])
    thread.start()
    try:
        wait_for(lambda: answers_in_force(server.project) == {(record, user): ("submit", ("food",), None)})
        before = len(where(server.project))
        loop.next_batch(server.project, quiet, size=30)
        wait_for(lambda: len(where(server.project)) > before)
    finally:
        closed.set()
        thread.join()


def test_a_dead_server_is_reported_and_tried_again(server: background.ProjectServer, team: Team) -> None:
    verbs.function_of("team_push")(server.project, quiet)
    remote_id = next(iter(where(server.project).values()))
    right, team.url = team.url, "http://127.0.0.1:9"
    server.start("team_sync")
    settled(server)
    assert "does not answer" in drawn().warning[0].value
    team.url = right
    reconcile_now(server.project, [record_no_of(server.project, remote_id) or RecordNo(0)])
    assert not drawn().warning


def opened_section() -> AppTest:
    """That of the server itself, opened."""

    def script() -> None:
        from app.background import opened
        from app.pages.parts.people.argilla_view import draw_argilla

        draw_argilla(opened())

    page = AppTest.from_function(script, default_timeout=60)
    page.session_state[BOX] = True
    return shown(page)


def shown(page: AppTest) -> AppTest:
    page.run()
    assert not page.exception
    return page


def words(page: AppTest) -> str:
    parts = [*page.text, *page.success, *page.error, *page.warning, *page.info, *page.code]
    return "\n".join(str(one.value) for one in parts)


@pytest.fixture
def alone(project: Project) -> Iterator[background.ProjectServer]:
    """Without an Argilla server."""
    yield background.open_server(lambda: project)
    background._OPEN.clear()


@pytest.fixture
def served(argilla: ArgillaServer) -> Iterator[background.ProjectServer]:
    """The project of the session's Argilla server."""
    yield background.open_server(lambda: open_project(argilla.project, InProcessRunner()))
    background.close_server()


def test_before_the_first_start_there_is_nothing_to_stop_or_to_back_up(alone: background.ProjectServer) -> None:
    page = opened_section()
    assert "It does not run." in words(page)
    assert [one.key for one in page.button] == ["argilla-start"]
    assert not page.dataframe


def test_who_signs_in_to_the_app_neither_sees_nor_starts_it(alone: background.ProjectServer) -> None:
    page = opened_section()
    add_person(alone.project, quiet, user="local", name="ana", role="manager")
    page.button(key="argilla-start").click()
    page.run()
    assert not page.exception
    assert not page.expander
    assert running(alone.project.folder) is None
    assert START not in alone.latest


def test_the_owners_password_is_shown_once_and_kept_nowhere(alone: background.ProjectServer) -> None:
    task = alone.start_work(
        START, lambda _: Started("http://x", 1, "2", "now", False, Owner("owner", PASSWORD, "k"), None)
    )
    assert task
    wait_for(lambda: not alone.activities)
    page = opened_section()
    assert PASSWORD in words(page)
    assert PASSWORD not in words(shown(page))
    assert PASSWORD not in words(opened_section())
    assert PASSWORD not in str(alone.project.store.query("select * from audit_log"))


def test_a_start_that_is_stopped_or_refused_says_so(alone: background.ProjectServer) -> None:
    def refuse(_: object) -> Started:
        raise Refused("The port is taken.")

    def go_on(report: Report) -> Started:
        while True:
            report("Starting Argilla", 0, 2)
            time.sleep(0.01)

    alone.start_work(START, go_on)
    page = opened_section()
    assert "It is being started" in words(page)
    assert alone.start_work(START, refuse) is None
    alone.cancel(START)
    wait_for(lambda: not alone.activities)
    assert "It does not run." in words(shown(page))
    alone.start_work(START, refuse)
    wait_for(lambda: not alone.activities and alone.latest[START].error != "")
    assert "The port is taken." in words(opened_section())


def test_people_are_added_with_a_password_that_signs_in_and_stands_in_no_history(
    served: background.ProjectServer, argilla: ArgillaServer
) -> None:
    page = opened_section()
    assert "Argilla 2.8.0 runs since" in words(page)
    page.text_input(key="argilla-name").set_value("petra")
    page.button(key="argilla-add").click()
    shown(page)
    assert "signs in at" in words(page), words(page)
    [password] = [one.value for one in page.code]
    entries = {"username": "petra", "password": password}
    assert httpx.post(f"{argilla.url}/api/v1/token", data=entries).status_code == 201
    people = page.dataframe[0].value
    assert dict(zip(people["name"], people["role"], strict=True))["petra"] == "annotator"
    assert password not in words(shown(page))
    lines = str(served.project.store.query("select * from audit_log"))
    assert "argilla person added" in lines
    assert password not in lines
    page.text_input(key="argilla-name").set_value("a b")
    page.button(key="argilla-add").click()
    assert "cannot be a name" in words(shown(page))


def test_it_is_backed_up_stopped_and_started_again_on_the_page(
    served: background.ProjectServer, argilla: ArgillaServer
) -> None:
    page, port = opened_section(), int(argilla.url.rsplit(":", 1)[1])
    page.button(key="argilla-backup").click()
    shown(page)
    wait_for(lambda: not served.activities)
    assert "Copied to" in words(shown(page))
    page.button(key="argilla-stop").click()
    assert "Argilla is stopped." in words(shown(page))
    assert running(argilla.project) is None
    page.number_input(key="argilla-port").set_value(port).run()
    page.button(key="argilla-start").click()
    shown(page)
    wait_for(lambda: not served.activities)
    after = words(shown(page))
    assert f"Argilla runs at {argilla.url}" in after
    assert "password" not in after, "it has its owner already"
    history = [what for (what,) in served.project.store.query("select what from audit_log")]
    assert {"argilla backup", "argilla stopped", "argilla started"} <= {*history}
    backups = argilla.project / "backups"
    assert [*backups.glob("team-*")]
    assert Path(argilla.project / ".rondo" / "team").is_dir()
