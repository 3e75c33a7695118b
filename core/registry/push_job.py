"""Input and result of the job that pushes a model to the Hugging Face Hub, and what its names may be. The token is in
neither."""

import os
import re
from dataclasses import dataclass

from core.errors import BadInput, Refused
from core.ids import ModelId
from core.jobs.kinds import JobKind

TOKEN = "HF_TOKEN"  # noqa: S105 - the name of a variable
_REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")


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


def check_repo(repo: str) -> None:
    """Raises BadInput unless it is OWNER/NAME as the Hub takes it."""
    if not _REPO.fullmatch(repo) or ".." in repo or "--" in repo or repo.endswith((".", "-", ".git")):
        raise BadInput(
            f"{repo!r} is no name of a repository. Write OWNER/NAME: letters, digits, - _ . and at most 96 of them "
            "each, no -- or .., and neither - nor . at the end."
        )


def check_token(token: str = "") -> str:
    """Without blanks around it; without one HF_TOKEN of the process. Raises Refused where there is none, BadInput where
    it cannot be one; never shows it."""
    token = (token or os.environ.get(TOKEN, "")).strip()
    if not token:
        raise Refused(
            f"{TOKEN} is not set. Make a token with write access at https://huggingface.co/settings/tokens and set it."
        )
    if not re.fullmatch(r"[\x21-\x7e]{1,1000}", token):  # a header that cannot be sent would be quoted in an error
        raise BadInput(f"{TOKEN} holds blanks or characters that no token has. Copy it again.")
    return token
