"""What a page says of the exchange with Argilla, and what its buttons do; and the thread that keeps it going."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import background
from app.team_watch import TeamWatch
from core import loop, verbs
from core.exchange.pull import reconcile_now, record_no_of
from core.ids import RecordNo
from core.labelling.changes import change_settings
from core.project import open_project
from gpu_jobs.runners.local import InProcessRunner
from tests.argilla_server import ArgillaServer
from tests.conftest import quiet
from tests.exchange_world import Team, answers_in_force, where
from tests.waiting import wait_for


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
