"""Drift is found where it is, and not made up where chance or the strategy alone parts the figures."""

import numpy as np

from core.evaluation.audit import PoolHistory, equal_weights
from core.evaluation.drift import between_rounds, between_sources, mixes

NAMES = ("no", "yes")


def one_hot(labels: np.ndarray) -> np.ndarray:
    """(n, 2) bool."""
    return np.eye(2, dtype=np.bool_)[labels.astype(np.int64)]


def rounds(rng: np.random.Generator, shift: float) -> tuple[PoolHistory, np.ndarray, np.ndarray]:
    """(history, truth, said) of 2,000 records: four draws of 30 at random and the 100 likeliest to be wrong.

    shift: how much likelier people say 'yes' from the third draw on.
    """
    doubt = rng.random(2000)
    wrong, left, audited = rng.random(2000) < 0.4 * doubt, np.full(2000, -1), np.zeros(2000, np.bool_)
    truth = rng.random(2000) < 0.3 + 0.3 * doubt
    for draw in range(4):
        drawn = rng.choice(np.flatnonzero(left < 0), 30, replace=False)
        left[drawn], audited[drawn] = draw, True
        rest = np.flatnonzero(left < 0)
        left[rest[np.argsort(-doubt[rest])][:100]] = draw
    indices = np.flatnonzero(left >= 0)
    one = np.zeros(1, np.int64)
    history = PoolHistory(one + 2000, one, np.zeros(len(indices), np.int64), left[indices], audited[indices])
    late = (left[indices] > 1) & (rng.random(len(indices)) < shift)
    message = truth[indices] ^ wrong[indices]
    return history, one_hot(truth[indices] | late), one_hot(message)


def claimed(shift: float) -> float:
    """Share of 40 projects in which drift is claimed."""
    rng = np.random.default_rng(1)
    return float(np.mean([bool(between_rounds(*rounds(rng, shift), NAMES).claims) for _ in range(40)]))


def test_that_the_strategy_took_the_hard_records_is_no_drift() -> None:
    assert claimed(0.0) <= 0.1


def test_people_who_label_otherwise_than_before_are_found() -> None:
    assert claimed(0.6) >= 0.8


def test_a_claim_gives_both_figures_and_its_p() -> None:
    matches = between_rounds(*rounds(np.random.default_rng(3), 0.8), NAMES)
    share = next(one for one in matches.differences if one.what == "yes")
    assert share.p < 0.05
    assert share.value_there.low > share.value_here.high
    assert any("the later rounds" in claim and "after correction" in claim for claim in matches.claims)


def test_with_one_round_or_few_records_drift_is_left_unsaid() -> None:
    one, none = np.zeros(1, np.int64), np.zeros(4, np.int64)
    single = PoolHistory(one + 90, one, none, none, np.ones(4, np.bool_))
    assert "two rounds" in between_rounds(single, one_hot(none), one_hot(none), NAMES).unsaid[0]
    few = PoolHistory(one + 90, one, none, np.array([0, 0, 1, 1]), np.ones(4, np.bool_))
    matches = between_rounds(few, one_hot(none), one_hot(none), NAMES)
    assert (matches.differences, matches.claims) == ((), ())
    assert "at least 10" in matches.unsaid[0]


def test_a_source_where_the_model_fails_is_named() -> None:
    rng = np.random.default_rng(0)
    sources = ["old.csv"] * 80 + ["new.csv"] * 40
    truth = rng.integers(0, 2, 120)
    message = truth ^ (np.arange(120) >= 80) & (rng.random(120) < 0.6)
    matches = between_sources(equal_weights(120), sources, one_hot(truth), one_hot(message), NAMES)
    assert matches.differences[0].what == "accuracy"
    assert matches.claims[0].startswith("Accuracy differs")
    assert "new.csv" in matches.claims[0]
    assert between_sources(equal_weights(2), ["a", "a"], one_hot(truth[:2]), one_hot(message[:2]), NAMES).unsaid == ()


def test_equal_sources_are_seldom_distinguished() -> None:
    rng, claims = np.random.default_rng(2), 0
    for _ in range(40):
        truth, sources = rng.integers(0, 2, 150), rng.choice(["a", "b", "c"], 150).tolist()
        message = truth ^ (rng.random(150) < 0.2)
        claims += bool(between_sources(equal_weights(150), sources, one_hot(truth), one_hot(message), NAMES).claims)
    assert claims <= 4


def test_suggestions_that_differ_by_source_are_described() -> None:
    suggested = np.repeat([0, 1, 0, 1], [90, 10, 40, 60])
    matches = mixes(suggested, np.repeat([0, 1], 100), ["old.csv", "new.csv"], NAMES)
    assert [(one.records, one.shares) for one in matches] == [(100, (0.9, 0.1)), (100, (0.4, 0.6))]
    assert matches[0].distance == 0.5
    assert matches[1].sentence is not None
    few = mixes(np.array([0, 1]), np.array([0, 1]), ["a", "b"], NAMES)
    assert few[0].sentence is None
