"""Starting and stopping the embedded server: what is kept, what is refused, what a kill cannot take."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from annotation import accounts, server
from annotation.environment import argilla_python, cache_folder, environment_folder
from annotation.home import back_up, running
from core import loop
from core.config.settings import read_settings, with_changes, write_settings
from core.errors import BadInput, Refused
from tests.argilla_server import ArgillaServer, quiet, require_environment, start_for
from tests.argilla_world import annotator, make_dataset, push, request
from tests.command_line import rondo
from tests.ports import free_port
from tests.waiting import wait_for


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArgillaServer]:
    """A server beside the session's own, because it may be killed."""
    require_environment()
    made = start_for(tmp_path_factory.mktemp("own") / "project")
    yield made
    server.stop(made.project)


@pytest.fixture
def own(shared: ArgillaServer) -> ArgillaServer:
    """It runs, whatever the test before did to it."""
    again(shared)
    return shared


def again(own: ArgillaServer) -> server.Started:
    """Started once more, where it was."""
    return server.start(own.project, "127.0.0.1", int(own.url.rsplit(":", 1)[1]), quiet)


def files(folder: Path) -> set[str]:
    return {str(one.relative_to(folder)) for one in folder.rglob("*")}


@dataclass(frozen=True)
class Restart:
    """What one restart came to: over a session, five records, an index without words, and secrets of others."""

    result: server.Started
    signed_in: dict[str, str]
    dataset: str
    environment: dict[str, str]


@pytest.fixture(scope="module")
def restart(shared: ArgillaServer) -> Restart:
    again(shared)
    token = httpx.post(f"{shared.url}/api/v1/token", data={"username": "owner", "password": shared.owner_password})
    signed_in = {"Authorization": f"Bearer {token.json()['access_token']}"}
    dataset = make_dataset(shared, "restarted")
    push(shared, dataset, 5)
    assert server.stop(shared.project).stopped
    with closing(sqlite3.connect(shared.project / ".rondo" / "team" / "argilla.db")) as database, database:
        database.execute("DELETE FROM rondo_words")
        database.execute("DELETE FROM rondo_texts")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("WANDB_API_KEY", "MODAL_TOKEN_SECRET", "RONDO_API_TOKEN", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "a-secret-of-another")
        result = again(shared)
    matches = running(shared.project)
    assert matches
    return Restart(result, signed_in, dataset, psutil.Process(matches.pid).environ())


def test_a_restart_keeps_sessions_data_and_the_key_and_tells_no_password(restart: Restart, own: ArgillaServer) -> None:
    assert restart.result.owner is None
    assert httpx.get(f"{own.url}/api/v1/me", headers=restart.signed_in).json()["username"] == "owner"
    assert request(own, "GET", f"/datasets/{restart.dataset}/progress")["total"] == 5


def test_an_index_that_a_kill_left_behind_is_mended_at_the_next_start(restart: Restart, own: ArgillaServer) -> None:
    query = {"query": {"text": {"q": "record", "field": "text"}}}
    assert request(own, "POST", f"/datasets/{restart.dataset}/records/search", query)["total"] == 5


def test_it_inherits_no_secret(restart: Restart) -> None:
    assert "a-secret-of-another" not in restart.environment.values()
    assert restart.environment["PATH"] == os.environ["PATH"]


def test_what_was_acknowledged_outlives_a_kill_in_the_middle_of_answering(own: ArgillaServer) -> None:
    dataset = make_dataset(own, "killed")
    records = push(own, dataset, 200)
    matches = running(own.project)
    assert matches
    acknowledged: list[str] = []
    killed = threading.Event()

    def answer() -> None:
        body = {"values": {"label": {"value": "a"}}, "status": "submitted"}
        for record in records:
            if len(acknowledged) == 150:  # it is killed before the last one, however slow who kills it is
                killed.wait()
            try:
                acknowledged.append(str(request(own, "POST", f"/records/{record}/responses", body)["id"]))
            except httpx.TransportError:
                return

    thread = threading.Thread(target=answer)
    thread.start()
    while len(acknowledged) < 20:
        time.sleep(0.01)
    os.kill(matches.pid, signal.SIGKILL)
    killed.set()
    thread.join()
    wait_for(lambda: running(own.project) is None)  # the system closes its connections before it is gone
    assert server.status(own.project) == server.ServerStatus(running=False)
    again(own)

    items = request(own, "POST", f"/datasets/{dataset}/records/search?limit=300&include=responses", {})["items"]
    stored = {one["id"] for item in items for one in item["record"]["responses"]}
    assert 20 <= len(acknowledged) < 200
    assert stored >= {*acknowledged}


