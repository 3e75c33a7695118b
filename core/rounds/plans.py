"""What a round shall do, and with which model: the settings and the champion, filled in. Runs nothing."""

from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np

from core.project import Project
from core.rounds.round_job import BatchChoice

SPARE = 200
"""records chosen behind each batch, so that ten fast people have work while the next round is played"""


@dataclass(frozen=True)
class RoundPlan:
    """What one job does: refit, choose, or both in this order. test: how many unlabelled test records are asked too."""

    learn: bool
    choose: BatchChoice | None
    test: int = 0


class BatchRequest(TypedDict, total=False):
    """A person's choices for the next batch; where None or absent, the settings hold."""

    size: int | None
    strategy: str | None
    seed: int | None
    spare: int
    audit_share: float | None


def batch_choice(project: Project, request: BatchRequest) -> BatchChoice:
    """Fills in from the settings; the seed of batch b is the project's seed + b."""
    settings = project.settings()
    batch = (project.store.one("select max(batch) from batches") or 0) + 1
    size, seed, audit_share = request.get("size"), request.get("seed"), request.get("audit_share")
    return BatchChoice(
        size=settings.batch_size if size is None else size,
        strategy=request.get("strategy") or settings.strategy,
        seed=settings.seed + batch if seed is None else seed,
        audit_share=settings.audit_share if audit_share is None else audit_share,
        spare=request.get("spare", SPARE),
        batch=batch,
    )


def share_batch(plan: RoundPlan, pool: int, test: int) -> RoundPlan:
    """The plan with a part of its batch for `test` records, in proportion to their number.

    pool: records to choose from. Which of the test records is random: a chosen part would give a biased score.
    """
    if plan.choose is None or not test or plan.choose.size < 1:
        return plan
    size = plan.choose.size
    if not pool:
        return replace(plan, choose=None, test=min(size, test))
    part = int(size * test / (test + pool) + np.random.default_rng([plan.choose.seed, test]).random())
    part = min(part, test, size - 1)
    return replace(plan, choose=replace(plan.choose, size=size - part), test=part)
