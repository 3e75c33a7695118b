"""Scores and intervals against values that are known, and against the truth in simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from core.measuring.scores import macro_f1, score, share


def one_hot(labels: list[int], count: int) -> np.ndarray:
    """(n, count) bool."""
    return np.eye(count, dtype=np.bool_)[labels]


def test_wilson_interval_matches_published_values() -> None:
    found = share(81, 263)  # Newcombe 1998, table I: 0.2553 to 0.3662
    assert found.low == pytest.approx(0.2553, abs=5e-5)
    assert found.high == pytest.approx(0.3662, abs=5e-5)
    assert (share(0, 20).low, round(share(0, 20).high, 4)) == (0.0, 0.1611)


def test_nothing_known_is_said_as_zero_to_one() -> None:
    assert (share(0, 0).low, share(0, 0).high) == (0.0, 1.0)


def test_macro_f1_by_hand() -> None:
    truth, said = one_hot([0, 0, 1, 1, 2], 4), one_hot([0, 1, 1, 1, 0], 4)
    assert macro_f1(truth, said) == pytest.approx((0.5 + 0.8 + 0.0) / 3)  # the label in neither is left out


@given(some.lists(some.tuples(some.integers(0, 3), some.integers(0, 3)), min_size=1, max_size=60))
def test_every_estimate_lies_in_its_interval_and_between_zero_and_one(pairs: list[tuple[int, int]]) -> None:
    found = score(one_hot([pair[0] for pair in pairs], 4), one_hot([pair[1] for pair in pairs], 4))
    for estimate in (found.accuracy, found.macro_f1, found.micro_f1):
        assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
    assert found.micro_f1.value == pytest.approx(found.accuracy.value)  # one label each: they are the same


def test_the_accuracy_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    held = 0
    for _ in range(1000):
        hits = int(rng.binomial(60, 0.8))
        found = share(hits, 60)
        held += found.low <= 0.8 <= found.high
    assert 930 <= held <= 980


@pytest.mark.parametrize("n", [1, 4, 10, 20, 100])
def test_all_right_claims_no_certainty(n: int) -> None:
    truth = one_hot([number % 2 for number in range(n)], 2)
    found = score(truth, truth)
    for estimate in (found.macro_f1, found.micro_f1):
        assert estimate.value == estimate.high == 1
        assert estimate.low <= 1 - 2 / (n + 4)
    nothing = score(truth, ~truth)
    assert nothing.macro_f1.high > 0 == nothing.macro_f1.value


def test_too_few_records_per_label_say_nothing_about_macro_f1() -> None:
    found = score(one_hot(list(range(20)), 20), one_hot(list(range(20)), 20))
    assert (found.macro_f1.low, found.macro_f1.high) == (0.0, 1.0)
    assert found.micro_f1.low > 0.5


@pytest.mark.parametrize(("n", "labels", "right"), [(10, 2, 0.9), (20, 2, 0.98), (20, 4, 0.9), (50, 4, 0.95)])
def test_the_f1_intervals_hold_the_truth_about_as_often_as_they_say(n: int, labels: int, right: float) -> None:
    """Labels are equally frequent and mistakes equally likely, so that both F1 are the share that is right."""
    rng = np.random.default_rng(5)
    macro = micro = 0
    for _ in range(200):
        truth = rng.integers(0, labels, n)
        said = np.where(rng.random(n) < right, truth, (truth + rng.integers(1, labels, n)) % labels)
        found = score(one_hot(truth.tolist(), labels), one_hot(said.tolist(), labels))
        macro += found.macro_f1.low <= right <= found.macro_f1.high
        micro += found.micro_f1.low <= right <= found.micro_f1.high
    assert macro >= 186
    assert micro >= 186
