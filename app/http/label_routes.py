"""The route that the labelling card talks to: events in, records out, in one request. Knows shapes, no rules."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.auth.authenticator import Authenticator, AuthMode
from app.auth.guard import authenticate
from app.request_body import read_at_most
from core.config.settings import Settings
from core.errors import BadInput
from core.labelling.leases import Holder
from core.labelling.queue import LabelQueue, QueueRequest
from core.labelling.responses import Event
from core.people.names import check_name
from core.people.people import MANAGER, Person
from core.people.roles import holders
from core.tasks.task import Task
from core.tasks.tasks import task_of

MOST_BYTES = 512_000
MOST_EVENTS = 500
MOST_IDS = 500


class TooLong(BadInput):
    """The body is larger than MOST_BYTES."""


class LabelProject(Protocol):
    """What the routes need of an open project."""

    @property
    def desk(self) -> LabelQueue:
        """Where people get records and hand in answers."""

    @property
    def activities(self) -> Mapping[str, Any]:
        """What goes on in the background, by verb."""

    def settings(self) -> Settings:
        """As they are now."""

    def characters_read(self, texts: Sequence[str]) -> list[int | None]:
        """How much of each text the encoder reads, as far as that is known."""

    def after_events(self) -> None:
        """Starts a round when one is due; returns at once."""


def label_routes(opened: Callable[[], LabelProject], entrance: Authenticator) -> list[Route]:
    """`POST /api/label/events`, and `POST /api/label/token`, which hands out tokens where names are taken on trust."""

    async def events(request: Request) -> Response:
        annotator = await run_in_threadpool(author, request, entrance, "label")
        if isinstance(annotator, Response):
            return annotator
        tab = request.headers.get("x-rondo-tab", "")
        if not 0 < len(tab) <= 64:
            return refused(400, "The header X-Rondo-Tab must name the tab in 1 to 64 characters.")
        try:
            body = await read_body(request)
            answer = await run_in_threadpool(_exchange, opened(), Holder(annotator, tab), body)
        except TooLong as error:
            return refused(413, str(error))
        except BadInput as error:
            return refused(400, str(error))
        except ClientDisconnect:
            return Response(status_code=204)
        return JSONResponse(answer)

    async def token(request: Request) -> Response:
        if await run_in_threadpool(entrance.door) is not AuthMode.TRUST:
            return refused(403, "Names are taken on trust only from this app's own page, on this machine alone.")
        try:
            annotator = check_name((await read_body(request)).get("annotator"))
        except BadInput as error:
            return refused(400, str(error))
        token = await run_in_threadpool(entrance.label_token, Person(annotator, MANAGER), time.time())
        return JSONResponse({"token": token})

    return [
        Route("/api/label/events", events, methods=["POST"]),
        Route("/api/label/token", token, methods=["POST"]),
    ]


def author(request: Request, entrance: Authenticator, right: str) -> str | Response:
    """Whose answers these are: the token says it, and where people sign in, who is signed in must be the same."""
    person = entrance.annotator(request.headers.get("x-rondo-token", ""), time.time())
    if person is None:
        return refused(401, "The token is missing, wrong or too old. Get a new one, or reload the page.")
    seen = authenticate(entrance, request.cookies)
    if seen.door is not AuthMode.TRUST and (seen.person is None or seen.person.name != person.name):
        return refused(403, f"{person.name} is not signed in here any more. Reload the page; nothing is lost.")
    if right not in person.rights:
        return refused(403, f"Only {holders(right)} may {right}.")
    return person.name


def card_setup(settings: Settings) -> dict[str, Any]:
    """What the card must know besides records; `key` changes with any of it."""
    setup = {
        "task": settings.task,
        **task_of(settings).card(settings),
        "guidelines": settings.guidelines,
        "lease_seconds": settings.lease_seconds,
        "suggestions": settings.show_suggestions,
        "likeliest_keys": settings.likeliest_keys,
    }
    return {**setup, "key": hashlib.sha256(json.dumps(setup).encode()).hexdigest()[:16]}


def with_reading(project: LabelProject, cards: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The cards, each with how many of its characters the encoder reads. Outside the desk's lock."""
    read = project.characters_read([card["text"] for card in cards])
    return [{**card, "read": count} for card, count in zip(cards, read, strict=True)]


