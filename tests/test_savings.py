"""The savings meter in worlds where the saving is known."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from core.errors import Refused
from core.evaluation.metrics import Savings
from core.evaluation.savings import savings, simulate_random_arm

LABELS = np.array([25, 50, 100, 200, 300, 400])


def world(ratio: float, audits: int, seed: int) -> Savings:
    """Random labelling needs `ratio` times the labels of active learning. A record is right once a model is good
    enough for it.
    """
    rng = np.random.default_rng(seed)
    hard = rng.random(audits)

    def right(labels: float) -> np.ndarray:
        return np.asarray(hard > min(3 * labels**-0.7, 0.9))

    shadow = simulate_random_arm(audits, lambda rows: right(len(rows) / ratio), rng)
    return savings(np.array([right(count) for count in LABELS]), LABELS, np.ones(audits), shadow)


def test_a_great_saving_is_seen() -> None:
    matches = world(6.0, 300, 0)
    assert matches.verdict == "saved"
    assert matches.sentence.endswith("could name.") or matches.saved_high is not None
    assert matches.saved_low <= 5 * 400 <= (matches.saved_high or np.inf)


def test_active_learning_worse_than_random_is_reported() -> None:
    matches = world(0.2, 300, 1)
    assert matches.verdict == "worse"
    assert matches.sentence.startswith("No labels saved so far: random labelling would have done with")


def test_few_audit_records_cannot_tell() -> None:
    matches = world(1.0, 30, 2)
    assert matches.verdict == "unclear"
    assert matches.sentence.startswith("It is too early to say whether labels were saved")


@pytest.mark.parametrize("ratio", [0.5, 1.0, 2.0])
def test_the_interval_holds_the_true_saving_about_as_often_as_it_says(ratio: float) -> None:
    held = 0
    for seed in range(12):
        matches = world(ratio, 80, seed)
        held += matches.saved_low <= 400 * (ratio - 1) <= (matches.saved_high or np.inf)
    assert held >= 11


def test_no_shadow_model_scores_what_it_trained_on() -> None:
    train_rows: list[int] = []

    def teach(rows: np.ndarray) -> np.ndarray:
        train_rows.append(len(rows))
        return np.isin(np.arange(64), rows)  # right of its own records only

    shadow = simulate_random_arm(64, teach, np.random.default_rng(0))
    assert not shadow.right.any()
    assert len(train_rows) == 20
    assert shadow.labels == pytest.approx((51.2, 32, 16, 8), abs=0.1)


def test_the_meter_refuses_too_few_audit_records() -> None:
    with pytest.raises(Refused, match="20 audit records with a label, there are 19"):
        simulate_random_arm(19, lambda rows: np.ones(19), np.random.default_rng(0))


def test_the_meter_is_deterministic_and_can_be_stored() -> None:
    assert world(2.0, 40, 3) == world(2.0, 40, 3)
    json.dumps(asdict(world(2.0, 40, 3)), allow_nan=False)
