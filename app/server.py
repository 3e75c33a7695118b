"""The server: one uvicorn process with Streamlit's pages and our routes under /api. Owns the project, holds no ML."""

import ipaddress
import os
import re
import secrets
import socket
import tomllib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from annotation.workspace import connect
from app import background, client
from app.auth.api_token import read_token
from app.auth.authenticator import AuthMode, Binding, refuse_open_door
from app.auth.guard import HEADER, NOTHING_HERE, TOKEN, Guard
from app.auth.identity import SESSION
from app.auth.oidc import read_auth
from app.auth.public_address import PublicPath, host_name, parse_address
from app.auth.secret_file import load_secrets, take_shared_code
from app.auth.sign_in import sign_in_routes
from app.cli import interrupts
from app.compressed_files import CompressedFiles
from app.http.adjudication_routes import adjudicate_routes
from app.http.find_routes import find_routes
from app.http.label_routes import label_routes
from app.http.program_routes import api_routes
from app.http.upload_routes import upload_routes
from app.http.verb_routes import verb_routes
from app.http.webhook_routes import webhook_routes
from app.page_frame import SecurityHeaders, frame_routes
from core.config.settings import read_settings
from core.errors import BadInput, Cancelled, Refused
from core.project import Project, open_project
from core.store.private_files import private_folder
from gpu_jobs.runners.choice import RUNNERS
from gpu_jobs.runners.loaded_models import KeptModels
from gpu_jobs.runners.local import LocalRunner

if TYPE_CHECKING:
    import streamlit
    from starlette.middleware import Middleware

_BESIDE = Path(__file__).parent / "streamlit.toml"  # where a wheel carries it
CONFIG = _BESIDE if _BESIDE.exists() else Path(__file__).parent.parent / ".streamlit" / "config.toml"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_ANY = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound


@dataclass(frozen=True)
class Listening:
    """Where the app listens. public: its address behind a proxy, or empty; no_token: access from this machine without
    the link's token; page: that is announced; home: address of the home that this project's pages belong to, or empty.
    """

    host: str = "127.0.0.1"
    port: int = 8501
    public: str = ""
    no_token: bool = False
    page: str = "/label"
    home: str = ""


def serve(
    folder: Path, listening: Listening, announce: Callable[[str], None], around: Sequence["Middleware"] = ()
) -> None:
    """Opens the project, announces its address, serves it until it is stopped. around: what sees each request first.
    Raises Refused when port or project is taken."""
    import uvicorn

    host, port = listening.host, listening.port
    public = parse_address(listening.public) if listening.public else None
    _refuse_second_server(folder)
    refuse_taken_port(host, port)
    configure_streamlit()
    load_secrets(folder)
    auth = read_auth(folder)
    bound = Binding(
        is_loopback(host) and (public is None or is_loopback(host_name(public.authority))),
        take_shared_code(folder),
        bool(auth),
        "" if listening.no_token else secrets.token_urlsafe(24),
        host,
        public,
    )
    server = background.open_server(lambda: _open(folder), bound)
    try:
        refuse_open_door(server.authenticator, host)
        key = secrets.token_hex(32)
        server.home = listening.home
        app = make_app(server, key, auth, around)  # before anything is announced: it may refuse
        shown = f"[{host}]" if ":" in host else "127.0.0.1" if host in _ANY else host
        own = f"http://{shown}:{port}"
        link = _link(bound, own, listening.page, with_token=server.authenticator.auth_mode() is AuthMode.TRUST)
        client.write_address(folder, own, key, link)
        announce(link)
        server.start("open")
        server.watch()
        uvicorn.run(app, host=host, port=port, log_level="warning", access_log=False, timeout_graceful_shutdown=5)
    finally:
        client.address_file(folder).unlink(missing_ok=True)
        background.close_server()
    if interrupts.pressed():
        raise Cancelled("Stopped. What was saved is kept.")


def _open(folder: Path) -> Project:
    """With models that stay loaded for the requests of programs."""
    threads = read_settings(folder).threads
    project = open_project(folder, LocalRunner(threads), RUNNERS, connect)
    project.loaded_models = KeptModels(private_folder(folder, "models"), threads)
    return project


def _link(bound: Binding, own: str, page: str, *, with_token: bool) -> str:
    """The link for a browser; its token is needed once in each browser."""
    address = f"{bound.public.url if bound.public else own}{page}"
    sign = "&" if "?" in page else "?"
    return f"{address}{sign}{TOKEN}={bound.token}" if bound.token and with_token else address


def _refuse_second_server(folder: Path) -> None:
    address = client.read_address(folder)
    if address and client.answers(address.url, address.key):
        raise Refused(f"The project is open already at {address.link}. Use that one, or stop it first.")


def make_app(
    server: background.ProjectServer,
    key: str,
    auth: Mapping[str, Any] | None = None,
    around: Sequence["Middleware"] = (),
) -> "streamlit.App":
    """The ASGI app: pages, label routes, verbs, the guard around them. auth: [auth] of the secrets, for st.login."""
    import streamlit
    from starlette.middleware import Middleware

    public = server.authenticator.bound.public

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        yield None

    return streamlit.App(
        Path(__file__).parent / "main.py",
        routes=[*own_routes(server, key), *frame_routes()],
        middleware=[
            *around,
            *([Middleware(PublicPath, address=public)] if public else []),
            Middleware(SecurityHeaders),
            Middleware(Guard, authenticator=lambda: server.authenticator),
            Middleware(CompressedFiles),
        ],
        lifespan=lifespan,
        secrets={"auth": dict(auth)} if auth else None,
    )


def own_routes(server: background.ProjectServer, key: str) -> list[Route]:
    """Our routes beside Streamlit's pages; `app.auth.guard` has who may use which."""
    routes = [
        *sign_in_routes(server.authenticator),
        *label_routes(background.opened, server.authenticator),
        *webhook_routes(background.opened),
        *adjudicate_routes(background.opened, server.authenticator),
        *find_routes(background.opened, server.authenticator),
        *upload_routes(background.opened),
        *verb_routes(background.opened, key),
        *api_routes(background.opened, read_token(server.project.folder)),
    ]

    async def unknown(request: Request) -> Response:
        """Streamlit would answer with its page, Starlette with half of what is allowed."""
        fitting = (one.methods or () for one in routes if one.path_regex.match(request.url.path))
        if allowed := sorted({method for methods in fitting for method in methods}):
            word = f"This address takes {', '.join(allowed)}."
            return JSONResponse({"error": word}, 405, {"Allow": ", ".join(allowed)})
        return JSONResponse({"error": NOTHING_HERE}, 404)

    return [*routes, Route("/api/{rest:path}", unknown, methods=[*METHODS])]


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


def _flat(table: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def is_loopback(host: str) -> bool:
    """Can only this machine reach it? Of a name all addresses that it resolves to must be loopback."""
    try:
        entries = {str(info[4][0]) for info in socket.getaddrinfo(host, None)} if host else set()
        return bool(entries) and all(ipaddress.ip_address(one.partition("%")[0]).is_loopback for one in entries)
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
