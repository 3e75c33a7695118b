"""Starting, stopping and finding the Argilla server of a project, the embedded one or a team's own. Knows no record."""

import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, cast

from annotation.environment import ENGINE, argilla_python
from annotation.home import OWNER, Running, api_key, note_running, owner_credentials, running, team_folder
from core.config.settings import Settings, read_settings
from core.errors import Refused
from core.jobs.bundle import Report
from core.jobs.environment_variables import without_secrets
from core.store.database import utc_now

START_SECONDS, STOP_SECONDS = 120.0, 15.0
LOOK_SECONDS = 0.2
STARTING = "Starting Argilla"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
KEY_VARIABLE = "RONDO_TEAM_API_KEY"


@dataclass(frozen=True)
class Connection:
    """Address and API key of an Argilla server. embedded: ours, which hands out by queue_rank."""

    url: str
    api_key: str
    embedded: bool


def find_connection(project: Path, settings: Settings) -> Connection:
    """The server that batches go to. Raises Refused, with what to do, where none runs or no key is known."""
    if settings.team_url:
        key = os.environ.get(KEY_VARIABLE, "")
        if not key:
            raise Refused(
                f"rondo.toml names the Argilla server {settings.team_url}, but its key is not known. Put it into the "
                f'environment or into .streamlit/secrets.toml: {KEY_VARIABLE} = "your key".'
            )
        return Connection(settings.team_url.rstrip("/"), key, embedded=False)
    server, key = running(project), api_key(project) or ""
    if server is None or not key:
        raise Refused(
            "No Argilla server runs for this project. Start one with `rondo team start`, or name your own in "
            "rondo.toml: [team] team_url."
        )
    return Connection(server.url, key, embedded=True)


@dataclass(frozen=True)
class Owner:
    """The owner of a new server: the one time that the password is shown."""

    username: str
    password: str
    api_key: str


@dataclass(frozen=True)
class Started:
    """A server that runs. already: it ran before; owner: at the first start only; warning: of an open address."""

    url: str
    pid: int
    version: str
    since: str
    already: bool
    owner: Owner | None
    warning: str | None


@dataclass(frozen=True)
class ServerStatus:
    """State of the embedded server; None where it does not run. answers: whether it responds; memory_mb: it uses."""

    running: bool
    url: str | None = None
    pid: int | None = None
    version: str | None = None
    since: str | None = None
    memory_mb: int | None = None
    answers: bool | None = None
    users: int | None = None
    datasets: int | None = None


@dataclass(frozen=True)
class Stopped:
    """stopped: whether one ran."""

    stopped: bool


def start(project: Path, host: str, port: int, report: Report, *, speedups: bool = True) -> Started:
    """Starts the embedded server, which outlives this process, and returns when it answers.

    Raises Refused: port taken, wrong version, no network for the first start, an own server named in rondo.toml.
    """
    import psutil

    from annotation.engine.serve import PROVEN

    settings = read_settings(project)
    if settings.team_url:
        raise Refused(f"rondo.toml names an Argilla server of yours ({settings.team_url}); that one is used.")
    if already := running(project):
        return _started(already, already=True, owner=None)
    python = argilla_python(report)
    home = team_folder(project)
    password, key = owner_credentials(project)
    report(STARTING, 0, 2)
    requested = {"home": str(home), "host": host, "port": port, "owner": OWNER, "password": password, "api_key": key}
    requested |= {"workspace": settings.team_workspace, "speedups": speedups}
    process = _launch(python, home, requested)
    try:
        owner_made = _answer(process, home, report)
        began = psutil.Process(process.pid).create_time()
        server = Running(process.pid, began, host, port, PROVEN, f"{utc_now():%Y-%m-%dT%H:%M:%SZ}")
        note_running(project, server)
        _wait_until_healthy(server.url, process, home, report)
    except BaseException:
        process.kill()
        process.wait()
        note_running(project, None)
        raise
    report(STARTING, 2, 2)
    return _started(server, already=False, owner=Owner(OWNER, password, key) if owner_made else None)


