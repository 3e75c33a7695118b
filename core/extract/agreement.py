"""How far people agree on structured answers, field by field: values by alpha and overlap, spans by two measures."""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

import numpy as np

from core.agreement.kappa import Agreement, Votes, alpha, count_categories
from core.config.steps import StepField, fields_of
from core.extract.scores import Scored, field_overlap, overlapping, same_span, spans_at
from core.jobs.bundle import Report
from core.labelling.settling import ANSWERS, answer_parameters
from core.project import Project
from core.tasks.extract_answers import spans_of, value_of, values_of

_ANSWERS = f"""
    select n, annotator, answer::varchar from ({ANSWERS.format(ns="select n from responses")})
    where action = 'submit' and counts and not from_file and not corrects order by n, annotator
"""


@dataclass(frozen=True)
class FieldAgreement:
    """path: of the field. alpha: Krippendorff's, of its whole value. overlap: mean F1 of two people's values. spans,
    spans_overlapping: F1 of two people's spans, the same but for a character at an edge, and sharing a character; None
    where nobody marked any. pairs: of answers to one record."""

    path: str
    alpha: Agreement
    overlap: float | None
    spans: float | None
    spans_overlapping: float | None
    pairs: int


@dataclass(frozen=True)
class StepAgreement:
    """records: with answers of two people or more."""

    records: int
    fields: tuple[FieldAgreement, ...]


def step_agreement(project: Project, report: Report) -> StepAgreement:
    """Of what people answered themselves: no corrections, whose authors see the others' answers."""
    settings = project.settings()
    with project.store.reading() as cursor:
        rows = cursor.execute(_ANSWERS, answer_parameters(settings)).fetchall()
    by_record: defaultdict[int, dict[str, object]] = defaultdict(dict)
    for n, annotator, answer in rows:
        by_record[n][annotator] = json.loads(answer)
    shared = [answers for answers in by_record.values() if len(answers) > 1]
    rng = np.random.default_rng(settings.seed)
    return StepAgreement(len(shared), tuple(_of_field(one, shared, rng) for one in fields_of(settings.steps)))


def _of_field(field: StepField, shared: Sequence[Mapping[str, object]], rng: np.random.Generator) -> FieldAgreement:
    step = field.path.partition(".")[0]
    answered = [{name: answer for name, answer in answers.items() if step in values_of(answer)} for answers in shared]
    pairs = [pair for answers in answered for pair in combinations(answers.values(), 2)]
    overlaps = [field_overlap(field, Scored(one, other)) for one, other in pairs]
    exact, loose = (_span_f1(field, pairs, match) for match in (same_span, overlapping))
    return FieldAgreement(
        field.path,
        alpha(count_categories(_votes(field, answered)), rng),
        fmean(overlaps) if overlaps else None,
        exact,
        loose,
        len(pairs),
    )


def _votes(field: StepField, answered: Sequence[Mapping[str, object]]) -> Votes:
    codes: dict[str, int] = {}
    people: dict[str, int] = {}
    rows = [
        (row, people.setdefault(name, len(people)), codes.setdefault(_code(value_of(answer, field)), len(codes)))
        for row, answers in enumerate(answered)
        for name, answer in answers.items()
    ]
    record, annotator, answer = (np.array([row[part] for row in rows], np.int64) for part in range(3))
    return Votes(record, annotator, answer, len(answered), len(people), max(len(codes), 1))


def _code(value: object) -> str:
    """Whatever the order of a list."""
    listed = sorted(map(_code, value)) if isinstance(value, list) else value
    return json.dumps(listed, sort_keys=True, ensure_ascii=False)


Match = Callable[[tuple[str, int, int], tuple[str, int, int]], bool]


def _span_f1(field: StepField, pairs: Sequence[tuple[object, object]], match: Match) -> float | None:
    hits = total = 0
    for one, other in pairs:
        first, second = (list(spans_at(spans_of(answer), field)) for answer in (one, other))
        total += len(first) + len(second)
        for span in first:
            same = next((it for it in second if match(span, it)), None)
            if same is not None:
                second.remove(same)
                hits += 1
    return 2 * hits / total if total else None
