"""What goes into the job that puts a model to use, and what comes out; tables cross as files of the bundle."""

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
    """records: scored. scored: gold and asked ones, of which the model says something that it had not learnt."""

    records: int
    scored: int


ACTIVATE = JobKind("activate", ActivateParams, ActivateResult)
