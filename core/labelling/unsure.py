"""Queueing the records of which the model in use is least sure. Knows no page."""

from dataclasses import dataclass

from core.errors import BadInput, Refused
from core.jobs.bundle import Report
from core.labelling.reviews import send_to_queue
from core.labelling.waiting import BLIND, MAY_BE_BLIND, asked_parameters
from core.project import Project


@dataclass(frozen=True)
class ReviewBatch:
    """unsure: records without an answer whose suggestion has a probability below the limit, and that nobody is asked
    yet; queued: how many of them stand in the queue now, the least sure first. suggestions: all that there are."""

    below: float
    unsure: int
    queued: int
    suggestions: int


def review(project: Project, report: Report, *, below: float = 0.6, size: int = 50, user: str = "local") -> ReviewBatch:
    """Puts the least sure of the model's suggestions before the batch, to be confirmed or corrected.

    below: probability of the suggestion, 0..1. Raises BadInput, and Refused where no model has suggested anything.
    """
    if not 0 < below <= 1:
        raise BadInput(f"Probabilities below {below} were asked for; the limit lies between 0 and 1, for example .6.")
    if size < 1:
        raise BadInput(f"A review of {size} records cannot be queued; ask for 1 or more.")
    suggestions = project.store.one("select count(*) from suggestions")
    if not suggestions:
        raise Refused("No model has suggested anything yet. Label some records, then: rondo fit (or rondo round)")
    with project.store.reading() as cursor:
        parameters = asked_parameters(project.settings())
        rows = cursor.execute(_UNSURE, {**parameters, "below": below}).fetchall()
    counts = send_to_queue(project, [n for (n,) in rows[:size]], user) if rows else {"queued": 0}
    return ReviewBatch(below, len(rows), counts["queued"], suggestions)


# Nothing may be learnt of what a model says of a record that waits for a blind answer, not even that it is unsure.
_UNSURE = f"""
    select s.n from suggestions s join pool using (n)
    where s.probability < $below and s.n not in ({BLIND.format(ns=MAY_BE_BLIND)}) order by s.probability, s.n
"""
