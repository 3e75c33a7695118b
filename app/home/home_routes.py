"""The home's own routes: its pages, the list of projects, and what is done to one as a whole."""

import json
import subprocess
import sys
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from app.home.access import Access, Visitor
from app.home.engines import Engines
from app.home.entries import Entries
from app.home.home_guard import lacking, to_sign_in, visitor_of
from app.home.waking import Waking
from app.request_body import read_at_most
from app.uploads import receive
from core.errors import BadInput, RondoError
from core.home import folders
from core.store.database import FILE as DATABASE
from core.store.database import refuse_held, utc_now
from core.typed_json import to_json

PAGE = Path(__file__).parent / "page"
FILES = {
    "home.css": "text/css",
    **dict.fromkeys(("care.js", "home.js", "new.js", "parts.js", "replay.js"), "text/javascript"),
    **dict.fromkeys(("replay_form.js", "tasks.js", "wait.js"), "text/javascript"),
    "icon.png": "image/png",
}
MOST_BYTES = 8_000_000
"""of what a page sends: pasted texts are the most of it"""
EMPTY = "empty"
"""what one types to empty the trash"""


@dataclass(frozen=True)
class HomeServer:
    """What the routes share."""

    folder: Path
    engines: Engines
    waking: Waking
    entries: Entries
    access: Access


def home_routes(home: HomeServer) -> list[Route]:
    """Pages, files, the list, and acts on one project."""
    return [
        Route("/", _page("home.html")),
        Route("/new", _page("new.html", lambda visitor: visitor.may_create)),
        Route("/replay", _page("replay.html", lambda visitor: visitor.may_create)),
        Route("/home/{name}", _file),
        Route("/api/home", _listed(home)),
        Route("/api/home/projects/{key}/{act}", _act(home), methods=["POST"]),
        Route("/api/home/put-away/{kind}/{name}/{act}", _act_on_put_away(home), methods=["POST"]),
        Route("/api/home/trash/empty", _empty_trash(home), methods=["POST"]),
        Route("/api/home/backups/{name}", _backup_file(home)),
        Route("/api/home/restore", _restore(home), methods=["POST"]),
        Route("/api/health", _health),
    ]


async def _health(_: Request) -> Response:
    return JSONResponse({"ok": True})


def _page(name: str, right: Callable[[Visitor], bool] = lambda visitor: visitor.known) -> Callable[[Request], Any]:
    async def page(request: Request) -> Response:
        if not visitor_of(request).known:
            return to_sign_in(request)
        if refusal := lacking(request, right):
            return refusal
        return FileResponse(PAGE / name, media_type="text/html", headers={"cache-control": "no-store"})

    return page


async def _file(request: Request) -> Response:
    """For everybody: styles and scripts say nothing of a project."""
    name = request.path_params["name"]
    if name not in FILES:
        return JSONResponse({"error": "There is no such file."}, 404)
    path = PAGE / name if name != "icon.png" else PAGE.parent.parent / name
    return FileResponse(path, media_type=FILES[name], headers={"cache-control": "no-cache"})


async def body_of(request: Request) -> dict[str, Any]:
    """The JSON object that a page sends; {} for none. Raises BadInput."""
    content = await read_at_most(request, MOST_BYTES)
    if content is None:
        raise BadInput(f"That is more than {MOST_BYTES // 1_000_000} MB at once: put it into a file and drop that.")
    try:
        sent = json.loads(content) if content else {}
    except (ValueError, RecursionError):
        sent = None
    if not isinstance(sent, dict):
        raise BadInput("The body must be a JSON object.")
    return sent


def answered(error: RondoError) -> Response:
    """One sentence for the page to show."""
    return JSONResponse({"error": str(error)}, 400)


def for_makers(act: Callable[[Request], Coroutine[None, None, dict[str, object]]]) -> Callable[[Request], Any]:
    """A route that answers with what `act` gives, for whoever may make projects."""

    async def route(request: Request) -> Response:
        if refusal := lacking(request, lambda visitor: visitor.may_create):
            return refusal
        try:
            return JSONResponse(await act(request))
        except RondoError as error:
            return answered(error)

    return route


