"""A language model's answers to steps: requested, checked, grounded, stored, suggested, scored, put in use."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import background
from core.config.steps import steps_in
from core.errors import BadInput, Refused
from core.explore.record_detail import record_detail
from core.extract.agreement import step_agreement
from core.extract.import_annotations import import_annotations
from core.extract.step_models import (
    model_in_use,
    step_deactivate,
    step_promote,
    step_report,
    step_rollback,
)
from core.extract.suggest import suggest_steps
from core.ids import RecordNo
from core.labelling.generated_answers import GeneratedRow, read_generated, store_generated
from core.labelling.leases import Holder
from core.labelling.queue import QueueRequest
from core.labelling.responses import Event
from core.loop import create_project, next_batch
from core.project import Project, open_project
from core.suggestions.suggest import suggest
from core.training.train import train
from gpu_jobs.language_models.tiny import tiny_model
from gpu_jobs.runners.local import InProcessRunner
from tests.conftest import quiet
from tests.test_jobs_pages import finish
from tests.test_pages import shown

KINDS = ["cat", "dog"]
STEPS = steps_in(
    {
        "steps": [
            {
                "name": "animal",
                "instruction": "Which animal? {text}",
                "grounded": ["name"],
                "output": {
                    "type": "object",
                    "required": ["kind", "name"],
                    "properties": {
                        "kind": {"type": "string", "enum": KINDS},
                        "name": {"type": "string", "maxLength": 6},
                    },
                },
            },
            {
                "name": "sound",
                "instruction": "What does the {animal.kind} say? {text}",
                "needs": ["animal"],
                "output": {
                    "type": "object",
                    "required": ["loud"],
                    "properties": {"loud": {"type": "boolean"}},
                },
            },
        ]
    }
)
RECORDS = 36


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("tiny") / "model")


def truth(number: int) -> dict[str, object]:
    kind = KINDS[number % 2]
    return {"animal": {"kind": kind, "name": f"N{number}"}, "sound": {"loud": kind == "dog"}}


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """Twelve gold records, twelve answered by the file, twelve open."""
    create_project(tmp_path / "p", [], task="extract", steps=STEPS)
    file = tmp_path / "animals.jsonl"
    with file.open("w") as lines:
        for number in range(RECORDS):
            row = {"id": f"a{number}", "text": f"The {KINDS[number % 2]} N{number} sleeps.", "split": ""}
            row |= {"answer": json.dumps(truth(number))} if number < 24 else {}
            row |= {"split": "test"} if number < 12 else {}
            lines.write(json.dumps(row) + "\n")
    opened = open_project(tmp_path / "p", InProcessRunner())
    import_annotations(opened, quiet, file=str(file))
    yield opened
    opened.close()


def store(project: Project, model: str, step: str, right: int) -> None:
    """Recorded answers on the gold records: so many right, the others wrong, the last one invalid."""
    rows = []
    for number in range(12):
        value = truth(number if number < right else number + 1)[step]
        state = "invalid" if number == 11 and right < 12 else "valid"
        answer = value if state == "valid" else None
        rows.append(GeneratedRow(record_no=RecordNo(number), step=step, model=model, state=state, answer=answer))
    with project.store.transaction() as cursor:
        store_generated(cursor, rows)


def test_every_answer_is_checked_grounded_stored_and_later_steps_are_given_earlier_ones(
    project: Project, tiny: Path
) -> None:
    plan = suggest_steps(project, quiet, model=str(tiny), records=["all"], dry_run=True).plan
    assert plan is not None
    assert plan["animal"].calls == 12
    assert project.store.one("select count(*) from generated_answers") == 0
    result = suggest_steps(project, quiet, model=str(tiny), records=["all", "measured"], most=20)
    assert [(one.step, one.requested, one.known) for one in result.steps] == [("animal", 20, 0), ("sound", 20, 0)]
    assert sum(result.steps[0].states.values()) == 20
    valid = project.store.query(
        "select n, answer::varchar, spans::varchar from generated_answers where step = 'animal' and state = 'valid'"
    )
    assert len(valid) == result.steps[0].states.get("valid", 0) > 0
    for n, answer, spans in valid:
        name, text = json.loads(answer).get("name", ""), f"The {KINDS[n % 2]} N{n} sleeps."
        located = json.loads(spans).get("animal.name", {}).get(name, [])
        assert all(text[start:end].casefold().split() == name.casefold().split() for start, end in located)
    inputs = project.store.query("select distinct inputs::varchar from generated_answers where step = 'sound'")
    assert {text for (text,) in inputs} <= {'{"animal": "predicted"}', "{}"}
    again = suggest_steps(project, quiet, model=str(tiny), records=["all", "measured"], most=20)
    assert [(one.requested, one.known) for one in again.steps] == [(0, 20), (0, 20)]
    with pytest.raises(BadInput, match="no records 'some'"):
        suggest_steps(project, quiet, model=str(tiny), records=["some"])


def test_people_can_be_shown_the_doubtful_ones_first(project: Project, tiny: Path) -> None:
    next_batch(project, quiet, size=12, audit_share=0.25)
    order = "select n from queue where not audit order by position"
    audits = "select n, position from queue where audit order by n"
    before, fixed = project.store.query(order), project.store.query(audits)
    suggest_steps(project, quiet, model=str(tiny), records=["waiting"], doubtful_first=True)
    after = project.store.query(order)
    assert sorted(after) == sorted(before)
    assert project.store.query(audits) == fixed, "audit records keep their positions"
    doubts = project.store.query(
        """select sum((state <> 'valid')::int + 1 - coalesce(confidence, 0) + (step = 'animal' and state = 'valid'
                  and len(answer->>'name') > 0 and spans::varchar = '{}')::int) as doubt
           from generated_answers join queue using (n) where not audit group by n order by any_value(position)"""
    )
    assert doubts == sorted(doubts, reverse=True)


def test_an_answer_that_was_cut_inside_an_emoji_keeps_no_other_out(project: Project) -> None:
    with project.store.transaction() as cursor:
        row = GeneratedRow(record_no=RecordNo(1), step="animal", model="m", state="cut", raw="a \ud83d")
        store_generated(cursor, [row])
    assert project.store.query("select state, raw from generated_answers") == [("cut", "a ?")]


def test_the_confidence_is_how_many_samples_say_the_same(project: Project, tiny: Path) -> None:
    result = suggest_steps(project, quiet, steps=["sound"], model=str(tiny), records=["all"], most=6, samples=4)
    assert (result.steps[0].requested, result.steps[0].states) == (6, {"valid": 6}), "two choices always end"
    shares = project.store.query("select confidence from generated_answers")
    assert {share * 4 for (share,) in shares} <= {0, 1, 2, 3, 4}
    with pytest.raises(BadInput, match="up to 20"):
        suggest_steps(project, quiet, model=str(tiny), samples=99)


def test_a_text_leaves_the_machine_only_where_the_project_says_so(project: Project) -> None:
    with pytest.raises(Refused, match="allow_remote"):
        suggest_steps(project, quiet, model="m", url="https://192.0.2.1/v1")
    assert project.store.one("select count(*) from jobs where kind = 'generate'") == 0


def test_models_are_scored_on_gold_and_one_is_put_in_use_where_it_is_better(project: Project) -> None:
    store(project, "weak", "animal", 6)
    store(project, "strong", "animal", 12)
    report = step_report(project, quiet, steps=["animal"]).steps[0]
    assert [(one.model, one.score.records, one.score.exact.value) for one in report.models] == [
        ("strong", 12, 1.0),
        ("weak", 12, pytest.approx(6 / 12)),
    ]
    assert report.models[1].score.validity.value == pytest.approx(11 / 12)
    assert step_promote(project, quiet, step="animal", model="weak").changed
    better = step_promote(project, quiet, step="animal", model="strong")
    assert (better.changed, better.before) == (True, "weak")
    assert better.accuracy is not None
    assert better.accuracy.low > 0
    worse = step_promote(project, quiet, step="animal", model="weak")
    assert (worse.changed, worse.model) == (False, "strong")
    assert "It is worse" in worse.sentence
    with pytest.raises(BadInput, match="needs a reason"):
        step_promote(project, quiet, step="animal", model="weak", force=True)
    assert step_rollback(project, quiet, step="animal").model == "weak"
    assert step_rollback(project, quiet, step="animal").model is None
    with pytest.raises(Refused, match="nothing to roll back"):
        step_rollback(project, quiet, step="animal")
    with pytest.raises(BadInput, match="has answered no audit"):
        step_promote(project, quiet, step="sound", model="strong")


def test_the_card_shows_the_model_in_use_and_nothing_where_an_answer_must_be_blind(project: Project) -> None:
    next_batch(project, quiet, size=12, audit_share=0.5)
    rows = [
        GeneratedRow(
            record_no=RecordNo(n), step="animal", model=model, state="valid", answer={"kind": kind, "name": f"N{n}"}
        )
        for n in range(24, RECORDS)
        for model, kind in (("first", "cat"), ("second", "dog"))
    ]
    with project.store.transaction() as cursor:
        store_generated(cursor, rows)
    store(project, "first", "animal", 12)
    step_promote(project, quiet, step="animal", model="first")
    batch = project.label_queue.exchange(Holder("ann", "t"), QueueRequest(want=12))
    suggestions = [card.suggestion for card in batch.cards]
    shown = [one for one in suggestions if one is not None]
    assert 0 < len(shown) < 12, "audit records have none"
    assert all(one["answer"]["values"]["animal"]["kind"] == "cat" for one in shown)  # type: ignore[index]
    assert {one["model"] for one in shown} == {"first"}
    step_deactivate(project, quiet, step="animal")
    with project.store.reading() as cursor:
        assert read_generated(cursor, range(24, RECORDS)) == {}


def test_what_people_change_of_a_suggestion_is_stored_with_the_answer_and_counted_by_field(project: Project) -> None:
    store(project, "m1", "animal", 12)
    next_batch(project, quiet, size=12)
    events = []
    for number in range(24, 30):
        suggested = {"values": truth(number)}
        wrong = {"kind": "cat" if number % 2 else "dog", "name": f"N{number}"}
        answer = {"values": truth(number) | ({"animal": wrong} if number < 26 else {})}
        events.append(Event(f"e{number}", f"a{number}", "submit", answer, model="m0, m1", suggested=suggested))
    broken = Event("e30", "a30", "submit", {"values": truth(30)}, model="m1", suggested=None)
    taken_back = Event("e31", "a24", "undo", undoes="e24")
    statuses = project.label_queue.receive([("ann", one) for one in (*events, broken, taken_back)])
    assert set(statuses.values()) == {"stored"}
    rows = project.store.query("select event_id, difference::varchar from responses where source = 'app' order by 1")
    assert [text for _, text in rows[2:6]] == ["{}"] * 4
    assert json.loads(rows[0][1]) == {"values": {"animal.kind": "cat"}}, "as it was suggested"
    assert [text for _, text in rows[6:]] == [None, None]
    [model] = step_report(project, quiet, steps=["animal"]).steps[0].models
    assert (model.corrections.shown, model.corrections.changed) == (5, {"animal.kind": 1}), "what was undone is no more"
    assert [one.changed for one in record_detail(project, "a25").answers] == ["animal.kind"]
    assert [one.changed for one in record_detail(project, "a26").answers] == ["nothing"]


def test_agreement_is_counted_field_by_field(project: Project) -> None:
    next_batch(project, quiet, size=12)
    for person, says in (("ann", True), ("bob", False)):
        events = [
            Event(
                f"{person}-{n}",
                f"a{n}",
                "submit",
                {
                    "values": {"animal": {"kind": "cat", "name": f"N{n}"}, "sound": {"loud": says}},
                    "spans": {"animal.name": {f"N{n}": [[8, 8 + len(str(n)) + (person == "bob") + 1]]}},
                },
            )
            for n in range(24, 36)
        ]
        project.label_queue.receive([(person, event) for event in events])
    result = step_agreement(project, quiet)
    kind, name, loud = result.fields
    assert (result.records, kind.pairs, kind.overlap, name.overlap, loud.overlap) == (12, 12, 1.0, 1.0, 0.0)
    assert (name.spans, name.spans_overlapping) == (1.0, 1.0), "a character at an edge is no other place"
    assert loud.alpha.value is not None
    assert loud.alpha.value < 0


def test_other_ways_of_a_model_to_learn_or_to_suggest_name_the_one_for_steps(project: Project) -> None:
    with pytest.raises(Refused, match="--trainer lora --step NAME"):
        train(project, quiet, trainer="setfit")
    with pytest.raises(Refused, match="rondo extract suggest"):
        suggest(project, quiet)


def test_the_models_page_scores_each_step_and_puts_the_better_model_in_use(project: Project) -> None:
    store(project, "weak", "animal", 6)
    store(project, "strong", "animal", 12)
    store(project, "few", "sound", 12)
    with project.store.transaction() as cursor:
        cursor.execute("delete from generated_answers where model = 'few' and n > 3")
    folder = project.folder
    project.close()
    background.open_server(lambda: open_project(folder, InProcessRunner()))
    server = background.opened()
    try:
        page = shown("models.py")
        assert not page.exception
        assert [one.value for one in page.subheader] == ["animal", "sound"]
        assert any("Too few measured records yet: few (4)" in one.value for one in page.text)
        page.selectbox(key="choose-animal").set_value("strong")
        page.button(key="promote-animal").click().run()
        finish(server)
        assert model_in_use(server.project, "animal") == "strong"
        assert not page.run().exception
    finally:
        background.close_server()
