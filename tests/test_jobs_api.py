"""Routes for programs: what needs the token, what is refused, and that the description says what there is."""

import json
import re
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app import background
from app.auth.api_token import FILE, VARIABLE, read_token
from app.http.job_requests import MOST_BYTES, read_order, read_whole
from app.http.openapi import document
from app.http.openapi_page import page
from app.http.program_routes import ACTS, api_routes
from core import verbs
from core.errors import BadInput
from core.project import Runners, open_project
from core.store.private_files import FOLDER
from core.training.trainers import read_values
from core.training.watching import follow
from core.typed_json import finite
from gpu_jobs.runners.local import InProcessRunner, LocalRunner
from tests.conftest import quiet
from tests.running import running

TOKEN = "a token of this project"


@pytest.fixture
def server(played: Path, tmp_path: Path) -> Iterator[background.ProjectServer]:
    """A copy of it, open as in a server."""
    shutil.copytree(played, tmp_path / "project")
    runners: Runners = {"local": lambda _: InProcessRunner(), "beside": lambda _: LocalRunner(1)}
    yield background.open_server(lambda: open_project(tmp_path / "project", InProcessRunner(), runners))
    background.close_server()


@pytest.fixture
def client(server: background.ProjectServer) -> Iterator[TestClient]:
    with TestClient(Starlette(routes=api_routes(lambda: server, TOKEN))) as client:
        client.headers["authorization"] = f"Bearer {TOKEN}"
        yield client


@pytest.fixture
def closed() -> Iterator[TestClient]:
    """Routes without a project: what they refuse, they refuse before they look at one."""

    def opened() -> background.ProjectServer:
        raise AssertionError("The project was asked for.")

    with TestClient(Starlette(routes=api_routes(opened, TOKEN))) as client:
        client.headers["authorization"] = f"Bearer {TOKEN}"
        yield client


def reply_to(client: TestClient, method: str, path: str, body: Any = None, requested: int = 200) -> Any:
    """The JSON of the answer, which must be as the description says that it is."""
    response = client.request(method, path, json=body)
    assert response.status_code == requested, response.text
    described = document()
    [template] = [known for known in described["paths"] if re.fullmatch(re.sub(r"{\w+}", "[^/]+", known), path)]
    answer = described["paths"][template][method.lower()]["responses"][str(requested)]
    schema = answer["content"]["application/json"]["schema"]
    jsonschema.validate(response.json(), {**schema, "components": described["components"]})
    return response.json()


def test_what_is_described_is_what_there_is(server: background.ProjectServer) -> None:
    routes = api_routes(lambda: server, TOKEN)
    there = {(method.lower(), route.path) for route in routes for method in (route.methods or set()) - {"HEAD"}}
    described = {
        (method, path) for path, matches in document()["paths"].items() for method in matches if method != "parameters"
    }
    assert described == there


@pytest.mark.parametrize("shown", [None, "", TOKEN, "Bearer", "Bearer wrong", f"Basic {TOKEN}", "Bearer tök"])
def test_nothing_is_shown_or_done_without_the_token(closed: TestClient, shown: str | None) -> None:
    del closed.headers["authorization"]
    headers = {} if shown is None else {b"authorization": shown.encode("latin-1")}
    for method, path in ACTS:
        response = closed.request(method, path, headers=headers)
        assert response.status_code == 401
        assert response.json().keys() == {"error"}
        assert response.headers["www-authenticate"].startswith("Bearer")


def test_the_description_can_be_read_by_everyone_and_loads_nothing(closed: TestClient) -> None:
    del closed.headers["authorization"]
    assert closed.get("/api/openapi.json").json() == document()
    html = closed.get("/api/docs").text
    assert all(f"{method} {path}" in html for method, path in ACTS)
    assert not re.search(r"<script|<img|<link|src=|style=|url\(|\son\w+=", html)


def test_the_example_of_an_order_can_be_sent() -> None:
    schema = document()["components"]["schemas"]["Order"]
    jsonschema.validate(schema["example"], schema)
    order = read_order(schema["example"])
    assert read_values(order["trainer"], order["values"])["epochs"] == 3