def _listed(home: HomeServer) -> Callable[[Request], Any]:
    async def listed(request: Request) -> Response:
        if refusal := lacking(request, lambda visitor: visitor.known):
            return refusal
        return JSONResponse(to_json(await run_in_threadpool(_everything, home, request)))

    return listed


def _everything(home: HomeServer, request: Request) -> dict[str, object]:
    visitor = visitor_of(request)
    projects = [
        {
            **vars(home.entries.of(key).summary),
            "key": key,
            "awake": home.engines.awake(key) is not None,
            "manages": visitor.manages(key),
        }
        for key in home.entries.project_keys()
        if visitor.sees(key)
    ]
    archived = [
        {**vars(home.entries.put_away(path).summary), "id": path.name}
        for path in (folders.private(home.folder, "archived") / key for key in folders.archived_keys(home.folder))
        if home.access.manages_put_away(visitor, path, request.cookies)
    ]
    trash = [
        {"id": one.id, "name": folders.name_of(folders.private(home.folder, "trash") / one.id), "at": one.at}
        for one in folders.trashed(home.folder)
        if home.access.manages_put_away(visitor, folders.private(home.folder, "trash") / one.id, request.cookies)
    ]
    person = next(iter(visitor.people.values()), visitor.put_away)
    return {
        "home": str(home.folder) if visitor.operator else "",
        "user": person.name if person else "",
        "may_create": visitor.may_create,
        "projects": projects,
        "archived": archived,
        "trash": trash,
    }


Act = Callable[[HomeServer, str, Mapping[str, Any]], dict[str, object]]


def _rename(home: HomeServer, key: str, sent: Mapping[str, Any]) -> dict[str, object]:
    folders.rename(home.folder, key, str(sent.get("name", "")))
    return {}


def _archive(home: HomeServer, key: str, sent: Mapping[str, Any]) -> dict[str, object]:
    with home.engines.lock(key):
        rest(home, key)
        folders.archive(home.folder, key)
    return {}


def _trash(home: HomeServer, key: str, sent: Mapping[str, Any]) -> dict[str, object]:
    name = folders.name_of(folders.project_path(home.folder, key))
    if sent.get("typed") != name:
        raise BadInput(f"Type {name} to delete it. Nothing was deleted.")
    with home.engines.lock(key):
        rest(home, key)
        folders.trash(home.folder, key)
    return {}


def rest(home: HomeServer, key: str) -> None:
    """Ends its server. Raises StoreHeld where another program is at work on it: what it writes would be lost."""
    home.engines.sleep(key)
    refuse_held(folders.project_path(home.folder, key) / DATABASE)


def _back_up(home: HomeServer, key: str, sent: Mapping[str, Any]) -> dict[str, object]:
    """By the command: it asks the project's server where one runs."""
    target = home.folder / "backups"
    target.mkdir(mode=0o700, exist_ok=True)
    file = target / f"{key}-{utc_now():%Y%m%d-%H%M%S}.zip"
    path = folders.project_path(home.folder, key)
    with home.engines.lock(key):
        _command("--project", path, "backup", "--archive", file)
    return {"file": file.name, "bytes": file.stat().st_size}


ACTS: dict[str, Act] = {"rename": _rename, "archive": _archive, "trash": _trash, "backup": _back_up}
WAKE = "wake"


def _act(home: HomeServer) -> Callable[[Request], Any]:
    async def act(request: Request) -> Response:
        key, name = request.path_params["key"], request.path_params["act"]
        if name not in (*ACTS, WAKE):
            return JSONResponse({"error": f"There is no act {name!r}."}, 404)
        if name == WAKE:
            refusal = lacking(request, lambda visitor: visitor.sees(key) or home.access.lets_in_itself(key))
        else:
            refusal = lacking(request, lambda visitor: visitor.manages(key))
        if refusal:
            return refusal
        try:
            folders.project_path(home.folder, key)
            if name == WAKE:
                await home.waking.engine(key)
                return JSONResponse({"ok": True})
            result = await run_in_threadpool(ACTS[name], home, key, await body_of(request))
        except RondoError as error:
            return answered(error)
        finally:
            home.entries.forget(key)
        return JSONResponse({"ok": True, **result})

    return act


