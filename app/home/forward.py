"""Hands requests and websockets on to a project's own server, and its answers back. Knows no person."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import quote

import httpx
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response, StreamingResponse
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Origin, Subprotocol

OF_ONE_HOP = frozenset(
    (
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailers"),
        *("transfer-encoding", "upgrade"),
    )
)
"""headers about a connection, not about what is sent over it"""
SET_HERE = frozenset(("cookie", "origin", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded"))
MOST_FRAME = 256 << 20


@dataclass(frozen=True)
class Upstream:
    """url: of the project's server, as this machine reaches it; prefix: that its pages have here and its server does
    not know; origin: that its pages have for browsers; cookies: that the server gets beside those of the browser."""

    url: str
    prefix: str
    origin: str
    cookies: Mapping[str, str] = field(default_factory=dict)


def headers_for(connection: HTTPConnection, upstream: Upstream) -> list[tuple[str, str]]:
    """Those of the browser, with what this server has checked in place of what anybody could have written: origin,
    address, scheme."""
    passed = [
        (name, value)
        for name, value in connection.headers.items()
        if name not in OF_ONE_HOP and name not in SET_HERE and not name.startswith("sec-websocket")
    ]
    cookies = {**connection.cookies, **upstream.cookies}
    if cookies:
        passed.append(("cookie", "; ".join(f"{name}={value}" for name, value in cookies.items())))
    if "origin" in connection.headers:
        passed.append(("origin", upstream.origin))
    scheme = {"ws": "http", "wss": "https"}.get(connection.url.scheme, connection.url.scheme)
    address = connection.client.host if connection.client else ""
    return [*passed, ("x-forwarded-for", address), ("x-forwarded-proto", scheme)]


def _target(connection: HTTPConnection, upstream: Upstream) -> str:
    """Begins with a slash whatever was sent: what follows the port of a server's address could name another server."""
    path, prefix = (connection.scope.get("raw_path") or b"").decode("latin-1"), f"{upstream.prefix}/"
    if not path.startswith(prefix):  # a part of it was escaped that need not be
        path = quote(connection.scope["path"])
    query = connection.scope["query_string"].decode("latin-1")
    return f"/{path.removeprefix(prefix)}" + (f"?{query}" if query else "")


async def forward(request: Request, upstream: Upstream, client: httpx.AsyncClient) -> Response:
    """Streams both ways. Raises httpx.ConnectError where nothing was sent yet, so that it may be tried again."""
    body = "content-length" in request.headers or "transfer-encoding" in request.headers
    sent = client.build_request(
        request.method,
        f"{upstream.url}{_target(request, upstream)}",
        headers=headers_for(request, upstream),
        content=request.stream() if body else None,
    )
    answer = await client.send(sent, stream=True)
    result = StreamingResponse(_body(answer), answer.status_code)
    result.raw_headers = [
        (name.lower(), value) for name, value in answer.headers.raw if name.lower().decode("latin-1") not in OF_ONE_HOP
    ]
    return result


async def _body(answer: httpx.Response) -> AsyncIterator[bytes]:
    """As it came, packed or not. A server that ends in the middle cuts the answer off."""
    try:
        async for piece in answer.aiter_raw():
            yield piece
    finally:
        await answer.aclose()


async def forward_socket(socket: WebSocket, upstream: Upstream) -> None:
    """Both ways until either side closes. A server that refuses closes it unopened."""
    url = upstream.url.replace("http://", "ws://", 1) + _target(socket, upstream)
    headers = [(name, value) for name, value in headers_for(socket, upstream) if name not in ("host", "origin")]
    try:
        server = await connect(
            url,
            origin=Origin(upstream.origin),
            subprotocols=[Subprotocol(name) for name in socket.scope.get("subprotocols", ())] or None,
            additional_headers=headers,
            user_agent_header=None,
            max_size=MOST_FRAME,
            proxy=None,
            ping_interval=None,  # the browser's own server pings
        )
    except (OSError, InvalidHandshake, TimeoutError):
        await socket.close(1008)
        return
    await socket.accept(server.subprotocol)
    await _first_ended((_outward(socket, server), _inward(socket, server)))
    with suppress(OSError, ConnectionClosed):
        await server.close()
    with suppress(RuntimeError, WebSocketDisconnect):  # the browser closed it first
        await socket.close(1001)


async def _first_ended(ways: Iterable[Coroutine[None, None, None]]) -> None:
    tasks = [asyncio.create_task(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _outward(socket: WebSocket, server: ClientConnection) -> None:
    with suppress(WebSocketDisconnect, ConnectionClosed, RuntimeError):
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            content = message.get("bytes")
            await server.send(message["text"] if content is None else content)


async def _inward(socket: WebSocket, server: ClientConnection) -> None:
    with suppress(WebSocketDisconnect, ConnectionClosed, RuntimeError):
        async for message in server:
            if isinstance(message, str):
                await socket.send_text(message)
            else:
                await socket.send_bytes(message)
