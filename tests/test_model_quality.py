"""Where the model stands: every model judged on the same records, what more would buy, and what it is worth."""

import pytest

from core import loop, simulate
from core.labelling.changes import change_settings
from core.project import Project
from core.reports.model_quality import learning_curve, newest_model, prospects
from tests.conftest import quiet

Truth = dict[str, tuple[str, ...]]


@pytest.fixture
def played(project: Project, truth: Truth) -> Project:
    """Four rounds of ten records, half of them audit."""
    change_settings(project, audit_share=0.5)
    simulate.play(project, truth, simulate.Budget(4, 10, "default"), quiet)
    return project


def test_all_models_of_the_curve_are_judged_on_the_audit_records_of_today(played: Project) -> None:
    curve = learning_curve(played)
    audits = played.store.one("select count(*) from settled where stratum = 'audit'")
    assert [point["labels"] for point in curve] == [10, 20, 30, 40]
    assert {point["audit"]["n"] for point in curve} == {audits}
    assert all(point["gold"]["n"] == 12 for point in curve)
    assert curve[-1]["audit"]["accuracy"] == (newest_model(played) or {})["audit"]["accuracy"]


def test_a_model_of_another_taxonomy_keeps_the_score_of_its_own_day(played: Project) -> None:
    change_settings(played, add_label="traffic")
    loop.fit(played, quiet)
    curve = learning_curve(played)
    assert [("audit" in point, "audit_then" in point) for point in curve] == [(False, True)] * 4 + [(True, False)]


def test_what_more_labels_buy_is_said_with_a_band_and_is_worth_nothing_without_prices(played: Project) -> None:
    matches = prospects(played)
    [gain] = [gain for gain in matches["forecast"]["gains"] if gain["more"] == 100]
    assert gain["low"] <= gain["mean"] <= gain["high"]
    assert matches["forecast"]["labels"] == 40
    assert 0 <= matches["unsure"] <= 1
    assert matches["agreement"]["kappa"] <= 1
    assert matches["worth"] is None
    change_settings(played, label_cost=1.0, error_cost=50.0, cost_unit="euro")
    worth = prospects(played)["worth"]
    assert worth["offers"]
    assert "euro" in worth["sentence"]
    assert worth["sentence"].lower().strip(".!") != "yes"


def test_with_few_audit_labels_it_says_what_is_missing(project: Project, truth: Truth) -> None:
    change_settings(project, audit_share=0.2)
    simulate.play(project, truth, simulate.Budget(2, 10, "default"), quiet)
    matches = prospects(project)
    assert "needs 10 audit records" in matches["forecast"]["missing"]
    assert "needs 20 audit records" in matches["savings"]["missing"]
    assert any("Macro F1" in sentence for sentence in (newest_model(project) or {})["audit"]["unsaid"])


def test_a_project_with_no_model_or_no_labels_has_no_prospects(project: Project) -> None:
    assert prospects(project) == dict.fromkeys(("forecast", "savings", "agreement", "unsure", "worth"))
    assert learning_curve(project) == []
