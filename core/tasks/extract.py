"""The task `extract`: values for the fields of some steps, each where in the text it stands.

As numbers an answer is what it says of the enumerations: a bool for each choice of each such field, which a head on
vectors can predict. All else is a language model's to suggest, and is scored field by field.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import prod
from typing import cast

import numpy as np

from core.arrays import Bools, Floats, Rows
from core.config.settings import Settings
from core.config.steps import FILE, Schema, StepField, choices_in
from core.errors import BadInput
from core.models.heads.field_head import FieldHead, field_heads, slices
from core.models.heads.kind import FittedHead
from core.tasks import extract_answers
from core.tasks.choice import SURE
from core.tasks.extract_question import EXTRACT_FORM
from core.tasks.extract_settling import settle_fields
from core.tasks.language_form import Alternatives
from core.tasks.task import Acquisition, Answer, AnswerSpace, GeneratedAnswer, Setup, Task

COLD = 20
"""answers below which a head's doubt is not worth listening to"""
MODELS = ", "
"""between the names of models whose answers are in one suggestion"""
Fields = tuple[tuple[str, tuple[str, ...]], ...]
"""(path, choices as JSON texts) of the enumerations, in the order of their columns"""


def setup(settings: Settings) -> Setup:
    """The steps with their fields."""
    return {
        "steps": [
            {
                "name": step.name,
                "optional": step.optional,
                "needs": list(step.needs),
                "fields": [_field(one) for one in step.fields],
            }
            for step in settings.steps
        ]
    }


def _field(field: StepField) -> dict[str, object]:
    return {
        "path": field.path,
        "name": field.name,
        "description": str(field.schema.get("description", "")),
        "schema": dict(field.schema),
        "required": field.required,
        "grounded": list(field.grounded),
    }


def unready(setup: Setup) -> str | None:
    """Without steps nothing can be asked."""
    if setup.get("steps"):
        return None
    return f"There are no steps yet: no {FILE} is in the project. Write one, or copy one there and open the app again."


def choice_fields(setup: Setup) -> Fields:
    """Of the setup's steps those fields that are enumerations."""
    steps = cast("list[dict[str, list[dict[str, object]]]]", setup.get("steps") or [])
    fields = [
        (str(field["path"]), choices_in(cast("Schema", field["schema"]), bool(field["required"])))
        for step in steps
        for field in step["fields"]
    ]
    return tuple((path, tuple(map(json.dumps, choices))) for path, choices in fields if choices)


def space(setup: Setup) -> AnswerSpace:
    """Of a project's steps."""
    fields = choice_fields(setup)
    steps = cast("list[dict[str, list[object]]]", setup.get("steps") or [])
    return replace(fields_space(fields), whole=len(fields) == sum(len(step["fields"]) for step in steps))


def fields_space(fields: Fields) -> AnswerSpace:
    """fields: the enumerations."""
    parts = tuple(slices(dict(fields)).values())
    return AnswerSpace(
        task="extract",
        encode=partial(encode, fields),
        decode=partial(decode, fields),
        decide=partial(decide, parts),
        confidence=partial(confidence, parts),
        correct=partial(correct, parts),
        doubtful=partial(doubtful, parts),
        gradients=lambda outputs: np.asarray(outputs - decide(parts, outputs)),
        alternatives=partial(alternatives, fields, parts),
        acquisition=acquisition_scores(parts),
        cold=COLD,
        heads=field_heads(fields),
        of_head=_space_of_head,
        learns=bool(fields),
    )


def _space_of_head(head: FittedHead) -> AnswerSpace:
    if not isinstance(head, FieldHead):
        raise TypeError(f"{type(head).__name__} is no head of fields")
    return fields_space(tuple((path, one.labels) for path, one in head.heads.items()))


def encode(fields: Fields, answers: Sequence[Answer]) -> Rows:
    """(n, choices) bool; a field that was not answered, or whose value is none of the choices, has no mark."""
    column = {
        (path, choice): number
        for number, (path, choice) in enumerate((path, choice) for path, choices in fields for choice in choices)
    }
    rows = np.zeros((len(answers), len(column)), np.bool_)
    for row, answer in enumerate(answers):
        values = extract_answers.values_of(answer)
        for path, _ in fields:
            step, _, name = path.partition(".")
            if isinstance(value := values.get(step), Mapping):
                number = column.get((path, json.dumps(value.get(name))))
                if number is not None:
                    rows[row, number] = True
    return rows


