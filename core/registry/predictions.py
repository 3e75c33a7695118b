"""Champions' predictions made before the answer, scored by the answer: over time, and the worst. Changes nothing."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from core.errors import BadInput
from core.evaluation.metrics import Estimate
from core.evaluation.reporting import FEWEST, too_few
from core.evaluation.scores import share
from core.ids import ModelId, RecordId, RecordNo
from core.jobs.bundle import Report
from core.labelling.waiting import BLIND, MAY_BE_BLIND, asked_parameters
from core.project import Project
from core.tasks.tasks import right_stored, space_of, task_of

SHOWN = 300
"""characters of a text in the list of misses"""
MOST_WORST = 200

# The log, the predictions of the present champion since it came into use, and those of hosted models that decided.
_TOLD = """
    create or replace temp table told as
    select p.n, p.model, p.labels as predicted, p.probability, p.predicted_at, z.labels as truth, z.stratum, z.round,
           z.settled_at, z.answer::varchar as true_answer, p.answer::varchar as predicted_answer
    from predictions_in_use p join settled z using (n)
    where list_has_all(list_concat(z.labels, $active::varchar[]), p.labels)
"""
_PAIRS = "select distinct true_answer, predicted_answer from told"
_RIGHT = """
    create or replace temp table told as select told.*, pairs.is_right from told join (
        select unnest($truth::varchar[]) as true_answer, unnest($predicted::varchar[]) as predicted_answer,
               unnest($right::boolean[]) as is_right
    ) pairs using (true_answer, predicted_answer)
"""
_GROUPS = {
    "round": "round",
    "week": "strftime(date_trunc('week', settled_at), '%Y-%m-%d')",
}
_BY = """
    select {group}, stratum = 'audit' as audited, count(*), count(*) filter (is_right), mode(model),
           strftime(max(settled_at), '%Y-%m-%dT%H:%M:%SZ')
    from told where stratum <> 'gold' group by all order by max(settled_at)
"""
# Not records that await another blind answer: nobody shall see a prediction of these.
_WORST = f"""
    select t.n, r.id, r.text[1:{SHOWN}], t.predicted, t.predicted_answer, t.truth, t.true_answer, t.probability,
           t.stratum, t.model,
           strftime(t.predicted_at, '%Y-%m-%dT%H:%M:%SZ')
    from told t join records r using (n)
    where not t.is_right and t.n not in ({BLIND.format(ns=MAY_BE_BLIND)}) order by t.probability desc, t.n limit $worst
"""


@dataclass(frozen=True)
class AccuracyPoint:
    """Audit records of one round or week, or of some together. when: the round or the week. at: of the last answer.
    model: that predicted most of them."""

    at: str
    when: str
    model: ModelId
    n: int
    accuracy: Estimate


@dataclass(frozen=True)
class ShareRight:
    """Records that a strategy chose. right: share of the suggestions that proved right, no estimate of accuracy."""

    at: str
    when: str
    model: ModelId
    n: int
    right: float


@dataclass(frozen=True)
class WrongSuggestion:
    """A suggestion that proved wrong. truth, predicted: names."""

    record_no: RecordNo
    id: RecordId
    text: str
    predicted: str
    truth: str
    probability: float
    stratum: str
    model: ModelId
    predicted_at: str


@dataclass(frozen=True)
class ProvenPredictions:
    """Champions' predictions from before the truth was known. by: what `when` is, round or week. over_time: audit
    records alone, each batch's a random draw from the pool of then, with 95 % intervals (Wilson). worst: the most
    confident first.
    """

    by: str
    over_time: tuple[AccuracyPoint, ...]
    chosen: tuple[ShareRight, ...]
    worst: tuple[WrongSuggestion, ...]
    sentence: str


def predictions(project: Project, report: Report, *, by: str = "round", worst: int = 20) -> ProvenPredictions:
    """Accuracy of these predictions, by round or week, and the most confident wrong suggestions."""
    if by not in _GROUPS:
        raise BadInput(f"Accuracy over time is told by {' or '.join(_GROUPS)}, not by {by!r}.")
    if not 0 <= worst <= MOST_WORST:
        raise BadInput(f"Asked for {worst} misses; it must lie between 0 and {MOST_WORST}.")
    settings = project.settings()
    task, space = task_of(settings), space_of(settings)
    with project.store.reading() as cursor:
        cursor.execute(_TOLD, {"active": [label.id for label in settings.taxonomy.active]})
        try:
            pairs = cursor.execute(_PAIRS).fetchall()
            truth, predicted = ([pair[side] for pair in pairs] for side in (0, 1))
            right = right_stored(space, truth, predicted).tolist()
            cursor.execute(_RIGHT, {"truth": truth, "predicted": predicted, "right": right})
            groups = cursor.execute(_BY.format(group=_GROUPS[by])).fetchall()
            misses = cursor.execute(_WORST, {**asked_parameters(settings), "worst": worst}).fetchall()
        finally:
            cursor.execute("drop table if exists told")
    over_time, chosen = [], []
    for when, audited, n, hits, model, at in groups:
        if audited:
            over_time.append(AccuracyPoint(at, str(when), model, n, share(hits, n)))
        else:
            chosen.append(ShareRight(at, str(when), model, n, hits / n))
    names = settings.taxonomy.names

    def named(labels: Sequence[str], answer: str) -> str:
        if not task.taxonomy:
            return task.text(json.loads(answer), task.setup(settings))
        return ", ".join(names.get(label, label) for label in labels) or "none"

    wrong = [
        WrongSuggestion(n, record, text, named(labels, answer), named(true_labels, true_answer), *more)
        for n, record, text, labels, answer, true_labels, true_answer, *more in misses
    ]
    return ProvenPredictions(by, tuple(over_time), tuple(chosen), tuple(wrong), _sentence(over_time, chosen))


def joined(over_time: Sequence[AccuracyPoint]) -> list[AccuracyPoint]:
    """Neighbouring rounds or weeks put together until each has records enough to be shown, since a round's audit alone
    is often four records; what is left at the end joins those before it."""
    groups: list[list[AccuracyPoint]] = []
    for point in over_time:
        if groups and sum(one.n for one in groups[-1]) < FEWEST:
            groups[-1].append(point)
        else:
            groups.append([point])
    if len(groups) > 1 and sum(point.n for point in groups[-1]) < FEWEST:
        groups[-2] += groups.pop()
    return [_together(group) for group in groups]


def _together(points: list[AccuracyPoint]) -> AccuracyPoint:
    if len(points) == 1:
        return points[0]
    n = sum(point.n for point in points)
    accuracy = share(sum(point.n * point.accuracy.value for point in points), n)
    return replace(points[-1], when=f"{points[0].when} to {points[-1].when}", n=n, accuracy=accuracy)


def _sentence(over_time: Sequence[AccuracyPoint], chosen: Sequence[ShareRight]) -> str:
    n, others = sum(point.n for point in over_time), sum(row.n for row in chosen)
    if not n and not others:
        return "No suggestion has met the truth yet: label some records after a model has been fitted."
    if not n:
        return f"{others:,} chosen records were answered after a model had judged them; no audit record yet."
    right = sum(point.n * point.accuracy.value for point in over_time)
    rest = f" {others:,} chosen records are told apart: they were asked because they are hard." if others else ""
    if n < FEWEST:
        return f"How many were judged right before anybody answered them: {too_few(n, 'audit')}.{rest}"
    return f"Of {n:,} audit records, judged before anybody answered them, {right / n:.0%} were judged right.{rest}"
