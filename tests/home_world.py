"""A home over HTTP for tests: two projects, its people, and what the page that makes a project asks for."""

import shutil
import time
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.testclient import TestClient

from app.home.home_routes import HomeServer
from app.home_server import home_app, make_home
from app.server import Listening
from core.home import folders
from gpu_jobs.runners.local import InProcessRunner
from tests.command_line import rondo_json
from tests.waiting import wait_for

ADDRESS = "http://127.0.0.1:8501"


def two_projects(encoded: Path, folder: Path) -> HomeServer:
    """Mails and Tickets, with nobody registered."""
    home = folders.open_home(folder)
    for key in ("mails", "tickets"):
        shutil.copytree(encoded, home / key)
        folders.rename(home, key, key.title())
    return make_home(home, Listening())


def browser(home: HomeServer, *, operator: bool = False, app: Starlette | None = None) -> TestClient:
    """One that shares nothing with others, but the app that is named; the operator's has opened the link."""
    client = TestClient(app or home_app(home, InProcessRunner()), base_url=ADDRESS, follow_redirects=False)
    if operator:
        link = client.get(f"/?token={home.access.bound.token}", headers={"accept": "text/html"})
        assert link.status_code == 303
        assert "token" not in link.headers["location"]
    return client


def names(client: TestClient) -> list[str]:
    return [one["name"] for one in client.get("/api/home").json()["projects"]]


def code_of(home: HomeServer, key: str, name: str, role: str) -> str:
    return str(rondo_json(home.folder / key, "people", "add", name, "--role", role)["code"])


class Page:
    """What the page that makes a project asks for."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        self.id = ""

    def drop(self, name: str, content: str) -> dict[str, Any]:
        state = self.client.post(f"/api/home/drafts/file?name={name}", content=content.encode()).json()
        self.id = state["id"]
        return self.follow("reading")

    def check(self, **roles: str) -> dict[str, Any]:
        self.client.post(f"/api/home/drafts/{self.id}/check", json={"roles": roles})
        return self.follow("checking")

    def start(self, **sent: object) -> dict[str, Any]:
        answer = self.client.post(f"/api/home/drafts/{self.id}/start", json=sent).json()
        return self.follow("making") if "error" not in answer or answer.get("phase") else dict(answer)

    def follow(self, phase: str) -> dict[str, Any]:
        wait_for(lambda: self.state()["phase"] != phase)
        return self.state()

    def state(self) -> dict[str, Any]:
        time.sleep(0.02)
        return dict(self.client.get(f"/api/home/drafts/{self.id}").json())
