"""A project whose team labels in a real Argilla: people who answer over HTTP, and a line that can break."""

import select
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx

from annotation.convert import ANSWER, NOTE
from annotation.home import team_folder
from annotation.workspace import ArgillaWorkspace
from core.config.settings import Settings
from core.project import Project
from tests.argilla_server import ArgillaServer

Content = tuple[str, tuple[str, ...], str | None]
"""action, labels, note"""


@dataclass
class Team:
    """A workspace of its own on the server, and its people. url: what the project is told; it may be a line's."""

    server: ArgillaServer
    url: str = ""
    name: str = field(default_factory=lambda: f"w{uuid4().hex[:10]}")
    embedded: bool = True

    def __post_init__(self) -> None:
        self.url = self.url or self.server.url
        self.owner = self._client(self.server.api_key)
        self.people: dict[str, httpx.Client] = {}

    def _client(self, key: str) -> httpx.Client:
        headers = {"X-Argilla-Api-Key": key}
        return httpx.Client(base_url=f"{self.server.url}/api/v1", headers=headers, trust_env=False, timeout=60)

    def connect(self, *_: object) -> ArgillaWorkspace:
        """As a project is given it."""
        home = team_folder(self.server.project) if self.embedded else None
        return ArgillaWorkspace(self.url, self.server.api_key, self.name, embedded=self.embedded, home=home)

    def join(self, project: Project) -> Project:
        """The project works with this server from now on."""
        project.team.connect = self.connect
        return project

    def add(self, *names: str) -> list[str]:
        """Annotators of the workspace, each with a key; their names are made unique on the server."""
        with_workspace = self.connect()
        made = []
        for name in names:
            unique = f"{name}-{uuid4().hex[:8]}"
            body = {"username": unique, "first_name": name, "role": "annotator", "password": uuid4().hex}
            user = body_of(self.owner.post("/users", json=body))
            body_of(self.owner.post(f"/workspaces/{with_workspace._workspace}/users", json={"user_id": user["id"]}))
            self.people[unique] = self._client(user["api_key"])
            made.append(unique)
        with_workspace.close()
        return made

    def adopt(self, other: "Team") -> list[str]:
        """The people of another workspace work in this one too: making a person takes the server a second."""
        workspace = self.connect()
        for name, client in other.people.items():
            body = {"user_id": body_of(client.get("/me"))["id"]}
            body_of(self.owner.post(f"/workspaces/{workspace._workspace}/users", json=body))
            self.people[name] = client
        workspace.close()
        return list(other.people)

    def answer(self, user: str, record: str, labels: Sequence[str], note: str | None = None, **more: Any) -> str:
        """As the UI does: a new response, or another content for the one there is; returns its id.

        record: Argilla's id. more: status ('submitted'), multi (False).
        """
        values: dict[str, Any] = {ANSWER: {"value": list(labels) if more.get("multi") else labels[0]}}
        if note is not None:
            values[NOTE] = {"value": note}
        body = {"status": more.get("status", "submitted"), "values": values}
        client = self.people[user]
        if (old := self.response(user, record)) is None:
            return str(body_of(client.post(f"/records/{record}/responses", json=body))["id"])
        return str(body_of(client.put(f"/responses/{old}", json=body))["id"])

    def response(self, user: str, record: str) -> str | None:
        """The id of this person's response to Argilla's record."""
        me = body_of(self.people[user].get("/me"))["id"]
        matches = body_of(self.owner.get(f"/records/{record}"))["responses"] or []
        return next((str(one["id"]) for one in matches if one["user_id"] == me), None)

    def take_back(self, user: str, record: str) -> None:
        """Deletes the response."""
        body_of(self.people[user].delete(f"/responses/{self.response(user, record)}"))

    def record(self, record: str) -> dict[str, Any]:
        """All that the server tells of it."""
        return dict(body_of(self.owner.get(f"/records/{record}")))

    def records(self, dataset: str) -> list[dict[str, Any]]:
        """All of a dataset, with suggestions and responses."""
        matches = self.owner.get(
            f"/datasets/{dataset}/records", params={"limit": 1000, "include": ["responses", "suggestions"]}
        )
        return list(body_of(matches)["items"])

    def close(self) -> None:
        """Ends the connections."""
        for client in (self.owner, *self.people.values()):
            client.close()


def body_of(response: httpx.Response) -> Any:
    """The body; whatever goes wrong is the test's fault."""
    assert response.is_success, response.text
    return response.json()


def where(project: Project, state: str = "current") -> dict[str, str]:
    """Our record id -> Argilla's, in the dataset of that state."""
    rows = project.store.query(
        """select r.id, t.record from team_records t join records r using (n)
           join team_datasets d on d.id = t.dataset where d.state = ?""",
        [state],
    )
    return dict(rows)


def dataset_of(project: Project) -> str:
    """Argilla's id of the current one."""
    return str(project.store.one("select id from team_datasets where state = 'current'"))


def answers_in_force(project: Project) -> dict[tuple[str, str], Content]:
    """(record, annotator) -> what the log says came from Argilla and holds."""
    rows = project.store.query(
        """select r.id, annotator, action, labels, note from responses a join records r using (n)
           where a.source = 'argilla' and action <> 'undo' and not exists (
               select 1 from responses u where u.undoes = a.event_id and u.annotator = a.annotator and u.n = a.n)
           order by stamp"""
    )
    return {(record, user): (action, tuple(labels), note) for record, user, action, labels, note in rows}


def settings_of(project: Project) -> Settings:
    """As they are."""
    return project.settings()


class Line:
    """A wire between a project and the server, which is cut after so many bytes of answers; None: never."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or "", parts.port or 80)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.left: int | None = None
        self._closed = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while not self._closed.is_set():
            with suppress(OSError):
                near, _ = self._socket.accept()
                threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        with near, suppress(OSError), socket.create_connection(self._target) as far:
            while True:
                ready, _, _ = select.select([near, far], [], [], 60)
                for one in ready:
                    data = one.recv(65_536)
                    if not data or not self._may_pass(one is far, len(data)):
                        return
                    (near if one is far else far).sendall(data)
                if not ready:
                    return

    def _may_pass(self, answer: bool, size: int) -> bool:
        if self.left is None or not answer:
            return True
        self.left -= size
        return self.left > 0

    def close(self) -> None:
        """Nobody is connected any more."""
        self._closed.set()
        self._socket.close()


@contextmanager
def line_to(url: str) -> Iterator[Line]:
    """Closed afterwards."""
    line = Line(url)
    try:
        yield line
    finally:
        line.close()
