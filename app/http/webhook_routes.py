"""The route that Argilla calls when somebody answers there. Knows how to verify a call, not what an answer means.

A call only names a record to read: its content is never used as an answer.
"""

import ipaddress
import json
import logging
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.request_body import read_at_most
from core.errors import RondoError
from core.exchange.pull import PART, is_ours, reconcile_now, record_no_of
from core.exchange.workspace import Workspace
from core.ids import RecordNo
from core.project import Project
from core.store.private_files import made_once, private_folder, written

log = logging.getLogger("rondo")
PATH = "/api/webhooks/argilla"
MOST_BYTES = 4_000_000
"""a call carries the record with all its fields"""


class OpenProject(Protocol):
    """What the route needs of an open project."""

    @property
    def project(self) -> Project:
        """The project."""

    def after_events(self) -> None:
        """Starts a round when one is due; returns at once."""


@dataclass
class WebhookBuffer:
    """Records that Argilla has called about, looked at together: it calls once per answer, one call after the other.

    The next sync finds calls that are lost with the process, or while Argilla does not answer.
    """

    _waiting: set[RecordNo] = field(default_factory=set)
    _reconciling: threading.Lock = field(default_factory=threading.Lock)

    def note(self, record_no: RecordNo) -> None:
        """One more, for the next `reconcile`."""
        self._waiting.add(record_no)

    def reconcile(self, server: OpenProject) -> None:
        """Reads noted records until none is left; returns at once where another thread does. Runs in a thread."""
        while self._waiting and self._reconciling.acquire(blocking=False):
            try:
                self._reconcile_some(server)
            finally:
                self._reconciling.release()

    def _reconcile_some(self, server: OpenProject) -> None:
        record_nos = [self._waiting.pop() for _ in range(min(PART, len(self._waiting)))]
        try:
            stored = reconcile_now(server.project, record_nos)
        except RondoError as error:
            log.warning("webhook: %s", error)
            return
        if stored:
            server.after_events()


def webhook_routes(opened: Callable[[], OpenProject]) -> list[Route]:
    """`POST /api/webhooks/argilla`: 204 when the record will be looked at; 503 asks to be called again."""
    buffer = WebhookBuffer()

    async def argilla(request: Request) -> Response:
        server = opened()
        try:
            body = await read_at_most(request, MOST_BYTES)
        except ClientDisconnect:
            return Response(status_code=204)
        if body is None:
            return JSONResponse({"error": f"A call has at most {MOST_BYTES:,} bytes."}, 413)
        if not _is_signed(server.project.folder, body, request.headers):
            return JSONResponse({"error": "The signature is missing, wrong or too old."}, 401)
        status = await run_in_threadpool(_note, server.project, buffer, body)
        return Response(status_code=status, background=BackgroundTask(run_in_threadpool, buffer.reconcile, server))

    return [Route(PATH, argilla, methods=["POST"])]


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


def _note(project: Project, buffer: WebhookBuffer, body: bytes) -> int:
    """The HTTP status to answer with. A record that was just pushed may not be written down yet."""
    record, dataset = _named(body)
    n = record_no_of(project, record)
    if n is None:
        return 503 if is_ours(project, dataset) else 204
    buffer.note(n)
    return 204


def _named(body: bytes) -> tuple[str, str]:
    """(record, dataset), as Argilla names them; empty where the call is about something else, a ping say."""
    try:
        record = json.loads(body)["data"]["record"]
        return str(record["id"]), str(record["dataset"]["id"])
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
    """Registers our webhook at Argilla, unless it could not reach us. Idempotent."""
    with project.team.open(project.folder, project.settings()) as workspace:
        project.team.called = can_call(workspace, own)
        if not project.team.called:
            return
        # By which our webhook is found again among others' on the same server
        file = made_once(private_folder(project.folder, "team") / "webhook_name", secrets.token_hex(6))
        secret = workspace.listen(f"{own}{PATH}", f"Rondo, project {file.read_text(encoding='utf-8')}")
    written(_secret_file(project.folder), secret)


def _secret_file(project: Path) -> Path:
    return private_folder(project, "team") / "webhook_secret"