def test_what_is_described_is_shown_as_text() -> None:
    described = document()
    described["info"]["description"] = "<b>`bold`</b>"
    assert "&lt;b&gt;<code>bold</code>&lt;/b&gt;" in page(described)


def test_a_job_is_started_followed_and_becomes_a_model(client: TestClient, server: background.ProjectServer) -> None:
    started = reply_to(client, "POST", "/api/jobs", {"trainer": "head", "note": "by a program"}, 202)
    verbs.function_of("follow")(server.project, quiet)
    job = reply_to(client, "GET", f"/api/jobs/{started['id']}")
    assert (job["state"], job["note"], job["model"]) == ("succeeded", "by a program", started["id"])
    assert [one["id"] for one in reply_to(client, "GET", "/api/jobs")["jobs"]] == [started["id"]]
    models = reply_to(client, "GET", "/api/models")
    assert started["id"] in [one["id"] for one in models["models"]]
    assert models["champion"] != started["id"]
    assert reply_to(client, "GET", f"/api/models/{started['id']}")["state"] == "challenger"


def test_a_model_is_put_into_use_only_through_the_gate(client: TestClient, server: background.ProjectServer) -> None:
    model = reply_to(client, "POST", "/api/jobs", {"trainer": "head"}, 202)["id"]
    verbs.function_of("follow")(server.project, quiet)
    path = f"/api/models/{model}/activate"
    assert "reason" in reply_to(client, "POST", path, {"force": True}, 422)["error"]
    assert reply_to(client, "POST", path, None, 409)["error"]
    result = reply_to(client, "POST", path, {"force": True, "reason": "a trial"})
    assert (result["promoted"], result["model"]) == (True, model)
    assert reply_to(client, "GET", "/api/models")["champion"] == model
    assert server.project.store.query("select user, reason from champions where model = ?", [model]) == [
        ("api", "a trial")
    ]


def test_who_does_not_wait_for_the_gate_finds_its_verdict_later(
    client: TestClient, server: background.ProjectServer
) -> None:
    model = reply_to(client, "POST", "/api/jobs", {"trainer": "head"}, 202)["id"]
    verbs.function_of("follow")(server.project, quiet)
    assert client.post(f"/api/models/{model}/activate", params={"wait": 0}).status_code == 202
    while (matches := reply_to(client, "GET", "/api/models"))["activating"] or not matches["error_message"]:
        time.sleep(0.05)
    assert matches["champion"] != model
    reason = {"force": True, "reason": "a trial"}
    assert client.post(f"/api/models/{model}/activate", params={"wait": 0}, json=reason).status_code == 202
    while (matches := reply_to(client, "GET", "/api/models"))["activating"] or matches["error_message"]:
        time.sleep(0.05)
    assert matches["champion"] == model


def test_one_model_is_put_into_use_at_a_time(client: TestClient, server: background.ProjectServer) -> None:
    champion = reply_to(client, "GET", "/api/models")["champion"]
    with running(server, "promote"):
        assert "Wait" in reply_to(client, "POST", f"/api/models/{champion}/activate", {}, 409)["error"]
        assert reply_to(client, "GET", "/api/models")["activating"] == {"what": "Starting", "done": 0, "total": 0}


def test_a_job_is_cancelled_and_one_that_has_ended_is_not(client: TestClient, server: background.ProjectServer) -> None:
    job = reply_to(client, "POST", "/api/jobs", {"trainer": "head", "on": "beside"}, 202)["id"]
    assert reply_to(client, "DELETE", f"/api/jobs/{job}", None, 202)["state"] in ("cancelling", "cancelled")
    ended = reply_to(client, "POST", "/api/jobs", {"trainer": "head"}, 202)["id"]
    follow(server.project, quiet)
    assert "already" in reply_to(client, "DELETE", f"/api/jobs/{ended}", None, 409)["error"]


def test_what_is_not_there_is_not_found(client: TestClient) -> None:
    for method, path in ACTS:
        if "{id}" in path:
            assert "'x'" in reply_to(client, method, path.replace("{id}", "x"), None, 404)["error"]


