"""The route that the labelling card talks to: events in, records out, in one request. Knows shapes, no rules."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Protocol, TypeVar

from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.auth.authenticator import Authenticator, AuthMode
from app.auth.guard import IDENTITY, Identity, authenticate
from app.request_body import read_at_most
from core.agreement.conflicts import Conflict
from core.config.settings import Settings
from core.errors import BadInput
from core.labelling.cards import Card
from core.labelling.leases import Holder
from core.labelling.own_keys import read_keys
from core.labelling.queue import LabelQueue, QueueRequest
from core.labelling.responses import Event
from core.people.names import check_name
from core.people.people import MANAGER, Person
from core.people.roles import holders
from core.reports.quality_news import QualityNews
from core.tasks.task import Answer, Task
from core.tasks.tasks import task_of
from core.typed_json import from_json

Body = TypeVar("Body")
MOST_BYTES = 512_000
MOST_EVENTS = 500
MOST_IDS = 500


class TooLong(BadInput):
    """The body is larger than MOST_BYTES."""


@dataclass(frozen=True)
class TokenRequest:
    """annotator: the name for the token."""

    annotator: str = ""


class LabelProject(Protocol):
    """What the routes need of an open project."""

    @property
    def label_queue(self) -> LabelQueue:
        """Where people get records and hand in answers."""

    @property
    def activities(self) -> Mapping[str, object]:
        """What goes on in the background, by verb."""

    def settings(self) -> Settings:
        """As they are now."""

    def characters_read(self, texts: Sequence[str]) -> list[int | None]:
        """How much of each text the encoder reads, as far as that is known."""

    def choose_keys(self, annotator: str, keys: dict[str, str]) -> None:
        """Keys of the card that this person has from now on."""

    def after_events(self) -> None:
        """Starts a round when one is due; returns at once."""

    def quality(self, version: int) -> QualityNews | None:
        """How good the model is. version: of the queue, which changes with every round."""


def label_routes(opened: Callable[[], LabelProject], authenticator: Authenticator) -> list[Route]:
    """`POST /api/label/events`, and `POST /api/label/token`, which hands out tokens where names are taken on trust."""

    async def events(request: Request) -> Response:
        annotator = await run_in_threadpool(author, request, authenticator, "label")
        if isinstance(annotator, Response):
            return annotator
        tab = request.headers.get("x-rondo-tab", "")
        if not 0 < len(tab) <= 64:
            return refused(400, "The header X-Rondo-Tab must name the tab in 1 to 64 characters.")
        holder, may_see, signed_in = Holder(annotator, tab), sees(request, "look"), is_signed_in(request)

        def exchange(sent: LabelRequest) -> dict[str, object]:
            reply = _exchange(opened(), holder, sent, may_see=may_see)
            if signed_in and (keys := read_keys(sent.keys)) is not None:
                opened().choose_keys(annotator, keys)
            return asdict(reply)

        return await answered(request, LabelRequest, exchange)

    async def token(request: Request) -> Response:
        if await run_in_threadpool(authenticator.auth_mode) is not AuthMode.TRUST:
            return refused(403, "Names are taken on trust only from this app's own page, on this machine alone.")
        try:
            annotator = check_name((await read_body(request, TokenRequest)).annotator)
        except BadInput as error:
            return refused(400, str(error))
        token = await run_in_threadpool(authenticator.label_token, Person(annotator, MANAGER), time.time())
        return JSONResponse({"token": token})

    return [
        Route("/api/label/events", events, methods=["POST"]),
        Route("/api/label/token", token, methods=["POST"]),
    ]


def author(request: Request, authenticator: Authenticator, right: str) -> str | Response:
    """The annotator by the token; where people sign in, it must be the signed-in person."""
    identity: Identity = request.scope.get(IDENTITY) or authenticate(authenticator, request.cookies)
    person = authenticator.annotator(request.headers.get("x-rondo-token", ""), time.time(), identity.auth_mode)
    if person is None:
        return refused(401, "The token is missing, wrong or too old. Get a new one, or reload the page.")
    if identity.auth_mode is not AuthMode.TRUST and (identity.person is None or identity.person.name != person.name):
        return refused(403, f"{person.name} is not signed in here any more. Reload the page; nothing is lost.")
    if right not in person.rights:
        return refused(403, f"Only {holders(right)} may {right}.")
    return person.name


def is_signed_in(request: Request) -> bool:
    """Was the name authenticated, not just typed?"""
    identity: Identity | None = request.scope.get(IDENTITY)
    return identity is not None and identity.auth_mode is not AuthMode.TRUST


def sees(request: Request, right: str) -> bool:
    """Whether who sends the request has a further right; where names are taken on trust everybody has."""
    identity: Identity | None = request.scope.get(IDENTITY)
    return identity is None or identity.person is None or right in identity.person.rights


def card_setup(settings: Settings) -> dict[str, object]:
    """The card's settings besides records; `key` is a hash of them."""
    setup = {
        "task": settings.task,
        **task_of(settings).setup(settings),
        "guidelines": settings.guidelines,
        "lease_seconds": settings.lease_seconds,
        "suggestions": settings.show_suggestions,
        "likeliest_keys": settings.likeliest_keys,
    }
    return {**setup, "key": hashlib.sha256(json.dumps(setup).encode()).hexdigest()[:16]}


