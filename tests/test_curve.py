"""Forecasts against curves that are known."""

import json
from dataclasses import asdict

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from hypothesis.extra.numpy import arrays

from core.arrays import Floats
from core.errors import Refused
from core.evaluation.curve import figure_means, fit_curve, forecast_of, lacking, sample_posterior
from core.evaluation.metrics import Forecast

LABELS = np.array([40, 80, 120, 160, 200, 240, 280, 320])


def error(labels: float) -> float:
    return float(0.05 + 1.2 * labels**-0.5)


def verdicts(audits: int, seed: int) -> np.ndarray:
    """(models, audits) of models on the curve `error`: each record is right once a model is good enough for it."""
    hard = np.random.default_rng(seed).random(audits)
    return np.array([hard > error(count) for count in LABELS])


def forecast(right: np.ndarray, labels: npt.ArrayLike, more: tuple[int, ...], seed: int = 0) -> Forecast:
    rng = np.random.default_rng(seed)
    return forecast_of(fit_curve(right, labels, np.ones(right.shape[1]), rng), right.shape[1], more, rng)


def test_a_forecast_says_what_is_missing() -> None:
    assert "10 audit records with a label, there are 4" in str(lacking(np.ones((5, 4)), np.arange(5) + 1))
    assert "3 different numbers of labels, there are 2" in str(lacking(np.ones((3, 40)), [20, 40, 40]))
    assert lacking(np.ones((3, 40)), [20, 40, 60]) is None
    assert lacking(np.ones((0, 0)), []) is not None
    with pytest.raises(Refused, match="audit records"):
        fit_curve(np.ones((5, 4)), np.arange(5) + 1, np.ones(4), np.random.default_rng(0))


def test_many_audit_records_find_the_curve() -> None:
    matches = forecast(verdicts(20_000, 1), LABELS, (100, 400))
    for gain in matches.gains:
        assert gain.mean == pytest.approx(error(320) - error(320 + gain.more), abs=0.005)
    assert matches.level.value == pytest.approx(1 - error(320), abs=0.01)
    assert matches.gains[0].sentence.startswith("100 more labels: +0.9 points, 95 % between +0.0 and ")


def test_the_band_holds_the_true_gain_about_as_often_as_it_says() -> None:
    held = 0
    for seed in range(40):
        gain = forecast(verdicts(60, seed), LABELS, (100,)).gains[0]
        held += gain.low <= error(320) - error(420) <= gain.high
    assert held >= 37


def test_all_right_claims_no_certainty() -> None:
    matches = forecast(np.ones((4, 12)), [20, 40, 60, 80], (100,))
    assert matches.level.low < 0.97
    assert matches.gains[0].high > 0.001


def test_the_covariance_is_the_bootstraps() -> None:
    figures, weight = verdicts(4000, 2)[:3].astype(float), np.random.default_rng(2).uniform(1, 2, 4000)
    rng = np.random.default_rng(3)
    drawn = [rng.integers(0, 4000, 4000) for _ in range(600)]
    means = [figures[:, rows] @ weight[rows] / weight[rows].sum() for rows in drawn]
    matches = figure_means(figures, weight)
    assert matches.mean == pytest.approx(figures @ weight / weight.sum())
    assert matches.covariance == pytest.approx(np.cov(np.array(means).T), rel=0.25)


def test_labels_may_differ_by_audit_record() -> None:
    table = np.repeat(LABELS[:, None], 50, axis=1)
    apart = forecast(verdicts(50, 4), table, (100,))
    assert apart.gains[0].mean == pytest.approx(forecast(verdicts(50, 4), LABELS, (100,)).gains[0].mean)


def test_a_curve_scored_held_out_is_about_the_model_itself() -> None:
    table, rng = np.repeat(0.8 * LABELS[:, None], 5000, axis=1), np.random.default_rng(0)
    right = np.array([np.random.default_rng(5).random(5000) > error(0.8 * count) for count in LABELS])
    judged, itself = (fit_curve(right, table, np.ones(5000), rng, now) for now in (None, 320.0))
    assert (judged.labels, itself.labels) == (256, 320)
    assert itself.error_now().mean() == pytest.approx(error(320), abs=0.01)
    assert itself.error_now().mean() < judged.error_now().mean()


def test_the_walk_draws_from_the_density() -> None:
    def density(draws: Floats) -> Floats:
        return np.asarray(-0.5 * (((draws - [3.0, -1.0]) / [0.2, 2.0]) ** 2).sum(axis=1))

    draws = sample_posterior(density, np.array([2.5, 0.0]), np.random.default_rng(0))
    assert draws.mean(axis=0) == pytest.approx([3.0, -1.0], abs=0.25)
    assert draws.std(axis=0) == pytest.approx([0.2, 2.0], rel=0.12)


@given(arrays(np.bool_, (4, 15)), some.integers(0, 5))
@settings(max_examples=25, deadline=None)
def test_any_verdicts_give_finite_ordered_figures(right: np.ndarray, seed: int) -> None:
    matches = forecast(right, [10, 20, 30, 40], (25, 1600), seed)
    json.dumps(asdict(matches), allow_nan=False)
    for gain in matches.gains:
        assert -1 <= gain.low <= gain.mean <= gain.high <= 1
    for labels, accuracy, low, high in matches.line:
        assert 10 <= labels <= 1641
        assert 0 <= low <= accuracy <= high <= 1
