"""Steps and structured answers: what a file of steps may say, the canonical form, what fits a schema, what is left."""

import json
from pathlib import Path

import numpy as np
import pytest

from core.config.settings import read_settings
from core.config.steps import read_steps, steps_document, steps_in
from core.errors import BadInput
from core.extract.step_files import TEMPLATES, load_steps
from core.loop import create_project
from core.models.heads.kind import TrainingRecords
from core.tasks.extract_answers import canonical, complete, difference, faults, refusal, still_meant
from core.tasks.tasks import space_of, task_of

ANSWER = {
    "values": {
        "character": {"doers": ["Pim", " Mara ", "Pim"], "receivers": [], "notes": ""},
        "relationship": [
            {"agent": "Pim", "target": "Mara", "level1": "family", "level2": "", "sentiment": "positive"},
        ],
    },
    "spans": {"character.doers": {"Mara": [[0, 4]], "Pim": [[40, 43], [7, 10]], "gone": [[1, 2]]}},
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_makes_a_project_whose_steps_are_read_back(name: str, tmp_path: Path) -> None:
    steps = load_steps(name)
    create_project(tmp_path / "p", [], task="extract", steps=steps)
    assert read_settings(tmp_path / "p").steps == steps
    (tmp_path / "again.toml").write_text(steps_document(steps))
    assert read_steps(tmp_path / "again.toml") == steps


def test_a_python_file_of_pydantic_models_says_the_same_as_toml(tmp_path: Path) -> None:
    (tmp_path / "steps.py").write_text(
        "from typing import Literal\nfrom pydantic import BaseModel\n"
        "class Part(BaseModel):\n    name: str\n    kind: Literal['a', 'b'] | None = None\n"
        "class Out(BaseModel):\n    parts: list[Part]\n    title: str\n    year: int | None = None\n"
        "STEPS = [{'name': 'one', 'instruction': 'Read {text}', 'output': Out, 'grounded': ['title', 'parts.name']},\n"
        "         {'name': 'two', 'instruction': '{one.parts} {text}', 'needs': ['one'], 'output': list[Part]}]\n"
    )
    one, two = load_steps(str(tmp_path / "steps.py"))
    assert [(field.path, field.required, field.grounded) for field in one.fields] == [
        ("one.parts", True, ("one.parts.name",)),
        ("one.title", True, ("one.title",)),
        ("one.year", False, ()),
    ]
    assert one.fields[2].schema == {"type": ["integer", "null"]}
    assert two.is_list
    assert two.fields[0].schema["items"]["properties"]["kind"]["enum"] == ["a", "b", None]  # type: ignore[index]


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("STEPS = nothing", "cannot be run: NameError"),
        ("raise SystemExit('no')", "cannot be run: SystemExit: no"),
        ("class A: pass\nSTEPS = [{'name': 'a', 'instruction': '{text}', 'output': A}]", "A'> has no JSON Schema"),
        (
            "from pydantic import BaseModel\nclass A(BaseModel):\n    parts: list['A']\n"
            "STEPS = [{'name': 'a', 'instruction': '{text}', 'output': A}]",
            "which holds itself",
        ),
    ],
)
def test_what_is_wrong_with_a_python_file_is_one_sentence(code: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(code)
    with pytest.raises(BadInput, match=why):
        load_steps(str(tmp_path / "bad.py"))


OBJECT = {"type": "object", "properties": {"x": {"type": "string"}}}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"name": "Big"}, "lower-case"),
        ({"needs": ["later"]}, "no step before"),
        ({"instruction": "Say {summary}"}, r"\{summary\}"),
        ({"grounded": ["y"]}, "its output has x"),
        ({"output": {"type": "string"}}, "object"),
        ({"output": {"type": "object", "properties": {"x": {"type": "sting"}}}}, "no JSON Schema"),
        ({"prompt": "x"}, "unknown key 'prompt'"),
        ({"inputs": "text"}, "must be a list"),
    ],
)
def test_what_is_wrong_with_a_step_is_reported_with_its_name(change: dict[str, object], why: str) -> None:
    step = {"name": "one", "instruction": "Read {text}", "output": OBJECT}
    assert steps_in({"steps": [step]})
    with pytest.raises(BadInput, match=why):
        steps_in({"steps": [step | change]})
    with pytest.raises(BadInput, match="stands twice"):
        steps_in({"steps": [step, step]})


def test_the_same_answer_has_one_form_in_which_nothing_empty_or_stale_is_left() -> None:
    tidy = canonical(ANSWER)
    assert tidy == {
        "values": {
            "character": {"doers": ["Mara", "Pim"]},
            "relationship": [{"agent": "Pim", "level1": "family", "sentiment": "positive", "target": "Mara"}],
        },
        "spans": {"character.doers": {"Mara": [[0, 4]], "Pim": [[7, 10], [40, 43]]}},
    }
    assert canonical(tidy) == tidy
    other = json.loads(json.dumps(ANSWER))
    other["values"]["character"]["doers"] = ["Mara", "Pim"]
    assert canonical(other) == tidy


