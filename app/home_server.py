"""Serving a home: one process for its pages, and one behind it for each project that is open."""

import fcntl
import json
import os
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware

from app.auth.authenticator import Binding
from app.auth.public_address import PublicPath, host_name, parse_address
from app.auth.secret_file import take_shared_code
from app.cli import interrupts
from app.home.access import Access
from app.home.care import Care, care_routes
from app.home.draft_routes import draft_routes
from app.home.drafts import Drafts
from app.home.engines import IDLE_SECONDS, Engines
from app.home.entries import Entries
from app.home.home_guard import HomeGuard
from app.home.home_routes import HomeServer, home_routes
from app.home.home_sign_in import home_sign_in_routes
from app.home.project_routes import project_routes
from app.home.replay_routes import replay_routes
from app.home.replays import Replays
from app.home.waking import Waking
from app.page_frame import SecurityHeaders
from app.server import Listening, is_loopback, refuse_taken_port
from core.errors import BadInput, Cancelled, Refused
from core.home.folders import open_home, private, sweep
from core.jobs.bundle import Runner
from core.store.private_files import made_once, written
from gpu_jobs.runners.local import LocalRunner

SLEEP = "RONDO_SLEEP_SECONDS"


def serve_home(folder: Path, listening: Listening, announce: Callable[[str], None]) -> None:
    """Serves the home until it is stopped; its projects end with it.

    Raises Refused when port or home is taken, or when nobody could sign in.
    """
    import uvicorn

    home = open_home(folder)
    with _alone(home):
        refuse_taken_port(listening.host, listening.port)
        server = make_home(home, listening)
        try:
            refuse_without_people(server.access)
            link = _link(server.access.bound, listening)
            written(private(home, "server.json"), json.dumps({"link": link, "pid": os.getpid()}))
            announce(link)
            uvicorn.run(
                home_app(server),
                host=listening.host,
                port=listening.port,
                log_level="warning",
                access_log=False,
                timeout_graceful_shutdown=3,
            )
        finally:
            server.engines.close()
            private(home, "server.json").unlink(missing_ok=True)
    if interrupts.pressed():
        raise Cancelled("Stopped. What was saved is kept.")


def make_home(home: Path, listening: Listening) -> HomeServer:
    """What the routes share; starts nothing, and deletes what a killed home left behind."""
    sweep(home)
    public = parse_address(listening.public) if listening.public else None
    shared = take_shared_code(home)
    if shared:
        os.environ["RONDO_ACCESS_CODE"] = shared  # for the projects' own servers
    bound = Binding(
        loopback=is_loopback(listening.host) and (public is None or is_loopback(host_name(public.authority))),
        shared=shared,
        token="" if listening.no_token else secrets.token_urlsafe(24),
        host=listening.host,
        public=public,
    )
    base = public.url if public else _own(listening)
    address = f"{public.path if public else ''}/"
    engines = Engines(home, lambda key: f"{base}/p/{key}", address, free_port, sleep_seconds())
    entries = Entries(home, engines)
    secret = made_once(private(home, "secret"), secrets.token_hex(32)).read_bytes()
    return HomeServer(home, engines, Waking(engines), entries, Access(entries, secret, bound))


def home_app(server: HomeServer, runner: Runner | None = None) -> Starlette:
    """The ASGI app. runner: of what reads a file that is no project yet; each in a process of its own where none is."""
    drafts, care = Drafts(server.folder, runner=runner or LocalRunner()), Care(server)
    replays = Replays(server.folder, drafts)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        replays.stop()
        drafts.close()
        care.close()
        server.engines.close()

    public = server.access.bound.public
    return Starlette(
        routes=[
            *home_sign_in_routes(server.access),
            *care_routes(server, care),
            *home_routes(server),
            *draft_routes(server, drafts),
            *replay_routes(replays, drafts),
            *project_routes(server),
        ],
        middleware=[
            *([Middleware(PublicPath, address=public)] if public else []),
            Middleware(SecurityHeaders),
            Middleware(HomeGuard, access=server.access),
        ],
        lifespan=lifespan,
    )


def sleep_seconds() -> float:
    """After its last page was closed a project sleeps. Raises BadInput for a variable that is no number."""
    text = os.environ.get(SLEEP, "")
    try:
        return max(1.0, float(text)) if text else IDLE_SECONDS
    except ValueError:
        raise BadInput(f"{SLEEP} is {text[:40]!r}; it must be a number of seconds.") from None


def refuse_without_people(access: Access) -> None:
    """Raises Refused where the home can be reached from elsewhere and no project has people who could sign in."""
    keys = access.entries.project_keys()
    if access.bound.loopback or any(access.lets_in_itself(key) or access.entries.of(key).people for key in keys):
        return
    if any(access.managers(folder) for folder in access.put_away()):
        return
    raise Refused(
        "From other machines nobody could sign in to this home: none of its projects has people. Make one here first "
        f"(`rondo --home {access.entries.home}`), give people codes (`rondo --project PROJECT people add NAME`), and "
        "start it again."
    )


def free_port() -> int:
    """One that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _own(listening: Listening) -> str:
    shown = f"[{listening.host}]" if ":" in listening.host else listening.host
    return f"http://{shown}:{listening.port}"


def _link(bound: Binding, listening: Listening) -> str:
    """The link for a browser; its token is needed once in each browser."""
    address = f"{bound.public.url if bound.public else _own(listening)}/"
    return f"{address}?token={bound.token}" if bound.token and bound.loopback else address


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """While this process serves the home. Raises Refused where another does, with its link."""
    with private(home, "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            try:
                link = json.loads(private(home, "server.json").read_text(encoding="utf-8"))["link"]
            except (OSError, ValueError, KeyError):
                link = "another address"
            raise Refused(f"This home is open already at {link}. Use that one, or stop it first.") from None
        yield