def _act_on_put_away(home: HomeServer) -> Callable[[Request], Any]:
    acts: dict[tuple[str, str], Callable[[str], object]] = {
        ("archived", "restore"): lambda name: folders.unarchive(home.folder, name),
        ("trash", "restore"): lambda name: folders.untrash(home.folder, name),
    }

    async def act(request: Request) -> Response:
        kind, name, what = (request.path_params[part] for part in ("kind", "name", "act"))
        verb = acts.get((kind, what))
        if verb is None or "/" in name or name.startswith("."):
            return JSONResponse({"error": "There is nothing at this address."}, 404)
        folder = folders.private(home.folder, kind, name)
        if not folder.is_dir():
            return answered(BadInput("It is not there any more. Reload the page."))
        allowed = await run_in_threadpool(
            home.access.manages_put_away, visitor_of(request), folder, dict(request.cookies)
        )
        if refusal := lacking(request, lambda _: allowed):
            return refusal
        try:
            await run_in_threadpool(verb, name)
        except RondoError as error:
            return answered(error)
        return JSONResponse({"ok": True})

    return act


def _empty_trash(home: HomeServer) -> Callable[[Request], Any]:
    """Deletes for good what the visitor may delete."""

    def delete(visitor: Visitor, cookies: Mapping[str, str]) -> int:
        count = 0
        for one in folders.trashed(home.folder):
            if home.access.manages_put_away(visitor, folders.private(home.folder, "trash", one.id), cookies):
                folders.delete_trashed(home.folder, one.id)
                count += 1
        return count

    async def empty(request: Request) -> Response:
        if refusal := lacking(request, lambda visitor: visitor.known):
            return refusal
        try:
            if (await body_of(request)).get("typed") != EMPTY:
                raise BadInput(f"Type {EMPTY} to delete what is in the trash for good. Nothing was deleted.")
        except RondoError as error:
            return answered(error)
        count = await run_in_threadpool(delete, visitor_of(request), dict(request.cookies))
        return JSONResponse({"ok": True, "deleted": count})

    return empty


def _backup_file(home: HomeServer) -> Callable[[Request], Any]:
    async def backup_file(request: Request) -> Response:
        name = str(request.path_params["name"])
        path = home.folder / "backups" / name
        key = name.rsplit("-", 2)[0]
        if refusal := lacking(request, lambda visitor: visitor.manages(key)):
            return refusal
        if "/" in name or not name.endswith(".zip") or not path.is_file():
            return JSONResponse({"error": "There is no such backup."}, 404)
        return FileResponse(path, filename=name, media_type="application/zip")

    return backup_file


def _restore(home: HomeServer) -> Callable[[Request], Any]:
    """The archive is streamed to disk; a project that is not whole never stands in the list."""

    def restore(archive: Path, name: str) -> str:
        key = folders.new_key(home.folder, name)
        made = folders.make_aside(home.folder, key, lambda aside: _command("--project", aside, "restore", archive))
        return made.name

    async def restore_file(request: Request) -> Response:
        if refusal := lacking(request, lambda visitor: visitor.may_create):
            return refusal
        folder = folders.private(home.folder, "drafts")
        try:
            name = folders.check_name(request.query_params.get("name", ""))
            async with receive(request, folder, "archive.zip") as archive:
                key = await run_in_threadpool(restore, archive, Path(name).stem.rsplit("-", 2)[0] or name)
        except RondoError as error:
            return answered(error)
        return JSONResponse({"ok": True, "key": key})

    return restore_file


def _command(*words: object) -> None:
    """One command in a process of its own. Raises BadInput with what it complains of."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "app", *map(str, words), "--json"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise BadInput(lines[-1] if lines else "It could not be done.")
