"""Routes that look for records: for the command palette, and beside the labelling card. Know shapes, no rules."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Annotated

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.auth.authenticator import Authenticator
from app.background import ProjectServer
from app.http.label_routes import answered, author, sees
from core.explore.browse import Line, find
from core.explore.filters import RecordSearch

MOST = 8
Words = Annotated[str, Field(max_length=200)]


@dataclass(frozen=True)
class FindRequest:
    """words: each stands somewhere in the text, or they are a record's id."""

    words: Words = ""


@dataclass(frozen=True)
class FoundRecord:
    """A record that fits. answer: what people settled, None where it has none or may not be seen."""

    id: str
    text: str
    answer: str | None = None


@dataclass(frozen=True)
class FindReply:
    """The first records that fit."""

    records: list[FoundRecord]


@dataclass(frozen=True)
class SimilarRequest:
    """record: an id, whose nearest records are looked for; words: instead, where there are some."""

    record: Words = ""
    words: Words = ""


def find_routes(opened: Callable[[], ProjectServer], authenticator: Authenticator) -> list[Route]:
    """`POST /api/find` for who may see all records, and `POST /api/label/similar` for who labels one."""

    async def everywhere(request: Request) -> Response:
        def reply(sent: FindRequest) -> dict[str, object]:
            lines = find(opened().project, RecordSearch(words=sent.words)).lines[:MOST] if sent.words.strip() else ()
            return asdict(FindReply([FoundRecord(line.id, line.text) for line in lines]))

        return await answered(request, FindRequest, reply)

    async def similar(request: Request) -> Response:
        user = author(request, authenticator, "label")
        if isinstance(user, Response):
            return user
        answers = sees(request, "adjudicate")
        return await answered(request, SimilarRequest, lambda sent: asdict(_similar(opened(), sent, answers=answers)))

    return [
        Route("/api/find", everywhere, methods=["POST"]),
        Route("/api/label/similar", similar, methods=["POST"]),
    ]


def _similar(server: ProjectServer, sent: SimilarRequest, *, answers: bool) -> FindReply:
    """Never the record itself. answers: also what people settled; a record that waits for an answer shows none, since
    that may be the record which is asked next."""
    if not sent.words.strip() and not sent.record:
        return FindReply([])
    search = RecordSearch(words=sent.words) if sent.words.strip() else RecordSearch(like=sent.record)
    lines = [line for line in find(server.project, search).lines if line.id != sent.record][:MOST]
    return FindReply([FoundRecord(line.id, line.text, _answer(line) if answers else None) for line in lines])


def _answer(line: Line) -> str | None:
    return None if line.hidden else line.label
