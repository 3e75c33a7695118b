"""Protects Argilla: checks the caller's origin and limits password attempts. Knows no record.

Argilla allows every origin (CORS) and host name, and any number of password attempts.
"""

import ipaddress
import json
import time
from urllib.parse import parse_qs, urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .throttle import Throttle

SIGN_IN = "/api/v1/token"
MOST_BYTES = 65_536
OWN_NAMES = ("127.0.0.1", "localhost", "::1")
NO_ORIGINS = {"ARGILLA_CORS_ORIGINS": "[]"}
"""its own pages come from here; no others get to read what it answers"""


class Gate:
    """Plain ASGI. host: that it listens on; on a loopback address other host names are refused (DNS rebinding)."""

    def __init__(self, app: ASGIApp, host: str) -> None:
        self._app = app
        self._names = frozenset((*OWN_NAMES, host.lower())) if _is_loopback(host) else None
        self._throttle = Throttle()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or refuses it with a reason."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif self._names is not None and _host_name(_header(scope, b"host")) not in self._names:
            await _refuse(send, 400, "This server answers only to the names of this machine: 127.0.0.1, localhost.")
        elif scope["type"] == "http" and scope["method"] == "POST" and scope["path"].rstrip("/") == SIGN_IN:
            await self._sign_in(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _sign_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _read(receive)
        if body is None:
            await _refuse(send, 413, "A name and a password are shorter.")
            return
        address = (scope.get("client") or ("",))[0]
        keys = (("name and address", f"{_name_in(body)} {address}"), ("address", address))
        if wait := self._throttle.admit(keys, time.monotonic()):
            seconds = max(1, round(wait))
            await _refuse(send, 429, f"Too many wrong tries. Try again in {seconds} s.", retry_after=seconds)
            return
        sent = False

        async def again() -> Message:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 400:
                self._throttle.forgive(keys)
            await send(message)

        await self._app(scope, again, watched)


async def _read(receive: Receive) -> bytes | None:
    """The whole body, None where it is too long."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message["type"] == "http.request" and message.get("more_body", False)
        if len(body) > MOST_BYTES:
            return None
    return body


def _name_in(body: bytes) -> str:
    """Empty where there is none: then attempts are counted together."""
    try:
        return parse_qs(body.decode("latin-1"), max_num_fields=20).get("username", [""])[0][:200]
    except ValueError:
        return ""


async def _refuse(send: Send, status: int, why: str, retry_after: int = 0) -> None:
    headers = [(b"content-type", b"application/json")]
    if retry_after:
        headers.append((b"retry-after", str(retry_after).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps({"detail": why}).encode()})


def _header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def _host_name(authority: str) -> str:
    try:
        return urlsplit(f"//{authority}").hostname or ""
    except ValueError:
        return ""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
