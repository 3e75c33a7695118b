"""Structured answers out to a real Argilla and back: texts, choices and marks, the suggestion filled in."""

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
from tests.extract_project import HOSTILE, STEPS, SUGGESTED, TALE, TEXTS


@pytest.fixture
def tales(extracted: Path, tmp_path: Path) -> Iterator[Project]:
    """Five records wait; of one a language model has said something."""
    shutil.copytree(extracted, tmp_path / "tales")
    project = open_project(tmp_path / "tales", InProcessRunner())
    yield project
    project.close()


@pytest.fixture
def team(argilla: ArgillaServer, tales: Project) -> Iterator[Team]:
    made = Team(argilla)
    made.join(tales)
    yield made
    made.close()


def answer_there(team: Team, user: str, record: str, values: dict[str, Any]) -> None:
    body = {"status": "submitted", "values": {name: {"value": value} for name, value in values.items()}}
    client = team.people[user]
    if old := team.response(user, record):
        body_of(client.put(f"/responses/{old}", json=body))
    else:
        body_of(client.post(f"/records/{record}/responses", json=body))


def stored(project: Project, user: str) -> dict[str, Any]:
    """Record id -> the newest answer of this person."""
    query = "select id, answer from responses join records using (n) where annotator = ? order by stamp"
    return {id: json.loads(answer) for id, answer in project.store.query(query, [user])}


def test_a_suggestion_is_filled_in_there_and_accepted_it_is_the_same_here(team: Team, tales: Project) -> None:
    user, other = team.add("kim", "lou")
    push(tales, quiet)
    there = {one["external_id"]: one for one in team.records(dataset_of(tales))}
    assert there["r0"]["fields"] == {"text": TALE}
    assert there["r1"]["suggestions"] == []
    assert there["r1"]["fields"]["text"] == HOSTILE.replace("<", "﹤"), "marked texts are HTML to Argilla's page"
    questions = {one["id"]: one for one in body_of(team.owner.get(f"/datasets/{dataset_of(tales)}/questions"))["items"]}
    doers = next(one for one in questions.values() if one["name"] == "character-doers")
    assert (doers["title"], doers["description"]) == ("character: doers, one on each line", "Who acts.")
    shown = {questions[one["question_id"]]["name"]: one["value"] for one in there["r0"]["suggestions"]}
    assert shown["character-doers"] == "Mara the weaver\nPim"
    assert shown["outcome-status"] == "success"
    assert {one["label"] for one in shown["spans"]} == {"character.doers", "character.receivers"}
    assert {one["agent"] for one in there["r0"]["suggestions"]} == {"m1"}
    answer_there(team, user, where(tales)["r0"], shown)
    assert sync(tales, quiet).refused == 0
    assert stored(tales, user)["r0"]["values"]["character"] == SUGGESTED["values"]["character"]
    assert stored(tales, user)["r0"]["spans"] == SUGGESTED["spans"]
    changes = "select difference::varchar from responses where source = 'argilla' order by stamp"
    assert tales.store.query(changes) == [("{}",)]
    answer_there(team, other, where(tales)["r0"], shown | {"outcome-moral": "share"})
    sync(tales, quiet)
    [_, (changed,)] = tales.store.query(changes)
    assert json.loads(changed) == {"values": {"outcome.moral": "kindness returns"}}, "as it was suggested"
    assert push(tales, quiet).sent == 0


def test_marks_and_texts_come_back_and_what_cannot_be_read_is_reported(team: Team, tales: Project) -> None:
    [user] = team.add("lea")
    push(tales, quiet)
    records = where(tales)
    units = len(TEXTS[2][: TEXTS[2].rindex("بطرس")].encode("utf-16-le")) // 2
    mark = {"start": units, "end": units + 4, "label": "character.doers"}
    answer_there(team, user, records["r2"], {"complete": "yes", "spans": [mark], "character-receivers": "nobody"})
    answer_there(team, user, records["r3"], {"complete": "yes", "outcome-year": "2500", "outcome-status": "failure"})
    assert sync(tales, quiet).refused == 1
    start = TEXTS[2].rindex("بطرس")
    assert stored(tales, user) == {
        "r2": {
            "values": {"character": {"doers": ["بطرس"], "receivers": ["nobody"]}},
            "spans": {"character.doers": {"بطرس": [[start, start + 4]]}},
        }
    }
    assert "greater than the maximum of 2100" in tales.team.unreadable["r3"]


def test_steps_that_change_make_another_dataset_with_the_answers_that_fit(team: Team, tales: Project) -> None:
    [user] = team.add("max")
    push(tales, quiet)
    answer_there(team, user, where(tales)["r1"], {"complete": "nothing", "character-doers": "Mara"})
    sync(tales, quiet)
    file = tales.folder / "steps.toml"
    file.write_text(file.read_text(encoding="utf-8").replace('"attempt", ', ""), encoding="utf-8")
    tales.adopt_edits()
    assert tales.settings().steps != STEPS
    replaced = push(tales, quiet)
    assert replaced.replaced
    [response] = team.record(where(tales)["r1"])["responses"]
    assert response["values"]["character-doers"] == {"value": "Mara"}
    sync(tales, quiet)
    assert stored(tales, user)["r1"]["values"] == {"character": {"doers": ["Mara"]}}
