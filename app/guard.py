"""Nothing of the app goes out, and nothing comes in, past this: who asks, and whether they may. Knows no page."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import compile_path

from app.accounts import claims_of
from app.entrance import Door, Entrance
from core.team.people import Person
from core.team.roles import holders

HEADER = b"x-rondo-session"
"""what pages learn the session from: set here, and only here (`server.trustedUserHeaders`)"""

FREE: dict[str, str] = {
    "/sign-in": "lets people in",
    "/sign-out": "lets them out",
    "/_stcore/health": "says only that the server runs",
    "/api/health": "says only that the server runs",
    "/api/openapi.json": "says what the routes are",
    "/api/docs": "says what the routes are",
    "/api/verbs/{verb}": "asks for the key of the command line",
    "/api/jobs": "asks for the token",
    "/api/jobs/{id}": "asks for the token",
    "/api/models": "asks for the token",
    "/api/models/{id}": "asks for the token",
    "/api/models/{id}/activate": "asks for the token",
    "/api/webhooks/argilla": "asks for a signature",
}
"""our routes that nobody needs to be signed in for, and what guards them instead"""
RIGHTS: dict[str, str] = {
    "/api/label/events": "label",
    "/api/label/token": "label",
    "/api/adjudicate": "adjudicate",
}
"""our other routes, and the right that they need; one that stands in neither table is open to nobody"""
ACCOUNTS_CLOSED = (
    *("/media/", "/component/", "/_stcore/upload_file", "/_stcore/bidi-components"),
    *("/_stcore/agent", "/_stcore/metrics"),
)
"""with accounts the frame of the pages must load before anybody is signed in, these need somebody who is"""
SAFE = ("GET", "HEAD", "OPTIONS")

_FREE = [compile_path(path)[0] for path in FREE]
_RIGHTS = [(compile_path(path)[0], right) for path, right in RIGHTS.items()]


@dataclass(frozen=True)
class Seen:
    """Who asks, and at what kind of door."""

    door: Door
    person: Person | None
    session: str


def look(entrance: Entrance, cookies: Mapping[str, str]) -> Seen:
    """Asks the database: not for the event loop. Where names are taken on trust, nobody is anybody."""
    door, session = entrance.door(), cookies.get(entrance.cookie, "")
    if door is Door.CODES:
        return Seen(door, entrance.session(session, time.time()), session)
    if door is Door.ACCOUNTS:
        return Seen(door, entrance.account(claims_of(cookies)), "")
    return Seen(door, None, "")


def is_foreign(connection: HTTPConnection) -> bool:
    """Does another site's page ask, in the browser of somebody who has the app open?"""
    origin = connection.headers.get("origin", "")
    return origin != "" and origin.split("://")[-1] != connection.headers.get("host")


class Guard:
    """Plain ASGI, around everything."""

    def __init__(self, app: Any, entrance: Callable[[], Entrance]) -> None:
        self._app = app
        self._entrance = entrance

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Lets through, refuses, or shows the way to the sign-in page."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        seen = await run_in_threadpool(look, self._entrance(), connection.cookies)
        refusal = _refusal(connection, seen)
        if refusal is None:
            scope = {**scope, "headers": _with_session(scope["headers"], seen)}
            if scope["type"] == "websocket":
                wire = Wire(self._entrance(), dict(connection.cookies), seen, receive, send)
                receive, send = wire.receive, wire.send
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            await refusal(scope, receive, send)


@dataclass
class Wire:
    """An open page's line: it is cut as soon as who opened it is somebody else, or may do other things."""

    entrance: Entrance
    cookies: dict[str, str]
    seen: Seen
    _receive: Any
    _send: Any
    _cut: bool = False

    async def receive(self) -> Any:
        """The next message, unless it is from somebody who is not let in so any more."""
        message = await self._receive()
        if message["type"] != "websocket.receive" or self._cut:
            return message
        if _standing(await run_in_threadpool(look, self.entrance, self.cookies)) == _standing(self.seen):
            return message
        self._cut = True
        await self._send({"type": "websocket.close", "code": 1008})
        return {"type": "websocket.disconnect", "code": 1008}

    async def send(self, message: Any) -> None:
        """Nothing more once the line is cut."""
        if not self._cut:
            await self._send(message)


def _standing(seen: Seen) -> tuple[object, ...]:
    return seen.door, seen.person and (seen.person.name, seen.person.role)


def _with_session(headers: list[tuple[bytes, bytes]], seen: Seen) -> list[tuple[bytes, bytes]]:
    kept = [(name, value) for name, value in headers if name.lower() != HEADER]
    return [*kept, (HEADER, seen.session.encode("latin-1", "replace"))] if seen.person else kept


def _refusal(connection: HTTPConnection, seen: Seen) -> Response | None:
    """None where this may go on."""
    path = connection.scope["path"]
    if seen.door is Door.TRUST or any(free.match(path) for free in _FREE):
        return None
    if seen.door is Door.SHUT:
        return JSONResponse({"error": "Nobody is let in. Whoever runs this server: `rondo people add NAME`."}, 403)
    right = next((right for route, right in _RIGHTS if route.match(path)), None)
    if right is not None or path.startswith("/api/") or path == "/api":
        return _without_right(connection, seen, right)
    if seen.person is None:
        return _not_signed_in(connection, seen.door)
    return _from_elsewhere(connection)


def _without_right(connection: HTTPConnection, seen: Seen, right: str | None) -> Response | None:
    if seen.person is None:
        return JSONResponse({"error": "Nobody is signed in here. Reload the page."}, 401)
    if right is None:
        return JSONResponse({"error": "This route is open to nobody."}, 403)
    if right not in seen.person.rights:
        return JSONResponse({"error": f"Only {holders(right)} may do this."}, 403)
    return _from_elsewhere(connection)


def _from_elsewhere(connection: HTTPConnection) -> Response | None:
    """Refuses what another site's page would change."""
    if connection.scope["type"] == "http" and connection.scope["method"] not in SAFE and is_foreign(connection):
        return JSONResponse({"error": "Another site's page asked for this."}, 403)
    return None


def _not_signed_in(connection: HTTPConnection, door: Door) -> Response | None:
    path, query = connection.scope["path"], connection.scope["query_string"].decode("latin-1")
    if door is Door.ACCOUNTS:
        closed = path.startswith(ACCOUNTS_CLOSED)
        return JSONResponse({"error": "Nobody is signed in here."}, 401) if closed else None
    if connection.scope["type"] == "http" and connection.scope["method"] == "GET" and _is_page(connection):
        wanted = f"{path}?{query}" if query else path
        return RedirectResponse(f"/sign-in?next={quote(wanted, safe='')}", 303)
    return JSONResponse({"error": "Nobody is signed in here."}, 401)


def _is_page(connection: HTTPConnection) -> bool:
    return "text/html" in connection.headers.get("accept", "")
