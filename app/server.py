"""The server: one uvicorn process with Streamlit's pages and our routes under /api. Owns the project, holds no ML."""

import ipaddress
import os
import re
import secrets
import socket
import tomllib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.routing import Route

from annotation.workspace import connect
from app import client, interrupts, state
from app.accounts import read_auth
from app.adjudicate_api import adjudicate_routes
from app.api import verb_routes
from app.api_token import read_token
from app.entrance import Bound, refuse_open_door
from app.guard import HEADER, Guard
from app.identity import SESSION
from app.jobs_api import api_routes
from app.label_api import label_routes
from app.secret_file import load_secrets, take_shared_code
from app.sign_in import sign_in_routes
from app.webhook_api import webhook_routes
from core.errors import BadInput, Cancelled, Refused
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
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)


_ANY = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound


def serve(folder: Path, host: str, port: int, announce: Callable[[], None]) -> None:
    """Opens the project, announces it, serves it until it is stopped. Raises Refused when port or project is taken."""
    import uvicorn

    _refuse_second_server(folder)
    refuse_taken_port(host, port)
    configure_streamlit()
    load_secrets(folder)
    auth = read_auth(folder)
    bound = Bound(is_loopback(host), take_shared_code(folder), bool(auth))
    office = state.open_office(
        lambda: open_project(folder, LocalRunner(read_settings(folder).threads), RUNNERS, connect), bound
    )
    try:
        refuse_open_door(office.entrance, host)
        key = secrets.token_hex(32)
        shown = f"[{host}]" if ":" in host else "127.0.0.1" if host in _ANY else host
        client.write_address(folder, f"http://{shown}:{port}", key)
        announce()
        office.start("open")
        office.watch()
        uvicorn.run(
            make_app(office, key, host, auth),
            host=host,
            port=port,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=5,
        )
    finally:
        client.address_file(folder).unlink(missing_ok=True)
        state.close_office()
    if interrupts.pressed():
        raise Cancelled("Stopped. What was saved is kept.")


def _refuse_second_server(folder: Path) -> None:
    address = client.read_address(folder)
    if address and client.answers(address):
        raise Refused(f"The project is open already at {address['url']}. Use that one, or stop it first.")


def make_app(office: state.Office, key: str, host: str = "127.0.0.1", auth: Mapping[str, Any] | None = None) -> Any:
    """The ASGI app: pages, label routes, verbs, the guard around them. auth: [auth] of the secrets, for st.login."""
    import streamlit
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    hosts = (
        [host, "127.0.0.1", "localhost", "[::1]", "::1"] if office.entrance.bound.loopback else ["*"]
    )  # a foreign name for us is an attack

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[dict[str, Any] | None]:
        yield None

    return streamlit.App(
        Path(__file__).parent / "main.py",
        routes=own_routes(office, key),
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=hosts),
            Middleware(SecurityHeaders),
            Middleware(Guard, entrance=lambda: office.entrance),
        ],
        lifespan=lifespan,
        secrets={"auth": dict(auth)} if auth else None,
    )


def own_routes(office: state.Office, key: str) -> list[Route]:
    """What we serve beside Streamlit's pages; `app.guard` says who may use which."""
    return [
        *sign_in_routes(office.entrance),
        *label_routes(state.opened, office.entrance),
        *webhook_routes(state.opened),
        *adjudicate_routes(state.opened, office.entrance),
        *verb_routes(state.opened, key),
        *api_routes(state.opened, read_token(office.project.folder)),
    ]


class SecurityHeaders:
    """Adds a strict content policy to every answer: even a record that became HTML could load and send nothing."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Plain ASGI, since a wrapped response would buffer streams."""

        async def with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                given = list(message.get("headers", []))
                there = {name for name, _ in given}
                message["headers"] = [*given, *(one for one in HEADERS if one[0] not in there)]
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
    # Secrets come from the project's own file and nowhere else; Streamlit would put all of a file in the environment.
    config.set_option("secrets.files", [])
    config.set_option("server.trustedUserHeaders", {HEADER.decode(): SESSION})
    # A folder named `pages` beside the script means old-style pages to Streamlit until the script has run once.
    PagesManager.uses_pages_directory = False


def _flat(table: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def is_loopback(host: str) -> bool:
    """Can only this machine reach it? A name is what it resolves to, all of it."""
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(host, None)} if host else set()
        return bool(found) and all(ipaddress.ip_address(one.partition("%")[0]).is_loopback for one in found)
    except (OSError, ValueError, UnicodeError):
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
