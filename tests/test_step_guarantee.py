"""Machine labels of language models: whole answers of those in use, accepted on a guarantee that audits prove."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from core.auto_label.accepting import auto, check, preview
from core.auto_label.guarantee_sentences import what_can_be_guaranteed
from core.auto_label.guarantees import guarantee_in_force
from core.config.steps import steps_in
from core.data.file_import import import_file
from core.errors import Refused
from core.evaluation.guarantee import GuaranteeTerms
from core.extract.step_models import step_promote
from core.ids import RecordNo
from core.labelling.generated_answers import GeneratedRow, store_generated
from core.labelling.responses import Event
from core.loop import create_project, next_batch
from core.project import Project, open_project
from gpu_jobs.runners.local import InProcessRunner
from tests.conftest import quiet

NAME = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string", "maxLength": 9}}}
NOTE = {"type": "object", "required": ["note"], "properties": {"note": {"type": "string", "maxLength": 9}}}
STEPS = steps_in(
    {
        "steps": [
            {"name": "who", "instruction": "Who? {text}", "grounded": ["name"], "output": NAME},
            {"name": "how", "instruction": "How? {text}", "optional": True, "output": NOTE},
        ]
    }
)
RECORDS, AUDITS = 400, 120
TERMS = GuaranteeTerms(precision=0.9, confidence=0.9)


def truth(number: int) -> dict[str, object]:
    return {"values": {"who": {"name": f"N{number}"}}, "spans": {}}


def audits(project: Project) -> list[int]:
    return [n for (n,) in project.store.query("select n from settled where stratum = 'audit' order by n")]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """AUDITS records are drawn at random and answered."""
    create_project(tmp_path / "p", [], task="extract", steps=STEPS)
    file = tmp_path / "tales.csv"
    file.write_text("id,text\n" + "".join(f"a{n},N{n} sleeps.\n" for n in range(RECORDS)))
    opened = open_project(tmp_path / "p", InProcessRunner())
    import_file(opened, quiet, file=str(file), text=["text"], id="id")
    next_batch(opened, quiet, size=AUDITS, audit_share=1.0)
    drawn = opened.store.query("select n, id from queue join records using (n) where not spare")
    events = [("ann", Event(f"e{n}", id, "submit", truth(n))) for n, id in drawn]
    assert set(opened.label_queue.receive(events).values()) == {"stored"}
    assert len(audits(opened)) == AUDITS
    yield opened
    opened.close()


def store(
    project: Project, model: str, wrong: set[int], *, numbers: Sequence[int] = range(RECORDS), how: bool = False
) -> None:
    """A model's answers; what is wrong is of low confidence. how: it also answers what people leave out."""
    rows = []
    for n in numbers:
        name = "nobody" if n in wrong else f"N{n}"
        facts = {"record_no": RecordNo(n), "model": model, "state": "valid", "confidence": 0.5 if n in wrong else 0.99}
        rows.append(GeneratedRow(step="who", answer={"name": name}, **facts))  # type: ignore[arg-type]
        if how:
            rows.append(GeneratedRow(step="how", answer={"note": "well"}, **facts))  # type: ignore[arg-type]
    with project.store.transaction() as cursor:
        store_generated(cursor, rows)


def test_nothing_is_offered_before_a_model_is_in_use_and_has_answered_all_of_the_pool(project: Project) -> None:
    with pytest.raises(Refused, match="none is in use for who"):
        preview(project, TERMS)
    store(project, "m1", set(), numbers=range(300))
    assert step_promote(project, quiet, step="who", model="m1").changed
    with pytest.raises(Refused, match=r"m1 has not answered who for \d+ of 280 records of the pool"):
        preview(project, TERMS)


def test_what_audits_prove_is_accepted_and_checked_and_given_back_when_it_breaks(project: Project) -> None:
    wrong = {n for n in range(RECORDS) if n % 4 == 0}
    store(project, "m1", wrong)
    step_promote(project, quiet, step="who", model="m1")
    offer = preview(project, TERMS)
    assert offer.why is None
    assert (offer.pool, offer.model, offer.compared, offer.wrong) == (RECORDS - AUDITS, "m1", 1, 0)
    assert 0.6 < offer.share < 0.8, "a quarter is wrong and not confident"
    result = auto(project, quiet, precision=0.9, confidence=0.9, accept=True)
    rows = project.store.query("select n, answer->>'$.values.who.name', model from machine_labels")
    assert {(name, model) for n, name, model in rows} == {(f"N{n}", "m1") for n, *_ in rows}
    assert not wrong & {n for n, *_ in rows}
    in_force = guarantee_in_force(project)
    assert in_force is not None
    assert (in_force.covered, in_force.right, in_force.wrong) == (result.accepted, 0, 0)
    checks = [n for (n,) in project.store.query("select n from queue where purpose = 'check'")]
    answer = {"values": {"who": {"name": "another"}}, "spans": {}}
    project.label_queue.receive([("bob", Event(f"c{n}", f"a{n}", "submit", answer)) for n in checks])
    outcome = check(project, quiet)
    assert outcome.broken == result.guarantee
    assert project.store.one("select count(*) from machine_labels") == 0
    with pytest.raises(Refused, match="The guarantee on this model broke"):
        preview(project, TERMS)


def test_an_answer_is_wrong_where_it_says_what_people_left_out(project: Project) -> None:
    store(project, "m1", set(), how=True)
    step_promote(project, quiet, step="who", model="m1")
    assert preview(project, TERMS).wrong == 0, "no model is in use for the other step, so nothing is said of it"
    with project.store.transaction() as cursor:
        cursor.execute(
            "insert into step_models select since, 'how', user, model, how, reason, evidence from step_models"
        )
    assert preview(project, TERMS).why is not None


def test_models_that_the_same_audit_chose_among_share_the_risk(project: Project) -> None:
    store(project, "m1", set())
    step_promote(project, quiet, step="who", model="m1")
    strict = GuaranteeTerms(precision=0.97, confidence=0.95)
    alone = preview(project, strict)
    assert alone.why is None
    for number in range(3):
        store(project, f"other{number}", set(range(0, RECORDS, 2)), numbers=audits(project))
    shared = preview(project, strict)
    assert (shared.compared, shared.why is None) == (4, False), "120 audits prove 97 % once, not four times"
    eased = preview(project, TERMS)
    assert "among 4 ways to answer" in what_can_be_guaranteed(eased)
