"""Argilla's calls: only signed ones are listened to, and what they claim is never taken for what somebody said."""

import json
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import uvicorn
from standardwebhooks.webhooks import Webhook
from starlette.applications import Starlette

from app.http.webhook_routes import MOST_BYTES, PATH, register, webhook_routes
from core import loop, verbs
from core.project import Project
from tests.argilla_server import ArgillaServer
from tests.conftest import quiet
from tests.exchange_world import Team, answers_in_force, dataset_of, where
from tests.waiting import wait_for


@dataclass
class Opened:
    """As little of an open project as the route asks for."""

    project: Project
    details: int = 0

    def after_events(self) -> None:
        self.details += 1


@dataclass
class Listener:
    """Our route on a port of its own, a project whose queue is pushed, and one annotator."""

    opened: Opened
    team: Team
    user: str
    url: str

    @property
    def project(self) -> Project:
        return self.opened.project

    def call(self, body: bytes, at: datetime | None = None, headers: Mapping[str, str] | None = None) -> int:
        """The status of a call that is signed by the right secret, unless a header says otherwise."""
        secret = (self.project.folder / ".rondo" / "team" / "webhook_secret").read_text()
        moment = at or datetime.now(UTC)
        signed = {
            "webhook-id": "msg_1",
            "webhook-timestamp": str(int(moment.timestamp())),
            "webhook-signature": Webhook(secret).sign("msg_1", moment, body.decode()),
        }
        reply = httpx.post(f"{self.url}{PATH}", content=body, headers={**signed, **(headers or {})}, trust_env=False)
        return reply.status_code


def serve(opened: Opened) -> tuple[uvicorn.Server, str, threading.Thread]:
    """A server in a thread, which listens when this returns."""
    listening = socket.create_server(("127.0.0.1", 0))
    app = Starlette(routes=webhook_routes(lambda: opened))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    wait_for(lambda: server.started)
    return server, f"http://127.0.0.1:{listening.getsockname()[1]}", thread


@pytest.fixture
def listener(argilla: ArgillaServer, project: Project) -> Iterator[Listener]:
    team = Team(argilla)
    team.join(project)
    (user,) = team.add("ann")
    loop.next_batch(project, quiet, size=10)
    verbs.function_of("team_push")(project, quiet)
    opened = Opened(project)
    server, url, thread = serve(opened)
    register(project, url)
    yield Listener(opened, team, user, url)
    server.should_exit = True
    thread.join()
    for hook in team.owner.get("/webhooks").json()["items"]:
        if hook["url"].startswith(url):
            team.owner.delete(f"/webhooks/{hook['id']}")
    team.close()


def about(record: str, dataset: str, label: str = "music") -> bytes:
    """A call as Argilla makes it, about an answer."""
    result = {"id": record, "dataset": {"id": dataset}}
    data = {"record": result, "values": {"label": {"value": label}}, "status": "submitted", "user": {"username": "eve"}}
    return json.dumps({"type": "response.created", "version": 1, "data": data}).encode()


def test_an_answer_arrives_by_itself_and_so_does_its_deletion(listener: Listener) -> None:
    record, remote_id = next(iter(where(listener.project).items()))
    listener.team.answer(listener.user, remote_id, ["food"], "seen")
    wait_for(lambda: answers_in_force(listener.project) == {(record, listener.user): ("submit", ("food",), "seen")})
    wait_for(lambda: listener.opened.details)
    listener.team.take_back(listener.user, remote_id)
    wait_for(lambda: not answers_in_force(listener.project))


@pytest.mark.parametrize(
    "headers",
    [
        {"webhook-signature": "v1,bm90IHRoZSByaWdodCBvbmU="},
        {"webhook-signature": "nonsense"},
        {"webhook-signature": ""},
        {"webhook-id": "msg_2"},
        {"webhook-timestamp": "soon"},
    ],
)
def test_a_call_that_is_not_rightly_signed_is_refused(listener: Listener, headers: dict[str, str]) -> None:
    remote_id = next(iter(where(listener.project).values()))
    assert listener.call(about(remote_id, dataset_of(listener.project)), headers=headers) == 401


def test_an_old_call_is_refused(listener: Listener) -> None:
    remote_id = next(iter(where(listener.project).values()))
    body = about(remote_id, dataset_of(listener.project))
    assert listener.call(body, at=datetime.now(UTC) - timedelta(minutes=6)) == 401
    assert listener.call(body, at=datetime.now(UTC) + timedelta(minutes=6)) == 401


