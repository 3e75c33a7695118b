"""Projects that are damaged: the home says so, checks and repairs them for who manages them, and they open again."""

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.home.home_routes import HomeServer
from app.home.tending import STOPPED
from core.home import folders
from core.home.summary import DAMAGED
from core.project import open_project
from core.store.database import FILE
from gpu_jobs.runners.local import InProcessRunner
from tests.command_line import figures, rondo_json
from tests.home_world import browser, code_of, two_projects
from tests.waiting import wait_for


@pytest.fixture
def home(encoded: Path, tmp_path: Path) -> HomeServer:
    return two_projects(encoded, tmp_path / "home")


def spoil(file: Path, offset: int) -> None:
    """Eight bytes are others from there on."""
    with file.open("r+b") as opened:
        opened.seek(offset % file.stat().st_size)
        opened.write(b"\xa5" * 8)


def tend(client: TestClient, key: str, act: str) -> dict[str, Any]:
    """Begins it and waits for its end."""
    address = f"/api/home/projects/{key}/care"
    state = client.post(address, json={"act": act}).json()

    def is_over() -> bool:
        state.update(client.get(address).json())
        return bool(state["phase"] != "running")

    wait_for(is_over)
    return dict(state)


def listed(client: TestClient, key: str) -> dict[str, Any]:
    projects = client.get("/api/home").json()["projects"]
    return next(one for one in projects if one["key"] == key)


def test_a_damaged_database_is_named_in_the_list_and_repaired(home: HomeServer) -> None:
    client, folder = browser(home, operator=True), home.folder / "mails"
    rondo_json(folder, "backup")
    sound = figures(folder)
    spoil(folder / FILE, 600)
    one = listed(client, "mails")
    assert (one["damaged"], one["note"], one["manages"]) == (True, DAMAGED, True)
    assert not listed(client, "tickets")["damaged"]
    checked = tend(client, "mails", "check")["result"]
    [damage] = checked["damage"]
    assert "1 pages are not what was written" in damage
    assert "rondo repair" not in damage
    assert "settings" in checked["sound"]
    assert "taken from the newest backup" in checked["plan"][0]
    assert not (folder / "damaged").exists(), "nothing is changed by a check"
    repaired = tend(client, "mails", "repair")
    assert repaired["error"] == ""
    assert any("The damaged files are kept in damaged/" in line for line in repaired["result"]["lines"])
    assert str(home.folder) not in json.dumps([checked, repaired]), "where it lies is the operator's"
    assert not listed(client, "mails")["damaged"]
    assert {**figures(folder), "name": ""} == {**sound, "name": ""}
    assert (tend(client, "mails", "check")["result"]["damage"], client.get("/api/home").status_code) == ([], 200)
    assert not [*folder.glob("*.partial"), *folder.glob(".*.partial"), *folder.parent.glob(".home/*.care")]


def test_settings_that_cannot_be_read_give_way_to_the_last_good_ones(home: HomeServer) -> None:
    client, folder = browser(home, operator=True), home.folder / "mails"
    figures(folder)  # opened once, the settings are known to be good
    (folder / "rondo.toml").write_text("name = [", encoding="utf-8")
    home.entries.forget("mails")
    assert listed(client, "mails")["damaged"]
    plan = tend(client, "mails", "check")["result"]["plan"]
    assert "settings that were last in force" in plan[0]
    assert tend(client, "mails", "repair")["phase"] == "done"
    assert folders.name_of(folder) == "Mails"
    assert listed(client, "mails")["records"] == 60


def test_what_a_repair_cannot_mend_is_said_and_nothing_is_planned(home: HomeServer) -> None:
    client, folder = browser(home, operator=True), home.folder / "mails"
    spoil(next((folder / "vectors").glob("*/vectors.npy")), 4_000)
    assert not listed(client, "mails")["damaged"]
    checked = tend(client, "mails", "check")["result"]
    assert "vectors.npy are not what was written" in checked["damage"][0]
    assert checked["plan"] == []
    (folder / FILE).unlink()
    failed = tend(client, "mails", "repair")
    assert (failed["phase"], "nothing to repair" in failed["error"]) == ("failed", True)


def test_a_project_that_another_program_has_open_is_checked_and_not_repaired(home: HomeServer) -> None:
    client = browser(home, operator=True)
    with_it = open_project(home.folder / "tickets", InProcessRunner())
    try:
        failed = tend(client, "tickets", "repair")
        assert (failed["phase"], "open in another process" in failed["error"]) == ("failed", True)
    finally:
        with_it.close()


def test_only_who_manages_a_project_checks_and_repairs_it(home: HomeServer) -> None:
    for role, status in (("manager", 200), ("annotator", 403)):
        client = browser(home)
        client.post("/sign-in", data={"name": role, "code": code_of(home, "tickets", role, role)})
        begun = client.post("/api/home/projects/tickets/care", json={"act": "check"})
        assert begun.status_code == status
        assert client.post("/api/home/projects/mails/care", json={"act": "repair"}).status_code == 403
        assert client.get("/api/home/projects/mails/care").status_code == 403
        if status == 200:
            assert tend(client, "tickets", "check")["result"]["damage"] == []
    assert browser(home).post("/api/home/projects/tickets/care", json={"act": "check"}).status_code == 401
    operator = browser(home, operator=True)
    assert operator.post("/api/home/projects/tickets/care", json={"act": "erase"}).status_code == 400
    assert operator.post("/api/home/projects/none/care", json={"act": "check"}).status_code == 400
    assert operator.get("/api/home/projects/mails/care").status_code == 400


def test_a_check_that_is_stopped_leaves_all_as_it_was(home: HomeServer) -> None:
    client, folder = browser(home, operator=True), home.folder / "mails"
    before = {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    address = "/api/home/projects/mails/care"
    with home.engines.lock("mails"):  # it waits for whoever is at work on the project
        client.post(address, json={"act": "repair"})
        assert client.delete(address).json()["phase"] == "running"
        time.sleep(0.1)
    wait_for(lambda: client.get(address).json()["phase"] != "running")
    state = client.get(address).json()
    assert (state["phase"], state["error"]) == ("stopped", STOPPED)
    assert {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()} == before
    shutil.rmtree(folder)
    assert client.post(address, json={"act": "check"}).status_code == 400