def with_reading(project: LabelProject, cards: Sequence[Card | Conflict]) -> list[dict[str, object]]:
    """The cards as JSON, each with how many of its characters the encoder reads. Outside the queue's lock."""
    read = project.characters_read([card.text for card in cards])
    return [{**asdict(card), "read": count} for card, count in zip(cards, read, strict=True)]


def refused(status: int, error: str) -> Response:
    """An error response with a sentence."""
    return JSONResponse({"error": error}, status)


async def answered(request: Request, kind: type[Body], exchange: Callable[[Body], dict[str, object]]) -> Response:
    """What `exchange` replies to the body that was sent, as JSON. It runs in a thread: it waits for the disk."""
    try:
        reply = await run_in_threadpool(exchange, await read_body(request, kind))
    except TooLong as error:
        return refused(413, str(error))
    except BadInput as error:
        return refused(400, str(error))
    except ClientDisconnect:
        return Response(status_code=204)
    return JSONResponse(reply)


async def read_body(request: Request, kind: type[Body]) -> Body:
    """The JSON object that was sent. Raises TooLong before it is all in memory, BadInput where it is none.

    Half of a surrogate pair, which JSON can carry and no database takes, becomes a question mark.
    """
    body = await read_at_most(request, MOST_BYTES)
    if body is None:
        raise TooLong(f"The request has more than {MOST_BYTES:,} bytes. Send fewer events at a time.")
    try:
        document = json.loads(body)
        text = json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")
    except (ValueError, RecursionError):
        raise BadInput("The request is not JSON.") from None
    if not isinstance(document, dict):
        raise BadInput("The request must be a JSON object.")
    return from_json(kind, json.loads(text), "The request")


Ids = Annotated[tuple[str, ...], Field(max_length=MOST_IDS)]
Whole = Annotated[int, Field(strict=True, ge=0, lt=2**53)]
Events = Annotated[tuple[object, ...], Field(max_length=MOST_EVENTS)]


@dataclass(frozen=True)
class LabelRequest:
    """As `QueueRequest`; each of the events is read by itself. setup, quality: keys of what the card has of these.

    keys: that the person has just chosen, None for no change; stored under a name that was signed in with."""

    events: Events = ()
    have: Ids = ()
    give_back: Ids = ()
    want: Whole = 0
    turn: Whole = 0
    tabs: Ids = ()
    setup: str | None = None
    quality: str | None = None
    keys: object = None


@dataclass(frozen=True)
class LabelReply:
    """As `QueueReply`. learning: a round goes on; setup, quality: None where the card has this one; quality also
    where nothing was measured, or the person may not see it."""

    statuses: dict[str, str]
    cards: list[dict[str, object]]
    taken: list[str]
    return_request: int
    version: int
    progress: dict[str, int]
    learning: bool
    setup: dict[str, object] | None
    quality: QualityNews | None


def _exchange(project: LabelProject, holder: Holder, sent: LabelRequest, *, may_see: bool) -> LabelReply:
    """may_see: may the person see how good the model is?"""
    events, broken = read_events(sent.events, task_of(project.settings()))
    ask = QueueRequest(tuple(events), sent.have, sent.give_back, sent.want, sent.turn, sent.tabs)
    reply = project.label_queue.exchange(holder, ask)
    if events:
        project.after_events()
    setup = card_setup(project.settings())
    quality = project.quality(reply.version) if may_see else None
    return LabelReply(
        statuses=reply.statuses | broken,
        cards=with_reading(project, reply.cards),
        taken=reply.taken,
        return_request=reply.return_request,
        version=reply.version,
        progress=reply.progress,
        learning=any(verb in project.activities for verb in ("round", "fit", "next", "open")),
        setup=setup if sent.setup != setup["key"] else None,
        quality=quality if quality and sent.quality != quality.key else None,
    )


@dataclass(frozen=True)
class SentEvent:
    """An event as a browser may send it: without its source, which the server sets."""

    eid: str
    record: str
    action: str
    seq: Annotated[int, Field(strict=True)]
    ts: Annotated[float, Field(strict=True, ge=-1e15, le=1e15)]
    note: str | None = None
    undoes: str | None = None
    model: str | None = None
    suggested: dict[str, object] | None = None


def read_events(values: Sequence[object], task: Task) -> tuple[list[Event], dict[str, str]]:
    """The events, and for each that has not the right shape a reason under its eid (or #index, where it has none)."""
    events, broken = [], {}
    for index, value in enumerate(values):
        try:
            sent = from_json(SentEvent, value, "The event")
            answer = task.read(value) if sent.action == "submit" and isinstance(value, dict) else ()
        except BadInput:
            eid = value.get("eid") if isinstance(value, dict) else None
            broken[eid if isinstance(eid, str) else f"#{index}"] = "The event has not the right shape."
        else:
            events.append(Event(**{**vars(sent), "suggested": _suggested(sent, task)}, answer=answer))
    return events, broken


def _suggested(sent: SentEvent, task: Task) -> Answer | None:
    """None where it cannot be read: an answer is worth more than what was suggested."""
    try:
        return None if sent.suggested is None or task.difference is None else task.read(sent.suggested)
    except BadInput:
        return None
