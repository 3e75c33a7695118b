"""Structured answers typed on a page: a form of plain fields, which says what is wrong, and steps to be read."""

from typing import Any

import pytest

from core.config.steps import Step, fields_of, steps_in
from core.errors import BadInput
from core.extract.answer_form import form_answer, form_fields, schema_in_words, step_lines
from core.extract.step_files import load_steps
from core.tasks.extract_answers import canonical
from tests.extract_project import STEPS, SUGGESTED, TALE


def typed_as_they_stand(steps: tuple[Step, ...], answer: object) -> dict[str, Any]:
    return {one.path: one.value for one in form_fields(steps, answer)}


def test_a_form_that_nobody_changes_gives_the_answer_back() -> None:
    assert form_answer(STEPS, typed_as_they_stand(STEPS, SUGGESTED), SUGGESTED, TALE) == canonical(SUGGESTED)
    steps = load_steps("folktales")
    whole = {
        "values": {
            "character": {"doers": ["Mara"], "receivers": [], "notes": "two\nlines"},
            "relationship": [{"agent": "Mara", "target": "Pim", "level1": "family", "sentiment": "positive"}],
            "action": {"category": "mental", "type": "give", "status": "success", "function": "setup"},
            "event_type": {"event_type": "RESCUE"},
        },
        "spans": {"character.doers": {"Mara": [[0, 4]]}, "relationship.agent": {"Mara": [[0, 4]]}},
    }
    answer: Any = form_answer(steps, typed_as_they_stand(steps, whole), whole, "Mara gave.")
    expected: Any = canonical(whole)["values"]
    assert answer["values"] == expected | {"character": {"doers": ["Mara"], "notes": "two\nlines"}}
    assert answer["spans"] == whole["spans"]


def test_what_is_typed_is_found_in_the_text_and_an_optional_step_may_stay_empty() -> None:
    typed = typed_as_they_stand(STEPS, None) | {"character.doers": "Old Ink\n\nthe moon", "character.receivers": "Pim"}
    answer: Any = form_answer(STEPS, typed, None, TALE)
    assert answer["values"] == {"character": {"doers": ["Old Ink", "the moon"], "receivers": ["Pim"]}}
    assert answer["spans"]["character.doers"] == {"Old Ink": [[70, 77]]}


@pytest.mark.parametrize(
    ("path", "typed", "message"),
    [
        ("outcome.year", "many", r"outcome.year: 'many' is no number"),
        ("outcome.year", "2500", r"outcome.year.* greater than the maximum"),
        ("outcome.moral", "be good", r"outcome.status is missing"),
    ],
)
def test_what_does_not_fit_is_reported_with_its_field(path: str, typed: str, message: str) -> None:
    whole = typed_as_they_stand(STEPS, None) | {"outcome.status": "success" if path.endswith("year") else None}
    with pytest.raises(BadInput, match=message):
        form_answer(STEPS, whole | {path: typed}, None, TALE)


def test_lists_of_objects_are_typed_as_json() -> None:
    [step] = steps_in(
        {"steps": [{"name": "ties", "instruction": "x", "output": {"type": "array", "items": {"type": "object"}}}]}
    )
    [field] = form_fields((step,), None)
    assert field.kind == "json"
    assert form_answer((step,), {"ties": '[{"a": 1}]'}, None, "")["values"] == {"ties": [{"a": 1}]}
    with pytest.raises(BadInput, match="is no JSON"):
        form_answer((step,), {"ties": "[{"}, None, "")


def test_a_schema_is_put_in_words() -> None:
    [doers, _, status, _, year] = [schema_in_words(one.schema) for one in fields_of(STEPS)]
    assert doers == "list of text; at most 9 of them"
    assert status == "one of success, attempt, failure"
    assert year == "whole number, from 1, up to 2100, or none"
    relationship = load_steps("folktales")[2]
    [line] = step_lines(relationship)
    assert line.grounded == "agent, target"
    assert "sentiment: one of romantic, positive" in line.holds
    assert [one.grounded for one in step_lines(STEPS[0])] == ["yes", "yes"]
