"""What is claimed of a task that the app does not have: scores, curve, gate, guarantee and cards know no task."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.pages.parts.models.model_rows import version_rows
from app.words import score_lines
from core import loop, simulate
from core.auto_label.accepting import auto, check
from core.auto_label.guarantees import announcements, guarantee_in_force
from core.config.settings import Settings, write_settings
from core.data.encoding import encode
from core.data.file_import import import_file
from core.errors import Refused
from core.evaluation.metrics import Forecast, Savings
from core.ids import ModelId
from core.models.artifacts import read_manifest, save_head
from core.models.heads.kind import TrainingRecords
from core.models.in_use import active_model
from core.models.vectors import open_vectors
from core.project import Project, open_project
from core.registry.activation import promote, rollback
from core.registry.gate import gate
from core.registry.model_card import PackagedModel, model_card, stored_model
from core.registry.model_export import export_model
from core.registry.models import models
from core.registry.predictions import predictions
from core.reports.card_text import as_markdown
from core.reports.datacard import data_card
from core.reports.error_analysis import calibration, confusion
from core.reports.model_quality import curve_measures, curve_table, learning_curve
from core.reports.overview import status
from core.tasks.tasks import TASKS
from gpu_jobs.runners.local import InProcessRunner
from tests.conftest import quiet
from tests.number_task import NUMBER, Line, fit
from tests.number_task import encode as rows_of

AMOUNTS = {
    "one small basket with a few apples": 3,
    "a wooden crate of oranges from the market": 13,
    "a delivery van loaded with pumpkins": 24,
    "a long freight train carrying coal": 35,
    "a football stadium packed with people": 46,
}
RECORDS, ENCODER = 300, "all-MiniLM-L6-v2"
GUARANTEE: dict[str, Any] = {"precision": 0.9, "confidence": 0.9}


def truth() -> dict[str, Any]:
    """Record id -> answer."""
    amounts = list(AMOUNTS.values())
    return {str(n): {"number": float(amounts[n % len(amounts)])} for n in range(RECORDS)}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Three rounds of 30 records, half of them audit, answered truly."""
    folder = tmp_path_factory.mktemp("claims") / "numbers"
    folder.mkdir()
    texts = list(AMOUNTS)
    lines = [f"{n},Witness {n} saw {texts[n % len(texts)]}" for n in range(RECORDS)]
    (folder.parent / "seen.csv").write_text("\n".join(["id,text", *lines]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TASKS, "number", NUMBER)
        write_settings(folder, Settings(name="numbers", task="number", audit_share=0.5, automatic=False))
        project = open_project(folder, InProcessRunner())
        import_file(project, quiet, file=str(folder.parent / "seen.csv"), text=["text"], id="id")
        encode(project, quiet)
        simulate.simulate_rounds(project, truth(), simulate.Budget(3, 30, "default"), quiet)
        project.close()
        yield folder


@pytest.fixture
def played(template: Path, tmp_path: Path) -> Iterator[Project]:
    shutil.copytree(template, tmp_path / "numbers")
    project = open_project(tmp_path / "numbers", InProcessRunner())
    yield project
    project.close()


def enter(project: Project, name: str, head: Line) -> ModelId:
    """A model that was made before anybody answered anything."""
    save_head(project.models / name, head, {"encoder": ENCODER})
    with project.store.transaction() as cursor:
        cursor.execute(
            """insert into models (id, made_at, round, encoder, taxonomy, labels, seed, metrics, seconds, trainer)
               values (?, timestamp '2020-01-01', 0, ?, 0, 0, 0, '{}', 0.0, 'encoder')""",
            [name, ENCODER],
        )
    return ModelId(name)


def bad_head(project: Project) -> Line:
    """Says 0 of everything."""
    dims = open_vectors(project.vectors, ENCODER).shape[1] + 1
    return Line(np.zeros(dims), np.eye(dims), 1.0)


def good_head(project: Project) -> Line:
    """Taught by all records."""
    vectors = np.asarray(open_vectors(project.vectors, ENCODER)[:RECORDS], np.float32)
    return fit(TrainingRecords(vectors, rows_of([truth()[str(n)] for n in range(RECORDS)])))


def test_the_audit_says_how_often_it_is_right_and_nothing_of_f1(played: Project) -> None:
    now = status(played)
    assert now.model
    audit = now.model.metrics.audit
    assert audit
    assert (audit.n, audit.macro_f1, audit.micro_f1, audit.per_label) == (45, None, None, {})
    assert 0.6 < audit.accuracy.low < audit.accuracy.value <= 1
    [line] = score_lines(now.model.metrics)
    assert line.startswith("  audit (45 records): accuracy ")
    assert "F1" not in line
    assert not [caveat for caveat in now.caveats if "F1" in caveat or "label is" in caveat]
    assert now.command == "rondo round"


def test_the_learning_curve_is_one_of_accuracy(played: Project) -> None:
    curve = learning_curve(played)
    assert curve_measures(curve) == ["accuracy"]
    rows = curve_table(curve)
    assert [row["records"] for row in rows] == [45, 45, 45]
    assert all("macro F1" not in row and row["accuracy"] is not None for row in rows)
    metrics = curve[-1].metrics
    assert isinstance(metrics.forecast, Forecast)
    assert isinstance(metrics.savings, Savings)
    assert {"accuracy"} == set(version_rows(models(played, quiet).models)[0]) & {"accuracy", "macro F1"}


def test_calibration_goes_by_right_answers_and_no_pair_of_labels_is_confused(played: Project) -> None:
    with played.label_queue.changing() as cursor:
        cursor.execute("update held_out_predictions set predicted_answer = '{\"number\":50.0}' where stratum = 'audit'")
    measured = calibration(played, "audit")
    assert measured
    assert measured.bins[-1].right < 0.3, "most were no 50"
    assert confusion(played, "audit") == []


def test_a_challenger_is_let_in_by_its_accuracy(played: Project) -> None:
    bad, good = enter(played, "bad", bad_head(played)), enter(played, "good", good_head(played))
    verdict = gate(played, model=bad)
    assert (verdict.passes, verdict.measure, verdict.stratum, verdict.n) == (False, "accuracy", "audit", 45)
    assert verdict.sentence.startswith("On 45 audit records its accuracy is 0.0%")
    assert verdict.sentence.endswith("It is worse.")
    assert "fewer than 10" in verdict.rule
    with pytest.raises(Refused, match="its accuracy is"):
        promote(played, quiet, model=bad)
    champion = active_model(played)
    promote(played, quiet, model=bad, force=True, reason="for this test")
    verdict = gate(played, model=good)
    assert verdict.passes
    assert verdict.difference is not None
    assert verdict.difference.low > 0.5
    assert promote(played, quiet, model=good).before == bad
    [entry] = [one for one in models(played, quiet).models if one.id == good]
    assert entry.gate == verdict
    assert rollback(played, quiet, to=champion).model == champion


def test_with_nine_records_the_gate_waits_for_a_tenth(played: Project) -> None:
    good = enter(played, "good", good_head(played))
    with played.label_queue.changing() as cursor:
        cursor.execute("update settled set stratum = 'chosen' where stratum = 'audit' and n not in "
                       "(select n from settled where stratum = 'audit' order by n limit 9)")  # fmt: skip
    verdict = gate(played, model=good)
    assert (verdict.passes, verdict.missing) == (False, 1)
    assert verdict.sentence == (
        "Only 9 audit and 0 gold records judge both, too few to compare accuracy on: 1 more are needed."
    )


def test_machine_labels_are_given_on_one_guarantee_for_all_answers_and_a_check_breaks_it(played: Project) -> None:
    offer = auto(played, quiet, accept=True, **GUARANTEE)
    assert list(offer.thresholds) == ["*"]
    assert [part.name for part in offer.labels] == ["all answers"]
    assert offer.accepted > 100
    rows = played.store.query(
        "select m.answer, s.answer, m.labels from machine_labels m join suggestions s using (n) order by n"
    )
    assert len(rows) == offer.accepted
    assert all(given == suggested and labels == [] for given, suggested, labels in rows)
    assert "number" in json.loads(rows[0][0])
    played_truth = truth()
    answer_checks(played, {record: played_truth[record] for record in list(played_truth)})
    standing = guarantee_in_force(played)
    assert standing
    assert standing.right > 25
    assert (standing.wrong / standing.right < 0.1, standing.labels[0].name) == (True, "all answers")
    assert check(played, quiet).broken is None


def test_a_check_whose_answers_are_others_breaks_the_guarantee(played: Project) -> None:
    offer = auto(played, quiet, accept=True, **GUARANTEE)
    wrong = {record: {"number": 50 - answer["number"]} for record, answer in truth().items()}
    answer_checks(played, wrong)
    outcome = check(played, quiet)
    assert outcome.broken == offer.guarantee
    assert played.store.one("select count(*) from machine_labels") == 0
    assert announcements(played) == [outcome.why]
    assert outcome.requeued
    with pytest.raises(Refused, match="broke on"):
        auto(played, quiet, **GUARANTEE)


def answer_checks(project: Project, answers: dict[str, Any]) -> None:
    """Until no check waits."""
    while project.store.one("select count(*) from queue where purpose = 'check' and not is_labelled(n)"):
        assert simulate.answer_queued(project, answers, 20)


def test_the_cards_speak_of_answers(played: Project) -> None:
    card = data_card(played)
    assert "taxonomy" not in card
    text = as_markdown(card)
    assert "What is asked is the task 'number'." in text
    assert "| accuracy |" in text
    assert "F1" not in text
    assert "taxonomy" not in text
    model = active_model(played) or ModelId("")
    folder = played.models / model
    text = model_card(played, PackagedModel(stored_model(played, model), read_manifest(folder), folder, "encoder"))
    text = text.replace(model, "")  # its id may hold "f1" by chance
    assert "Answers the task 'number'" in text
    assert not [word for word in ("F1", "f1", "## Labels", "rare labels", "one of its labels") if word in text]


def test_a_model_without_labels_is_not_exported(played: Project, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="Exporting a model needs labels"):
        export_model(played, quiet, out=str(tmp_path / "model"))
    assert not (tmp_path / "model").exists()


def test_what_champions_predicted_is_held_against_answers(played: Project) -> None:
    proven = predictions(played, quiet, worst=50)
    [point] = {point.n for point in proven.over_time}
    assert point == 15
    right = sum(one.n * one.right for one in proven.chosen) + sum(
        one.n * one.accuracy.value for one in proven.over_time
    )
    judged = sum(one.n for one in proven.chosen) + sum(one.n for one in proven.over_time)
    assert judged - round(right) == len(proven.worst)
    assert all(abs(float(miss.predicted) - float(miss.truth)) > 2 for miss in proven.worst)
    assert loop.fit(played, quiet).metrics
