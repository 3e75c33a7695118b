"""The job that records what a hosted model says of pairs: its parameters and result. Knows no store."""

from dataclasses import dataclass, field

from core.jobs.kinds import JobKind
from core.language_models.client import Patience

PAIRS_FILE, ANSWERS_FILE = "pairs.json", "answers.json"


@dataclass(frozen=True)
class HostedAnswersParams:
    """The pairs are `in/pairs.json`, [[left, right], ...]. cache: file of answers. budget: requests at most."""

    provider: str
    base_url: str
    model: str
    cache: str
    budget: int
    workers: int = 4
    patience: Patience = field(default_factory=Patience)


@dataclass(frozen=True)
class HostedAnswersResult:
    """The probabilities are `out/answers.json`, null where an answer was no decision; it ends where the model could not
    be asked, and `failure` says why. unread: answers that were no decision. requests: that were made."""

    answered: int
    unread: int
    requests: int
    logprobs: bool
    failure: str = ""


HOSTED_ANSWERS = JobKind("hosted_answers", HostedAnswersParams, HostedAnswersResult)
