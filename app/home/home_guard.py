"""Around every request to a home: its name, the page that sent it, the link's token, and who it comes from."""

import time
from collections.abc import Callable
from typing import cast
from urllib.parse import parse_qsl, quote, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.auth.authenticator import LINK_SECONDS
from app.auth.guard import ELSEWHERE, OTHER_NAME, TOKEN, from_here
from app.home.access import Access, Visitor

VISITOR = "rondo.visitor"


class HomeGuard:
    """Plain ASGI: refuses what other sites send, takes in the link's token, and notes who asks."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on, with the visitor in the scope, or refuses."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        refusal = self._refusal(connection) or self._with_token(connection)
        if refusal is None:
            visitor = await run_in_threadpool(self._access.visitor, connection.cookies)
            await self._app({**scope, VISITOR: visitor}, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            await refusal(scope, receive, send)

    def _refusal(self, connection: HTTPConnection) -> Response | None:
        if not self._access.is_own_host(connection):
            return JSONResponse({"error": OTHER_NAME}, 400)
        return None if self._access.is_own_page(connection) else JSONResponse({"error": ELSEWHERE}, 403)

    def _with_token(self, connection: HTTPConnection) -> Response | None:
        """An opened link: its cookie, and the address without the token. In a project's own address it is not ours."""
        path = connection.scope["path"]
        if not is_page(connection) or path.startswith(("/p/", "/sign-")):
            return None
        query = parse_qsl(connection.scope["query_string"].decode("latin-1"), keep_blank_values=True)
        token = dict(query).get(TOKEN)
        if token is None:
            return None
        rest = urlencode([pair for pair in query if pair[0] != TOKEN])
        answer = RedirectResponse(from_here(connection, path + (f"?{rest}" if rest else "")), 303)
        answer.headers["cache-control"] = "no-store"
        if value := self._access.open_link(token, time.time()):
            link_cookie(answer, self._access, value, connection)
        return answer


def link_cookie(answer: Response, access: Access, value: str, connection: HTTPConnection) -> None:
    """Marks the browser as the operator's. Lax: the link may be clicked in a page of another site."""
    secure = connection.url.scheme == "https"
    answer.set_cookie(access.cookie, value, max_age=LINK_SECONDS, httponly=True, samesite="lax", secure=secure)


def is_page(connection: HTTPConnection) -> bool:
    """Is it a browser's request for a page?"""
    scope = connection.scope
    is_get = scope["type"] == "http" and scope["method"] == "GET"
    return is_get and "text/html" in connection.headers.get("accept", "")


def visitor_of(connection: HTTPConnection) -> Visitor:
    """Who the guard says it is."""
    return cast(Visitor, connection.scope[VISITOR])


def to_sign_in(connection: HTTPConnection) -> Response:
    """Redirects a page to where one signs in; tells a program."""
    if not is_page(connection):
        return JSONResponse({"error": "Nobody is signed in here. Reload the page."}, 401)
    path, query = connection.scope["path"], connection.scope["query_string"].decode("latin-1")
    requested = quote(f"{path}?{query}" if query else path, safe="")
    return RedirectResponse(from_here(connection, f"/sign-in?next={requested}"), 303)


Right = Callable[[Visitor], bool]


def lacking(request: Request, right: Right) -> Response | None:
    """The refusal, or None where the visitor has the right."""
    visitor = visitor_of(request)
    if right(visitor):
        return None
    if not visitor.known:
        return to_sign_in(request)
    return JSONResponse({"error": "You may not do this here. Ask whoever manages the project, or runs this home."}, 403)