def refused(status: int, error: str) -> Response:
    """An answer that says in a sentence why not."""
    return JSONResponse({"error": error}, status)


async def read_body(request: Request) -> dict[str, Any]:
    """The JSON object that was sent. Raises TooLong before it is all in memory, BadInput where it is none."""
    body = await read_at_most(request, MOST_BYTES)
    if body is None:
        raise TooLong(f"The request has more than {MOST_BYTES:,} bytes. Send fewer events at a time.")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise BadInput("The request is not JSON.") from None
    if not isinstance(document, dict):
        raise BadInput("The request must be a JSON object.")
    return document


def _exchange(project: LabelProject, holder: Holder, body: dict[str, Any]) -> dict[str, Any]:
    """Runs in a thread: it waits for the disk."""
    events, broken = read_events(body.get("events", []), task_of(project.settings()))
    ask = QueueRequest(
        events=tuple(events),
        have=ids_in(body, "have"),
        give_back=ids_in(body, "give_back"),
        want=whole_in(body, "want"),
        turn=whole_in(body, "turn"),
        tabs=ids_in(body, "tabs"),
    )
    reply = asdict(project.desk.exchange(holder, ask))
    if events:
        project.after_events()
    reply["cards"] = with_reading(project, reply["cards"])
    setup = card_setup(project.settings())
    reply["statuses"] |= broken
    reply["learning"] = any(verb in project.activities for verb in ("round", "fit", "next", "open"))
    reply["setup"] = setup if body.get("setup") != setup["key"] else None
    return reply


def ids_in(body: dict[str, Any], name: str) -> tuple[str, ...]:
    """The ids of that name, of records or tabs, none where it is missing. Raises BadInput for anything else."""
    values = body.get(name, [])
    if not isinstance(values, list) or len(values) > MOST_IDS or not all(isinstance(value, str) for value in values):
        raise BadInput(f"`{name}` must be a list of at most {MOST_IDS} ids.")
    return tuple(values)


def whole_in(body: dict[str, Any], name: str) -> int:
    """The number of that name, 0 where it is missing. Raises BadInput for anything else."""
    value = body.get(name, 0)
    if type(value) is not int or not 0 <= value < 2**53:
        raise BadInput(f"`{name}` must be a whole number of 0 or more.")
    return value


def read_events(values: object, task: Task) -> tuple[list[Event], dict[str, str]]:
    """The events, and for each that has not the right shape a reason under its eid (or #place, where it has none)."""
    if not isinstance(values, list) or len(values) > MOST_EVENTS:
        raise BadInput(f"`events` must be a list of at most {MOST_EVENTS} events.")
    events, broken = [], {}
    for place, value in enumerate(values):
        event = _read_event(value, task)
        if event is not None:
            events.append(event)
        else:
            eid = value.get("eid") if isinstance(value, dict) else None
            broken[eid if isinstance(eid, str) else f"#{place}"] = "The event has not the right shape."
    return events, broken


def _read_event(value: object, task: Task) -> Event | None:
    if not isinstance(value, dict):
        return None
    match value:
        case {
            "eid": str(eid),
            "record": str(record),
            "action": str(action),
            "seq": int(seq),
            "ts": int() | float() as ts,
        }:
            texts = [value.get(name) for name in ("note", "undoes", "model")]
        case _:
            return None
    if abs(ts) > 1e15 or not all(text is None or isinstance(text, str) for text in texts):
        return None
    try:
        answer = _storable(task.read(value)) if action == "submit" else ()
    except BadInput:
        return None
    eid, record, action, note, undoes, model = map(_storable, (eid, record, action, *texts))
    return Event(eid, record, action, answer, note, undoes, seq, float(ts), model)


def _storable(value: Any) -> Any:
    """Half of a surrogate pair, which JSON can carry and no database takes, becomes a question mark."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list | tuple):
        return type(value)(map(_storable, value))
    return {_storable(name): _storable(part) for name, part in value.items()} if isinstance(value, dict) else value
