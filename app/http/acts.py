"""What a route for programs is given and gives back. Knows no route."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.background import ProjectServer


@dataclass(frozen=True)
class ApiRequest:
    """A request, read: parts of its path, of its query, its body."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    body: dict[str, Any]


@dataclass(frozen=True)
class ApiReply:
    """What is sent back as JSON. details: one of the types of `messages`, or what a verb returned.

    media: where details is a text that is sent as it is, of this media type.
    """

    details: object
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    media: str = ""


Act = Callable[[ProjectServer, ApiRequest], ApiReply]


def quiet(what: str, done: int, total: int) -> None:
    """Reports nothing: progress is polled."""
