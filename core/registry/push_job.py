"""Input and result of the job that pushes a model to the Hugging Face Hub. The token is in neither."""

from dataclasses import dataclass

from core.ids import ModelId
from core.jobs.kinds import JobKind


@dataclass(frozen=True)
class PushParams:
    """repo: OWNER/NAME. message: of the commit. labels: push texts and labels too, as REPO-labels."""

    repo: str
    private: bool
    message: str
    labels: bool
    model: ModelId


@dataclass(frozen=True)
class PushedRepository:
    """One commit of a repository."""

    repo: str
    url: str
    commit: str
    private: bool
    files: int
    bytes: int


@dataclass(frozen=True)
class PushResult:
    """The commit of the model, and of the data set where labels were pushed."""

    model: ModelId
    repo: str
    url: str
    commit: str
    private: bool
    files: int
    bytes: int
    dataset: PushedRepository | None = None


PUSH = JobKind("push", PushParams, PushResult)
