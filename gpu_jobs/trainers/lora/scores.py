"""How good generated answers are: valid by their schema, right field by field. Knows no trainer."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from core.config.steps import properties
from core.models.adapters import AnswerScores, FieldScore
from core.overlap import overlap, same_json
from gpu_jobs.language_models.causal import CausalModel, Generated, generate
from gpu_jobs.trainers.lora.examples import Examples

MARGIN = 16
"""tokens that an answer may have beyond the longest true one before it is cut"""


def score_answers(
    causal: CausalModel, examples: Examples, schema: Mapping[str, Any], step: str, most: int
) -> AnswerScores:
    """Generates an answer to each prompt, greedily and without constraint. most: tokens of an answer."""
    prompts = [one.ids[: one.answer] for one in examples.tokens]
    answers = generate(causal, prompts, most)
    truth = [json.loads(row.completion[-1]["content"]) for row in examples.rows]
    return compare(answers, truth, schema, step)


def compare(
    answers: Sequence[Generated], truth: Sequence[object], schema: Mapping[str, Any], step: str
) -> AnswerScores:
    """Answers against the true values, in the same order. step: what an array without properties is called."""
    from jsonschema import Draft202012Validator

    validator = Draft202012Validator(schema)
    values = [None if one.cut else _parsed(one.text) for one in answers]
    valid = [one is not None and validator.is_valid(one[0]) for one in values]
    rows = [
        (_fields(one[0], step) if one is not None and is_valid else {}, _fields(true, step))
        for one, is_valid, true in zip(values, valid, truth, strict=True)
    ]
    exact = [is_valid and same_json(*row) for is_valid, row in zip(valid, rows, strict=True)]
    choices = {name for name, one in properties(schema).items() if "enum" in one or "const" in one}
    names = list(dict.fromkeys(name for row in rows for part in reversed(row) for name in part))
    return AnswerScores(
        n=len(answers),
        valid=sum(valid),
        cut=sum(one.cut for one in answers),
        exact=sum(exact),
        fields={name: _field_score(name, rows, choice=name in choices) for name in names},
    )


def _parsed(text: str) -> tuple[object] | None:
    """The value in a tuple, for null is one; None for what is no JSON."""
    try:
        return (json.loads(text),)
    except (ValueError, RecursionError):
        return None


def _fields(value: object, step: str) -> dict[str, object]:
    return dict(value) if isinstance(value, Mapping) else {step: value}


def _field_score(
    name: str, rows: Sequence[tuple[Mapping[str, object], Mapping[str, object]]], *, choice: bool
) -> FieldScore:
    pairs = [(predicted.get(name), true.get(name)) for predicted, true in rows if name in predicted or name in true]
    overlaps = [
        0.0 if name not in predicted else overlap(true.get(name), predicted[name], choice=choice)
        for predicted, true in rows
        if name in predicted or name in true
    ]
    return FieldScore(len(pairs), sum(same_json(*pair) for pair in pairs), sum(overlaps) / len(overlaps))
