"""The routes of the page that says what choosing would have saved: for whoever may make a project."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from app.home.draft_routes import read_roles
from app.home.drafts import Drafts
from app.home.home_guard import lacking, visitor_of
from app.home.home_routes import body_of, for_makers
from app.home.replaying import FILES, ReplayRequest
from app.home.replays import RUNNING, Replays, owner_of, round_seconds
from core.errors import BadInput, Refused, RondoError
from core.sampling.strategies import STRATEGIES
from core.typed_json import from_json, to_json

TICKED = ("default", "margin", "random")
MOST = {"budget": 100_000, "batch": 10_000, "seeds": 100}


@dataclass(frozen=True)
class ReplayStart:
    """draft: whose file it is. roles: of its columns, several of which may be the text."""

    draft: str
    roles: dict[str, str] = field(default_factory=dict)
    strategies: tuple[str, ...] = TICKED
    budget: int = 400
    batch: int = 20
    seeds: int = 3
    several: bool = False
    tuning: bool = True


@dataclass(frozen=True)
class ReplayPage:
    """What the page asks for, each as JSON."""

    replays: Replays
    drafts: Drafts

    async def overview(self, request: Request) -> dict[str, object]:
        """What can be chosen, what is played now, and what was played."""
        visitor = visitor_of(request)
        stored = await run_in_threadpool(self.replays.stored, visitor)
        current = self.replays.current
        own = current if current and current.owner.is_seen_by(visitor) else None
        seconds, measured = round_seconds(stored)
        captions = {name: (one.__doc__ or "").strip().split(". ")[0].rstrip(".") for name, one in STRATEGIES.items()}
        return {
            "operator": visitor.operator,
            "strategies": [
                {"name": name, "caption": " ".join(words.split()), "ticked": name in TICKED}
                for name, words in captions.items()
            ],
            "current": own.state() if own else None,
            "busy": bool(current and current.phase == RUNNING),
            "round_seconds": seconds,
            "measured": measured,
            "stored": [{**_shown(to_json(one)), "files": [*FILES]} for one in stored],
        }

    async def begin(self, request: Request) -> dict[str, object]:
        """A `ReplayStart`."""
        sent = from_json(ReplayStart, await body_of(request), "The request")
        draft = self.drafts.get(sent.draft)
        return self.replays.begin(draft, replay_request(sent), owner_of(visitor_of(request))).state()

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


def replay_request(sent: ReplayStart) -> ReplayRequest:
    """Raises BadInput for what would not do, before anything is begun."""
    columns: dict[str, list[str]] = {}
    for name, role in read_roles(sent.roles).items():
        columns.setdefault(role, []).append(name)
    if "text" not in columns:
        raise BadInput("Which column holds the text? Choose one as text.")
    if "label" not in columns:
        raise BadInput("Which column holds the known answers? Choose one as label.")
    if unknown := [name for name in sent.strategies if name not in STRATEGIES]:
        raise BadInput(f"There is no strategy {unknown[0][:40]!r}; there are {', '.join(STRATEGIES)}.")
    if not sent.strategies:
        raise BadInput("Tick at least one strategy; random is what the others are compared with.")
    for name, most in MOST.items():
        if not 1 <= getattr(sent, name) <= most:
            raise BadInput(f"{name} is {getattr(sent, name)}; it must be 1 to {most:,}.")
    return ReplayRequest(
        folder="",
        file="",
        text=tuple(columns["text"]),
        label=columns["label"][0],
        split=columns["split"][0] if "split" in columns else None,
        strategies=tuple(dict.fromkeys(sent.strategies)),
        budget=sent.budget,
        batch=sent.batch,
        seeds=sent.seeds,
        several=sent.several,
        tuning=sent.tuning,
    )


def replay_routes(replays: Replays, drafts: Drafts) -> list[Route]:
    """The page's requests, guarded."""
    page = ReplayPage(replays, drafts)
    return [
        Route("/api/home/replays", for_makers(page.overview)),
        Route("/api/home/replays", for_makers(page.begin), methods=["POST"]),
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
