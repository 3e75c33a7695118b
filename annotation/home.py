"""The folder of the embedded server, `.rondo/team/` in the project: database, secrets, running process. Starts nothing.

Its owner alone can read it. `credentials.json` holds the owner's name and key, never a password.
"""

import json
import os
import secrets
import shutil
import sqlite3
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from core.errors import BadInput, Refused
from core.store.database import utc_now
from core.store.private_files import FOLDER, private_folder, written

OWNER = "owner"
DATABASE, SECRET, CREDENTIALS, RUNNING = "argilla.db", "auth_secret", "credentials.json", "server.json"
LEAST = 8
"""letters of a password, as Argilla wants it"""


@dataclass(frozen=True)
class Running:
    """A server's process. began: its start time by the system, because pids are reused."""

    pid: int
    began: float
    host: str
    port: int
    version: str
    since: str

    @property
    def url(self) -> str:
        """Where this machine reaches it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104 - compared, not bound
        return f"http://{f'[{host}]' if ':' in host and not host.startswith('[') else host}:{self.port}"


def team_folder(project: Path) -> Path:
    """Made where it is not there."""
    return private_folder(project, "team")


def running(project: Path) -> Running | None:
    """The server that runs; None where none was started, or where it was killed."""
    import psutil

    path = project / FOLDER / "team" / RUNNING
    try:
        server = Running(**json.loads(path.read_text(encoding="utf-8")))
        process = psutil.Process(server.pid)
        alive = process.create_time() == server.began and process.status() != psutil.STATUS_ZOMBIE
    except (FileNotFoundError, ValueError, TypeError, psutil.NoSuchProcess):
        return None
    return server if alive else None


def note_running(project: Path, server: Running | None) -> None:
    """Stores the running process, or that there is none."""
    path = team_folder(project) / RUNNING
    if server is None:
        path.unlink(missing_ok=True)
    else:
        written(path, json.dumps(asdict(server)))


def api_key(project: Path) -> str | None:
    """The owner's, None before the first start."""
    path = project / FOLDER / "team" / CREDENTIALS
    return str(json.loads(path.read_text(encoding="utf-8"))["api_key"]) if path.exists() else None


def owner_credentials(project: Path) -> tuple[str, str]:
    """(password, key) for the first start: generated, or as the environment says. The key is kept at once.

    After a first start that failed before making the owner, the same key with a new password.
    """
    password = os.environ.get("RONDO_TEAM_PASSWORD", "") or secrets.token_urlsafe(12)
    if len(password) < LEAST:
        raise BadInput(f"RONDO_TEAM_PASSWORD has {len(password)} letters, but Argilla wants at least {LEAST}.")
    key = api_key(project)
    if key is None:
        key = os.environ.get("RONDO_TEAM_API_KEY", "") or secrets.token_urlsafe(32)
        written(team_folder(project) / CREDENTIALS, json.dumps({"username": OWNER, "api_key": key}))
    return password, key


def forget_deleted(home: Path) -> None:
    """Purges deleted records from the server's file: free pages and old parts of its index still have them."""
    with closing(sqlite3.connect(home / DATABASE, timeout=30, isolation_level=None)) as connection:
        indexes = connection.execute("select name from sqlite_master where sql like '%using fts5%'").fetchall()
        for (name,) in indexes:
            connection.execute(f'insert into "{name}" ("{name}") values (\'optimize\')')
        connection.execute("vacuum")
        connection.execute("pragma wal_checkpoint(truncate)")


@dataclass(frozen=True)
class TeamBackup:
    """A copy that was made."""

    folder: str
    bytes: int


def back_up(project: Path, out: Path | None) -> TeamBackup:
    """Copies database, secret and credentials to a folder, while the server runs too; the folder is new."""
    home = team_folder(project)
    if not (home / DATABASE).exists():
        raise Refused("There is no embedded Argilla to back up here. Start one first: rondo team start")
    folder = out or project / "backups" / f"team-{utc_now():%Y%m%d-%H%M%S}"
    if folder.exists():
        raise Refused(f"{folder} is there already; a backup never overwrites. Name another with --out.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700)
    copy = partial / DATABASE
    copy.touch(mode=0o600)
    with closing(sqlite3.connect(home / DATABASE)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    for name in (SECRET, CREDENTIALS):
        written(partial / name, (home / name).read_text(encoding="utf-8"))
    partial.rename(folder)
    return TeamBackup(str(folder), sum(file.stat().st_size for file in folder.iterdir()))
