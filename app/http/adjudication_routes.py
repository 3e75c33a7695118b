"""The route that the adjudication card talks to: decisions in, conflicts out in one request. Knows shapes, no rules."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.auth.authenticator import Authenticator
from app.background import ProjectServer
from app.http.label_routes import (
    TooLong,
    author,
    card_setup,
    ids_in,
    read_body,
    read_events,
    refused,
    whole_in,
    with_reading,
)
from core.agreement.conflicts import WORDS, read_conflicts, still_in_conflict
from core.errors import BadInput, RondoError
from core.labelling.corrections import decide
from core.labelling.responses import Event
from core.tasks.tasks import task_of

MOST_CONFLICTS = 50


def adjudicate_routes(opened: Callable[[], ProjectServer], entrance: Authenticator) -> list[Route]:
    """`POST /api/adjudicate`, with the token that the page has made for this person."""

    async def adjudicate(request: Request) -> Response:
        who = await run_in_threadpool(author, request, entrance, "adjudicate")
        if isinstance(who, Response):
            return who
        try:
            body = await read_body(request)
            answer = await run_in_threadpool(_exchange, opened(), who, body)
        except TooLong as error:
            return refused(413, str(error))
        except BadInput as error:
            return refused(400, str(error))
        except ClientDisconnect:
            return Response(status_code=204)
        return JSONResponse(answer)

    return [Route("/api/adjudicate", adjudicate, methods=["POST"])]


def _exchange(office: ProjectServer, who: str, body: dict[str, Any]) -> dict[str, Any]:
    """Runs in a thread: it waits for the disk. What the reply says is stored is durable."""
    events, statuses = read_events(body.get("events", []), task_of(office.project.settings()))
    have, want = ids_in(body, "have"), min(whole_in(body, "want"), MOST_CONFLICTS)
    for event in events:
        statuses[event.eid] = _status(office, event, who)
    if events:
        office.after_events()
    matches, left = read_conflicts(office.project, want, have)
    setup = card_setup(office.settings())
    return {
        "statuses": statuses,
        "cards": with_reading(office, [{**asdict(one), "told": WORDS[one.why]} for one in matches]),
        "taken": sorted(set(have) - still_in_conflict(office.project, have)),
        "left": left,
        "setup": setup if body.get("setup") != setup["key"] else None,
    }


def _status(office: ProjectServer, event: Event, who: str) -> str:
    """'stored', 'known', or a sentence on why not: one decision never blocks the rest."""
    try:
        return decide(office.project, event, who)
    except RondoError as error:
        return str(error)
