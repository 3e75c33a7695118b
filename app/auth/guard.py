"""Authorization of every request: who sends it, and whether they may. Knows no page."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.auth.authenticator import LINK_SECONDS, Authenticator, AuthMode
from app.auth.oidc import claims_of
from app.auth.public_address import host_name
from app.navigation import FIRST, home
from core.people.people import Person
from core.people.roles import holders

HEADER = b"x-rondo-session"
"""what pages learn the session from: set here, and only here (`server.trustedUserHeaders`)"""
IDENTITY = "rondo.identity"
"""of a request's scope: what the guard found out, so that a route need not read it again"""
TOKEN = "token"  # noqa: S105 - of an address

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
    "/api/suggestions": "asks for the token",
    "/api/predict": "asks for the token",
    "/api/pairs/training-data": "asks for the token",
    "/api/pairs/fine-tune": "asks for the token",
    "/api/pairs/models": "asks for the token",
    "/api/pairs/predict": "asks for the token",
    "/api/pairs/clusters": "asks for the token",
    "/api/webhooks/argilla": "asks for a signature",
}
"""our routes that nobody needs to be signed in for, and what guards them instead"""
RIGHTS: dict[str, str] = {
    "/api/label/events": "label",
    "/api/label/token": "label",
    "/api/label/similar": "label",
    "/api/adjudicate": "adjudicate",
    "/api/find": "adjudicate",
    "/api/uploads": "manage",
    "/api/uploads/{id}": "manage",
}
"""our other routes, and the right that they need; one that stands in neither table is open to nobody"""
ACCOUNTS_CLOSED = (
    *("/media/", "/component/", "/_stcore/upload_file", "/_stcore/bidi-components"),
    *("/_stcore/agent", "/_stcore/metrics"),
)
"""with accounts the frame of the pages must load before anybody is signed in, these need somebody who is"""
MOST_ORIGINS = 100
NOTHING_HERE = "There is nothing at this address. GET /api/docs says what there is."
ELSEWHERE = (
    "Another site's page asked for this. Is it yours, behind a proxy with a name of its own? Start the app with the "
    "address that people open: rondo up --public-address https://NAME"
)
OTHER_NAME = (
    "This app answers only to the names of this machine (127.0.0.1, localhost). Behind a proxy with a name of its own, "
    "start it with the address that people open: rondo up --public-address https://NAME"
)

_FREE = [compile_path(path)[0] for path in FREE]
_RIGHTS = [(compile_path(path)[0], right) for path, right in RIGHTS.items()]


@dataclass(frozen=True)
class Identity:
    """Who sends a request, and the kind of sign-in. known: False where the link has not been opened in this browser."""

    auth_mode: AuthMode
    person: Person | None
    session: str
    known: bool = True


def authenticate(authenticator: Authenticator, cookies: Mapping[str, str]) -> Identity:
    """Reads the database, so call it in a thread. Where names are taken on trust, there is no person."""
    auth_mode, session = authenticator.auth_mode(), cookies.get(authenticator.cookie, "")
    if auth_mode is AuthMode.CODES:
        return Identity(auth_mode, authenticator.session(session, time.time()), session)
    if auth_mode is AuthMode.ACCOUNTS:
        return Identity(auth_mode, authenticator.account(claims_of(cookies)), "")
    known = auth_mode is not AuthMode.TRUST or authenticator.knows_link(
        cookies.get(authenticator.link_cookie, ""), time.time()
    )
    return Identity(auth_mode, None, "", known)


def link_cookie(answer: Response, authenticator: Authenticator, value: str, connection: HTTPConnection) -> None:
    """Sets the cookie that marks a browser that has opened the link. Lax: the link may be clicked in a page of another
    site.
    """
    secure = connection.url.scheme == "https"
    answer.set_cookie(
        authenticator.link_cookie, value, max_age=LINK_SECONDS, httponly=True, samesite="lax", secure=secure
    )


def from_here(connection: HTTPConnection, path: str) -> str:
    """A path of this app, which begins with a slash, as seen from this request: a proxy may have cut a prefix off."""
    depth = connection.scope["path"].count("/") - 1
    return ("../" * depth or "./") + path[1:]