def test_an_order_that_makes_no_sense_is_refused_by_name(client: TestClient) -> None:
    orders: list[tuple[Any, str]] = [
        ({}, "trainer"),
        ({"trainer": "magic"}, "magic"),
        ({"trainer": 7}, "must be a text"),
        ({"trainer": "head", "on": "moon"}, "moon"),
        ({"trainer": "head", "epochs": 3}, "no field `epochs`"),
        ({"trainer": "setfit", "set": {"epochs": 10**9}}, "between"),
        ({"trainer": "setfit", "set": {"epochs": {}}}, r"set\.epochs"),
        ({"trainer": "setfit", "set": {"wings": 2}}, "wings"),
        ({"trainer": "setfit", "set": ["epochs=2"]}, "must be an object"),
    ]
    for body, requested in orders:
        assert re.search(requested, reply_to(client, "POST", "/api/jobs", body, 422)["error"])
    assert reply_to(client, "GET", "/api/jobs") == {"jobs": []}


def test_what_is_set_reaches_the_trainer_as_a_person_would_write_it() -> None:
    chosen = {"epochs": 3, "learning_rate": 2e-05, "head": "logistic", "oversample": True, "batch_size": [8, 16]}
    values = read_order({"trainer": "setfit", "set": chosen})["values"]
    assert values == ["epochs=3", "learning_rate=2e-05", "head=logistic", "oversample=true", "batch_size=8,16"]


def test_a_figure_that_is_no_number_is_sent_as_null(client: TestClient, server: background.ProjectServer) -> None:
    job = reply_to(client, "POST", "/api/jobs", {"trainer": "head"}, 202)["id"]
    with (server.project.folder / "jobs" / job / "events.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"done": 9, "total": 9, "at": 0.0, "loss": NaN, "eval_loss": -Infinity}\n')
    result = reply_to(client, "GET", f"/api/jobs/{job}")
    assert result["figures"].get("loss") is result["figures"].get("eval_loss") is None


@given(st.recursive(st.floats(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_what_is_finite_is_strict_json_and_stays_as_it_is(told: Any) -> None:
    strict = json.loads(json.dumps(finite(told), allow_nan=False))
    assert finite(strict) == strict == finite(told)


def test_half_a_character_is_refused(client: TestClient) -> None:
    for body in ({"trainer": "head", "note": "\ud800"}, {"trainer": "zeroshot", "set": {"template": "\ud800 {}"}}):
        response = client.post("/api/jobs", content=json.dumps(body))
        assert response.status_code == 400
        assert "UTF-8" in response.json()["error"]
    assert reply_to(client, "GET", "/api/jobs") == {"jobs": []}


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff", b"[" * 50_000, b" " * (MOST_BYTES + 1)])
def test_a_body_that_is_no_object_is_refused(closed: TestClient, content: bytes) -> None:
    response = closed.post("/api/jobs", content=content)
    assert response.status_code == 400
    assert "body" in response.json()["error"]


def test_what_cannot_be_done_yet_is_a_conflict(client: TestClient, server: background.ProjectServer) -> None:
    with server.project.store.transaction() as cursor:
        cursor.execute("delete from settled")
    assert reply_to(client, "POST", "/api/jobs", {"trainer": "head"}, 409)["error"]


@pytest.mark.parametrize("lines", ["", "-1", "many", "5001", "9" * 5_000, "٣"])
def test_a_number_of_the_query_has_limits(lines: str) -> None:
    assert read_whole({"lines": "5000"}, "lines", 200, 5_000) == 5_000
    assert read_whole({}, "lines", 200, 5_000) == 200
    with pytest.raises(BadInput, match="5,000"):
        read_whole({"lines": lines}, "lines", 200, 5_000)


def test_the_token_is_made_once_and_only_the_owner_can_read_it(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    token = read_token(tmp_path)
    assert len(token) > 40
    assert read_token(tmp_path) == token
    file = tmp_path / FOLDER / FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == [FILE]
    monkeypatch.setenv(VARIABLE, "one that a person chose")
    with pytest.raises(BadInput, match="without spaces"):
        read_token(tmp_path)
    monkeypatch.setenv(VARIABLE, "one-that-a-person-chose")
    assert read_token(tmp_path) == "one-that-a-person-chose"