def test_restarts_leave_nothing_in_any_temporary_folder(
    own: ArgillaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    home = own.project / ".rondo" / "team"
    server.stop(own.project)
    before = files(home)
    again(own)
    matches = running(own.project)
    assert matches
    assert (home / "tmp").exists()
    os.kill(matches.pid, signal.SIGKILL)
    again(own)
    assert len([*(home / "tmp").iterdir()]) == 1, "what the killed one left is gone"
    server.stop(own.project)

    assert files(home) == before
    assert not [*tmp_path.iterdir()]


def test_all_that_is_stored_is_for_the_owners_eyes_only(own: ArgillaServer) -> None:
    connection = server.find_connection(own.project, read_settings(own.project))
    add = accounts.add_user(connection, "rondo", "ann", "annotator")
    home = own.project / ".rondo" / "team"
    result = back_up(own.project, None)

    folders = [home, home.parent, home / "tmp", Path(result.folder)]
    assert {oct(one.stat().st_mode & 0o777) for one in folders} == {"0o700"}
    everything = [one for folder in (home, Path(result.folder)) for one in folder.iterdir()]
    assert all(one.stat().st_mode & 0o077 == 0 for one in everything)
    secrets = (add.password.encode(), own.owner_password.encode())
    assert not [one for one in everything if one.is_file() and any(word in one.read_bytes() for word in secrets)]


def test_no_secret_stands_in_the_list_of_processes(own: ArgillaServer) -> None:
    matches = running(own.project)
    assert matches
    line = " ".join(psutil.Process(matches.pid).cmdline())
    environment = "".join(psutil.Process(matches.pid).environ().values())
    assert own.api_key not in line + environment
    assert own.owner_password not in line + environment


def test_no_other_sites_page_reads_it_and_no_other_name_leads_to_it(argilla: ArgillaServer) -> None:
    origin = {"Origin": "http://127.0.0.1:9999"}
    asks = {**origin, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    for answer in (
        httpx.get(f"{argilla.url}/api/v1/version", headers=origin),
        httpx.options(f"{argilla.url}/api/v1/me", headers=asks),
    ):
        assert "access-control-allow-origin" not in answer.headers
    for host in ("evil.example", "evil.example:6900", "127.0.0.1.evil.example", ""):
        answer = httpx.get(f"{argilla.url}/api/v1/version", headers={"Host": host})
        assert (answer.status_code, list(answer.json())) == (400, ["detail"]), host
    assert httpx.get(f"{argilla.url}/api/v1/version", headers={"Host": "localhost:1"}).status_code == 200


def test_wrong_passwords_slow_down_who_tries_them_and_nobody_else(argilla: ArgillaServer) -> None:
    person = annotator(argilla, "team-throttle")["username"]

    def sign_in(name: str, password: str, **headers: str) -> int:
        entries = {"username": name, "password": password}
        return httpx.post(f"{argilla.url}/api/v1/token", data=entries, headers=headers).status_code

    here, there = {"X-Forwarded-For": "192.0.2.1"}, {"X-Forwarded-For": "192.0.2.2"}
    tries = [sign_in(person, "wrong", **here) for _ in range(5)]
    while tries[-1] != 429 and len(tries) < 14:  # each wait is twice the last
        tries.append(sign_in(person, "wrong", **here))
    assert (tries[:5], tries[-1]) == ([401] * 5, 429)
    assert sign_in("owner", argilla.owner_password, **here) == 201, "another name"
    assert [sign_in("owner", argilla.owner_password, **there) for _ in range(30)] == [201] * 30
    assert sign_in(person, "wrong", **there) == 401, "another address"
    long = httpx.post(f"{argilla.url}/api/v1/token", content=b"x" * 100_000)
    assert long.status_code == 413


def test_a_backup_of_a_server_that_is_written_to_is_whole_and_starts(own: ArgillaServer, tmp_path: Path) -> None:
    dataset = make_dataset(own, "copied")
    writer = threading.Thread(target=push, args=(own, dataset, 300))
    writer.start()
    result = back_up(own.project, tmp_path / "copy")
    writer.join()
    with pytest.raises(Refused, match="never overwrites"):
        back_up(own.project, tmp_path / "copy")

    other = tmp_path / "other"
    loop.create_project(other, ["a"])
    home = other / ".rondo" / "team"
    home.parent.mkdir(mode=0o700)
    Path(result.folder).rename(home)
    started = server.start(other, "127.0.0.1", free_port(), quiet)
    try:
        assert started.owner is None
        copied = ArgillaServer(started.url, own.api_key, "", other)
        assert request(copied, "GET", f"/datasets/{dataset}/progress")["total"] in (0, 300), "one push is one commit"
    finally:
        server.stop(other)


def test_a_port_that_is_taken_is_refused_in_a_sentence(own: ArgillaServer, tmp_path: Path) -> None:
    other = tmp_path / "other"
    loop.create_project(other, ["a"])
    port = int(own.url.rsplit(":", 1)[1])
    with pytest.raises(Refused, match=f"Cannot listen on 127.0.0.1:{port}: Address already in use. Name another port"):
        server.start(other, "127.0.0.1", port, quiet)
    assert running(other) is None


def test_a_second_start_finds_the_first_and_another_process_keeps_off_its_folder(own: ArgillaServer) -> None:
    result = again(own)
    assert (result.already, result.url, result.owner) == (True, own.url, None)

    (own.project / ".rondo" / "team" / "server.json").rename(own.project / "hidden.json")
    with pytest.raises(Refused, match="Another server already works on"):
        server.start(own.project, "127.0.0.1", free_port(), quiet)
    (own.project / "hidden.json").rename(own.project / ".rondo" / "team" / "server.json")


def test_a_process_that_got_the_number_of_a_killed_server_is_not_taken_for_it(own: ArgillaServer) -> None:
    server.stop(own.project)
    note = {"pid": os.getpid(), "began": 1.0, "host": "127.0.0.1", "port": 1, "version": "2.8.0", "since": ""}
    (own.project / ".rondo" / "team" / "server.json").write_text(json.dumps(note))
    assert running(own.project) is None
    assert not server.stop(own.project).stopped


def test_any_other_version_of_the_server_is_refused_with_the_reason(tmp_path: Path) -> None:
    require_environment()
    fake = tmp_path / "argilla_server-2.9.0.dist-info"
    fake.mkdir()
    (fake / "METADATA").write_text("Metadata-Version: 2.1\nName: argilla-server\nVersion: 2.9.0\n")
    engine = Path(server.__file__).parent
    requested = {"home": str(tmp_path), "host": "127.0.0.1", "port": free_port(), "owner": "owner"}
    requested |= {"password": "12345678", "api_key": "key", "workspace": "w"}
    done = subprocess.run(
        [str(argilla_python(quiet)), "-P", "-m", "engine.serve"],
        input=json.dumps(requested) + "\n",
        env={"PYTHONPATH": f"{tmp_path}{os.pathsep}{engine}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "holds argilla-server 2.9.0, but" in json.loads(done.stdout)["refused"]


def test_the_first_start_takes_password_and_key_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_environment()
    loop.create_project(tmp_path / "project", ["a"])
    monkeypatch.setenv("RONDO_TEAM_PASSWORD", "short")
    with pytest.raises(BadInput, match="RONDO_TEAM_PASSWORD has 5 letters"):
        server.start(tmp_path / "project", "127.0.0.1", free_port(), quiet)
    monkeypatch.setenv("RONDO_TEAM_PASSWORD", "long-enough")
    monkeypatch.setenv("RONDO_TEAM_API_KEY", "my.key")
    result = server.start(tmp_path / "project", "127.0.0.1", free_port(), quiet)
    try:
        assert result.owner == server.Owner("owner", "long-enough", "my.key")
        entries = {"username": "owner", "password": "long-enough"}
        assert httpx.post(f"{result.url}/api/v1/token", data=entries).status_code == 201
    finally:
        server.stop(tmp_path / "project")


def test_people_are_added_with_a_password_that_signs_in(argilla: ArgillaServer) -> None:
    connection = server.find_connection(argilla.project, read_settings(argilla.project))
    made = accounts.add_user(connection, "team-a", "carla", "annotator")
    entries = {"username": "carla", "password": made.password}
    assert httpx.post(f"{argilla.url}/api/v1/token", data=entries).status_code == 201
    assert accounts.TeamUser("carla", "annotator", member=True) in accounts.list_users(connection, "team-a").users
    assert accounts.TeamUser("carla", "annotator", member=False) in accounts.list_users(connection, "rondo").users
    with pytest.raises(Refused, match="carla is a user of this server already"):
        accounts.add_user(connection, "team-a", "carla", "annotator")
    for name in ("", "a b", "<script>", "-x", "a" * 51, "a\nb"):
        with pytest.raises(BadInput, match="cannot be a name"):
            accounts.add_user(connection, "team-a", name, "annotator")
    with pytest.raises(BadInput, match="no role 'boss'"):
        accounts.add_user(connection, "team-a", "dan", "boss")


def test_an_annotators_key_adds_nobody(argilla: ArgillaServer) -> None:
    connection = server.find_connection(argilla.project, read_settings(argilla.project))
    person = annotator(argilla, "team-b")
    with pytest.raises(Refused, match="only an owner's"):
        accounts.add_user(server.Connection(connection.url, person["api_key"], True), "team-b", "eve", "owner")


def test_what_to_do_without_a_server_or_without_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loop.create_project(tmp_path, ["a"])
    monkeypatch.delenv("RONDO_TEAM_API_KEY", raising=False)
    settings = read_settings(tmp_path)
    with pytest.raises(Refused, match="Start one with `rondo team start`"):
        server.find_connection(tmp_path, settings)
    with pytest.raises(Refused, match="Start one first"):
        back_up(tmp_path, None)
    write_settings(tmp_path, with_changes(settings, team_url="https://argilla.example/"))
    external = read_settings(tmp_path)
    with pytest.raises(Refused, match="its key is not known"):
        server.find_connection(tmp_path, external)
    monkeypatch.setenv("RONDO_TEAM_API_KEY", "their.key")
    connection = server.find_connection(tmp_path, external)
    assert connection == server.Connection("https://argilla.example", "their.key", embedded=False)
    with pytest.raises(Refused, match="that one is used"):
        server.start(tmp_path, "127.0.0.1", free_port(), quiet)


def test_without_a_network_the_first_start_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # never listens
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{nobody.getsockname()[1]}/simple")
        with pytest.raises(Refused, match="no package index can be reached"):
            argilla_python(quiet)
    assert cache_folder() == tmp_path / "rondo"
    assert not environment_folder().exists()
    assert [one.name for one in cache_folder().iterdir()] == [environment_folder().with_suffix(".lock").name]


def test_two_starts_at_once_make_one_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = environment_folder()
    folder.parent.mkdir()
    code = f"import fcntl, sys; f = open({str(folder.with_suffix('.lock'))!r}, 'w'); fcntl.flock(f, fcntl.LOCK_EX); "
    code += "print('held', flush=True); sys.stdin.read()"
    first = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert first.stdout
    assert first.stdin
    first.stdout.readline()
    answer: list[str] = []

    def heard(what: str, done: int, total: int) -> None:
        answer.append(what)
        (folder / "bin").mkdir(parents=True)
        (folder / "bin" / "python").touch()  # what the first one makes
        assert first.stdin
        first.stdin.close()

    assert argilla_python(heard) == folder / "bin" / "python"
    assert answer == ["Waiting for another start that installs Argilla."]
    first.wait()
    first.stdout.close()


def test_the_commands_of_a_team(tmp_path: Path) -> None:
    require_environment()
    folder = tmp_path / "project"
    rondo("init", folder, "--labels", "a,b")
    assert "No Argilla server runs" in rondo("team", "status", "--project", folder)
    answer = rondo("team", "start", "--project", folder, "--port", free_port())
    try:
        assert "user      owner" in answer
        assert "password is shown this once" in answer
        assert "runs already at" in rondo("team", "start", "--project", folder)
        assert "Added ann (annotator)" in rondo("team", "users", "add", "ann", "--project", folder)
        assert "ann  annotator" in rondo("team", "users", "list", "--project", folder)
        stored = json.loads(rondo("team", "status", "--project", folder, "--json"))
        assert (stored["users"], stored["datasets"], stored["answers"]) == (2, 0, True)
        assert "Copied to" in rondo("team", "backup", "--project", folder)
    finally:
        assert "Argilla is stopped." in rondo("team", "stop", "--project", folder)
    assert "No Argilla server ran." in rondo("team", "stop", "--project", folder)
