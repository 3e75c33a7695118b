"""What a round shall do, and with which model: the settings and the champion, filled in. Plays nothing."""

from dataclasses import dataclass, replace

import numpy as np

from core.project import Project

SPARE = 200
"""records chosen behind each batch, so that ten fast people have work while the next round is played"""


@dataclass(frozen=True)
class Choice:
    """What to choose: `size` records by `strategy`; the seed makes it repeatable."""

    size: int
    strategy: str
    seed: int
    audit_share: float
    spare: int
    batch: int


@dataclass(frozen=True)
class Plan:
    """What one job does: refit, choose, or both in this order. test: how many unlabelled test records are asked too."""

    learn: bool
    choose: Choice | None
    test: int = 0


@dataclass(frozen=True)
class Request:
    """What a person asked of the next batch; None stands for what the settings say."""

    size: int | None = None
    strategy: str | None = None
    seed: int | None = None
    spare: int = SPARE
    audit_share: float | None = None


def choice(project: Project, request: Request) -> Choice:
    """Fills in from the settings; the seed of batch b is the project's seed + b."""
    settings = project.settings()
    batch = (project.store.one("select max(batch) from batches") or 0) + 1
    return Choice(
        size=settings.batch_size if request.size is None else request.size,
        strategy=request.strategy or settings.strategy,
        seed=settings.seed + batch if request.seed is None else request.seed,
        audit_share=settings.audit_share if request.audit_share is None else request.audit_share,
        spare=request.spare,
        batch=batch,
    )


def share_batch(plan: Plan, pool: int, test: int) -> Plan:
    """The plan with a part of its batch for `test` records, so that they are asked as others are: by their number.

    pool: records to choose from. Which of the test records it is falls by lot: a chosen part would judge wrongly.
    """
    if plan.choose is None or not test or plan.choose.size < 1:
        return plan
    size = plan.choose.size
    if not pool:
        return replace(plan, choose=None, test=min(size, test))
    part = int(size * test / (test + pool) + np.random.default_rng([plan.choose.seed, test]).random())
    part = min(part, test, size - 1)
    return replace(plan, choose=replace(plan.choose, size=size - part), test=part)
