"""What a place where a team labels (an Argilla workspace) must be able to do, and what goes there and comes back.

Knows no HTTP and no store.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from core.config.settings import Settings
from core.errors import BadInput, Refused
from core.tasks.questions import Question, Value

SUBMITTED, DRAFT = "submitted", "draft"
"""of an answer there; besides there is "discarded", which is a skip"""
LAST = 1_000_000
"""rank of what nobody need answer there any more"""


class Unreachable(Refused):
    """The server does not answer, or answers that it cannot now. Trying again may help."""


class Gone(Refused):
    """The dataset or the record is not there any more."""


class Unfit(BadInput):
    """The server takes what was sent for wrong: the same sent again is refused again."""


@dataclass(frozen=True)
class Setup:
    """A dataset: what is shown and asked.

    context: names of metadata too long for a column; metadata: of the short ones. overlap: answers that complete one.
    """

    fields: tuple[str, ...]
    context: tuple[str, ...]
    metadata: tuple[str, ...]
    question: Question
    guidelines: str
    overlap: int

    def takes(self, requested: "Setup") -> bool:
        """Whether a dataset made like this can be changed into the requested one: options and fields are fixed."""
        return self.question.takes(requested.question) and set(requested.fields) <= set(self.fields)


@dataclass(frozen=True)
class Suggested:
    """What a model proposes, as an answer to the question. score: its probability, a list where the value is one."""

    value: Value
    score: Value
    model: str


@dataclass(frozen=True)
class Outgoing:
    """A record as it shall stand there. rank: small ones are handed out first; equal ones spread people over records.

    suggestion: None where the record is to be answered blind.
    """

    id: str
    fields: Mapping[str, str]
    metadata: Mapping[str, str]
    rank: int
    suggestion: Suggested | None = None


@dataclass(frozen=True)
class Placed:
    """Where a record stands there. record: the server's id. model: whose suggestion it has there now, if any."""

    id: str
    record: str
    model: str | None
    made_at: datetime


@dataclass(frozen=True)
class TeamAnswer:
    """What one person answers to a record there. status: submitted, discarded or draft. at: last changed, naive UTC.

    value: what the question was answered with, None for nothing.
    """

    annotator: str
    status: str
    value: Value
    note: str | None
    at: datetime


@dataclass(frozen=True)
class RemoteRecord:
    """A record as it stands there, with what everybody answered."""

    placed: Placed
    answers: tuple[TeamAnswer, ...] = ()


@dataclass(frozen=True)
class PutResult:
    """What became of records that were sent. bad: id -> why the server refuses it."""

    placed: tuple[Placed, ...]
    bad: Mapping[str, str] = field(default_factory=dict)


class Workspace(Protocol):
    """An open connection; every method may raise Unreachable. Datasets and records are named by the server's ids."""

    @property
    def url(self) -> str:
        """Where people reach it."""

    @property
    def in_order(self) -> bool:
        """Whether records are handed out by their rank; elsewhere people must sort themselves."""

    def annotators(self) -> list[str]:
        """Who shall answer there: the members of the workspace."""

    def people(self) -> list[str]:
        """Everybody whom the server knows, and who may therefore have answered."""

    def make_dataset(self, name: str, setup: Setup) -> str:
        """A published dataset; an empty one of this name that was left over is replaced. Raises Unfit."""

    def change_dataset(self, dataset: str, old: Setup, new: Setup) -> None:
        """Texts of the options, guidelines and overlap, where they differ."""

    def retire_dataset(self, dataset: str, name: str, result: str) -> None:
        """Another name, and guidelines that say where to go on. What is in it stays."""

    def put(self, dataset: str, setup: Setup, records: Sequence[Outgoing], known: Collection[str]) -> PutResult:
        """Adds records and changes those that are there already; what others wrote beside the known ones stays."""

    def strip(self, record: str) -> None:
        """Takes the suggestions of a record away."""

    def erase(self, dataset: str, records: Sequence[str]) -> None:
        """Deletes records (the server's ids) with all answers to them; one that is not there is no error."""

    def read(self, dataset: str, ids: Sequence[str]) -> list[RemoteRecord]:
        """Those of our record ids that are there, at most a few hundred. Raises Gone where the dataset is not."""

    def copy(self, old: str, new: str, setup: Setup, ids: Sequence[str]) -> PutResult:
        """Records with metadata, suggestions and everybody's responses as they are, but what does not fit there."""

    def carry(self, dataset: str, answers: Sequence[tuple[str, TeamAnswer]]) -> None:
        """(our record id, answer) each, given in another dataset, as their authors' answers in this one."""

    def activity(self, dataset: str) -> str:
        """Changes whenever somebody answers. Raises Gone."""

    def listen(self, url: str, description: str) -> str:
        """Asks for a call at each response; one for each description. Returns the secret that signs the calls."""

    def close(self) -> None:
        """Ends the connection."""


Connect = Callable[[Path, Settings], Workspace]
