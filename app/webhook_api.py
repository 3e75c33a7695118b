"""The route that Argilla calls when somebody answers there. Knows how to trust a call, not what an answer means.

A call says only which record to look at: its content is never taken for an answer.
"""

import ipaddress
import json
import logging
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from core.errors import RondoError
from core.private import made_once, private_folder, written
from core.project import Project
from core.team.hearing import hear_record
from core.team.workspace import Workspace

log = logging.getLogger("rondo")
PATH = "/api/webhooks/argilla"
MOST_BYTES = 4_000_000
"""a call carries the record with all its fields"""


class HearingOffice(Protocol):
    """What the route needs of an open project."""

    @property
    def project(self) -> Project:
        """The project."""

    def after_events(self) -> None:
        """Starts a round when one is due; returns at once."""


def webhook_routes(opened: Callable[[], HearingOffice]) -> list[Route]:
    """`POST /api/webhooks/argilla`: 204 when what was said is stored; 503 asks to be called again."""

    async def argilla(request: Request) -> Response:
        office = opened()
        try:
            body = await _read_body(request)
        except ClientDisconnect:
            return Response(status_code=204)
        if body is None:
            return JSONResponse({"error": f"A call has at most {MOST_BYTES:,} bytes."}, 413)
        if not _is_signed(office.project.folder, body, request.headers):
            return JSONResponse({"error": "The signature is missing, wrong or too old."}, 401)
        status = await run_in_threadpool(_take_in, office, body)
        return Response(status_code=status)

    return [Route(PATH, argilla, methods=["POST"])]


async def _read_body(request: Request) -> bytes | None:
    """None where it is too long, before it is all in memory."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            return None
    return bytes(body)


def _is_signed(project: Path, body: bytes, headers: Mapping[str, str]) -> bool:
    """By the secret that Argilla gave us, within five minutes."""
    file = _secret_file(project)
    if not file.exists():
        return False
    try:
        Webhook(file.read_text(encoding="utf-8")).verify(body, dict(headers), json_parse=False)
    except (WebhookVerificationError, ValueError):  # a header or a body of the wrong shape is a ValueError
        return False
    return True


def _take_in(office: HearingOffice, body: bytes) -> int:
    """Runs in a thread: it asks Argilla what stands there. The HTTP status to answer with."""
    record, dataset = _named(body)
    try:
        stored = hear_record(office.project, record)
        if stored is None:  # just pushed, and not written down yet; or a dataset of somebody else
            ours = office.project.store.one("select count(*) from team_datasets where id = ?", [dataset])
            return 503 if ours else 204
        if stored:
            office.after_events()
    except RondoError as error:
        log.warning("webhook: %s", error)
        return 503
    return 204


def _named(body: bytes) -> tuple[str, str]:
    """(record, dataset), as Argilla names them; empty where the call is about something else, a ping say."""
    try:
        told: Any = json.loads(body)["data"]["record"]
        return str(told["id"]), str(told["dataset"]["id"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return "", ""


def can_call(workspace: Workspace, own: str) -> bool:
    """Whether the server reaches us: ours is on this machine, another needs an address that is not this machine's."""
    host = urlsplit(own).hostname or ""
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    return workspace.in_order or not loopback


def register(project: Project, own: str) -> None:
    """Asks Argilla to call us at our own address, unless it could not reach us. Again is the same as once."""
    with project.team.open(project.folder, project.settings()) as workspace:
        project.team.called = can_call(workspace, own)
        if not project.team.called:
            return
        secret = workspace.listen(f"{own}{PATH}", _description(project.folder))
    written(_secret_file(project.folder), secret)


def _description(project: Path) -> str:
    """By which our webhook is found again among others' on the same server."""
    file = made_once(private_folder(project, "team") / "webhook_name", secrets.token_hex(6))
    return f"Rondo, project {file.read_text(encoding='utf-8')}"


def _secret_file(project: Path) -> Path:
    return private_folder(project, "team") / "webhook_secret"
