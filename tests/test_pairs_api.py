"""Routes for programs about decided pairs, as the source document has them: data, tuning, status, models."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app import background
from app.http.messages import FineTune
from app.http.openapi import document
from app.http.program_routes import api_routes
from core.project import open_project
from core.training.hosted import hosted_cancel
from gpu_jobs.runners.hosted import HostedRunner
from gpu_jobs.runners.local import LocalRunner
from tests.conftest import quiet
from tests.hosted_api import TOKEN as PROVIDER_TOKEN
from tests.hosted_api import HostedApi
from tests.hosted_api import hosted_api as hosted_api  # a fixture
from tests.hosted_world import pairs_folder, pairs_of, store_pairs
from tests.waiting import wait_for

TOKEN = "a token of this project"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[background.ProjectServer]:
    """With 12 pairs the same, 11 different, 2 of the audit."""
    monkeypatch.setenv("RONDO_HOSTED_TOKEN", PROVIDER_TOKEN)
    folder = pairs_folder(tmp_path / "project", monkeypatch)
    runners = {"hosted": lambda _: HostedRunner(1)}
    opened = background.open_server(lambda: open_project(folder, LocalRunner(1), runners))
    store_pairs(opened.project, pairs_of(12, 11, 2))
    yield opened
    background.close_server()


@pytest.fixture
def client(server: background.ProjectServer) -> Iterator[TestClient]:
    with TestClient(Starlette(routes=api_routes(lambda: server, TOKEN))) as client:
        client.headers["authorization"] = f"Bearer {TOKEN}"
        yield client


def described(name: str, value: object) -> None:
    components = document()["components"]
    jsonschema.validate(value, {"$ref": f"#/components/schemas/{name}", "components": components})


def test_training_data_comes_in_all_forms(client: TestClient) -> None:
    chats = client.get("/api/pairs/training-data?format=openai_jsonl")
    assert chats.headers["content-type"] == "application/jsonl"
    assert [len(json.loads(line)["messages"]) for line in chats.text.splitlines()] == [3] * 23
    assert client.get("/api/pairs/training-data").text == chats.text
    table = client.get("/api/pairs/training-data?format=csv")
    assert table.headers["content-disposition"] == 'attachment; filename="training-data.csv"'
    assert len(list(csv.DictReader(io.StringIO(table.text)))) == 23
    value = client.get("/api/pairs/training-data?format=json&stats=true").json()
    described("TrainingExamples", value)
    assert value["statistics"] == {"approved": 12, "rejected": 11, "partial": 0, "held_back": 2, "cut": 0}
    assert "statistics" not in client.get("/api/pairs/training-data?format=json").json()


@pytest.mark.parametrize("query", ["format=xml", "format=json&stats=maybe", "format="])
def test_a_wrong_query_is_refused_in_a_sentence(client: TestClient, query: str) -> None:
    response = client.get(f"/api/pairs/training-data?{query}")
    assert response.status_code == 422
    assert "must be" in response.json()["error"]


@pytest.mark.parametrize(
    ("table", "message"), [("settled", "No training data available"), ("settled where n < 5", "Insufficient")]
)
def test_too_little_is_refused_with_the_numbers(
    client: TestClient, server: background.ProjectServer, table: str, message: str
) -> None:
    with server.project.store.transaction() as cursor:
        cursor.execute(f"delete from {table}")
    for response in (
        client.get("/api/pairs/training-data"),
        client.post("/api/pairs/fine-tune", json={"base_model": "x", "provider": "http://127.0.0.1:9/v1"}),
    ):
        assert response.status_code == 409
        assert message in response.json()["error"]


def test_a_job_is_started_followed_and_its_model_listed(client: TestClient, hosted_api: HostedApi) -> None:
    hosted_api.steps = ("succeeded",)
    body = {"base_model": "tiny", "provider": hosted_api.url, "epochs": 2}
    response = client.post("/api/pairs/fine-tune", json=body)
    assert response.status_code == 202, response.text
    described("FineTuning", response.json())
    started = response.json()
    assert started["estimate"]["statistics"]["approved"] == 12
    assert "12 approved and 11 rejected decisions are few" in started["estimate"]["warnings"][0]
    job = started["job"]["id"]

    def ended() -> bool:
        value = client.get(f"/api/pairs/fine-tune?job={job}").json()
        described("HostedJob", value)
        return bool(value["state"] == "succeeded")

    wait_for(ended)
    assert client.get("/api/pairs/fine-tune?job=ftjob-1").json()["id"] == job
    models = client.get("/api/pairs/models").json()
    described("HostedModels", models)
    assert [model["model"] for model in models["models"]] == ["ft:tiny:rondo::ftjob-1"]
    assert PROVIDER_TOKEN not in response.text + json.dumps(models)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "`base_model` is missing"),
        ({"base_model": 3}, "`base_model` must be a text"),
        ({"base_model": "x", "epochs": "3"}, "`epochs` must be a whole number"),
        ({"base_model": "x", "epochs": 0}, "0 epochs are not possible"),
        ({"base_model": " ", "provider": "http://127.0.0.1:9/v1"}, "Which model is to be tuned"),
        ({"base_model": "x", "provider": "nobody"}, "There is no provider 'nobody'"),
        ({"base_model": "x", "baseModel": "y"}, "There is no field `baseModel`"),
    ],
)
def test_a_wrong_order_is_refused_by_name(client: TestClient, body: object, message: str) -> None:
    response = client.post("/api/pairs/fine-tune", json=body)
    assert response.status_code == 422
    assert message in response.json()["error"]


def test_a_missing_token_of_the_provider_is_named(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    response = client.post("/api/pairs/fine-tune", json={"base_model": "gpt-4o-mini-2024-07-18"})
    assert (response.status_code, "OPENAI_API_KEY is not set" in response.json()["error"]) == (409, True)


def test_an_unknown_job_is_not_there_and_none_is_asked_for(client: TestClient) -> None:
    assert client.get("/api/pairs/fine-tune?job=x").status_code == 404
    assert client.get("/api/pairs/fine-tune").status_code == 422


def test_a_running_job_says_how_it_stands_there(
    client: TestClient, server: background.ProjectServer, hosted_api: HostedApi
) -> None:
    hosted_api.steps = ("queued",)
    body = {"base_model": "tiny", "provider": hosted_api.url}
    job = client.post("/api/pairs/fine-tune", json=body).json()["job"]["id"]
    wait_for(lambda: client.get(f"/api/pairs/fine-tune?job={job}").json()["status"] == "queued")
    assert hosted_cancel(server.project, quiet, job=job).state == "cancelled"
    assert client.get(f"/api/pairs/fine-tune?job={job}").json()["status"] == "cancelled"


def test_the_example_of_the_description_can_be_sent() -> None:
    schema = document()["components"]["schemas"]["FineTune"]
    jsonschema.validate(schema["example"], schema)
    assert FineTune(**schema["example"]).epochs == 3


def test_a_hosted_model_is_activated_answers_programs_and_is_deactivated(
    client: TestClient, server: background.ProjectServer, hosted_api: HostedApi
) -> None:
    hosted_api.steps = ("succeeded",)
    job = client.post("/api/pairs/fine-tune", json={"base_model": "tiny", "provider": hosted_api.url}).json()["job"][
        "id"
    ]
    wait_for(lambda: client.get(f"/api/pairs/fine-tune?job={job}").json()["state"] == "succeeded")
    over = client.post("/api/pairs/models", json={"action": "activate", "model": job, "budget": 1})
    assert (over.status_code, "2 questions" in over.json()["error"]) == (409, True)
    answer = client.post("/api/pairs/models?wait=60", json={"action": "activate", "model": job})
    assert answer.status_code == 200, answer.text
    described("Activated", answer.json())
    assert (answer.json()["model"], answer.json()["gate"]["passes"]) == (job, True)
    assert [one["in_use"] for one in client.get("/api/pairs/models").json()["models"]] == [True]
    listed = client.get("/api/models").json()
    described("Models", listed)
    assert (listed["decider"], listed["models"][0]["state"]) == (job, "deciding")
    said = client.post("/api/pairs/predict", json={"pairs": [["a", "b"]], "budget": 1}).json()
    described("PairPredictions", said)
    assert [(one["by"], one["similarity"], one["reason"]) for one in said["predictions"]] == [(job, None, "")]
    taken = client.post("/api/pairs/models", json={"action": "deactivate"})
    described("Deactivated", taken.json())
    assert (taken.status_code, taken.json()["model"]) == (200, job)
    assert client.post("/api/pairs/models", json={"action": "deactivate"}).status_code == 409


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({}, 422, "`action` is missing"),
        ({"action": "delete"}, 422, "must be activate or deactivate"),
        ({"action": "activate"}, 422, "`model` is missing"),
        ({"action": "activate", "model": "x"}, 404, "There is no model 'x'"),
        ({"action": "activate", "model": "x", "budget": -1}, 422, "`budget` must be 0 or more"),
    ],
)
def test_a_wrong_action_is_refused_by_name(
    client: TestClient, body: dict[str, object], status: int, message: str
) -> None:
    response = client.post("/api/pairs/models", json=body)
    assert (response.status_code, message in response.json()["error"]) == (status, True), response.text
