"""The interface of the server where a team labels (an Argilla workspace), and what is sent and received. Knows no HTTP
and no store.
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
    """The server does not answer, or is temporarily unable to. Trying again may help."""


class Gone(Refused):
    """The dataset or the record no longer exists."""


class Unfit(BadInput):
    """The server rejects what was sent, and would again."""


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
    """A model's suggestion, as an answer to the question. score: its probability, a list where the value is one."""

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
class RemoteEntry:
    """A record's entry there. record: the server's id. model: of its present suggestion, if any; suggested: what that
    says, where it was asked for."""

    id: str
    record: str
    model: str | None
    made_at: datetime
    suggested: Value = None


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
    """A record on the server, with everybody's answers."""

    entry: RemoteEntry
    answers: tuple[TeamAnswer, ...] = ()


@dataclass(frozen=True)
class PutResult:
    """Result of sending records. bad: id -> why the server refuses it."""

    entries: tuple[RemoteEntry, ...]
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
        """The members of the workspace, who are asked."""

    def people(self) -> list[str]:
        """Everybody whom the server knows, and who may therefore have answered."""

    def make_dataset(self, name: str, setup: Setup) -> str:
        """A published dataset; an empty one of this name that was left over is replaced. Raises Unfit."""

    def change_dataset(self, dataset: str, old: Setup, new: Setup) -> None:
        """Changes texts of the options, guidelines and overlap, where they differ."""

    def retire_dataset(self, dataset: str, name: str, result: str) -> None:
        """Renames it, with guidelines that say where to continue. Its records are kept."""

    def put(self, dataset: str, setup: Setup, records: Sequence[Outgoing], known: Collection[str]) -> PutResult:
        """Adds records and changes existing ones; others' additions beside ours are kept."""

    def strip(self, record: str) -> None:
        """Removes the suggestions of a record."""

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
