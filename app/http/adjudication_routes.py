"""The route that the adjudication card talks to: decisions in, conflicts out in one request. Knows shapes, no rules."""

from collections.abc import Callable
from dataclasses import asdict, dataclass

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.auth.authenticator import Authenticator
from app.background import ProjectServer
from app.http.label_routes import Events, Ids, Whole, answered, author, card_setup, read_events, with_reading
from core.agreement.conflicts import WORDS, Opinion, read_conflicts, still_in_conflict
from core.errors import RondoError
from core.labelling.corrections import decide
from core.labelling.responses import Event
from core.tasks.task import Task
from core.tasks.tasks import task_of

MOST_CONFLICTS = 50


def adjudicate_routes(opened: Callable[[], ProjectServer], authenticator: Authenticator) -> list[Route]:
    """`POST /api/adjudicate`, with the token that the page has made for this person."""

    async def adjudicate(request: Request) -> Response:
        user = await run_in_threadpool(author, request, authenticator, "adjudicate")
        if isinstance(user, Response):
            return user
        return await answered(request, DecisionRequest, lambda sent: asdict(_exchange(opened(), user, sent)))

    return [Route("/api/adjudicate", adjudicate, methods=["POST"])]


@dataclass(frozen=True)
class DecisionRequest:
    """events: decisions; have: ids of the conflicts that the card holds; want: how many more. setup: its key."""

    events: Events = ()
    have: Ids = ()
    want: Whole = 0
    setup: str | None = None


@dataclass(frozen=True)
class DecisionReply:
    """statuses: eid -> 'stored', 'known' or a reason. taken: of `have`, those that are decided; left: in all."""

    statuses: dict[str, str]
    cards: list[dict[str, object]]
    taken: list[str]
    left: int
    setup: dict[str, object] | None


def _exchange(server: ProjectServer, user: str, sent: DecisionRequest) -> DecisionReply:
    """What the reply says is stored is durable."""
    task = task_of(server.settings())
    events, statuses = read_events(sent.events, task)
    for event in events:
        statuses[event.eid] = _status(server, event, user)
    if events:
        server.after_events()
    conflicts, left = read_conflicts(server.project, min(sent.want, MOST_CONFLICTS), sent.have)
    setup = card_setup(server.settings())
    return DecisionReply(
        statuses=statuses,
        cards=[
            {**card, "answers": [_opinion(opinion, task) for opinion in one.answers], "reason": WORDS[one.why]}
            for card, one in zip(with_reading(server, conflicts), conflicts, strict=True)
        ],
        taken=sorted(set(sent.have) - still_in_conflict(server.project, sent.have)),
        left=left,
        setup=setup if sent.setup != setup["key"] else None,
    )


def _opinion(opinion: Opinion, task: Task) -> dict[str, object]:
    """With the fields of its answer, as the card sends them."""
    return {**(task.fields(opinion.answer) if opinion.action == "submit" else {}), **asdict(opinion)}


def _status(server: ProjectServer, event: Event, user: str) -> str:
    """'stored', 'known', or a sentence on why not: one decision never blocks the rest."""
    try:
        return decide(server.project, event, user)
    except RondoError as error:
        return str(error)