@dataclass
class Origins:
    """Origins whose pages may send requests. A page has the app's origin where its Origin is the request's Host, or the
    public address; or where the browser's Sec-Fetch-Site confirms it, which a proxy that changes the Host leaves as it
    is. Websockets have no such header, so origins confirmed by requests are remembered.
    """

    _led_here: set[str] = field(default_factory=set)

    def remember(self, connection: HTTPConnection) -> None:
        """Remembers the origin of an authorized request that Sec-Fetch-Site confirmed."""
        page = connection.headers.get("origin") or connection.headers.get("referer", "")
        scheme, separator, rest = page.partition("://")
        if separator and _from_same_address(connection) and len(self._led_here) < MOST_ORIGINS:
            self._led_here.add(f"{scheme}://{rest.partition('/')[0]}")

    def are_own(self, connection: HTTPConnection, authenticator: Authenticator, auth_mode: AuthMode) -> bool:
        """Is the request from no page, or from one of ours?"""
        origin = connection.headers.get("origin", "")
        if not origin or (authenticator.bound.public and origin == authenticator.bound.public.origin):
            return True
        authority = origin.partition("://")[2]
        if auth_mode is AuthMode.TRUST and host_name(authority) not in authenticator.bound.names:
            return False  # a foreign name that resolves to this machine
        here = authority == connection.headers.get("host", "").lower()
        return here or _from_same_address(connection) or origin in self._led_here


def _from_same_address(connection: HTTPConnection) -> bool:
    return connection.headers.get("sec-fetch-site") == "same-origin"


class Guard:
    """Plain ASGI, around everything."""

    def __init__(self, app: ASGIApp, authenticator: Callable[[], Authenticator]) -> None:
        self._app = app
        self._authenticator = authenticator
        self._origins = Origins()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, refuses it, or redirects to the sign-in page."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        identity = await run_in_threadpool(authenticate, self._authenticator(), connection.cookies)
        if identity.person or (identity.auth_mode is AuthMode.TRUST and identity.known):
            self._origins.remember(connection)
        refusal = (
            _from_elsewhere(connection, self._authenticator(), identity.auth_mode, self._origins)
            or _with_token(connection, self._authenticator(), identity)
            or _refusal(connection, identity)
            or _home(connection, identity)
        )
        if refusal is None:
            scope = {**scope, "headers": _headers(scope["headers"], identity), IDENTITY: identity}
            if scope["type"] == "websocket":
                wire = GuardedSocket(self._authenticator(), dict(connection.cookies), identity, receive, send)
                receive, send = wire.receive, wire.send
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            await refusal(scope, receive, send)


@dataclass
class GuardedSocket:
    """An open page's websocket: closed as soon as its identity or rights change."""

    authenticator: Authenticator
    cookies: dict[str, str]
    identity: Identity
    _receive: Receive
    _send: Send
    _cut: bool = False

    async def receive(self) -> Message:
        """The next message, or a close where the sender has lost access."""
        message = await self._receive()
        if message["type"] != "websocket.receive" or self._cut:
            return message
        if _access_of(await run_in_threadpool(authenticate, self.authenticator, self.cookies)) == _access_of(
            self.identity
        ):
            return message
        self._cut = True
        await self._send({"type": "websocket.close", "code": 1008})
        return {"type": "websocket.disconnect", "code": 1008}

    async def send(self, message: Message) -> None:
        """Sends nothing once it is closed."""
        if not self._cut:
            await self._send(message)


def _access_of(identity: Identity) -> tuple[object, ...]:
    return identity.auth_mode, identity.known, identity.person and (identity.person.name, identity.person.role)


def _headers(headers: list[tuple[bytes, bytes]], identity: Identity) -> list[tuple[bytes, bytes]]:
    """Headers for the app: with the signed-in person, and for a page's request with the Host of its origin. Streamlit
    compares the two again, and would ask the network for this machine's address where they differ."""
    passed = [(name, value) for name, value in headers if name.lower() != HEADER]
    origin = next((value for name, value in headers if name.lower() == b"origin"), b"").partition(b"://")[2]
    if origin:
        passed = [(name, origin if name.lower() == b"host" else value) for name, value in passed]
    return [*passed, (HEADER, identity.session.encode("latin-1", "replace"))] if identity.person else passed


