"""People of an Argilla server: listed, and added with a password that is told once. Knows HTTP, no project."""

import re
import secrets
from typing import Any

from annotation.server import Connection
from core.errors import BadInput, Refused

ROLES = ("annotator", "admin", "owner")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,49}")


def list_users(connection: Connection, workspace: str) -> list[dict[str, Any]]:
    """name, role, and whether they belong to the workspace (an owner sees all)."""
    with _client(connection) as client:
        items = _asked(client, "GET", "/users")["items"]
        place = _workspace(client, workspace)
        members = (
            {one["id"] for one in _asked(client, "GET", f"/workspaces/{place}/users")["items"]} if place else set()
        )
    users = [
        {"name": one["username"], "role": one["role"], "member": one["role"] == "owner" or one["id"] in members}
        for one in items
    ]
    return sorted(users, key=lambda one: (ROLES.index(one["role"]), one["name"]))


def add_user(connection: Connection, workspace: str, name: str, role: str) -> dict[str, Any]:
    """Makes a person and adds them to the workspace; the password stands nowhere but in what this returns."""
    if role not in ROLES:
        raise BadInput(f"There is no role {role!r}; there are {', '.join(ROLES)}.")
    if not NAME.fullmatch(name):
        raise BadInput(f"{name!r} cannot be a name: letters, digits and _ . @ - only, at most 50, no space.")
    password = secrets.token_urlsafe(12)
    with _client(connection) as client:
        if any(one["username"] == name for one in _asked(client, "GET", "/users")["items"]):
            raise Refused(f"{name} is a user of this server already. Choose another name.")
        made = _asked(
            client, "POST", "/users", {"username": name, "first_name": name, "role": role, "password": password}
        )
        place = _workspace(client, workspace) or _asked(client, "POST", "/workspaces", {"name": workspace})["id"]
        _asked(client, "POST", f"/workspaces/{place}/users", {"user_id": made["id"]})
    return {"name": name, "role": role, "password": password, "url": connection.url}


def _client(connection: Connection) -> Any:
    import httpx

    headers = {"X-Argilla-Api-Key": connection.api_key}
    return httpx.Client(
        base_url=f"{connection.url}/api/v1", headers=headers, timeout=30, trust_env=not connection.embedded
    )


def _workspace(client: Any, name: str) -> str | None:
    items = _asked(client, "GET", "/me/workspaces")["items"]
    return next((str(one["id"]) for one in items if one["name"] == name), None)


def _asked(client: Any, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """The answer. Raises Refused in words for what a person can mend."""
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
