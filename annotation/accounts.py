"""People of an Argilla server: listed, and added with a password that is shown once. Knows HTTP, no record."""

import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from annotation.convert import Json
from annotation.server import Connection, find_connection
from core.config.settings import read_settings
from core.errors import BadInput, Refused

if TYPE_CHECKING:
    import httpx

ROLES = ("annotator", "admin", "owner")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,49}")


@dataclass(frozen=True)
class TeamUser:
    """A user of the server. member: whether they belong to the workspace (an owner sees all)."""

    name: str
    role: str
    member: bool


@dataclass(frozen=True)
class TeamUsers:
    """The people of a server, owners last, and the project's workspace on it."""

    workspace: str
    users: list[TeamUser]


@dataclass(frozen=True)
class AddedUser:
    """password: returned here once and stored nowhere. url: where they sign in."""

    name: str
    role: str
    password: str
    url: str


def list_team(project: Path) -> TeamUsers:
    """Of the server that the project's batches go to. Raises Refused where none runs or its key is not known."""
    settings = read_settings(project)
    return list_users(find_connection(project, settings), settings.team_workspace)


def add_to_team(project: Path, name: str, role: str) -> AddedUser:
    """Makes a person there, in the project's workspace. Raises Refused, BadInput."""
    settings = read_settings(project)
    return add_user(find_connection(project, settings), settings.team_workspace, name, role)


def list_users(connection: Connection, workspace: str) -> TeamUsers:
    """All users of the server."""
    with _client(connection) as client:
        items = _people(client, "/users")
        workspace_id = _workspace(client, workspace)
        members = {one.id for one in _people(client, f"/workspaces/{workspace_id}/users")} if workspace_id else set()
    users = [TeamUser(one.username, one.role, one.role == "owner" or one.id in members) for one in items]
    return TeamUsers(workspace, sorted(users, key=lambda one: (ROLES.index(one.role), one.name)))


def add_user(connection: Connection, workspace: str, name: str, role: str) -> AddedUser:
    """Makes a person and adds them to the workspace; the password is only in what this returns."""
    if role not in ROLES:
        raise BadInput(f"There is no role {role!r}; there are {', '.join(ROLES)}.")
    if not NAME.fullmatch(name):
        raise BadInput(f"{name!r} cannot be a name: letters, digits and _ . @ - only, at most 50, no space.")
    password = secrets.token_urlsafe(12)
    with _client(connection) as client:
        if any(one.username == name for one in _people(client, "/users")):
            raise Refused(f"{name} is a user of this server already. Choose another name.")
        body = {"username": name, "first_name": name, "role": role, "password": password}
        made = _ask(client, "POST", "/users", body)["id"]
        workspace_id = _workspace(client, workspace) or _ask(client, "POST", "/workspaces", {"name": workspace})["id"]
        _ask(client, "POST", f"/workspaces/{workspace_id}/users", {"user_id": made})
    return AddedUser(name, role, password, connection.url)


def _client(connection: Connection) -> "httpx.Client":
    import httpx

    headers = {"X-Argilla-Api-Key": connection.api_key}
    return httpx.Client(
        base_url=f"{connection.url}/api/v1", headers=headers, timeout=30, trust_env=not connection.embedded
    )


@dataclass(frozen=True)
class _Person:
    id: str
    username: str
    role: str


def _people(client: "httpx.Client", path: str) -> list[_Person]:
    return [_Person(one["id"], one["username"], one["role"]) for one in _ask(client, "GET", path)["items"]]


def _workspace(client: "httpx.Client", name: str) -> str | None:
    items = _ask(client, "GET", "/me/workspaces")["items"]
    return next((str(one["id"]) for one in items if one["name"] == name), None)


def _ask(client: "httpx.Client", method: str, path: str, body: dict[str, str] | None = None) -> Json:
    """The answer. Raises Refused with a sentence for errors that a person can fix."""
    import httpx

    try:
        answer = client.request(method, path, json=body)
    except httpx.TransportError as error:
        raise Refused(
            f"Argilla at {client.base_url} does not answer ({type(error).__name__}). Is it running?"
        ) from None
    if answer.status_code in (401, 403):
        raise Refused("Argilla refuses this key: only an owner's may add people.")
    if answer.is_error:
        raise Refused(f"Argilla answered {answer.status_code}: {answer.text[:300]}")
    return dict(answer.json())
