"""Under which address people reach the app, where a proxy stands before it. Knows no route and no person."""

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import BadInput


@dataclass(frozen=True)
class PublicAddress:
    """As a browser has it: scheme, host (with the port where it is not the scheme's own), path without a last slash."""

    scheme: str
    authority: str
    path: str

    @property
    def origin(self) -> str:
        """What browsers send as Origin."""
        return f"{self.scheme}://{self.authority}"

    @property
    def url(self) -> str:
        """All of it."""
        return self.origin + self.path


def parse_address(text: str) -> PublicAddress:
    """Raises BadInput for what no browser could open, or what would be cut off."""
    advice = f"The public address is {text[:200]!r}; write it as people open it: https://host or https://host/path."
    try:
        parts = urlsplit(text.strip())
        port, host = parts.port, parts.hostname
    except ValueError:
        raise BadInput(advice) from None
    odd = any(not "!" <= letter <= "~" or letter in "\\;,'\"<>" for letter in text.strip())
    if parts.scheme not in ("http", "https") or not host or odd or "//" in parts.path or "/.." in parts.path:
        raise BadInput(advice)
    if parts.username is not None or parts.query or parts.fragment:
        raise BadInput(f"{advice} Without a name, a query or a fragment.")
    own = {"http": 80, "https": 443}[parts.scheme]
    shown = f"[{host}]" if ":" in host else host
    return PublicAddress(parts.scheme, shown if port in (None, own) else f"{shown}:{port}", parts.path.rstrip("/"))


def host_name(authority: str) -> str:
    """Host of `host:port`, small, without the brackets of IPv6; empty where it cannot be one."""
    try:
        parts = urlsplit(f"//{authority}")
        _ = parts.port  # raises where it is none
        odd = parts.path or parts.query or parts.fragment or parts.username is not None
        return "" if odd else (parts.hostname or "")
    except ValueError:
        return ""


class PublicPath:
    """Plain ASGI: takes the prefix off what comes in, if the proxy has not, and puts it before what goes out."""

    def __init__(self, app: ASGIApp, address: PublicAddress) -> None:
        self._app = app
        self._address = address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Cookies are for the scheme that people see; redirects stay under the prefix."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return

        async def outward(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.accept"):
                message["headers"] = list(self._headers(message.get("headers", ())))
            await send(message)

        await self._app(self._inward(scope), receive, outward)

    def _inward(self, scope: Scope) -> Scope:
        prefix, path = self._address.path, scope["path"]
        secure = self._address.scheme == "https"
        scheme = {"http": "https", "websocket": "wss"}[scope["type"]] if secure else scope["scheme"]
        if prefix and (path == prefix or path.startswith(f"{prefix}/")):
            path = path[len(prefix) :] or "/"
            raw = scope.get("raw_path")
            raw = raw[len(prefix) :] or b"/" if raw and raw.startswith(prefix.encode()) else path.encode()
            return {**scope, "scheme": scheme, "path": path, "raw_path": raw}
        return {**scope, "scheme": scheme}

    def _headers(self, headers: Iterable[tuple[bytes, bytes]]) -> Iterable[tuple[bytes, bytes]]:
        prefix = self._address.path.encode()
        for name, value in headers:
            match name.lower():
                case b"location" if prefix and value.startswith(b"/") and not value.startswith((b"//", prefix + b"/")):
                    yield name, prefix + value
                case b"set-cookie" if self._address.scheme == "https" and b"; secure" not in value.lower():
                    yield name, value + b"; Secure"
                case _:
                    yield name, value
