"""The difference of two models on the same records: by hand, as laws, and against the truth in simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from core.arrays import Bools
from core.evaluation.audit import Weights, equal_weights
from core.evaluation.paired import paired
from core.evaluation.scores import score

TRIPLES = some.lists(some.tuples(*[some.integers(0, 3)] * 3), min_size=1, max_size=60)


def one_hot(labels: list[int] | np.ndarray, count: int) -> Bools:
    """(n, count) bool."""
    return np.eye(count, dtype=np.bool_)[np.asarray(labels, np.int64)]


@settings(deadline=None, max_examples=40)
@given(TRIPLES)
def test_the_difference_is_that_of_the_two_scores_and_lies_in_its_interval(triples: list[tuple[int, int, int]]) -> None:
    truth, first, second = (one_hot(list(side), 4) for side in zip(*triples, strict=True))
    matches = paired(truth, first, second)
    for name in ("accuracy", "macro_f1"):
        difference = getattr(matches, name)
        alone = [getattr(score(truth, message), name).value for message in (first, second)]
        assert (difference.first, difference.second) == pytest.approx(tuple(alone))
        assert difference.value == pytest.approx(alone[1] - alone[0])
        assert -1 <= difference.low <= difference.value <= difference.high <= 1


@settings(deadline=None, max_examples=20)
@given(TRIPLES)
def test_swapping_the_models_turns_the_values_round(triples: list[tuple[int, int, int]]) -> None:
    truth, first, second = (one_hot(list(side), 4) for side in zip(*triples, strict=True))
    matches, turned = paired(truth, first, second), paired(truth, second, first)
    assert matches.accuracy.value == pytest.approx(-turned.accuracy.value)
    assert (matches.only_first, matches.only_second) == (turned.only_second, turned.only_first)
    assert matches.macro_f1.value == pytest.approx(-turned.macro_f1.value)


def test_the_same_seed_gives_the_same_interval_and_another_nearly_the_same() -> None:
    rng = np.random.default_rng(0)
    truth, first, second = (one_hot(rng.integers(0, 2, 100), 2) for _ in range(3))
    assert paired(truth, first, second, seed=3) == paired(truth, first, second, seed=3)
    one, other = (paired(truth, first, second, seed=seed).accuracy for seed in (3, 4))
    assert one.low == pytest.approx(other.low, abs=0.03)


def test_two_models_that_never_differ_are_not_reported_to_be_equal_for_certain() -> None:
    truth = one_hot([0, 1] * 30, 2)
    matches = paired(truth, truth, truth)
    assert matches.accuracy.value == 0
    assert matches.accuracy.low < -0.01 < 0.01 < matches.accuracy.high
    assert matches.accuracy.better is None


def test_a_model_that_is_right_where_the_other_errs_is_better() -> None:
    truth = one_hot([0, 1] * 50, 2)
    worse = truth.copy()
    worse[:20] = ~worse[:20]
    matches = paired(truth, worse, truth)
    assert (matches.accuracy.better, matches.macro_f1.better) == ("second", "second")
    assert (matches.only_first, matches.only_second) == (0, 20)
    assert paired(truth, truth, worse).accuracy.better == "first"


def test_what_is_hard_for_both_does_not_blur_the_difference() -> None:
    """Both err on the same half; judged apart, either could be far better."""
    truth = one_hot([0, 1] * 50, 2)
    both = truth.copy()
    both[:50] = ~both[:50]
    alone = score(truth, both).accuracy
    together = paired(truth, both, both).accuracy
    assert together.high - together.low < (alone.high - alone.low) / 2


def test_too_few_records_per_label_say_nothing_about_macro_f1_and_how_many_more_it_takes() -> None:
    matches = paired(one_hot(np.arange(8), 8), one_hot(np.arange(8), 8), one_hot([0] * 8, 8))
    assert (matches.macro_f1.low, matches.macro_f1.high) == (-1, 1)
    assert "32 more" in matches.unsaid[0]
    assert matches.accuracy.better == "first"


def test_no_drawn_record_says_nothing() -> None:
    nobody = Weights(np.zeros(4), np.zeros(4), np.zeros(4, np.bool_), 0.0, 50, 50)
    truth = one_hot([0, 1, 0, 1], 2)
    matches = paired(truth, truth, ~truth, nobody)
    assert (matches.accuracy.low, matches.accuracy.high, matches.n) == (-1, 1, 0)
    assert matches.unsaid


def test_where_all_is_known_the_difference_is_certain() -> None:
    all_asked = Weights(np.full(10, 0.1), np.full(10, 0.1), np.ones(10, np.bool_), float("inf"), 10, 0)
    truth = one_hot([0, 1] * 5, 2)
    message = truth.copy()
    message[0] = ~message[0]
    matches = paired(truth, message, truth, all_asked)
    assert matches.accuracy.low == matches.accuracy.high == pytest.approx(0.1)


def test_records_count_by_what_they_stand_for() -> None:
    truth = one_hot([0, 1] * 10, 2)
    second = truth.copy()
    second[0] = ~second[0]
    heavy = equal_weights(20).weight.copy()
    heavy[0] = 1.0
    weights = Weights(heavy / heavy.sum(), np.zeros(20), np.ones(20, np.bool_), 3.0, None, 0)
    assert paired(truth, truth, second, weights).accuracy.value == pytest.approx(-heavy[0] / heavy.sum())


@pytest.mark.parametrize(("n", "gain", "loss"), [(50, 0.1, 0.02), (100, 0.05, 0.05), (200, 0.03, 0.01)])
def test_the_interval_holds_the_truth_about_as_often_as_it_says(n: int, gain: float, loss: float) -> None:
    """Labels are equally frequent and mistakes equally likely, so that both measures have the same true difference."""
    rng = np.random.default_rng(11)
    held = np.zeros(2)
    for seed in range(120):
        truth = rng.integers(0, 3, n)
        kind = rng.choice(4, n, p=[0.7, gain, loss, 0.3 - gain - loss])
        first = np.where((kind == 0) | (kind == 2), truth, (truth + rng.integers(1, 3, n)) % 3)
        second = np.where(kind <= 1, truth, (truth + rng.integers(1, 3, n)) % 3)
        matches = paired(one_hot(truth, 3), one_hot(first, 3), one_hot(second, 3), seed=seed)
        held += [one.low <= gain - loss <= one.high for one in (matches.accuracy, matches.macro_f1)]
    assert (held >= 0.9 * 120).all()
