"""Pairs out to a real Argilla and decisions back: two texts, one question, the same both ways."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.exchange.pull import sync
from core.exchange.push import push
from core.project import Project, open_project
from gpu_jobs.runners.local import InProcessRunner
from tests.argilla_server import ArgillaServer
from tests.conftest import quiet
from tests.exchange_world import Team, body_of, dataset_of, where


@pytest.fixture
def pairs(paired: Path, tmp_path: Path) -> Iterator[Project]:
    """Twenty pairs wait, six of them blind; a model has said something of each."""
    shutil.copytree(paired, tmp_path / "shops")
    project = open_project(tmp_path / "shops", InProcessRunner())
    yield project
    project.close()


@pytest.fixture
def team(argilla: ArgillaServer, pairs: Project) -> Iterator[Team]:
    made = Team(argilla)
    made.join(pairs)
    yield made
    made.close()


def test_pairs_are_asked_as_two_texts_with_the_models_word_but_for_the_blind(team: Team, pairs: Project) -> None:
    push(pairs, quiet)
    there = {one["external_id"]: one for one in team.records(dataset_of(pairs))}
    rows = pairs.store.query(
        "select id, fields, audit, suggestion, model from queue join records using (n) where batch = 2 and not spare"
    )
    assert {id for id, *_ in rows} <= there.keys()
    for id, fields, audit, suggestion, model in rows:
        record = there[id]
        assert record["fields"] == json.loads(fields)
        if audit:
            assert record["suggestions"] == []
        else:
            [shown] = record["suggestions"]
            best, probability = json.loads(suggestion)[0]
            assert (shown["value"], shown["agent"]) == ("same" if best["same"] else "different", model)
            assert shown["score"] == pytest.approx(probability)
    questions = body_of(team.owner.get(f"/datasets/{dataset_of(pairs)}/questions"))["items"]
    asked = next(one for one in questions if one["settings"]["type"] == "label_selection")
    assert asked["title"] == "Are these two the same?"
    assert [option["value"] for option in asked["settings"]["options"]] == ["same", "different"]
    fields = body_of(team.owner.get(f"/datasets/{dataset_of(pairs)}/fields"))["items"]
    assert [(one["name"], one["settings"]["type"]) for one in fields] == [("left", "text"), ("right", "text")]
    assert push(pairs, quiet).sent == 0


def test_decisions_made_there_are_settled_here_and_unsure_is_skipped(team: Team, pairs: Project) -> None:
    [user] = team.add("kim")
    push(pairs, quiet)
    one, other, unsure = list(where(pairs).items())[:3]
    team.answer(user, one[1], ["same"])
    team.answer(user, other[1], ["different"], "another colour")
    team.answer(user, unsure[1], ["same"], status="discarded")
    sync(pairs, quiet)
    query = "select id, answer, how from settled join records using (n)"
    settled: dict[str, Any] = {id: (json.loads(answer), how) for id, answer, how in pairs.store.query(query)}
    assert settled[one[0]] == ({"same": True}, "single")
    assert settled[other[0]] == ({"same": False}, "single")
    assert unsure[0] not in settled
    events = pairs.store.query(
        "select id, action, answer, note from responses join records using (n) where annotator = ? order by id", [user]
    )
    assert sorted(events) == sorted(
        [
            (one[0], "submit", '{"same":true}', None),
            (other[0], "submit", '{"same":false}', "another colour"),
            (unsure[0], "skip", None, None),
        ]
    )
    team.answer(user, one[1], ["different"])
    sync(pairs, quiet)
    assert pairs.store.query("select answer from settled join records using (n) where id = ?", [one[0]]) == [
        ('{"same":false}',)
    ]
