"""The page that Streamlit's scripts run in, as browsers get it from us, and what they may run and load in it."""

import base64
import hashlib
import re
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.navigation import ENTRIES

OWN_SCRIPT = b'<script>window.__streamlit = {BACKEND_BASE_URL: new URL("./", location.href).href}</script>'
"""Every page lies directly below the app, whatever path the app has. Without this Streamlit first looks for its server
below the page that was opened, in vain, and waits before it looks one level up."""
POLICY = (
    "default-src 'self'; script-src 'self' blob: 'wasm-unsafe-eval'{inline}; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
    "frame-ancestors 'none'; base-uri 'none'; object-src 'none'"
)
"""inline: the hashes of what stands as a script in the page"""
HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),  # by which a page behind a proxy says its own address
    (b"cross-origin-resource-policy", b"same-origin"),  # no page of another port may show a file of ours
)


@cache
def frame_page() -> bytes:
    """Streamlit's own page, which says besides where its server is."""
    import streamlit

    page = (Path(streamlit.__file__).parent / "static" / "index.html").read_bytes()
    return page.replace(b"<head>", b"<head>\n    " + OWN_SCRIPT, 1)


def frame_routes() -> list[Route]:
    """That page at every address that a page of ours has."""

    async def frame(_: Request) -> Response:
        return HTMLResponse(frame_page(), headers={"cache-control": "no-cache"})

    return [Route(path, frame) for path in ("/", *(f"/{entry.file}" for entry in ENTRIES))]


def content_policy() -> str:
    """No script runs but our own files and, by their hashes, the inline ones of the page."""
    digests = (hashlib.sha256(one).digest() for one in re.findall(rb"<script>(.*?)</script>", frame_page(), re.DOTALL))
    return POLICY.format(inline="".join(f" 'sha256-{base64.b64encode(one).decode()}'" for one in digests))


class SecurityHeaders:
    """Adds a strict content policy to every answer: even a record that became HTML could load and send nothing."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._headers = ((b"content-security-policy", content_policy().encode()), *HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Plain ASGI, since a wrapped response would buffer streams."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                supplied = list(message.get("headers", []))
                there = {name for name, _ in supplied}
                message["headers"] = [*supplied, *(one for one in self._headers if one[0] not in there)]
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)
