"""What tests do with a real Argilla server over HTTP: datasets, records, people."""

import secrets
import uuid
from collections.abc import Sequence
from typing import Any

import httpx

from tests.argilla_server import ArgillaServer

LABELS = ("a", "b", "c")


def request(server: ArgillaServer, method: str, path: str, body: Any = None, key: str | None = None) -> dict[str, Any]:
    """The answer to one request, as the owner unless another key is named; any error raises."""
    headers = {"X-Argilla-Api-Key": key or server.api_key}
    answer = httpx.request(method, f"{server.url}/api/v1{path}", json=body, headers=headers, timeout=60)
    if answer.is_error:
        raise AssertionError(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
    return dict(answer.json()) if answer.content else {}


def make_workspace(server: ArgillaServer, name: str) -> str:
    """Its id; the one of that name where it is there."""
    items = request(server, "GET", "/me/workspaces")["items"]
    known = [one["id"] for one in items if one["name"] == name]
    return str(known[0] if known else request(server, "POST", "/workspaces", {"name": name})["id"])


def make_dataset(
    server: ArgillaServer, workspace: str, *, overlap: int = 1, ranked: bool = False, publish: bool = True
) -> str:
    """Id of a (published) dataset of this workspace: a text, a label, and whatever metadata comes."""
    body: dict[str, Any] = {"name": workspace, "workspace_id": make_workspace(server, workspace)}
    body |= {"allow_extra_metadata": True, "distribution": {"strategy": "overlap", "min_submitted": overlap}}
    dataset = str(request(server, "POST", "/datasets", body)["id"])
    field = {"name": "text", "title": "Text", "required": True, "settings": {"type": "text"}}
    request(server, "POST", f"/datasets/{dataset}/fields", field)
    options = [{"value": label, "text": label} for label in LABELS]
    question = {"name": "label", "title": "Label", "required": True}
    question |= {"settings": {"type": "label_selection", "options": options}}
    request(server, "POST", f"/datasets/{dataset}/questions", question)
    if ranked:
        rank = {"name": "queue_rank", "title": "Rank", "settings": {"type": "integer"}}
        request(server, "POST", f"/datasets/{dataset}/metadata-properties", rank)
    if publish:
        request(server, "PUT", f"/datasets/{dataset}/publish")
    return dataset


def push(server: ArgillaServer, dataset: str, count: int, ranks: Sequence[int] = ()) -> list[str]:
    """Ids of new records, in order."""
    ids: list[str] = []
    for start in range(0, count, 500):
        items = [
            {"fields": {"text": f"record number {number}"}, "external_id": f"r{number}"}
            | ({"metadata": {"queue_rank": ranks[number]}} if ranks else {})
            for number in range(start, min(start + 500, count))
        ]
        made = request(server, "POST", f"/datasets/{dataset}/records/bulk", {"items": items})["items"]
        ids += [str(one["id"]) for one in made]
    return ids


def annotator(server: ArgillaServer, workspace: str) -> dict[str, Any]:
    """A new person of this workspace: id, username, password, api_key."""
    name, password = f"p-{uuid.uuid4().hex[:8]}", secrets.token_urlsafe(12)
    body = {"username": name, "first_name": name, "role": "annotator", "password": password}
    made = request(server, "POST", "/users", body)
    request(server, "POST", f"/workspaces/{make_workspace(server, workspace)}/users", {"user_id": made["id"]})
    return {**made, "password": password}
