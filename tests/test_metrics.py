"""Scores and intervals against values that are known, and against the truth in simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from core.metrics import macro_f1, score, share


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
