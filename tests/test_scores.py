"""Scores and intervals against values that are known, and against the truth in simulation."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from core.evaluation.audit import Weights
from core.evaluation.scores import exact, macro_f1, score, share


def one_hot(labels: list[int], count: int) -> np.ndarray:
    """(n, count) bool."""
    return np.eye(count, dtype=np.bool_)[labels]


def test_wilson_interval_matches_published_values() -> None:
    matches = share(81, 263)  # Newcombe 1998, table I: 0.2553 to 0.3662
    assert matches.low == pytest.approx(0.2553, abs=5e-5)
    assert matches.high == pytest.approx(0.3662, abs=5e-5)
    assert (share(0, 20).low, round(share(0, 20).high, 4)) == (0.0, 0.1611)


def test_clopper_pearson_interval_matches_published_values() -> None:
    matches = exact(81 / 263, 263)  # Newcombe 1998, table I: 0.2527 to 0.3676
    assert (matches.low, matches.high) == pytest.approx((0.2527, 0.3676), abs=5e-5)
    assert (exact(0, 20).low, round(exact(0, 20).high, 4)) == (0.0, 0.1684)


def test_nothing_known_is_reported_as_zero_to_one() -> None:
    assert (share(0, 0).low, share(0, 0).high) == (0.0, 1.0)


def test_macro_f1_by_hand() -> None:
    truth, message = one_hot([0, 0, 1, 1, 2], 4), one_hot([0, 1, 1, 1, 0], 4)
    assert macro_f1(truth, message) == pytest.approx((0.5 + 0.8 + 0.0) / 3)  # the label in neither is left out


@given(some.lists(some.tuples(some.integers(0, 3), some.integers(0, 3)), min_size=1, max_size=60))
def test_every_estimate_lies_in_its_interval_and_between_zero_and_one(pairs: list[tuple[int, int]]) -> None:
    matches = score(one_hot([pair[0] for pair in pairs], 4), one_hot([pair[1] for pair in pairs], 4))
    for estimate in (matches.accuracy, matches.macro_f1, matches.micro_f1):
        assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
    assert matches.micro_f1.value == pytest.approx(matches.accuracy.value)  # one label each: they are the same


def test_the_accuracy_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    held = 0
    for _ in range(1000):
        hits = int(rng.binomial(60, 0.8))
        matches = share(hits, 60)
        held += matches.low <= 0.8 <= matches.high
    assert 930 <= held <= 980


@pytest.mark.parametrize("n", [1, 4, 10, 20, 100])
def test_all_right_claims_no_certainty(n: int) -> None:
    truth = one_hot([number % 2 for number in range(n)], 2)
    matches = score(truth, truth)
    for estimate in (matches.macro_f1, matches.micro_f1):
        assert estimate.value == estimate.high == 1
        assert estimate.low <= 1 - 2 / (n + 4)
    nothing = score(truth, ~truth)
    assert nothing.macro_f1.high > 0 == nothing.macro_f1.value


def test_too_few_records_per_label_say_nothing_about_macro_f1() -> None:
    matches = score(one_hot(list(range(20)), 20), one_hot(list(range(20)), 20))
    assert (matches.macro_f1.low, matches.macro_f1.high) == (0.0, 1.0)
    assert matches.micro_f1.low > 0.5


@pytest.mark.parametrize(("n", "labels", "right"), [(10, 2, 0.9), (20, 2, 0.98), (20, 4, 0.9), (50, 4, 0.95)])
def test_the_f1_intervals_hold_the_truth_about_as_often_as_they_say(n: int, labels: int, right: float) -> None:
    """Labels are equally frequent and mistakes equally likely, so that both F1 are the share that is right."""
    rng = np.random.default_rng(5)
    macro = micro = 0
    for _ in range(200):
        truth = rng.integers(0, labels, n)
        message = np.where(rng.random(n) < right, truth, (truth + rng.integers(1, labels, n)) % labels)
        matches = score(one_hot(truth.tolist(), labels), one_hot(message.tolist(), labels))
        macro += matches.macro_f1.low <= right <= matches.macro_f1.high
        micro += matches.micro_f1.low <= right <= matches.micro_f1.high
    assert macro >= 186
    assert micro >= 186


def test_figures_of_a_label_by_hand() -> None:
    truth, message = one_hot([0, 0, 0, 1, 1, 2], 4), one_hot([0, 0, 1, 1, 0, 2], 4)
    first, _, _, never = score(truth, message, labels="abcd").per_label.values()
    assert first.precision is not None
    assert first.recall is not None
    assert first.f1 is not None
    assert (first.precision.value, first.recall.value, first.f1.value) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert (first.precision.low, first.precision.high) == pytest.approx((share(2, 3).low, share(2, 3).high))
    assert first.prevalence is not None
    assert (first.prevalence.value, first.prevalence.low) == pytest.approx((0.5, exact(0.5, 6).low))
    assert first.records == 3
    assert (never.precision, never.recall, never.f1, never.records) == (None, None, None, 0)


def test_a_label_that_was_never_seen_has_an_upper_bound() -> None:
    never = score(one_hot([0] * 100, 2), one_hot([0] * 100, 2), labels="ab").per_label["b"]
    assert never.prevalence is not None
    assert never.prevalence.value == never.prevalence.low == 0
    assert never.prevalence.high == pytest.approx(0.0362, abs=5e-5)  # 1 - 0.025 ** (1 / 100)


def test_what_cannot_be_estimated_is_reported_with_what_it_would_take() -> None:
    matches = score(one_hot([0, 1, 2, 0], 4), one_hot([0, 1, 2, 1], 4)).unsaid
    assert matches[0].startswith("Macro F1: too few records to say: about 11 more")
    assert matches[1].startswith("1 of 4 labels")
    plenty = one_hot([number % 2 for number in range(40)], 2)
    assert score(plenty, plenty).unsaid == ()


def test_a_score_can_be_written_as_json() -> None:
    nothing = np.zeros((0, 3), np.bool_)
    some_labels = one_hot([0, 1, 0], 3)
    for truth in (nothing, some_labels):
        json.dumps(asdict(score(truth, truth)), allow_nan=False)


def test_micro_f1_of_several_labels_is_no_accuracy() -> None:
    truth = np.array([[True, True], [True, False], [False, False]])
    message = np.array([[True, False], [True, False], [False, False]])
    matches = score(truth, message)
    assert matches.accuracy.value == pytest.approx(2 / 3)
    assert matches.micro_f1.value == pytest.approx(4 / 5)


def test_records_that_represent_themselves_have_an_uncertainty_of_their_own() -> None:
    """A hundred records, half of them asked and wrong, ten drawn from the others and right: not 50 % (35 to 50)."""
    known, drawn = np.repeat([0.01, 0.0], [50, 10]), np.repeat([False, True], [50, 10])
    weights = Weights(known + drawn * 0.05, known, drawn, 12.5, 100, 0)
    truth, right = one_hot([0] * 60, 2), np.ones(60, np.int64)
    right[:50] = 0
    matches = score(truth, one_hot((1 - right).tolist(), 2), weights).accuracy
    drawn_alone, known_alone = exact(1.0, 12.5), exact(0.0, 50)
    assert matches.value == pytest.approx(0.5)
    assert (matches.low, matches.high) == pytest.approx((drawn_alone.low / 2, 0.5 + known_alone.high / 2))
