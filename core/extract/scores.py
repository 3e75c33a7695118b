"""How good structured answers are, field by field, with 95 % intervals. Knows steps and answers, not who gave them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from core.config.steps import Step, StepField
from core.evaluation.metrics import Estimate
from core.evaluation.scores import exact
from core.overlap import bag_f1, entries, overlap, same_json, words
from core.tasks.extract_answers import Spans, fits, right_step, spans_of, value_of, values_of

EDGE = 1
"""characters by which a span may differ at either end and still be the same: a blank, a full stop"""


@dataclass(frozen=True)
class FieldScore:
    """path: of the field. records: whose truth answers its step. exact: share whose value is the same. f1: mean over
    the records; of a choice or number 1 where it is the same, of a text the F1 of its words (Rajpurkar et al. 2016), of
    a list the F1 of its entries, whose texts are compared without case, articles and punctuation; where both are empty
    1. macro_f1: of a choice the mean F1 of its values, else None. span_f1: over all grounded spans, None where there
    are none. text: share that is the same without case, articles and punctuation.

    An interval is that of a share of so many records (Clopper & Pearson 1934), which no mean of values between 0 and 1
    varies more than; records of one text count as independent.
    """

    path: str
    records: int
    exact: Estimate
    f1: Estimate
    text: Estimate
    macro_f1: float | None = None
    span_f1: Estimate | None = None


@dataclass(frozen=True)
class StepScore:
    """records: whose truth answers the step. validity: share with a suggestion that fits the schema. exact: with
    nothing wrong in it. field_f1: mean of the fields' F1."""

    step: str
    records: int
    validity: Estimate
    exact: Estimate
    field_f1: Estimate
    fields: tuple[FieldScore, ...] = ()


@dataclass(frozen=True)
class Scored:
    """One record of a step. truth, suggested: answers; suggested None: none that fits, which is wrong everywhere."""

    truth: object
    suggested: object | None


def score_step(step: Step, scored: Sequence[Scored]) -> StepScore:
    """scored: those whose truth answers the step; others are left out."""
    among = [one for one in scored if step.name in values_of(one.truth)]
    n = len(among)
    fields = tuple(_score_field(step, field, among) for field in step.fields)
    return StepScore(
        step.name,
        n,
        estimate([fits(step, one.suggested) for one in among]),
        estimate([right_step(step, one.truth, one.suggested) for one in among]),
        estimate([field_f1(step, one) for one in among]),
        fields if n else (),
    )


def estimate(values: Iterable[float]) -> Estimate:
    """Their mean; of none 0, from 0 to 1."""
    values = list(values)
    return exact(min(max(fmean(values), 0.0), 1.0), len(values)) if values else Estimate(0.0, 0.0, 1.0)


def field_f1(step: Step, one: Scored) -> float:
    """(0..1) mean F1 over the fields of the step; 0 where nothing fits."""
    if not fits(step, one.suggested):
        return 0.0
    return fmean(field_overlap(field, one) for field in step.fields)


def field_overlap(field: StepField, one: Scored) -> float:
    """F1 of one value against the true one, 0..1; a list that is missing is an empty one."""
    truth, suggested = value_of(one.truth, field), value_of(one.suggested, field)
    if field.schema.get("type") == "array":
        return bag_f1(entries(truth), entries(suggested))
    return overlap(truth, suggested, choice=bool(field.choices))


def _score_field(step: Step, field: StepField, among: Sequence[Scored]) -> FieldScore:
    same, texts, overlaps, choices = [], [], [], []
    for one in among:
        truth = value_of(one.truth, field)
        suggested = value_of(one.suggested, field)
        there = fits(step, one.suggested)
        same.append(there and same_json(truth or None, suggested or None))
        texts.append(there and entries(truth) == entries(suggested))
        overlaps.append(field_overlap(field, one) if there else 0.0)
        choices.append((words(truth), words(suggested) if there else None))
    return FieldScore(
        field.path,
        len(among),
        estimate(same),
        estimate(overlaps),
        estimate(texts),
        _macro(choices) if field.choices else None,
        _span_f1(field, among),
    )


def _macro(pairs: Sequence[tuple[str, str | None]]) -> float:
    """Mean F1 over the values that occur. pairs: truth and suggestion, None where there is none."""
    scores = []
    for value in {value for pair in pairs for value in pair if value is not None}:
        both = sum(truth == suggested == value for truth, suggested in pairs)
        either = sum((truth == value) + (suggested == value) for truth, suggested in pairs)
        scores.append(2 * both / either)
    return fmean(scores) if scores else 0.0


def _span_f1(field: StepField, among: Sequence[Scored]) -> Estimate | None:
    """Over the spans of all records; of several that meet the same one only one counts."""
    hits = total = 0
    for one in among:
        truth, suggested = (list(spans_at(spans_of(answer), field)) for answer in (one.truth, one.suggested))
        total += len(truth) + len(suggested)
        for span in suggested:
            match = next((other for other in truth if same_span(span, other)), None)
            if match is not None:
                truth.remove(match)
                hits += 1
    return exact(2 * hits / total, total / 2) if total else None


def spans_at(spans: Spans, field: StepField) -> Iterable[tuple[str, int, int]]:
    """(path, start, end) of a field, in order."""
    for path in field.grounded:
        for pairs in spans.get(path, {}).values():
            for start, end in pairs:
                yield path, start, end


def same_span(one: tuple[str, int, int], other: tuple[str, int, int]) -> bool:
    """But for EDGE at either end."""
    return one[0] == other[0] and abs(one[1] - other[1]) <= EDGE and abs(one[2] - other[2]) <= EDGE


def overlapping(one: tuple[str, int, int], other: tuple[str, int, int]) -> bool:
    """Do they share a character?"""
    return one[0] == other[0] and one[1] < other[2] and other[1] < one[2]
