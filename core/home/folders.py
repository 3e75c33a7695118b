"""The folder of a home: which projects lie in it, and moving one as a whole. Knows no database and no server.

`NAME/` is a project, `.home/archived/NAME` one that is put away, `.home/trash/NAME-TIME` one that was deleted. A name
in an address is checked before it becomes a path: nothing outside of the home is ever touched.
"""

import os
import re
import secrets
import shutil
import threading
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from core.config.settings import FILE, read_settings, write_settings
from core.errors import BadInput, NotAProject, Refused, RondoError
from core.store.database import utc_now

PRIVATE = ".home"
VARIABLE = "RONDO_HOME"
LONGEST = 48
_KEY = re.compile(rf"[a-z0-9][a-z0-9._-]{{0,{LONGEST + 15}}}", re.IGNORECASE)
_TRASHED = re.compile(r"(.+)-(\d{8}-\d{6})-[0-9a-f]{4}")
RESERVED = ("backups", "templates")
NAME_LIMIT = 80
_MOVING = threading.RLock()
"""from the choice of a free name until a project has it"""


@dataclass(frozen=True)
class Trashed:
    """A deleted project. id: names its folder in the trash; key: what it was called; at: since when it lies there."""

    id: str
    key: str
    at: str


def default_home() -> Path:
    """Where projects lie unless somebody says otherwise."""
    return Path(os.environ.get(VARIABLE) or Path.home() / "rondo")


def open_home(folder: Path) -> Path:
    """The folder, made if it is missing, with room for what is not a project. Raises Refused, BadInput."""
    home = folder.expanduser().absolute()
    if (home / FILE).exists():
        raise BadInput(
            f"{home} is a project; a home is a folder of projects. Start it alone: rondo --project {home} up"
        )
    try:
        home.mkdir(parents=True, exist_ok=True)
        (home / PRIVATE).mkdir(mode=0o700, exist_ok=True)
        for name in ("archived", "trash", "making", "drafts", "replays"):
            (home / PRIVATE / name).mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise Refused(f"The home {home} cannot be made: {error.strerror}. Name another folder with --home.") from None
    return home


def private(home: Path, *below: str) -> Path:
    """What lies in the home and is no project of it."""
    return home.joinpath(PRIVATE, *below)


def check_key(key: str) -> str:
    """The name of a project's folder, as addresses have it. Raises BadInput for what could be anything else."""
    if not _KEY.fullmatch(key) or key in RESERVED:
        raise BadInput(f"{key[:80]!r} is no name of a project here: letters, digits, hyphens, dots.")
    return key


def check_name(name: object) -> str:
    """What people call a project. Raises BadInput."""
    text = " ".join(name.split()) if isinstance(name, str) else ""
    if not 0 < len(text) <= NAME_LIMIT or not text.isprintable():
        raise BadInput(f"A project's name has 1 to {NAME_LIMIT} visible characters.")
    return text


def new_key(home: Path, name: str) -> str:
    """A folder's name for a project of this name that no other has: 'Crème brûlée!' is creme-brulee."""
    folded = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    base = "-".join(re.findall(r"[a-z0-9]+", folded))[:LONGEST].strip("-") or "project"
    base = f"{base}-project" if base in RESERVED else base
    taken = _taken(home)
    numbers = (base if number == 1 else f"{base}-{number}" for number in range(1, len(taken) + 2))
    return next(key for key in numbers if key not in taken)


def _taken(home: Path) -> set[str]:
    return {path.name.lower() for path in [*home.iterdir(), *private(home, "archived").iterdir()]}


def project_keys(home: Path) -> list[str]:
    """Of the projects that can be opened here."""
    return _keys_in(home)


def archived_keys(home: Path) -> list[str]:
    """Of those that are put away."""
    return _keys_in(private(home, "archived"))


def _keys_in(folder: Path) -> list[str]:
    return sorted(
        path.name
        for path in folder.iterdir()
        if _KEY.fullmatch(path.name) and path.name not in RESERVED and not path.is_symlink() and (path / FILE).is_file()
    )


