"""Argilla is killed while people answer and the project pushes and syncs: what it acknowledged is here, once."""

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from annotation import server
from annotation.home import running
from core import loop, verbs
from core.errors import RondoError
from core.project import Project
from tests.argilla_server import ArgillaServer, quiet, require_environment, start_for
from tests.conftest import TOPICS
from tests.exchange_world import Team, answers_in_force, body_of, dataset_of, where
from tests.waiting import LATEST_SECONDS

Said = dict[tuple[str, str], str]
KILLS = 3


@pytest.fixture
def own(tmp_path: Path) -> Iterator[ArgillaServer]:
    """A server that may be killed."""
    require_environment()
    folder = tmp_path / "argilla" / "project"
    yield start_for(folder)
    server.stop(folder)


def kill_and_restart(own: ArgillaServer) -> None:
    matches = running(own.project)
    assert matches is not None
    os.kill(matches.pid, signal.SIGKILL)
    with suppress(psutil.NoSuchProcess):
        psutil.Process(matches.pid).wait(LATEST_SECONDS)
    server.start(own.project, "127.0.0.1", urlsplit(own.url).port or 0, quiet)


def answer(team: Team, user: str, remote_ids: dict[str, str], acknowledged: Said) -> None:
    """Each record once, always with the same label of this person for it; what fails is left."""
    for number, (record, remote_id) in enumerate(remote_ids.items()):
        label = sorted(TOPICS)[(number + len(user)) % len(TOPICS)]
        with suppress(httpx.HTTPError, AssertionError):
            team.answer(user, remote_id, [label])
            acknowledged[record, user] = label


def push_and_sync(project: Project, stop: threading.Event) -> None:
    while not stop.is_set():
        for verb in ("team_push", "team_sync"):
            with suppress(RondoError):
                verbs.function_of(verb)(project, quiet)


def there(team: Team, dataset: str) -> Said:
    """What the server says now."""
    names = {one["id"]: one["username"] for one in body_of(team.owner.get("/users"))["items"]}
    return {
        (record["external_id"], names[one["user_id"]]): one["values"]["label"]["value"]
        for record in team.records(dataset)
        for one in record["responses"] or []
    }


@pytest.mark.timeout(600)
def test_a_server_that_is_killed_in_the_middle_loses_and_doubles_nothing(own: ArgillaServer, project: Project) -> None:
    team, rng = Team(own), random.Random(5)
    acknowledged: Said = {}
    team.join(project)
    people = team.add("ann", "bob")
    loop.next_batch(project, quiet, size=30, audit_share=0.1)
    verbs.function_of("team_push")(project, quiet)
    remote_ids = where(project)
    for _ in range(KILLS):
        stop = threading.Event()
        work = [threading.Thread(target=answer, args=(team, user, remote_ids, acknowledged)) for user in people]
        work.append(threading.Thread(target=push_and_sync, args=(project, stop)))
        for thread in work:
            thread.start()
        time.sleep(rng.uniform(0.3, 2))
        kill_and_restart(own)
        stop.set()
        for thread in work:
            thread.join()
    answer(team, people[0], dict(list(remote_ids.items())[:3]), acknowledged)
    verbs.function_of("team_push")(project, quiet)
    verbs.function_of("team_sync")(project, quiet)

    answers = there(team, dataset_of(project))
    assert len(acknowledged) >= 3
    assert acknowledged.items() <= answers.items()
    assert {key: content[1][0] for key, content in answers_in_force(project).items()} == answers
    count = "select count(*) from responses where source = 'argilla'"
    assert project.store.one(count) == len(answers)
    assert len(where(project)) == len(team.records(dataset_of(project)))
    assert verbs.function_of("team_sync")(project, quiet).stored == 0
    team.close()
