"""Where the model stands: every model judged on the same records, what more would buy, and what it is worth."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from core import loop, simulate
from core.evaluation.metrics import Forecast, Missing
from core.labelling.changes import change_settings
from core.project import Project
from core.reports.model_quality import Prospects, learning_curve, newest_model, prospects
from tests.conftest import PlayRounds, copy_of, quiet

Truth = dict[str, tuple[str, ...]]


@pytest.fixture
def played(play_rounds: PlayRounds, tmp_path: Path) -> Iterator[Project]:
    """Four rounds of ten records, half of them audit."""
    with copy_of(play_rounds(4, 10, 0.5), tmp_path / "project") as project:
        yield project


def test_all_models_of_the_curve_are_scored_on_the_audit_records_of_today(played: Project) -> None:
    curve = learning_curve(played)
    audits = played.store.one("select count(*) from settled where stratum = 'audit'")
    assert [point.labels for point in curve] == [10, 20, 30, 40]
    assert [point.metrics.audit and point.metrics.audit.n for point in curve] == [audits] * 4
    assert all(point.metrics.gold and point.metrics.gold.n == 12 for point in curve)
    newest = newest_model(played)
    assert newest is not None
    assert newest.metrics.audit is not None
    assert curve[-1].metrics.audit == replace(newest.metrics.audit, per_label={}, unsaid=())


def test_a_model_of_another_taxonomy_has_no_score_on_the_audit_of_today(played: Project) -> None:
    change_settings(played, add_label="traffic")
    loop.fit(played, quiet)
    curve = learning_curve(played)
    assert [point.metrics.audit is None for point in curve] == [True] * 4 + [False]


def test_what_more_labels_buy_is_reported_with_a_band_and_is_worth_nothing_without_prices(played: Project) -> None:
    matches = prospects(played)
    assert isinstance(matches.forecast, Forecast)
    [gain] = [gain for gain in matches.forecast.gains if gain.more == 100]
    assert gain.low <= gain.mean <= gain.high
    assert matches.forecast.labels == 40
    assert matches.unsure is not None
    assert 0 <= matches.unsure <= 1
    assert matches.agreement is not None
    assert matches.agreement.kappa <= 1
    assert matches.worth is None
    change_settings(played, label_cost=1.0, error_cost=50.0, cost_unit="euro")
    worth = prospects(played).worth
    assert worth is not None
    assert worth.offers
    assert "euro" in worth.sentence
    assert worth.sentence.lower().strip(".!") != "yes"


def test_with_few_audit_labels_it_says_what_is_missing(project: Project, truth: Truth) -> None:
    change_settings(project, audit_share=0.2)
    simulate.simulate_rounds(project, truth, simulate.Budget(2, 10, "default"), quiet)
    matches = prospects(project)
    assert isinstance(matches.forecast, Missing)
    assert "needs 10 audit records" in matches.forecast.missing
    assert isinstance(matches.savings, Missing)
    assert "needs 20 audit records" in matches.savings.missing
    model = newest_model(project)
    assert model is not None
    assert model.metrics.audit is not None
    assert any("Macro F1" in sentence for sentence in model.metrics.audit.unsaid)


def test_a_project_with_no_model_or_no_labels_has_no_prospects(project: Project) -> None:
    assert prospects(project) == Prospects(None, None, None, None, None)
    assert learning_curve(project) == []
