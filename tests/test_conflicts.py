"""Conflicts are complete and in order, and a decision is stored exactly once, whatever becomes of the request."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app import background
from app.http.adjudication_routes import adjudicate_routes
from core import verbs
from core.agreement.conflicts import DIFFER, FLAG, TIE, read_conflicts, still_in_conflict
from core.errors import Refused
from core.labelling.corrections import correct, decide, withdraw
from core.labelling.responses import KNOWN, STORED, Event
from core.people.people import MANAGER, Person
from core.project import Project
from tests.conftest import TOPICS, quiet
from tests.crowd_world import answer, crowd_answers

Truth = dict[str, tuple[str, ...]]


@pytest.fixture
def quarrel(project: Project) -> Project:
    """r0: a tie; r1: two against one; r2: all agree; r3: flagged; r5: one answer, flagged by another; r4: gold."""
    answer(
        project,
        [
            *(("ann", "r0", ["food"]), ("bob", "r0", ["music"])),
            *(("ann", "r1", ["food"]), ("bob", "r1", ["food"]), ("cat", "r1", ["weather"])),
            *(("ann", "r2", ["music"]), ("bob", "r2", ["music"])),
            *(("ann", "r4", ["food"]), ("bob", "r4", ["weather"])),
            ("ann", "r5", ["music"]),
        ],
    )
    answer(project, [("dan", "r3", []), ("dan", "r5", [])], "flag", "cannot be read")
    return project


def sentences_of(project: Project) -> dict[str, str]:
    return {one.id: one.why for one in read_conflicts(project, 50)[0]}


def test_every_record_on_which_people_do_not_agree_is_there_ties_first(quarrel: Project) -> None:
    assert list(sentences_of(quarrel).items()) == [("r0", TIE), ("r1", DIFFER), ("r3", FLAG), ("r5", FLAG)]
    matches, total = read_conflicts(quarrel, 1, ["r0"])
    assert ([one.id for one in matches], total) == (["r1"], 4)


def test_everyones_answer_and_note_stand_side_by_side(quarrel: Project) -> None:
    by_id = {one.id: one for one in read_conflicts(quarrel, 50)[0]}
    assert [(one.user, one.action, one.labels) for one in by_id["r1"].answers] == [
        ("ann", "submit", ("food",)),
        ("bob", "submit", ("food",)),
        ("cat", "submit", ("weather",)),
    ]
    assert [(one.user, one.action, one.note) for one in by_id["r5"].answers] == [
        ("ann", "submit", None),
        ("dan", "flag", "cannot be read"),
    ]
    assert by_id["r1"].labels == ("food",)
    assert by_id["r0"].labels is None


@pytest.mark.parametrize("record", ["r0", "r1", "r3", "r5"])
def test_a_decided_record_is_no_conflict_until_the_decision_is_taken_back(quarrel: Project, record: str) -> None:
    event = correct(quarrel, record, ["weather"], "judge")
    assert record not in sentences_of(quarrel)
    assert still_in_conflict(quarrel, [record, "r0", "r1"]) == {"r0", "r1"} - {record}
    withdraw(quarrel, record, event, "judge")
    assert record in sentences_of(quarrel)


def test_where_many_differ_those_come_first_of_which_least_is_sure(project: Project, truth: Truth) -> None:
    answer(project, crowd_answers(truth, list(TOPICS)))
    verbs.function_of("quality")(project, quiet)
    matches, total = read_conflicts(project, 1000)
    differing = [one.sure for one in matches if one.why == DIFFER]
    assert None not in differing
    assert differing == sorted(differing, key=lambda sure: sure or 0)
    rows = project.store.query(
        """select id from responses join records using (n) where split is distinct from 'test'
           group by id having count(distinct labels) > 1"""
    )
    assert {one.id for one in matches} == {id for (id,) in rows}
    assert total == len(matches)


def test_a_decision_with_an_id_of_its_own_is_stored_once(quarrel: Project) -> None:
    event = Event("e1", "r0", "submit", ("weather",), ts=time.time())
    assert [decide(quarrel, event, "judge") for _ in range(3)] == [STORED, KNOWN, KNOWN]
    undo = Event("e2", "r0", "undo", undoes="e1", ts=time.time())
    assert [decide(quarrel, undo, "judge") for _ in range(2)] == [STORED, KNOWN]
    assert sentences_of(quarrel)["r0"] == TIE
    assert quarrel.store.one("select count(*) from responses where annotator = 'judge'") == 2


def test_nobody_takes_back_what_another_has_decided(quarrel: Project) -> None:
    decide(quarrel, Event("e1", "r0", "submit", ("weather",), ts=time.time()), "judge")
    with pytest.raises(Refused, match="belongs to another"):
        decide(quarrel, Event("e1", "r0", "submit", ("weather",), ts=time.time()), "ann")
    with pytest.raises(Refused, match="Only judge"):
        decide(quarrel, Event("e2", "r0", "undo", undoes="e1", ts=time.time()), "ann")


@pytest.fixture
def client(quarrel: Project) -> Iterator[TestClient]:
    """The route, as judge."""
    server = background.open_server(lambda: quarrel)
    with TestClient(Starlette(routes=adjudicate_routes(background.opened, server.authenticator))) as client:
        client.headers["x-rondo-token"] = server.authenticator.label_token(Person("judge", MANAGER), time.time())
        yield client
    background._OPEN.clear()


def decision(eid: str = "e1", **changes: object) -> dict[str, object]:
    made = {"eid": eid, "record": "r0", "action": "submit", "labels": ["weather"], "seq": 1, "ts": time.time()}
    return {**made, **changes}


def ask(client: TestClient, **body: object) -> Any:
    response = client.post("/api/adjudicate", json=body)
    assert response.status_code == 200, response.text
    return response.json()


def test_one_request_takes_decisions_and_brings_conflicts(client: TestClient) -> None:
    reply = ask(client, events=[decision()], have=["r0", "r1"], want=1)
    assert reply["statuses"] == {"e1": "stored"}
    assert reply["taken"] == ["r0"]
    assert [card["id"] for card in reply["cards"]] == ["r3"]
    assert reply["left"] == 3
    assert ask(client, events=[decision()])["statuses"] == {"e1": "known"}


def test_what_cannot_be_stored_is_reported_and_blocks_nothing(client: TestClient) -> None:
    events = [
        decision("e1", labels=["no such"]),
        decision("e2", record="nowhere"),
        decision("e3", action="skip", labels=[]),
        decision("e4", action="undo", undoes="gone"),
        decision("e5", labels=[]),
        decision("e6"),
    ]
    statuses = ask(client, events=events)["statuses"]
    assert statuses.pop("e6") == "stored"
    assert all(status.endswith(".") for status in statuses.values())
    assert len(statuses) == 5


def test_nobody_decides_without_a_token(client: TestClient, quarrel: Project) -> None:
    reply = client.post("/api/adjudicate", json={"events": [decision()]}, headers={"x-rondo-token": "forged"})
    assert reply.status_code == 401
    assert "r0" in sentences_of(quarrel)
