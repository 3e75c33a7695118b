"""The routes of the page that says what choosing would have saved: for whoever may make a project."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from app.home.drafts import Draft, Drafts
from app.home.home_guard import lacking, visitor_of
from app.home.home_routes import body_of, for_makers
from app.home.replay_requests import KINDS, ReplayKind, ReplayStart, replay_request
from app.home.replaying import FILES, ReplayRequest
from app.home.replays import RUNNING, Replays, estimate, owner_of
from app.words import duration
from core.errors import Refused, RondoError
from core.pairs.pair_jobs import POSITIVES
from core.typed_json import from_json, to_json


@dataclass(frozen=True)
class ReplayPage:
    """What the page asks for, each as JSON."""

    replays: Replays
    drafts: Drafts

    async def overview(self, request: Request) -> dict[str, object]:
        """What is played now, and what was played."""
        visitor = visitor_of(request)
        stored = await run_in_threadpool(self.replays.stored, visitor)
        current = self.replays.current
        own = current if current and current.owner.is_seen_by(visitor) else None
        return {
            "current": own.state() if own else None,
            "busy": bool(current and current.phase == RUNNING),
            "stored": [{**_shown(to_json(one)), "files": [*FILES], "took": duration(one.seconds)} for one in stored],
        }

    async def choices(self, request: Request) -> dict[str, object]:
        """What can be chosen, by task."""
        return {
            "operator": visitor_of(request).operator,
            "tasks": {task: _choices(kind) for task, kind in KINDS.items()},
            "positives": POSITIVES,
            "templates": await run_in_threadpool(_templates),
        }

    async def estimate(self, request: Request) -> dict[str, object]:
        """Of a `ReplayStart`: how long it would take."""
        requested, _ = await self._requested(request)
        stored = await run_in_threadpool(self.replays.stored, visitor_of(request))
        return {"sentence": estimate(requested, stored)}

    async def begin(self, request: Request) -> dict[str, object]:
        """A `ReplayStart`."""
        requested, drafts = await self._requested(request)
        return self.replays.begin(drafts, requested, owner_of(visitor_of(request))).state()

    async def _requested(self, request: Request) -> tuple[ReplayRequest, list[Draft]]:
        """What is to be played, and the drafts whose files it reads."""
        sent = from_json(ReplayStart, await body_of(request), "The request")
        draft = self.drafts.get(sent.draft)
        recorded = self.drafts.get(sent.recorded) if sent.recorded else None
        operator = visitor_of(request).operator
        requested = await run_in_threadpool(replay_request, sent, draft, recorded, operator=operator)
        return requested, [draft, *([recorded] if recorded else [])]

    async def stop(self, request: Request) -> dict[str, object]:
        """The one that is played."""
        current = self.replays.current
        if current and not current.owner.is_seen_by(visitor_of(request)):
            raise Refused("Somebody else began it. They, or whoever runs this home, can stop it.")
        self.replays.stop()
        return {"ok": True}

    async def forget(self, request: Request) -> dict[str, object]:
        """One that was played."""
        await run_in_threadpool(self.replays.forget, visitor_of(request), request.path_params["id"])
        return {"ok": True}


def replay_routes(replays: Replays, drafts: Drafts) -> list[Route]:
    """The page's requests, guarded."""
    page = ReplayPage(replays, drafts)
    return [
        Route("/api/home/replays", for_makers(page.overview)),
        Route("/api/home/replays", for_makers(page.begin), methods=["POST"]),
        Route("/api/home/replays/choices", for_makers(page.choices)),
        Route("/api/home/replays/estimate", for_makers(page.estimate), methods=["POST"]),
        Route("/api/home/replays/current", for_makers(page.stop), methods=["DELETE"]),
        Route("/api/home/replays/{id}", for_makers(page.forget), methods=["DELETE"]),
        Route("/api/home/replays/{id}/{name}", _file(replays)),
    ]


def _file(replays: Replays) -> Callable[[Request], Any]:
    async def file(request: Request) -> Response:
        if refusal := lacking(request, lambda visitor: visitor.may_create):
            return refusal
        name = request.path_params["name"]
        try:
            path = await run_in_threadpool(replays.file, visitor_of(request), request.path_params["id"], name)
        except RondoError as error:
            return JSONResponse({"error": str(error)}, 404)
        return FileResponse(path, media_type=FILES[name])

    return file


def _shown(stored: Any) -> dict[str, Any]:
    """Without who else manages which project."""
    return {**{name: value for name, value in stored.items() if name != "owner"}, "by": stored["owner"]["name"]}


def _choices(kind: ReplayKind) -> dict[str, object]:
    listed = [
        {"name": name, "caption": caption, "ticked": name in kind.ticked} for name, caption in kind.strategies.items()
    ]
    return {"strategies": listed, "budget": kind.budget, "batch": kind.batch, "seeds": kind.seeds}


@cache
def _templates() -> list[dict[str, object]]:
    """Of steps. columns: those that a file has whose answers they are."""
    from core.config.steps import fields_of
    from core.extract.mapping import read_mapping
    from core.extract.step_files import TEMPLATES, load_steps, template_or_file

    listed: list[dict[str, object]] = []
    for name, caption in TEMPLATES.items():
        steps, mapping = load_steps(name), read_mapping(template_or_file(name))
        columns = [one.name for one in fields_of(steps)]
        if mapping:
            paths = [mapping.text, *mapping.meta.values(), *mapping.values.values()]
            columns = [mapping.each] if mapping.each else [path.partition(".")[0] for path in paths]
        listed.append({"name": name, "caption": caption, "steps": [one.name for one in steps], "columns": columns})
    return listed