def _from_elsewhere(
    connection: HTTPConnection, authenticator: Authenticator, auth_mode: AuthMode, origins: Origins
) -> Response | None:
    """Refuses requests of other sites' pages, and where names are taken on trust, requests to foreign host names."""
    if auth_mode is AuthMode.TRUST and host_name(connection.headers.get("host", "")) not in authenticator.bound.names:
        return JSONResponse({"error": OTHER_NAME}, 400)
    return None if origins.are_own(connection, authenticator, auth_mode) else JSONResponse({"error": ELSEWHERE}, 403)


def _with_token(connection: HTTPConnection, authenticator: Authenticator, identity: Identity) -> Response | None:
    """Handles an opened link: sets the cookie, and redirects to the address without the token."""
    query = parse_qsl(connection.scope["query_string"].decode("latin-1"), keep_blank_values=True)
    token = dict(query).get(TOKEN)
    if identity.auth_mode is not AuthMode.TRUST or token is None or not _is_page(connection):
        return None
    rest = urlencode([pair for pair in query if pair[0] != TOKEN])
    target = connection.scope["path"] + (f"?{rest}" if rest else "")
    answer = RedirectResponse(from_here(connection, target), 303, headers={"cache-control": "no-store"})
    value = authenticator.open_link(token, time.time())
    if value is not None:
        link_cookie(answer, authenticator, value, connection)
    return answer


def _home(connection: HTTPConnection, identity: Identity) -> Response | None:
    """The page that comes first stands at `/` for Streamlit, and nowhere else; its own address leads there."""
    first = home(identity.person.rights) if identity.person else FIRST
    if connection.scope["path"] != f"/{first}" or not _is_page(connection):
        return None
    query = connection.scope["query_string"].decode("latin-1")
    return RedirectResponse(f"./?{query}" if query else "./", 303)


def _refusal(connection: HTTPConnection, identity: Identity) -> Response | None:
    """The refusal, or None where the request may pass."""
    path = connection.scope["path"]
    if any(free.match(path) for free in _FREE):
        return None
    right = next((right for route, right in _RIGHTS if route.match(path)), None)
    if right is None and (path.startswith("/api/") or path == "/api"):
        return JSONResponse({"error": NOTHING_HERE}, 404)
    if identity.auth_mode is AuthMode.TRUST:
        return None if identity.known else _not_signed_in(connection, identity.auth_mode)
    if identity.auth_mode is AuthMode.SHUT:
        return JSONResponse({"error": "Nobody is let in. Whoever runs this server: `rondo people add NAME`."}, 403)
    if right is not None:
        if identity.person is None:
            return JSONResponse({"error": "Nobody is signed in here. Reload the page."}, 401)
        if right not in identity.person.rights:
            return JSONResponse({"error": f"Only {holders(right)} may do this."}, 403)
        return None
    return _not_signed_in(connection, identity.auth_mode) if identity.person is None else None


def _not_signed_in(connection: HTTPConnection, auth_mode: AuthMode) -> Response | None:
    path, query = connection.scope["path"], connection.scope["query_string"].decode("latin-1")
    if auth_mode is AuthMode.ACCOUNTS:
        closed = path.startswith(ACCOUNTS_CLOSED)
        return JSONResponse({"error": "Nobody is signed in here."}, 401) if closed else None
    if _is_page(connection):
        requested = f"{path}?{query}" if query else path
        return RedirectResponse(from_here(connection, f"/sign-in?next={quote(requested, safe='')}"), 303)
    word = "Open the link that `rondo up` printed." if auth_mode is AuthMode.TRUST else "Nobody is signed in here."
    return JSONResponse({"error": word}, 401)


def _is_page(connection: HTTPConnection) -> bool:
    """Is it a browser's request for a page, which would show our answer?"""
    is_get = connection.scope["type"] == "http" and connection.scope["method"] == "GET"
    return is_get and "text/html" in connection.headers.get("accept", "")