def test_what_was_changed_of_a_suggestion_is_reported_as_it_was_suggested() -> None:
    suggested = {
        "values": {"who": {"names": ["Ann", "Bob"], "age": 3}, "end": "well"},
        "spans": {"who.names": {"Ann": [[0, 3]]}},
    }
    same: dict[str, object] = {
        "values": {"who": {"age": 3, "names": ["Bob", "Ann "], "place": ""}, "end": "well"},
        "spans": {"who.names": {"Ann": [[0, 3]]}},
    }
    assert difference(same, suggested) == {}, "order, blanks and empty values are no change"
    changed = {"values": {"who": {"names": ["Ann"], "place": "wood"}, "end": "well"}, "spans": {}}
    assert difference(changed, suggested) == {
        "values": {"who.age": 3, "who.names": ["Ann", "Bob"], "who.place": None},
        "spans": {"who.names": {"Ann": [[0, 3]]}},
    }
    assert difference({"values": {"end": "ill"}}, {"values": {}}) == {"values": {"end": None}}


def test_numbers_and_texts_of_several_lines_keep_their_spans() -> None:
    values = {"facts": {"year": 1912, "quote": " two\nlines "}}
    spans = {"facts.year": {"1912": [[3, 7]]}, "facts.quote": {"two\nlines": [[9, 18]]}}
    assert canonical({"values": values, "spans": spans})["spans"] == spans


def test_an_answer_must_fit_its_steps_and_keeps_what_still_fits_when_they_change() -> None:
    steps = load_steps("folktales")
    assert refusal(canonical(ANSWER), steps) is None
    character, *_ = steps
    assert complete(character, {"doers": ["Mara"]}) == {
        "doers": ["Mara"],
        "receivers": [],
        "new_characters": [],
        "notes": None,
    }
    wrong = {"values": {"action": {"category": "flying", "type": "fly", "status": "success"}}, "spans": {}}
    assert faults(steps[3], wrong["values"]["action"]) == [
        "action.category is wrong: 'flying' is not one of ['communicative', 'physical', 'existential', 'transaction', "
        "'mental']",
        "action.function is missing",
    ]
    assert "And 1 more" in str(refusal(wrong, steps))
    renamed = {"character": {"doers": [], "receivers": [], "new_characters": [], "givers": ["Pim"]}}
    assert "('givers' was unexpected)" in str(refusal({"values": renamed}, steps)), "what was renamed would be lost"
    missing = {"action": {"type": "fly", "status": "success"}}
    assert refusal({"values": missing}, steps) == "action.category is missing; action.function is missing."
    both = {"values": missing | {"event_type": {"event_type": "NOTHING"}}}
    assert "event_type.event_type is wrong" in str(refusal(both, steps)), "what is missing hides nothing"
    assert "no step 'weather'" in str(refusal({"values": {"weather": {}}}, steps))
    assert "not grounded" in str(
        refusal({"values": {"character": {}}, "spans": {"action.type": {"x": [[0, 1]]}}}, steps)
    )
    left, enough = still_meant(canonical(ANSWER), steps[:1])
    assert (left["values"], enough) == ({"character": {"doers": ["Mara", "Pim"]}}, True)
    assert still_meant(canonical(ANSWER), steps[4:]) == ({"values": {}, "spans": {}}, False)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"values": []},
        {"values": {"a": 1}, "spans": {"p": {"v": [[3, 2]]}}},
        {"values": {"a": 1}, "spans": {"p": [[1, 2]]}},
        {"values": {"a": 1}, "spans": {"p": {"v": [[0, True]]}}},
        {"values": {"a": "x" * 1_000_001}},
        {"values": {"a": 1}, "spans": {"p": {"v": [[0, 1]] * 5_001}}},
        {"values": {"a": json.loads("[" * 40 + "]" * 40)}},
    ],
)
def test_what_has_no_form_of_an_answer_is_refused(fields: dict[str, object], tmp_path: Path) -> None:
    create_project(tmp_path / "p", [], task="extract", steps=load_steps("entities"))
    with pytest.raises(BadInput):
        task_of(read_settings(tmp_path / "p")).read(fields)


def test_a_head_learns_the_enumerations_and_leaves_the_rest_alone(tmp_path: Path) -> None:
    create_project(tmp_path / "p", [], task="extract", steps=load_steps("folktales"))
    space = space_of(read_settings(tmp_path / "p"))
    answers: list[object] = []
    answers += [{"values": {"action": {"category": kind}}} for kind in ("mental", "physical")] * 20
    answers += [{"values": {"character": {"doers": ["Mara"]}}}] * 4
    truth = space.encode(answers)
    vectors = np.eye(8, dtype=np.float32)[[0, 1] * 20 + [2] * 4]
    fitted = space.heads.cross_fit(
        TrainingRecords(vectors, truth), None, np.ones(len(truth), np.bool_), np.random.default_rng(0)
    )
    head = space.heads.restore(fitted.head.about() | {"calibration_error": None}, fitted.head.arrays())
    outputs = head.predict(vectors)
    assert np.allclose(outputs, fitted.head.predict(vectors))
    decided = space.decide(outputs)
    assert space.right(truth, decided).all()
    [first] = space.decode(decided[:1])
    assert first["values"]["action"]["category"] == "mental"  # type: ignore[index]
    assert not space_of(read_settings(tmp_path / "p")).heads.unfit(head.about())
    assert "other choices" in str(space.heads.unfit(head.about() | {"fields": {"action.category": ["1"]}}))
    assert not space_of(read_settings(tmp_path / "p")).whole, "names are no enumerations"
    create_project(tmp_path / "none", [], task="extract", steps=load_steps("entities"))
    assert not space_of(read_settings(tmp_path / "none")).learns
