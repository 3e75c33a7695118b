"""`/p/KEY/...`: a project's own pages and routes, handed on to its server, which is started if it sleeps."""

from html import escape
from typing import Any

import httpx
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from app.auth.guard import from_here
from app.home.engines import Engine
from app.home.forward import Upstream, forward, forward_socket
from app.home.home_guard import is_page, to_sign_in, visitor_of
from app.home.home_routes import HomeServer
from app.http.upload_routes import GONE
from app.server import METHODS
from core.errors import NotAProject, RondoError
from core.home.folders import name_of, project_path

TRIES = 3
"""a server that falls asleep just now is started again: nothing was sent to it"""


def project_routes(home: HomeServer) -> list[BaseRoute]:
    """For every method, and for websockets."""
    client = httpx.AsyncClient(
        timeout=httpx.Timeout(None, connect=10),
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=64),
        trust_env=False,
        follow_redirects=False,
    )

    async def project(request: Request) -> Response:
        return await _answer(home, client, request)

    async def socket(socket: WebSocket) -> None:
        key = socket.path_params["key"]
        try:
            if not _may_pass(home, socket, key):
                raise NotAProject("not for this visitor")
            engine = await home.waking.engine(key)
        except RondoError:
            await socket.close(1008)
            return
        await forward_socket(socket, _upstream(home, socket, key, engine))

    return [
        Route("/p/{key}", _with_slash, methods=["GET"]),
        Route("/p/{key}/{rest:path}", project, methods=[*METHODS]),
        WebSocketRoute("/p/{key}/{rest:path}", socket),
    ]


async def _with_slash(request: Request) -> Response:
    return RedirectResponse(from_here(request, f"/p/{request.path_params['key']}/"), 303)


def _may_pass(home: HomeServer, connection: HTTPConnection, key: str) -> bool:
    """The project's own guard decides; this spares it from being woken by strangers. Programs show it a token."""
    project_path(home.folder, key)
    by_token = connection.path_params["rest"].startswith("api/")
    return by_token or visitor_of(connection).sees(key) or home.access.lets_in_itself(key)


async def _answer(home: HomeServer, client: httpx.AsyncClient, request: Request) -> Response:
    key = request.path_params["key"]
    try:
        if not _may_pass(home, request, key):
            return to_sign_in(request)
        if is_page(request) and home.engines.awake(key) is None:
            return _waiting(home, request, key)
        for attempt in range(TRIES):
            engine = await home.waking.engine(key)
            try:
                return await forward(request, _upstream(home, request, key, engine), client)
            except httpx.ConnectError:
                if attempt == TRIES - 1:
                    break
                await home.waking.let_end(key, engine)
        return JSONResponse({"error": "The project is just being closed. Reload the page."}, 503)
    except NotAProject as error:
        return JSONResponse({"error": str(error)}, 404)
    except ClientDisconnect:  # in the middle of an upload: the project's server is cut off too, and keeps nothing
        return Response(status_code=GONE)
    except RondoError as error:
        return JSONResponse({"error": str(error)}, 503)
    except httpx.HTTPError:
        return JSONResponse({"error": "The project's server ended while it was answering. Reload the page."}, 502)


def _upstream(home: HomeServer, connection: HTTPConnection, key: str, engine: Engine) -> Upstream:
    operator = visitor_of(connection).operator
    cookies: dict[str, Any] = home.access.operators_cookie(key) if operator else {}
    origin = "/".join(home.engines.public(key).split("/")[:3])
    return Upstream(engine.url, f"/p/{key}", origin, cookies)


def _waiting(home: HomeServer, request: Request, key: str) -> Response:
    """While the project's server starts: says what is waited for, and then shows the page that was asked for."""
    name = escape(name_of(project_path(home.folder, key)))
    files, wake = from_here(request, "/home/"), from_here(request, f"/api/home/projects/{key}/wake")
    head = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{name}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="stylesheet" href="{files}home.css"><link rel="icon" href="{files}icon.png">'
        f'<script type="module" src="{files}wait.js"></script></head>'
    )
    body = (
        f'<body class="waiting"><main><h1>{name}</h1><p role="status" id="status" data-wake="{wake}">Opening the '
        f'project …</p><p><a href="{from_here(request, "/")}">All projects</a></p></main></body></html>'
    )
    return HTMLResponse(head + body, headers={"cache-control": "no-store"})