def decode(fields: Fields, rows: Rows) -> list[Answer]:
    """Back again: values of the enumerations alone."""
    choices = [(path, choice) for path, choices in fields for choice in choices]
    answers: list[Answer] = []
    for row in np.asarray(rows, np.bool_):
        values: dict[str, dict[str, object]] = {}
        for path, choice in (choices[number] for number in np.flatnonzero(row)):
            step, _, name = path.partition(".")
            values.setdefault(step, {})[name] = json.loads(choice)
        answers.append(extract_answers.canonical({"values": values, "spans": {}}))
    return answers


def decide(parts: Sequence[slice], outputs: Floats) -> Bools:
    """(n, choices) the likeliest of each field."""
    best = np.zeros(outputs.shape, np.bool_)
    rows = np.arange(len(outputs))
    for part in parts:
        best[rows, part.start + outputs[:, part].argmax(axis=1)] = True
    return best


def confidence(parts: Sequence[slice], outputs: Floats, answers: Rows) -> Floats:
    """(n,) probability that all fields are right."""
    chances = [outputs[:, part].max(axis=1) for part in parts]
    return np.prod(chances, axis=0) if len(outputs) and chances else np.zeros(len(outputs))


def correct(parts: Sequence[slice], truth: Rows, answers: Rows) -> Floats:
    """(n,) share of the answered fields that are right; 1 where none was answered."""
    answered = np.column_stack([truth[:, part].any(axis=1) for part in parts] or [np.zeros(len(truth), np.bool_)])
    same = np.column_stack(
        [(truth[:, part] == answers[:, part]).all(axis=1) for part in parts] or [np.zeros(len(truth), np.bool_)]
    )
    counts = answered.sum(axis=1)
    return np.asarray(np.where(counts > 0, (same & answered).sum(axis=1) / np.maximum(counts, 1), 1.0), np.float64)


def doubtful(parts: Sequence[slice], outputs: Floats) -> Bools:
    """(n,) is the best choice of any field below SURE?"""
    return np.asarray(_best(parts, outputs) < SURE)


def _best(parts: Sequence[slice], outputs: Floats) -> Floats:
    """(n,) probability of the best choice of the least sure field."""
    return np.min([outputs[:, part].max(axis=1) for part in parts], axis=0) if parts else np.zeros(len(outputs))


def alternatives(
    fields: Fields, parts: Sequence[slice], outputs: Floats, most: int
) -> list[list[tuple[Answer, float]]]:
    """Of each record the proposed answer alone."""
    marks = decide(parts, outputs)
    chances = confidence(parts, outputs, marks)
    return [[(answer, round(float(chance), 4))] for answer, chance in zip(decode(fields, marks), chances, strict=True)]


def acquisition_scores(parts: Sequence[slice]) -> dict[str, Acquisition]:
    """By name, the default first: mean over the fields of the margin (Scheffer et al. 2001) or of the entropy in nats;
    least_confidence is that of the least sure field (Lewis & Gale 1994)."""

    def margins(outputs: Floats) -> Floats:
        return np.asarray(np.mean([1 - _margin(outputs[:, part]) for part in parts], axis=0))

    def entropy(outputs: Floats) -> Floats:
        logs = np.log(np.maximum(outputs, 1e-12))
        return np.asarray(np.mean([-(outputs[:, part] * logs[:, part]).sum(axis=1) for part in parts], axis=0))

    return {"margin": margins, "least_confidence": lambda outputs: 1 - _best(parts, outputs), "entropy": entropy}


def _margin(probs: Floats) -> Floats:
    if probs.shape[1] == 1:
        return np.asarray(probs[:, 0])
    best = np.partition(probs, -2, axis=1)[:, -2:]
    return np.asarray(best[:, 1] - best[:, 0])


