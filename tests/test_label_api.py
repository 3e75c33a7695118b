"""The card's route: who may use it, what it refuses, and that it says 'stored' only of what is stored."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app.auth.authenticator import Authenticator, Binding
from app.auth.tokens import VALID_SECONDS, project_id, sign, verify
from app.http.label_routes import MOST_BYTES, card_setup, label_routes
from core.config.settings import Settings
from core.config.taxonomy import make_taxonomy
from core.labelling.queue import LabelQueue
from core.store.database import Store

SECRET = b"a secret of this project"


@dataclass
class Opened:
    """As little of an open project as the route asks for."""

    store: Store
    activities: dict[str, object] = field(default_factory=dict)
    details: int = 0

    def __post_init__(self) -> None:
        self.label_queue = LabelQueue(self.store, self.settings)

    def settings(self) -> Settings:
        return Settings(name="test", taxonomy=make_taxonomy(["spam", "ham"]))

    def characters_read(self, texts: Sequence[str]) -> list[int | None]:
        return [None for _ in texts]

    def after_events(self) -> None:
        self.details += 1

    def choose_keys(self, annotator: str, keys: dict[str, str]) -> None:
        raise AssertionError("of a name that was only typed")

    def quality(self, version: int) -> None:
        """Nothing was measured."""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Opened]:
    store = Store(tmp_path)
    with store.transaction() as cursor:
        cursor.execute(
            """insert into records select n, 'r' || n, 'text ' || n, '{"title": "T"}', null, 'h' || n, null, null,
               'f.csv', now() from range(20) as t(n)"""
        )
    yield Opened(store)
    store.close()


@pytest.fixture
def client(project: Opened) -> Iterator[TestClient]:
    with TestClient(Starlette(routes=label_routes(lambda: project, Authenticator(project.store, SECRET)))) as client:
        token = client.post("/api/label/token", json={"annotator": "ann"}).json()["token"]
        client.headers.update({"x-rondo-token": token, "x-rondo-tab": "tab-1"})
        yield client


def event(eid: str = "e1", **changes: object) -> dict[str, object]:
    made = {"eid": eid, "record": "r1", "action": "submit", "labels": ["spam"], "seq": 1, "ts": 1_700_000_000.5}
    return {**made, **changes}


def ask(client: TestClient, **body: object) -> Any:
    response = client.post("/api/label/events", json=body)
    assert response.status_code == 200, response.text
    return response.json()


def test_one_request_stores_events_and_hands_out_records(client: TestClient, project: Opened) -> None:
    reply = ask(client, events=[event()], want=2)
    assert reply["statuses"] == {"e1": "stored"}
    parts = {"id", "text", "fields", "meta", "suggestion", "context", "read"}
    assert [set(card) for card in reply["cards"]] == [parts] * 2
    assert reply["cards"][0]["fields"] == [{"name": "title", "value": "T"}]
    assert project.store.query("select annotator, labels from responses") == [("ann", ["spam"])]
    assert project.details == 1


def test_sending_twice_stores_once(client: TestClient, project: Opened) -> None:
    ask(client, events=[event(), event()])
    assert ask(client, events=[event()])["statuses"] == {"e1": "known"}
    assert project.store.one("select count(*) from responses") == 1


def test_broken_events_get_a_reason_each_and_the_good_one_is_stored(client: TestClient) -> None:
    broken = [event("e2", seq="1"), event("e3", labels="spam"), event("e4", note=5), event("e5", ts=10**400), "what"]
    statuses = ask(client, events=[*broken, event()])["statuses"]
    assert statuses.pop("e1") == "stored"
    assert statuses == dict.fromkeys(["e2", "e3", "e4", "e5", "#4"], "The event has not the right shape.")


def test_half_a_character_and_a_clock_gone_wild_do_no_harm(client: TestClient, project: Opened) -> None:
    body = json.dumps({"events": [event(action="flag", labels=[], note="\ud83d", ts=float("inf"), eid="e2"), event()]})
    statuses = client.post("/api/label/events", content=body).json()["statuses"]
    assert statuses == {"e2": "The event has not the right shape.", "e1": "stored"}
    assert ask(client, events=[event("e3", action="flag", labels=[], note="a\u0000b")])["statuses"]["e3"] == "stored"


def test_the_setup_comes_only_when_the_card_has_another(client: TestClient, project: Opened) -> None:
    setup = ask(client)["setup"]
    assert [label["name"] for label in setup["labels"]] == ["spam", "ham"]
    assert setup == card_setup(project.settings())
    assert ask(client, setup=setup["key"])["setup"] is None


def test_the_reply_says_when_the_model_is_learning(client: TestClient, project: Opened) -> None:
    assert ask(client)["learning"] is False
    project.activities["round"] = "learning"
    assert ask(client)["learning"] is True


@pytest.mark.parametrize(
    "token", ["", "x", "x.y.z", "ä.ö", sign("ann", b"another secret", 2e9), sign("ann", SECRET, 0)]
)
def test_without_a_good_token_nothing_is_stored(client: TestClient, project: Opened, token: str) -> None:
    headers = {b"x-rondo-token": token.encode("latin-1", "replace")}
    response = client.post("/api/label/events", json={"events": [event()]}, headers=headers)
    assert response.status_code == 401
    assert project.store.one("select count(*) from responses") == 0


@pytest.mark.parametrize(
    "body", ["", "[]", "{", '"x"', '{"events": 5}', '{"have": [1]}', '{"want": -1}', '{"want": true}', '{"turn": 1.5}']
)
def test_what_is_no_request_is_refused_in_one_sentence(client: TestClient, body: str) -> None:
    response = client.post("/api/label/events", content=body)
    assert response.status_code == 400
    assert response.json()["error"].endswith(".")


def test_a_request_that_is_too_long_is_refused_before_it_is_read(client: TestClient) -> None:
    response = client.post("/api/label/events", content=b" " * (MOST_BYTES + 1))
    assert response.status_code == 413
    assert "512,000 bytes" in response.json()["error"]


def test_a_tab_must_name_itself(client: TestClient) -> None:
    assert client.post("/api/label/events", json={}, headers={"x-rondo-tab": ""}).status_code == 400


def test_names_are_taken_on_trust_only_in_local_mode(client: TestClient, project: Opened) -> None:
    for name in ("", " ", "x" * 81, "a\u0000b", 5, None):
        assert client.post("/api/label/token", json={"annotator": name}).status_code == 400
    with TestClient(
        Starlette(routes=label_routes(lambda: project, Authenticator(project.store, SECRET, Binding(loopback=False))))
    ) as remote:
        assert remote.post("/api/label/token", json={"annotator": "ann"}).status_code == 403


def test_a_token_holds_a_name_in_any_script_until_it_expires() -> None:
    token = sign("Zoë: 王", SECRET, now=1000)
    assert verify(token, SECRET, now=1000 + VALID_SECONDS - 1) == "Zoë: 王"
    assert verify(token, SECRET, now=1000 + VALID_SECONDS) is None
    claim, seal = token.split(".")
    assert verify(f"{claim}.{claim}", SECRET, now=1000) is None
    assert verify(f"{seal}.{claim}", SECRET, now=1000) is None


def test_a_project_is_named_without_giving_its_secret_away() -> None:
    assert project_id(SECRET) == project_id(SECRET) != project_id(b"other")
    assert len(project_id(SECRET)) == 12