def test_without_a_secret_nothing_is_listened_to(listener: Listener) -> None:
    remote_id = next(iter(where(listener.project).values()))
    file = listener.project.folder / ".rondo" / "team" / "webhook_secret"
    assert file.stat().st_mode & 0o777 == 0o600
    secret = file.read_text()
    file.unlink()
    body = about(remote_id, dataset_of(listener.project))
    reply = httpx.post(f"{listener.url}{PATH}", content=body, trust_env=False)
    assert reply.status_code == 401
    file.write_text(secret)


def test_what_a_call_claims_is_not_an_answer(listener: Listener) -> None:
    remote_id = next(iter(where(listener.project).values()))
    other, there = list(where(listener.project).items())[1]
    assert listener.call(about(remote_id, dataset_of(listener.project))) == 204
    listener.team.answer(listener.user, there, ["food"])
    wait_for(lambda: answers_in_force(listener.project))  # heard after the other: calls are taken in turn, or together
    assert answers_in_force(listener.project) == {(other, listener.user): ("submit", ("food",), None)}


def test_a_burst_of_answers_arrives_whole(listener: Listener) -> None:
    remote_ids = where(listener.project)
    for remote_id in remote_ids.values():
        listener.team.answer(listener.user, remote_id, ["food"])
    wait_for(lambda: len(answers_in_force(listener.project)) == len(remote_ids))
    count = "select count(*) from responses where source = 'argilla'"
    assert listener.project.store.one(count) == len(remote_ids)


def test_a_call_again_and_again_changes_nothing(listener: Listener) -> None:
    record, remote_id = next(iter(where(listener.project).items()))
    listener.team.answer(listener.user, remote_id, ["food"])
    wait_for(lambda: answers_in_force(listener.project))
    body = about(remote_id, dataset_of(listener.project))
    assert {listener.call(body) for _ in range(3)} == {204}
    count = "select count(*) from responses where source = 'argilla'"
    assert listener.project.store.one(count) == 1
    assert answers_in_force(listener.project) == {(record, listener.user): ("submit", ("food",), None)}


def test_calls_about_other_things_are_taken_and_forgotten(listener: Listener) -> None:
    for body in (b"{}", b"[]", b"null", b'{"data": 1}', b'{"data": {"record": null}}', about("nowhere", "another")):
        assert listener.call(body) == 204
    assert listener.call(about("not yet", dataset_of(listener.project))) == 503  # it is called again


def test_a_call_that_is_too_long_is_refused(listener: Listener) -> None:
    assert listener.call(b" " * (MOST_BYTES + 1)) == 413


def test_nobody_else_calls_here(listener: Listener) -> None:
    assert httpx.post(f"{listener.url}/api/webhooks/other", trust_env=False).status_code == 404


def test_what_could_not_be_asked_when_argilla_called_comes_with_the_next_sync(listener: Listener) -> None:
    record, remote_id = next(iter(where(listener.project).items()))
    right, listener.team.url = listener.team.url, "http://127.0.0.1:9"
    listener.team.answer(listener.user, remote_id, ["food"])
    assert listener.call(about(remote_id, dataset_of(listener.project))) == 204
    wait_for(lambda: listener.project.team.error_message)
    assert answers_in_force(listener.project) == {}
    listener.team.url = right
    verbs.function_of("team_sync")(listener.project, quiet, changed_only=True)
    assert answers_in_force(listener.project) == {(record, listener.user): ("submit", ("food",), None)}


def test_asking_to_be_called_twice_makes_one_webhook(listener: Listener) -> None:
    register(listener.project, listener.url)
    register(listener.project, "http://127.0.0.1:1")
    register(listener.project, listener.url)
    hooks = [one for one in listener.team.owner.get("/webhooks").json()["items"] if one["url"].startswith(listener.url)]
    assert len(hooks) == 1


def test_an_external_server_that_cannot_reach_us_is_not_asked(argilla: ArgillaServer, project: Project) -> None:
    team = Team(argilla, embedded=False)
    team.join(project)
    register(project, "http://127.0.0.1:8501")
    assert not project.team.called
    assert not [one for one in team.owner.get("/webhooks").json()["items"] if ":8501" in one["url"]]
    team.close()