def suggestion(alternatives: Alternatives, settings: Settings) -> dict[str, object] | None:
    """The likeliest answer, as far as the steps still allow it."""
    answer, probability = alternatives[0]
    left, enough = extract_answers.suggestible(answer, settings.steps)
    return {"answer": left, "probability": probability} if enough else None


def with_generated(
    proposed: dict[str, object] | None, generated: Sequence[GeneratedAnswer], settings: Settings
) -> dict[str, object] | None:
    """Each step as its language model says it, but the enumerations in which the head does better as the head says."""
    values, spans = _together(generated)
    head = extract_answers.values_of(proposed["answer"]) if proposed else {}
    outdone = {path for one in generated for path in one.outdone}
    for step, value in head.items():
        own = values.setdefault(step, {})
        if isinstance(own, dict) and isinstance(value, Mapping):
            better = {name: choice for name, choice in value.items() if f"{step}.{name}" in outdone or name not in own}
            values[step] = own | better
    whole = {"values": values, "spans": spans}
    left, enough = extract_answers.suggestible(whole, settings.steps)
    if not enough:
        return proposed
    chances = [one.confidence for one in generated if one.confidence is not None]
    models = dict.fromkeys(one.model for one in generated)
    return {"answer": left, "probability": min(chances, default=None), "model": MODELS.join(models)[:200]}


def _together(generated: Sequence[GeneratedAnswer]) -> tuple[dict[str, object], extract_answers.Spans]:
    """(step -> value, spans of all steps), as many spans as an answer may have."""
    values = {one.step: one.answer for one in generated}
    spans: extract_answers.Spans = {}
    for one in generated:
        spans |= extract_answers.spans_of({"spans": one.spans})
    return values, extract_answers.first_mentions(spans)


def composed(generated: Sequence[GeneratedAnswer], settings: Settings) -> tuple[Answer, float] | None:
    """All steps as their language models say them, and the product of the confidences that are known, .5 where none is;
    None where a step is missing that must be answered, or the steps do not allow it."""
    values, spans = _together(generated)
    if any(step.name not in values for step in settings.steps if not step.optional):
        return None
    answer = extract_answers.canonical({"values": values, "spans": spans})
    if extract_answers.refusal(answer, settings.steps):
        return None
    chances = [one.confidence for one in generated if one.confidence is not None]
    return answer, prod(chances) if chances else 0.5


def read_text(text: str, setup: Setup) -> Answer:
    """JSON: an answer, or the values alone. Raises BadInput."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{text[:80]!r} is no JSON: {error}.") from None
    if not isinstance(document, dict):
        raise BadInput(f"{text[:80]!r} is no JSON object.")
    known = {str(step["name"]) for step in cast("list[dict[str, object]]", setup.get("steps") or [])}
    fields = document if "values" in document and "values" not in known else {"values": document}
    return extract_answers.read(fields)


def text(answer: Answer, setup: Setup) -> str:
    """As JSON, which `read_text` reads again."""
    return json.dumps(
        {"values": extract_answers.values_of(answer), "spans": extract_answers.spans_of(answer)}, ensure_ascii=False
    )


def describe(settings: Settings) -> Callable[[Answer], str]:
    """The values that there are, field by field."""
    return extract_answers.in_words(settings.steps)


EXTRACT = Task(
    setup=setup,
    unready=unready,
    read=extract_answers.read,
    fields=lambda answer: {"values": extract_answers.values_of(answer), "spans": extract_answers.spans_of(answer)},
    read_text=read_text,
    text=text,
    describe=describe,
    canonical=extract_answers.canonical,
    refusal=lambda answer, settings, cursor: extract_answers.refusal(answer, settings.steps),
    retired=lambda answer, settings: extract_answers.refusal(answer, settings.steps),
    still_meant=lambda answer, settings: extract_answers.still_meant(answer, settings.steps),
    parameters=lambda settings: {"active": [], "multi": True},
    space=space,
    suggestion=suggestion,
    generated=with_generated,
    composed=composed,
    right=lambda truth, answer, settings: extract_answers.right(truth, answer, settings.steps),
    settle=settle_fields,
    noun="answer",
    steps=True,
    team=EXTRACT_FORM,
    difference=extract_answers.difference,
)
