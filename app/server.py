"""The server: one uvicorn process with Streamlit's pages and our routes under /api. Owns the project, holds no ML."""

import ipaddress
import os
import re
import secrets
import socket
import tomllib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from app import client, state
from app.adjudicate_api import adjudicate_routes
from app.api import verb_routes
from app.api_token import read_token
from app.jobs_api import api_routes
from app.label_api import label_routes
from app.secret_file import load_secrets
from core.errors import BadInput, Refused
from core.project import open_project
from core.settings import read_settings
from gpu_jobs.local import LocalRunner
from gpu_jobs.runners import RUNNERS

_BESIDE = Path(__file__).parent / "streamlit.toml"  # where a wheel carries it
CONFIG = _BESIDE if _BESIDE.exists() else Path(__file__).parent.parent / ".streamlit" / "config.toml"
POLICY = (
    "default-src 'self'; script-src 'self' blob: 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
    "frame-ancestors 'none'; base-uri 'none'; object-src 'none'"
)


_ANY = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound


def serve(folder: Path, host: str, port: int, announce: Callable[[], None]) -> None:
    """Opens the project, announces it, serves it until it is stopped. Raises Refused when port or project is taken."""
    import uvicorn

    _refuse_second_server(folder)
    refuse_taken_port(host, port)
    configure_streamlit()
    load_secrets(folder)
    local = is_loopback(host)
    office = state.open_office(
        lambda: open_project(folder, LocalRunner(read_settings(folder).threads), RUNNERS), local=local
    )
    key = secrets.token_hex(32)
    shown = f"[{host}]" if ":" in host else "127.0.0.1" if host in _ANY else host
    client.write_address(folder, f"http://{shown}:{port}", key)
    announce()
    try:
        office.start("open")
        office.watch()
        uvicorn.run(
            make_app(office, key, host),
            host=host,
            port=port,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=5,
        )
    finally:
        client.address_file(folder).unlink(missing_ok=True)
        state.close_office()


def _refuse_second_server(folder: Path) -> None:
    address = client.read_address(folder)
    if address and client.answers(address):
        raise Refused(f"The project is open already at {address['url']}. Use that one, or stop it first.")


def make_app(office: state.Office, key: str, host: str = "127.0.0.1") -> Any:
    """The ASGI app: pages, label routes, verbs."""
    import streamlit
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    hosts = (
        [host, "127.0.0.1", "localhost", "[::1]", "::1"] if office.local else ["*"]
    )  # a foreign name for us is an attack

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[dict[str, Any] | None]:
        yield None

    return streamlit.App(
        Path(__file__).parent / "main.py",
        routes=[
            *label_routes(state.opened, office.secret, office.local),
            *adjudicate_routes(state.opened, office.secret),
            *verb_routes(state.opened, key),
            *api_routes(state.opened, read_token(office.project.folder)),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=hosts), Middleware(SecurityHeaders)],
        lifespan=lifespan,
    )


class SecurityHeaders:
    """Adds a strict content policy to every answer: even a record that became HTML could load and send nothing."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Plain ASGI, since a wrapped response would buffer streams."""

        async def with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message.get("headers", []),
                    (b"content-security-policy", POLICY.encode()),
                    (b"x-content-type-options", b"nosniff"),
                    (b"referrer-policy", b"no-referrer"),
                ]
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


def configure_streamlit() -> None:
    """Streamlit looks for settings where one stands; ours come with the code. A person's own file or variable wins."""
    from streamlit import config
    from streamlit.runtime.pages_manager import PagesManager

    for name, value in _flat(tomllib.loads(CONFIG.read_text(encoding="utf-8"))):
        variable = "STREAMLIT_" + re.sub(r"([A-Z])", r"_\1", name).replace(".", "_").upper()
        if variable in os.environ:  # Streamlit itself reads these only in its own command
            own = os.environ[variable]
            config.set_option(name, own.lower() == "true" if isinstance(value, bool) else own)
        elif not config.is_manually_set(name):
            config.set_option(name, value)
    # A folder named `pages` beside the script means old-style pages to Streamlit until the script has run once.
    PagesManager.uses_pages_directory = False


def _flat(table: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def is_loopback(host: str) -> bool:
    """Can only this machine reach it?"""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def refuse_taken_port(host: str, port: int) -> None:
    """Before the project is opened: uvicorn would only say so in its log and end."""
    if not 0 <= port <= 65_535:
        raise BadInput(f"The port is {port}; it must lie between 0 and 65535.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Refused(f"Cannot listen on {host}:{port}: {error.strerror}. Choose another with --port.") from None