def _launch(python: Path, home: Path, requested: Mapping[str, object]) -> "subprocess.Popen[str]":
    """A process that outlives this one. Its options go through a pipe, so that `ps` does not show them."""
    inherited = without_secrets(os.environ)
    environment = {name: value for name, value in inherited.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    environment["PYTHONPATH"] = str(ENGINE.parent)
    with os.fdopen(os.open(home / "start.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as errors:
        process = subprocess.Popen(
            [str(python), "-P", "-m", "engine.serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            cwd=home,
            start_new_session=True,
            text=True,
        )
    with suppress(BrokenPipeError):  # it died at once: `_answer` has the reason
        result = cast(IO[str], process.stdin)
        result.write(json.dumps(requested) + "\n")
        result.close()
    return process


def _answer(process: "subprocess.Popen[str]", home: Path, report: Report) -> bool:
    """Waits for the start; returns whether the process made the owner. Raises Refused with its reason."""
    deadline = time.monotonic() + START_SECONDS
    with cast(IO[str], process.stdout) as answer:
        while time.monotonic() < deadline:
            report(STARTING, 0, 2)  # which may stop it
            if not select.select([answer], [], [], LOOK_SECONDS)[0]:
                continue
            line = answer.readline()
            if line.startswith("{"):
                result = dict(json.loads(line))
                if "refused" in result:
                    raise Refused(result["refused"])
                return bool(result["owner_made"])
            if not line:
                raise Refused(f"Argilla fell over while it started; {home / 'start.log'} says why.")
    raise Refused(f"Argilla did not start within {START_SECONDS:.0f} s; {home / 'log.txt'} may say why.")


def _wait_until_healthy(url: str, process: "subprocess.Popen[str]", home: Path, report: Report) -> None:
    import httpx

    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        report(STARTING, 1, 2)
        if process.poll() is not None:
            raise Refused(f"Argilla ended while it started; {home / 'log.txt'} says why.")
        try:
            if httpx.get(f"{url}/api/v1/version", timeout=10, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass  # not yet
        time.sleep(0.1)
    raise Refused(f"Argilla started but does not answer at {url}; {home / 'log.txt'} may say why.")


def stop(project: Path) -> Stopped:
    """Ends the embedded server; requests under way end first."""
    import psutil

    server = running(project)
    if server is not None:
        process = psutil.Process(server.pid)
        process.terminate()
        if psutil.wait_procs([process], STOP_SECONDS)[1]:
            process.kill()
            process.wait(STOP_SECONDS)
        shutil.rmtree(team_folder(project) / "tmp", ignore_errors=True)  # left by a killed server or a late thread
    note_running(project, None)
    return Stopped(server is not None)


def status(project: Path) -> ServerStatus:
    """Asks the embedded server how many people and datasets it has."""
    import httpx
    import psutil

    server, key = running(project), api_key(project)
    if server is None or key is None:
        return ServerStatus(running=False)
    result = ServerStatus(
        running=True,
        url=server.url,
        pid=server.pid,
        version=server.version,
        since=server.since,
        memory_mb=round(psutil.Process(server.pid).memory_info().rss / 1e6),
        answers=False,
    )
    headers = {"X-Argilla-Api-Key": key}
    try:
        with httpx.Client(base_url=server.url, headers=headers, timeout=10, trust_env=False) as client:
            users = len(client.get("/api/v1/users").raise_for_status().json()["items"])
            datasets = len(client.get("/api/v1/me/datasets").raise_for_status().json()["items"])
            return replace(result, answers=True, users=users, datasets=datasets)
    except httpx.HTTPError:
        return result


def _started(server: Running, *, already: bool, owner: Owner | None) -> Started:
    warning = None
    if server.host not in LOOPBACK:
        warning = (
            f"On {server.host} others reach Argilla too. It asks everybody to sign in, but what it sends is not "
            "encrypted: put a proxy with TLS before it, or use a network that you trust."
        )
    return Started(server.url, server.pid, server.version, server.since, already, owner, warning)
