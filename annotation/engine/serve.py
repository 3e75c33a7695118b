"""The process of the embedded Argilla server: no Docker, no Elasticsearch, no Redis. Knows a folder, not our project.

`python -m engine.serve`, with Argilla's own interpreter. The first line on stdin is `ServerOptions` as JSON; one line
on stdout is the outcome: {"owner_made": bool} or {"refused": "why"}. Nothing follows on stdout.
"""

import asyncio
import fcntl
import json
import logging
import os
import secrets
import shutil
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from logging.handlers import RotatingFileHandler
from pathlib import Path

from .gate import NO_ORIGINS, Gate

PROVEN = "2.8.0"
"""The engine and the jobs lean on the inside of exactly this argilla-server."""
LOG_BYTES, LOG_FILES = 1_000_000, 3
log = logging.getLogger("rondo.argilla")


@dataclass(frozen=True)
class ServerOptions:
    """home: the database's folder, for the owner's eyes only. speedups: False leaves the server as upstream made it."""

    home: Path
    host: str
    port: int
    owner: str
    password: str
    api_key: str
    workspace: str
    speedups: bool = True


class Refusal(Exception):
    """The server cannot start; the sentence is the reason."""


def main() -> None:
    """Serves until SIGTERM."""
    os.umask(0o077)
    stored = json.loads(sys.stdin.readline())
    options = ServerOptions(**{**stored, "home": Path(stored["home"])})
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        check_version()
        with sole_server(options.home), bound(options.host, options.port) as listening:
            prepare(options.home)
            owner_made = set_up(options)
            answer({"owner_made": owner_made})
            fall_silent()
            run(listening, options.host)
    except Refusal as refusal:
        answer({"refused": str(refusal)})
        sys.exit(1)
    except Exception:
        log.exception("The server could not start or fell over")
        raise


def check_version() -> None:
    """Raises Refusal for any argilla-server but the tested version."""
    installed = version("argilla-server")
    if installed != PROVEN:
        raise Refusal(
            f"This environment holds argilla-server {installed}, but the embedded search engine "
            f"was built on the inside of "
            f"{PROVEN} and might answer wrongly on any other. Install argilla-server=={PROVEN}."
        )


@contextmanager
def sole_server(home: Path) -> Iterator[None]:
    """Holds the folder against a second server, which would share its database and its jobs."""
    with (home / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refusal(f"Another server already works on {home}. Stop it first.") from None
        yield


@contextmanager
def bound(host: str, port: int) -> Iterator[socket.socket]:
    """A listening socket, taken before seconds of imports pass."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as error:
        raise Refusal(
            f"Cannot listen on {host}:{port}: {error.strerror or error}. "
            "Name another port with --port, or another address with --host."
        ) from None
    with listening:
        listening.listen(128)
        yield listening


def prepare(home: Path) -> None:
    """Log, temporary files and environment, all in the folder; removes what a killed server left there."""
    log_to(home)
    warnings.filterwarnings("ignore")
    threading.excepthook = lambda result: log.error("A thread fell over: %r", result.exc_value)
    temporary = home / "tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    for name in [name for name in os.environ if name.startswith("ARGILLA_")]:
        del os.environ[name]  # a person's own Argilla has its own settings
    os.environ |= {
        "TMPDIR": str(temporary),  # each start leaves 14 MB of static files there
        "ARGILLA_HOME_PATH": str(home),
        "ARGILLA_AUTH_SECRET_KEY": auth_secret(home),
        "ARGILLA_SEARCH_ENGINE": "embedded",
        **NO_ORIGINS,
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "NO_PROXY": ",".join(filter(None, [os.environ.get("NO_PROXY"), "127.0.0.1", "localhost"])),
    }


def log_to(home: Path) -> None:
    """Sends all logs to rotating files."""
    handler = RotatingFileHandler(home / "log.txt", maxBytes=LOG_BYTES, backupCount=LOG_FILES - 1, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for name in logging.root.manager.loggerDict:
        logging.getLogger(name).disabled = False


def auth_secret(home: Path) -> str:
    """The stored secret: a new one would log everybody out at each start."""
    path = home / "auth_secret"
    if not path.exists():
        path.write_text(secrets.token_hex(32))
    return path.read_text()


def set_up(options: ServerOptions) -> bool:
    """Migrates the database; returns whether the owner had to be made."""
    from .jobs import install_jobs

    finish = install_jobs()  # before Argilla is imported
    import argilla_server  # noqa: F401
    from alembic.config import main as alembic
    from argilla_server import database

    from . import search  # noqa: F401 - registers itself
    from .speedups import install_speedups
    from .sqlite import prepare_connections

    finish()
    prepare_connections()
    if options.speedups:
        install_speedups()
    alembic(argv=["-c", database.ALEMBIC_CONFIG_FILE, "upgrade", "head"])
    log_to(options.home)  # again: the migrations turn all other logs off
    return asyncio.run(ensure_owner(options))


async def ensure_owner(options: ServerOptions) -> bool:
    """Makes the owner and the workspace where they are not there."""
    from argilla_server import database
    from argilla_server.contexts import accounts
    from argilla_server.models import User, UserRole, Workspace

    async with database.AsyncSessionLocal() as db:
        missing = await accounts.get_user_by_username(db, options.owner) is None
        workspace = await Workspace.get_by(db, name=options.workspace)
        if workspace is None:
            workspace = await Workspace.create(db, name=options.workspace)
        if missing:
            await User.create(
                db,
                first_name=options.owner,
                username=options.owner,
                role=UserRole.owner,
                password_hash=accounts.hash_password(options.password),
                api_key=options.api_key,
                workspaces=[workspace],
            )
    await database.async_engine.dispose()
    return missing


def run(listening: socket.socket, host: str) -> None:
    """Answers requests until a signal; those under way have five seconds to end."""
    import argilla_server
    import uvicorn

    config = uvicorn.Config(
        Gate(argilla_server.app, host),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    try:
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        shutil.rmtree(os.environ["TMPDIR"], ignore_errors=True)


def answer(result: dict[str, bool] | dict[str, str]) -> None:
    """The one line that the starter waits for."""
    sys.stdout.write(json.dumps(result) + "\n")
    sys.stdout.flush()


def fall_silent() -> None:
    """Closes stdout and stderr: unread output would fill a disk, or kill the server."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)


if __name__ == "__main__":
    main()
