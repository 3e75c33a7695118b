"""Input and result of the job that puts a model to use; tables are files of the bundle."""

from collections.abc import Mapping
from dataclasses import dataclass

from core.jobs.kinds import JobKind


@dataclass(frozen=True)
class ActivateParams:
    """model: its folder. encoder: of the model. before: the one in use. task, setup: what an
    answer is, as core/tasks says it."""

    model: str
    encoder: str
    before: str
    vectors: str
    task: str
    setup: Mapping[str, object]
    threads: int


@dataclass(frozen=True)
class ActivateResult:
    """records: predicted. scored: gold and asked ones with a held-out prediction."""

    records: int
    scored: int


ACTIVATE = JobKind("activate", ActivateParams, ActivateResult)
