"""Structured answers as questions of Argilla: there and back they are the same, and what cannot be read is refused."""

from dataclasses import replace
from typing import Any

import pytest

from annotation.convert import here, remote_answer, response_values, there
from core.config.settings import Settings
from core.config.steps import Step
from core.errors import BadInput, Refused
from core.extract.step_files import load_steps
from core.tasks.extract_answers import canonical
from core.tasks.questions import Question
from core.tasks.tasks import task_of
from tests.extract_project import STEPS, SUGGESTED, TALE, TEXTS

ARABIC = TEXTS[2]


def asked(steps: tuple[Step, ...]) -> tuple[Any, Question, dict[str, Any]]:
    """The form, its question and the setup."""
    task = task_of(Settings(name="p", task="extract", steps=steps))
    setup = dict(task.setup(Settings(name="p", task="extract", steps=steps)))
    assert task.team
    return task.team, task.team.question(setup), setup


def there_and_back(steps: tuple[Step, ...], answer: object, text: str) -> object:
    form, question, setup = asked(steps)
    value = form.to_value(answer, question)
    response = {
        "values": response_values(value, None, text),
        "status": "submitted",
        "updated_at": "2026-05-04T12:00:00Z",
    }
    remote = remote_answer(response, "ann", text).value
    assert question.fits(remote)
    return form.from_value(remote, setup)


def test_an_answer_comes_back_as_it_went() -> None:
    assert there_and_back(STEPS, SUGGESTED, TALE) == canonical(SUGGESTED)
    nothing: dict[str, Any] = {"values": {"character": {}}, "spans": {}}
    assert there_and_back(STEPS, nothing, TALE) == nothing
    steps = load_steps("folktales")
    tale = {
        "values": {
            "character": {"doers": ["Mara the weaver", "the crow"], "receivers": ["Pim"], "new_characters": []},
            "relationship": [{"agent": "Mara", "target": "Pim", "level1": "family", "sentiment": "positive"}],
            "action": {"category": "mental", "type": "give", "status": "success", "function": "character_arc"},
            "event_type": {"event_type": "RESCUE"},
        },
        "spans": {
            "character.doers": {"Mara the weaver": [[0, 15]]},
            "relationship.agent": {"Mara": [[0, 4]]},
            "relationship.target": {"Pim": [[37, 40], [42, 45]]},
        },
    }
    assert there_and_back(steps, tale, TALE) == canonical(tale)
    start = ARABIC.rindex("بطرس")
    spans = {"character.doers": {"بطرس": [[start, start + 4]]}}
    arabic = {"values": {"character": {"doers": ["بطرس"]}}, "spans": spans}
    assert there_and_back(STEPS, arabic, ARABIC) == arabic


def test_marks_are_counted_as_the_page_counts_and_as_we_do() -> None:
    start = ARABIC.rindex("بطرس")
    [mark] = there([{"start": start, "end": start + 4, "label": "x"}], ARABIC)
    assert ARABIC.encode("utf-16-le")[2 * mark["start"] : 2 * mark["end"]].decode("utf-16-le") == "بطرس"
    assert here([mark], ARABIC) == [{"start": start, "end": start + 4, "label": "x", "text": "بطرس"}]
    assert there([{"start": 0, "end": 1, "label": "x"}, {"start": 1, "end": 2, "label": "x"}], "🎧a") == [
        {"start": 0, "end": 2, "label": "x"}
    ], "the server would refuse what seems to end beyond the text"
    assert here([{"start": 1, "end": 9, "label": "x"}], "🎧a")[0]["text"] == "🎧a"
    assert here([{"start": 0, "end": 3, "label": "x"}], "a﹤﹠b")[0]["text"] == "a<&"


def test_a_marked_piece_is_a_value_more_or_another_place_of_one() -> None:
    form, _, setup = asked(STEPS)
    marks = [
        (0, 15, "character.doers", "Mara the weaver"),
        (42, 45, "character.doers", "Pim"),
        (37, 40, "character.doers", "Pim"),
    ]
    spans = [{"start": start, "end": end, "label": label, "text": text} for start, end, label, text in marks]
    answer = form.from_value({"spans": spans, "character-doers": "MARA  the weaver\nOld Ink"}, setup)
    assert answer["values"] == {"character": {"doers": ["MARA the weaver", "Pim", "Old Ink"]}}
    assert answer["spans"]["character.doers"] == {"MARA the weaver": [[0, 15]], "Pim": [[37, 40], [42, 45]]}
    moral = {"start": 0, "end": 4, "label": "outcome.moral", "text": "Mara"}
    answer = form.from_value({"spans": [moral], "outcome-status": "success", "outcome-year": "1847"}, setup)
    assert answer["values"]["outcome"] == {"moral": "Mara", "status": "success", "year": 1847}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"outcome-year": "long ago"}, "outcome.year: 'long ago' is no number"),
        (
            {"outcome-moral": "be good", "spans": [("outcome.moral", "Mara")]},
            "'Mara' is marked .* the answer is 'be good'",
        ),
        ({"spans": [("gone.field", "Mara")]}, "'gone.field' is marked in the text, but there is no such field"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_field(value: dict[str, Any], message: str) -> None:
    form, _, setup = asked(STEPS)
    marks = [{"start": 0, "end": 4, "label": label, "text": text} for label, text in value.pop("spans", ())]
    with pytest.raises(BadInput, match=message):
        form.from_value({**value, "spans": marks}, setup)


def test_a_row_that_nobody_wrote_cannot_be_marked() -> None:
    form, _, setup = asked(load_steps("folktales"))
    marks = [{"start": 0, "end": 4, "label": "relationship.agent", "text": "Mara"}]
    with pytest.raises(BadInput, match="none of the entries names it"):
        form.from_value({"spans": marks}, setup)


def test_a_field_has_the_question_that_fits_it_and_one_is_always_required() -> None:
    _, question, _ = asked(STEPS)
    kinds = {part.name: (part.kind, part.required) for part in question.parts}
    assert kinds == {
        "spans": ("span", False),
        "character-doers": ("text", False),
        "character-receivers": ("text", False),
        "outcome-status": ("label_selection", False),
        "outcome-moral": ("text", False),
        "outcome-year": ("text", False),
        "complete": ("label_selection", True),
    }
    assert question.parts[0].options[0].value == "character.doers"
    _, others, _ = asked(load_steps("folktales"))
    assert "complete" not in {part.name for part in others.parts}
    assert not question.takes(others)
    renamed = replace(question, parts=tuple(replace(part, title="x", description="y") for part in question.parts))
    assert question.takes(renamed)
    form, _, _ = asked(STEPS)
    with pytest.raises(Refused, match=r"steps\.toml"):
        form.question({"steps": []})