def project_path(home: Path, key: str) -> Path:
    """The project of this name. Raises BadInput, NotAProject."""
    path = home / check_key(key)
    if path.is_symlink() or not (path / FILE).is_file():
        raise NotAProject(f"There is no project {key!r} here. It may have been archived, renamed or deleted.")
    return path


def rename(home: Path, key: str, name: str) -> None:
    """Changes what people call it; its folder and address stay, so that links hold."""
    path, name = project_path(home, key), check_name(name)
    write_settings(path, replace(read_settings(path), name=name))


def archive(home: Path, key: str) -> None:
    """Puts it away."""
    _move(project_path(home, key), private(home, "archived") / key)


def unarchive(home: Path, key: str) -> None:
    """Takes it out again. Raises Refused where another has its name now."""
    _move(_archived_path(home, key), home / key)


def _archived_path(home: Path, key: str) -> Path:
    path = private(home, "archived") / check_key(key)
    if not (path / FILE).is_file():
        raise NotAProject(f"There is no archived project {key!r}.")
    return path


def trash(home: Path, key: str, *, archived: bool = False) -> str:
    """Moves it to the trash; returns the name that it has there."""
    path = _archived_path(home, key) if archived else project_path(home, key)
    target = private(home, "trash") / f"{key}-{utc_now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    _move(path, target)
    return target.name


def trashed(home: Path) -> list[Trashed]:
    """What lies in the trash, the newest first."""
    rows = []
    for path in private(home, "trash").iterdir():
        if match := _TRASHED.fullmatch(path.name):
            at = datetime.strptime(match[2], "%Y%m%d-%H%M%S")
            rows.append(Trashed(path.name, match[1], f"{at:%Y-%m-%d %H:%M}"))
    return sorted(rows, key=lambda one: one.at, reverse=True)


def untrash(home: Path, identifier: str) -> str:
    """Takes it out of the trash, under a name that is free; returns that."""
    path = _trashed_path(home, identifier)
    match = _TRASHED.fullmatch(path.name)
    key = match[1] if match else "project"
    with _MOVING:
        key = key if not (home / key).exists() else new_key(home, key)
        _move(path, home / key)
    return key


def delete_trashed(home: Path, identifier: str) -> None:
    """For good."""
    shutil.rmtree(_trashed_path(home, identifier), ignore_errors=True)


def _trashed_path(home: Path, identifier: str) -> Path:
    path = private(home, "trash") / identifier
    if not _TRASHED.fullmatch(identifier) or "/" in identifier or path.is_symlink() or not path.is_dir():
        raise NotAProject("That is not in the trash any more.")
    return path


def make_aside(home: Path, key: str, fill: Callable[[Path], object]) -> Path:
    """A project that `fill` makes out of sight; it stands in the home when it is whole, and nothing is left otherwise.

    Returns its folder, which has another name where somebody took that key meanwhile. Raises what `fill` raises.
    """
    check_key(key)
    aside = private(home, "making") / secrets.token_hex(8) / key
    try:
        aside.parent.mkdir(parents=True)
        fill(aside)
        with _MOVING:
            made = home / (new_key(home, key) if key.lower() in _taken(home) else key)
            _move(aside, made)
    finally:
        shutil.rmtree(aside.parent, ignore_errors=True)
    return made


def sweep(home: Path) -> None:
    """Deletes what a killed process has left half made. Before anything is begun."""
    partials = private(home, "replays").glob("*.partial")
    for path in [*private(home, "making").iterdir(), *private(home, "drafts").iterdir(), *partials]:
        with suppress(OSError):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def name_of(folder: Path) -> str:
    """What people call the project, its folder's name where the settings cannot be read."""
    try:
        return read_settings(folder).name
    except RondoError:
        return folder.name


def _move(path: Path, target: Path) -> None:
    with _MOVING:
        if target.exists():
            raise Refused(f"There is a project {target.name!r} already. Rename or archive that one first.")
        try:
            path.rename(target)
        except OSError as error:
            raise Refused(f"{path.name} cannot be moved: {error.strerror}. Nothing was changed.") from None
