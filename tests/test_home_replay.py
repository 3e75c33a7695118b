"""Replays of a home: a labelled file is played in the background, one at once, and only results stay."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from app.cli.replay import FullScore, Replay, curve_figures
from app.cli.replay import StrategyCurves as Curves
from app.home.home_routes import HomeServer
from app.home.replay_results import labels_sentence
from app.home_server import home_app
from core.home import folders
from gpu_jobs.language_models.tiny import tiny_model
from gpu_jobs.runners.local import InProcessRunner
from tests.conftest import write_csv
from tests.home_world import Page, browser, code_of, two_projects
from tests.pair_world import write_pairs
from tests.test_step_replay import STEPS
from tests.waiting import wait_for

SIDES = {"text": "left", "text_b": "right", "label": "label", "split": "split"}
ROLES = {"text": "text", "topic": "label", "split": "split"}
SMALL = {"strategies": ["default", "random"], "budget": 16, "batch": 8, "seeds": 1, "tuning": False}


@pytest.fixture
def home(encoded: Path, tmp_path: Path) -> HomeServer:
    return two_projects(encoded, tmp_path / "home")


@pytest.fixture
def app(home: HomeServer) -> Starlette:
    """One for all who come to the home."""
    return home_app(home, InProcessRunner())


@pytest.fixture
def page(home: HomeServer, app: Starlette, tmp_path: Path) -> Iterator[Page]:
    """A labelled file is dropped."""
    with browser(home, operator=True, app=app) as client:
        page = Page(client)
        drop(page, tmp_path)
        yield page


def drop(page: Page, folder: Path, name: str = "mails.csv") -> None:
    page.drop(name, write_csv(folder / "labelled.csv", 60).read_text(encoding="utf-8"))


def drop_instead(page: Page, name: str, content: str) -> None:
    page.client.delete(f"/api/home/drafts/{page.id}")
    page.drop(name, content)


def begin(page: Page, **changes: object) -> dict[str, Any]:
    return dict(
        page.client.post("/api/home/replays", json={"draft": page.id, "roles": ROLES, **SMALL, **changes}).json()
    )


def estimate(page: Page, **sent: object) -> dict[str, Any]:
    return dict(page.client.post("/api/home/replays/estimate", json={"draft": page.id, **sent}).json())


def look(page: Page) -> dict[str, Any]:
    return dict(page.client.get("/api/home/replays").json())


def ended(page: Page) -> dict[str, Any]:
    wait_for(lambda: look(page)["current"]["phase"] != "running")
    return dict(look(page)["current"])


def left(home: HomeServer) -> list[str]:
    """What lies where drafts and replays have their files."""
    return [path.name for kind in ("drafts", "replays") for path in folders.private(home.folder, kind).iterdir()]


def test_a_labelled_file_is_played_and_only_its_results_stay(home: HomeServer, page: Page, tmp_path: Path) -> None:
    offered = page.client.get("/api/home/replays/choices").json()["tasks"]["labels"]
    assert [one["name"] for one in offered["strategies"] if one["ticked"]] == ["default", "random", "margin"]
    first = look(page)
    assert (first["current"], first["stored"]) == (None, [])
    assert estimate(page, roles=ROLES, **SMALL)["sentence"].startswith("4 rounds, about 18 s (roughly: none was played")
    assert begin(page)["phase"] == "running"
    again = Page(page.client)
    drop(again, tmp_path, "other.csv")
    assert "being played here already" in begin(again)["error"]
    done = ended(page)
    assert (done["phase"], done["error"]) == ("done", "")
    [stored] = look(page)["stored"]
    assert "as fast as the last one here" in estimate(again, roles=ROLES, **SMALL)["sentence"]
    assert (stored["title"], stored["task"], stored["rounds"], stored["by"]) == ("mails.csv", "labels", 4, "")
    assert stored["summary"]["sentence"].startswith("All labels reach macro F1")
    assert stored["summary"]["setting"].startswith("48 records, 16 labels in batches of 8, 1 seed, without tuning")
    assert [row[0] for row in stored["summary"]["rows"]] == ["default", "random"]
    address = f"/api/home/replays/{stored['id']}"
    chart = page.client.get(f"{address}/curves.svg")
    assert (chart.headers["content-type"], chart.text[:4]) == ("image/svg+xml", "<svg")
    assert page.client.get(f"{address}/curves.csv").text.splitlines()[0] == "strategy,labels,macro F1"
    assert "| default |" in page.client.get(f"{address}/replay.md").text
    assert page.client.get(f"{address}/replay.json").json()["strategies"]["default"]["labels"] == [8, 16]
    assert page.client.get(f"{address}/about.json").status_code == 404
    again.client.delete(f"/api/home/drafts/{again.id}")
    folder = folders.private(home.folder, "replays", stored["id"])
    assert sorted(path.name for path in folder.iterdir()) == [
        *("about.json", "curves.csv", "curves.svg", "replay.json", "replay.md")
    ]
    assert left(home) == [stored["id"]]
    assert page.client.delete(address).json() == {"ok": True}
    assert left(home) == []


def played(page: Page, **sent: object) -> dict[str, Any]:
    """As it is kept: with its table and curves."""
    answer = page.client.post("/api/home/replays", json={"draft": page.id, **sent}).json()
    assert answer.get("phase") == "running", answer
    assert (done := ended(page))["phase"] == "done", done
    stored = dict(look(page)["stored"][0])
    files = {name: page.client.get(f"/api/home/replays/{stored['id']}/{name}").text for name in stored["files"]}
    assert files["curves.svg"].startswith("<svg")
    return {**stored, "points": files["curves.csv"].splitlines(), "result": json.loads(files["replay.json"])}


def test_decided_pairs_are_played(home: HomeServer, page: Page, tmp_path: Path) -> None:
    drop_instead(page, "pairs.csv", write_pairs(tmp_path / "pairs.csv", 20).read_text(encoding="utf-8"))
    page.client.post(f"/api/home/drafts/{page.id}/check", json={"task": "pairs", "roles": SIDES})
    page.follow("checking")
    sent = {"task": "pairs", "roles": SIDES, "budget": 30, "seeds": 1}
    assert estimate(page, **sent)["sentence"].startswith("6 rounds, about")
    for changes, words in (
        ({"roles": {"text": "left", "label": "label"}}, "A pair has two sides"),
        ({"roles": {**SIDES, "split": "right"}}, "Only one column can be the right here"),
        ({"roles": {**SIDES, "label": "none"}}, "Which column says whether two are the same?"),
        ({"roles": {**SIDES, "nowhere": "label", "label": "none"}}, "pairs.csv has no column 'nowhere'"),
        ({"positive": "yes"}, "column 'label': no row has 'yes'; there are 'no-match', 'match'"),
    ):
        assert words in estimate(page, **{**sent, **changes})["error"]
    stored = played(page, **sent)
    assert stored["summary"]["sentence"].startswith("All decisions reach F1 ")
    assert [row[0] for row in stored["summary"]["rows"]] == ["ours", "random"]
    assert "80 pairs, 20 are 'match'; 16 judge." in stored["summary"]["details"][0]
    assert (stored["points"][0], len(stored["points"])) == ("strategy,decisions,F1", 7)
    assert stored["result"]["strategies"]["ours"]["labels"] == [10, 20, 30]
    assert left(home) == [stored["id"]]


@pytest.mark.long
def test_structured_answers_are_played_with_an_uploaded_file_of_steps(
    home: HomeServer, page: Page, tmp_path: Path
) -> None:
    rows = [(f"{kind} {n}", kind, "test" if n < 6 else "train") for n in range(24) for kind in [("cat", "dog")[n % 2]]]
    names = ("text", "label", "split")
    drop_instead(page, "animals.jsonl", "".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows))
    sent: dict[str, Any] = {"task": "extract", "steps": STEPS, "budget": 12, "batch": 6, "test": 6}
    assert estimate(page, **sent)["sentence"].startswith("2 trainings, about")
    for changes, words in (
        ({"steps": ""}, "Which steps are answered?"),
        ({"steps": "", "template": "../secret"}, "no template of steps '../secret'"),
        ({"steps": "import os"}, "The file of steps cannot be read"),
        (
            {"steps": STEPS.replace('= "label"', '= "kinds"')},
            "do not fit animals.jsonl: it has none of the columns kinds",
        ),
        ({"steps": "", "template": "entities"}, "No column is called as a field of the steps"),
        ({"steps": "", "template": "fairytale_questions", "roles": {"label": "label"}}, "these steps have 2"),
        ({"names": ["colour"]}, "There is no step 'colour'"),
        ({"roles": {"label": "text"}, "strategies": ["margin"]}, "no strategy 'margin'"),
    ):
        assert words in estimate(page, **{**sent, **changes})["error"], changes
    stored = played(page, **sent, base=str(tiny_model(tmp_path / "tiny")))
    assert stored["summary"]["sentence"].startswith("Tuned on 12 answers, random, the model reaches field F1 ")
    assert stored["summary"]["rows"][0][0] == "untuned, held to the schema"
    assert stored["points"][0] == "strategy,answers,field F1"
    assert stored["result"]["answers"] == [0, 6, 12]
    assert left(home) == [stored["id"]]


def test_recorded_answers_of_a_language_model_play_along(home: HomeServer, page: Page, tmp_path: Path) -> None:
    lines = (tmp_path / "labelled.csv").read_text(encoding="utf-8").splitlines()[1:]
    answers = [f"{line.split(',')[0]},{line.split(',')[-2]}" for line in lines]
    recorded = Page(page.client)
    recorded.drop("model.csv", "\n".join(["id,label", *answers]))
    wrong = Page(page.client)
    wrong.drop("wrong.csv", "id,answer\nr1,praise\n")
    sent = {**SMALL, "strategies": ["random"], "roles": ROLES}
    assert "Choose one as id" in estimate(page, **sent, recorded=recorded.id)["error"]
    sent["roles"] = {**ROLES, "id": "id"}
    assert "wrong.csv has no column 'label'" in estimate(page, **sent, recorded=wrong.id)["error"]
    wrong.client.delete(f"/api/home/drafts/{wrong.id}")
    stored = played(page, **sent, recorded=recorded.id)
    assert [row[0] for row in stored["summary"]["rows"]] == ["random", "random+llm"]
    assert "60 recorded answers, 0 of them invalid" in stored["summary"]["details"][0]
    assert left(home) == [stored["id"]]


@pytest.mark.parametrize(
    ("task", "rows", "roles", "words"),
    [
        ("labels", "text,topic\nOne,a\nTwo,a\nSix,a\n", {"text": "text", "topic": "label"}, "in 'topic' are the same"),
        (
            "pairs",
            "a,b,topic\nOne,Two,1\nOne,Six,1\nTwo,Six,1\n",
            {"a": "left", "b": "right", "topic": "label"},
            "both",
        ),
    ],
)
def test_answers_that_are_all_the_same_are_refused_at_once_and_by_the_process(
    page: Page, home: HomeServer, task: str, rows: str, roles: dict[str, str], words: str
) -> None:
    page.drop("few.csv", rows)
    sent = {"task": task, "roles": roles, "budget": 2, "seeds": 1}
    begin(page, **sent)
    failed = ended(page)
    assert failed["phase"] == "failed", "nothing is known of all rows before they were read"
    assert words in failed["error"], failed
    assert str(home.folder) not in failed["error"]
    page.drop("few.csv", rows)
    page.client.post(f"/api/home/drafts/{page.id}/check", json={"task": task, "roles": roles})
    page.follow("checking")
    assert "few.csv, column 'topic': all 3 answers are " in begin(page, **sent)["error"]


def test_a_model_of_the_machine_is_named_by_whoever_runs_the_home_alone(
    home: HomeServer, app: Starlette, page: Page, tmp_path: Path
) -> None:
    client = browser(home, app=app)
    client.post("/sign-in", data={"name": "ana", "code": code_of(home, "tickets", "ana", "manager")})
    own = Page(client)
    own.drop("facts.csv", "text,animal.kind\nA cat,cat\n")
    refused = estimate(own, task="extract", steps=STEPS, base="/models/own")
    assert "Only whoever runs this home may name a language model" in refused["error"]


def test_one_that_is_stopped_or_that_cannot_be_played_leaves_nothing(
    home: HomeServer, page: Page, tmp_path: Path
) -> None:
    for changes, words in (
        ({"roles": {"text": "text"}}, "holds the known answers"),
        ({"strategies": ["magic"]}, "no strategy 'magic'"),
        ({"strategies": []}, "at least one strategy"),
        ({"budget": 0}, "budget is 0"),
        ({"draft": "none"}, "Begin again"),
    ):
        assert words in begin(page, **changes)["error"]
    assert look(page)["current"] is None
    begin(page, budget=50, batch=1, seeds=50)
    page.client.delete("/api/home/replays/current")
    assert ended(page)["phase"] == "stopped"
    wait_for(lambda: not left(home))
    page.drop("pairs.csv", write_pairs(tmp_path / "pairs.csv", 20).read_text(encoding="utf-8"))
    begin(page, task="pairs", roles=SIDES, budget=60, seeds=100)
    wait_for(lambda: look(page)["current"]["share"])  # its job has begun
    page.client.delete("/api/home/replays/current")
    assert ended(page)["phase"] == "stopped"
    wait_for(lambda: not left(home))
    page.drop("few.csv", "text,topic\nOne,\nTwo,\n")
    begin(page, roles={"text": "text", "topic": "label"})
    failed = ended(page)
    assert (failed["phase"], failed["error"] != "") == ("failed", True)
    wait_for(lambda: not left(home))
    folders.private(home.folder, "replays", "20260101-000000-aaaa.partial", "work").mkdir(parents=True)
    folders.sweep(home.folder)  # what a killed home has left
    assert left(home) == []


def test_who_may_make_projects_plays_and_sees_what_is_theirs(
    home: HomeServer, app: Starlette, page: Page, tmp_path: Path
) -> None:
    assert browser(home).get("/api/home/replays").status_code == 401
    assert browser(home).get("/replay").status_code == 401
    people = {}
    for name, role in (("ana", "manager"), ("ben", "annotator"), ("eva", "manager")):
        people[name] = browser(home, app=app)
        sent = {"name": name, "code": code_of(home, "tickets", name, role)}
        people[name].post("/sign-in", data=sent)
    assert people["ben"].get("/replay").status_code == people["ben"].get("/api/home/replays").status_code == 403
    assert people["ben"].get("/api/home/replays/choices").status_code == 403
    assert people["ben"].post("/api/home/replays/estimate", json={"draft": page.id}).status_code == 403
    own = Page(people["ana"])
    drop(own, tmp_path)
    begin(own)
    others = Page(people["eva"])
    assert (look(others)["busy"], look(others)["current"]) == (True, None)
    assert "Somebody else began it" in others.client.delete("/api/home/replays/current").json()["error"]
    assert ended(own)["phase"] == "done"
    [stored] = look(own)["stored"]
    assert stored["by"] == "ana"
    assert look(others)["stored"] == []
    assert others.client.get(f"/api/home/replays/{stored['id']}/replay.json").status_code == 404
    assert others.client.delete(f"/api/home/replays/{stored['id']}").status_code == 400
    assert [one["id"] for one in look(page)["stored"]] == [stored["id"]]


def test_the_sentence_says_what_each_strategy_needed_and_claims_no_saving_that_is_none() -> None:
    def curves(*values: float) -> Curves:
        return Curves(macro_f1=[[*values]], **vars(curve_figures([10, 20, 30], [[*values]], 1.0, None)))

    three = {"default": curves(0.96, 1, 1), "random": curves(0.5, 0.6, 0.96), "margin": curves(0.1, 0.1, 0.2)}
    assert labels_sentence(Replay(FullScore(1.0), 50, three)) == (
        "All labels reach macro F1 1.000. Labels to 95 % of that: default with 10, random with 30, margin not within "
        "them. Choosing by default would have saved 20 of 30."
    )
    equal = {"default": three["random"], "random": three["random"]}
    assert labels_sentence(Replay(FullScore(1.0), 50, equal)).endswith("Choosing by default would have saved none.")
    assert "Choosing" not in labels_sentence(Replay(FullScore(1.0), 50, {"default": three["default"]}))
