"""How a command reaches a project: opens it, or speaks to the server that holds it. The person sees no difference."""

import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, cast

from app.cli.interrupts import stopping, tolerant
from core import errors
from core.errors import BadInput, Cancelled, Refused, RondoError
from core.jobs.bundle import Report
from core.store.private_files import written

if TYPE_CHECKING:
    from core.config.settings import Settings
    from core.exchange.workspace import Workspace
    from core.project import Project

PATIENCE_SECONDS = 60.0
Options = ParamSpec("Options")
Result = TypeVar("Result")


@dataclass(frozen=True)
class ServerAddress:
    """A running server: its address, the key of its verbs, its process, and the link for a browser."""

    url: str
    key: str
    pid: int
    link: str


def call(
    folder: Path,
    verb: Callable[Concatenate["Project", Report, Options], Result],
    report: Report,
    *_: Options.args,
    **options: Options.kwargs,
) -> Result:
    """Runs one verb on the project in `folder`, wherever it is open."""
    from core.config.settings import require_project
    from core.store.database import StoreHeld
    from core.verbs import name_of

    require_project(folder)
    if odd := [option for option, value in options.items() if isinstance(value, float) and not isfinite(value)]:
        raise BadInput(f"--{odd[0].replace('_', '-')} is {options[odd[0]]}, which is no number. Take another.")
    name = name_of(verb)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        address = read_address(folder)
        if address and (result := _remote(address, name, report, options)) is not None:
            return cast(Result, result)
        try:
            return cast(Result, _here(folder, name, report, options))
        except StoreHeld:
            if time.monotonic() > deadline:
                raise Refused(
                    f"Another rondo command has been working on {folder} for over {PATIENCE_SECONDS:.0f} s. "
                    "Wait for it to end, or stop it, and try again."
                ) from None
            report("Waiting for another rondo command", 0, 0)
            time.sleep(0.2)


def ask_server(folder: Path, verb: Callable[["Project", Report], Result]) -> Result | None:
    """The verb's result from the server that has the project open; None where none has."""
    from core.verbs import name_of

    address = read_address(folder)
    return cast(Result, _remote(address, name_of(verb), lambda *_: None, {})) if address else None


def _here(folder: Path, verb: str, report: Report, options: dict[str, Any]) -> object:
    from core.upkeep import empty_dead, take_up
    from core.verbs import do_verb

    with opened_project(folder) as project:
        take_up(project)
        report("Starting", 0, 0)
        try:
            return do_verb(project, verb, report, **options)
        except Cancelled:
            empty_dead(project)
            raise


@contextmanager
def opened_project(folder: Path) -> Iterator["Project"]:
    """The project with this machine's runner; Ctrl-C cancels the job that runs."""
    from app.auth.secret_file import load_secrets
    from core.config.settings import read_settings
    from core.project import open_project
    from gpu_jobs.runners.choice import RUNNERS

    load_secrets(folder)
    project = open_project(folder, RUNNERS["local"](read_settings(folder)), RUNNERS, _connect)
    try:
        yield project
    finally:
        project.close()


def _connect(project: Path, settings: "Settings") -> "Workspace":
    """Loads the HTTP client only when needed: it takes a tenth of a second, and most verbs do not use Argilla."""
    from annotation.workspace import connect

    return connect(project, settings)


def _remote(address: ServerAddress, verb: str, report: Report, options: dict[str, Any]) -> object:
    """The server's answer, or None when there is no server at this address any more."""
    import httpx

    from core.typed_json import from_json, result_type
    from core.verbs import function_of

    headers = {"X-Rondo-Key": address.key, "X-Rondo-Run": secrets.token_hex(8)}
    url = f"{address.url}/api/verbs/{verb}"

    def stop() -> None:
        with suppress(httpx.HTTPError):
            httpx.post(f"{address.url}/api/verbs/stop", headers=headers, timeout=10, trust_env=False)

    try:
        with (
            stopping(stop),
            httpx.Client(timeout=httpx.Timeout(10, read=None), trust_env=False) as client,
            client.stream("POST", url, json=options, headers=headers) as response,
        ):
            if response.status_code in (401, 404):
                return None  # another program listens there now: our server was killed without removing its file
            if response.status_code == 400:
                response.read()
                raise BadInput(str(response.json().get("error")))
            if response.status_code != 200:
                raise Refused(f"The server at {address.url} answered {response.status_code}. Restart it.")
            answer = _follow(response.iter_lines(), tolerant(report))
            return from_json(result_type(function_of(verb)), answer, f"The server's answer to {verb}")
    except (httpx.ConnectError, httpx.ConnectTimeout):
        return None
    except httpx.TransportError:
        raise Refused("The server ended while it was working. What was saved is kept; try again.") from None


def _follow(lines: Iterator[str], report: Report) -> object:
    for line in lines:
        message = json.loads(line)
        if "progress" in message:
            report(*message["progress"])
        elif "error" in message:
            kind = getattr(errors, message["kind"], RondoError)
            raise kind(message["error"])
        elif "result" in message:
            return message["result"]
    raise Refused("The server ended while it was working. What was saved is kept; try again.")


def answers(url: str, key: str = "") -> bool:
    """Is there a server of this project at this address still? Without a key: any server of ours."""
    import httpx

    try:
        headers = {"X-Rondo-Key": key} if key else {}
        return httpx.get(f"{url}/api/health", headers=headers, timeout=5, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def address_file(folder: Path) -> Path:
    """Where a running server leaves its address and key."""
    return folder / ".rondo" / "server.json"


def read_address(folder: Path) -> ServerAddress | None:
    """Of the server that holds the project, None where none does."""
    from core.typed_json import from_json

    try:
        return from_json(ServerAddress, json.loads(address_file(folder).read_text(encoding="utf-8")), "The address")
    except (OSError, ValueError, BadInput):  # not there, or not for this user
        return None


def write_address(folder: Path, url: str, key: str, link: str) -> None:
    """Written atomically, readable by the owner only. link: for a browser."""
    path = address_file(folder)
    written(path, json.dumps(asdict(ServerAddress(url, key, os.getpid(), link))))
