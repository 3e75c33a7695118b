"""A language model is asked by a command, by a program and on the pages, which all say what it is worth."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app import background
from app.http.openapi import document
from app.http.program_routes import api_routes
from core.config.settings import read_settings, with_changes, write_settings
from core.project import Project
from tests.chat_server import ChatServer
from tests.chat_server import chat_server as chat_server  # a fixture
from tests.command_line import rondo, rondo_json
from tests.test_jobs_pages import finish
from tests.test_pages import server as server  # a fixture
from tests.test_pages import shown
from tests.test_suggestions import answer
from tests.test_suggestions import model as model  # a fixture


def test_a_command_asks_and_says_what_came_of_it(encoded: Path, chat_server: ChatServer, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(encoded, tmp_path / "project"))
    chat_server.answer = answer
    there = ["--model", "tiny", "--url", chat_server.url, "--limit", 12]
    assert "--model NAME" in rondo("--project", folder, "suggest", "--with", "llm", code=2)
    planned = rondo("--project", folder, "suggest", *there, "--dry-run")
    assert "would be asked about 12 records: 12 calls" in planned
    assert chat_server.bodies == []
    said = rondo("--project", folder, "suggest", "--with", "llm", *there)
    assert "tiny answered: 12 valid. 13 calls" in said
    assert "Too few audit records yet (0 of 10)" in said
    assert "rondo up" in said
    result = rondo_json(folder, "suggest", *there)
    assert (result["records"], result["stored"], result["worth"]["states"]) == (12, 12, {"valid": 24})
    write_settings(folder, with_changes(read_settings(folder), llm_model="gpt", llm_url="openai"))
    assert "allow_remote = true" in rondo("--project", folder, "suggest", code=4)


@pytest.fixture
def client(server: background.ProjectServer) -> Iterator[TestClient]:
    with TestClient(Starlette(routes=api_routes(lambda: server, "a token"))) as client:
        client.headers["authorization"] = "Bearer a token"
        yield client


def test_a_program_has_it_asked_and_reads_what_it_is_worth(
    client: TestClient, server: background.ProjectServer, model: ChatServer
) -> None:
    components = document()["components"]
    started = client.post("/api/suggestions", json={"limit": 6})
    assert started.status_code == 202
    finish(server)
    told = client.get("/api/suggestions").json()
    jsonschema.validate(told, {"$ref": "#/components/schemas/Suggestions", "components": components})
    assert told["worth"]["states"] == {"valid": 6}
    assert told["asking"] is None
    assert client.post("/api/suggestions", json={"limit": 0}).status_code == 422
    assert client.post("/api/suggestions", json={"model": "x"}).status_code == 422


def test_a_program_learns_at_once_what_is_not_possible(client: TestClient, project: Project) -> None:
    assert "llm_model" in client.post("/api/suggestions", json={}).json()["error"]
    project.save_settings(with_changes(project.settings(), llm_model="gpt", llm_url="openai"))
    assert client.post("/api/suggestions", json={}).status_code == 409


def test_the_pages_ask_it_and_say_what_it_is_worth(server: background.ProjectServer, model: ChatServer) -> None:
    page = shown("models.py")
    assert any("tiny at http://127.0.0.1" in text.value for text in page.text)
    page.number_input(key="suggest-limit").set_value(5)
    page.button(key="suggest").click().run()
    finish(server)
    assert not page.run().exception
    assert any("6 calls so far" in text.value for text in page.caption)
    overview = shown("overview.py")
    assert any("worth?" in head.value for head in overview.header)
    assert any("tiny: 5 valid." in text.value for text in overview.text)
