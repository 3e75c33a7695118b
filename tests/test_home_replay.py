"""Replays of a home: a labelled file is played in the background, one at once, and only results stay."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from app.cli.replay import FullScore, Replay, curve_figures
from app.cli.replay import StrategyCurves as Curves
from app.home.home_routes import HomeServer
from app.home.replaying import saved_sentence
from app.home_server import home_app
from core.home import folders
from gpu_jobs.runners.local import InProcessRunner
from tests.conftest import write_csv
from tests.home_world import Page, browser, code_of, two_projects
from tests.waiting import wait_for

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


def begin(page: Page, **changes: object) -> dict[str, Any]:
    return dict(
        page.client.post("/api/home/replays", json={"draft": page.id, "roles": ROLES, **SMALL, **changes}).json()
    )


def look(page: Page) -> dict[str, Any]:
    return dict(page.client.get("/api/home/replays").json())


def ended(page: Page) -> dict[str, Any]:
    wait_for(lambda: look(page)["current"]["phase"] != "running")
    return dict(look(page)["current"])


def left(home: HomeServer) -> list[str]:
    """What lies where drafts and replays have their files."""
    return [path.name for kind in ("drafts", "replays") for path in folders.private(home.folder, kind).iterdir()]


def test_a_labelled_file_is_played_and_only_its_results_stay(home: HomeServer, page: Page, tmp_path: Path) -> None:
    first = look(page)
    assert [one["name"] for one in first["strategies"] if one["ticked"]] == ["default", "random", "margin"]
    assert (first["current"], first["measured"], first["stored"]) == (None, False, [])
    assert begin(page)["phase"] == "running"
    again = Page(page.client)
    drop(again, tmp_path, "other.csv")
    assert "being played here already" in begin(again)["error"]
    done = ended(page)
    assert (done["phase"], done["error"]) == ("done", "")
    after = look(page)
    [stored] = after["stored"]
    assert after["measured"]
    assert (stored["title"], stored["rounds"], stored["records"], stored["by"]) == ("mails.csv", 4, 48, "")
    assert stored["sentence"].startswith("All labels reach macro F1")
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


def test_one_that_is_stopped_or_that_cannot_be_played_leaves_nothing(home: HomeServer, page: Page) -> None:
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
    assert saved_sentence(Replay(FullScore(1.0), 50, three)) == (
        "All labels reach macro F1 1.000. Labels to 95 % of that: default with 10, random with 30, margin not within "
        "them. Choosing by default would have saved 20 of 30."
    )
    equal = {"default": three["random"], "random": three["random"]}
    assert saved_sentence(Replay(FullScore(1.0), 50, equal)).endswith("Choosing by default would have saved none.")
    assert "Choosing" not in saved_sentence(Replay(FullScore(1.0), 50, {"default": three["default"]}))
