"""Top k, calibration, confusion and the bundle of all figures, against what can be counted by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from core.arrays import Bools
from core.evaluation.audit import Weights, equal_weights
from core.evaluation.held_out import HeldOutPredictions
from core.evaluation.known_truth import confusion, evaluate_predictions, rank_of_truth, reliability, top_accuracy
from core.evaluation.scores import MANY, group_alike, score
from core.tasks.labels import labels_space

Probs = np.ndarray
NAMES = {"a": "A", "b": "B", "c": "C"}
ROWS = some.lists(some.tuples(some.integers(0, 3), some.lists(some.floats(0, 1), min_size=4, max_size=4)), min_size=1)


def one_hot(labels: list[int] | np.ndarray, count: int) -> Bools:
    """(n, count) bool."""
    return np.eye(count, dtype=np.bool_)[np.asarray(labels, np.int64)]


def held_out(
    truth: Bools, predicted: Bools, probs: Probs | None = None, weights: Weights | None = None
) -> HeldOutPredictions:
    """As certain as the probabilities are."""
    certainty = None if probs is None else probs.max(axis=1).astype(np.float64)
    space = labels_space([str(column) for column in range(truth.shape[1])], several=True)
    rows = np.arange(len(truth))
    return HeldOutPredictions(space, rows, truth, predicted, weights or equal_weights(len(truth)), probs, certainty)


def judged(truth: Bools, probs: Probs) -> HeldOutPredictions:
    """As a model with one label per record says."""
    probs = np.asarray(probs, np.float32)
    best = one_hot(probs.argmax(axis=1), probs.shape[1])
    return held_out(truth, best, probs)


@settings(deadline=None, max_examples=40)
@given(ROWS)
def test_top_k_grows_with_k_and_top_1_is_accuracy(rows: list[tuple[int, list[float]]]) -> None:
    one = judged(one_hot([label for label, _ in rows], 4), np.array([probs for _, probs in rows]))
    matches = [top.value for top in top_accuracy(one, 10)]
    assert len(matches) == 4  # more labels there are not
    assert matches == sorted(matches)
    assert matches[0] == pytest.approx(one.right.mean())
    assert matches[-1] == pytest.approx(1)


@settings(deadline=None, max_examples=40)
@given(ROWS)
def test_the_rank_is_the_position_in_a_stable_sort(rows: list[tuple[int, list[float]]]) -> None:
    labels = np.array([label for label, _ in rows])
    probs = np.array([probs for _, probs in rows], np.float32)
    order = np.argsort(-probs, axis=1, kind="stable")
    assert rank_of_truth(one_hot(labels, 4), probs).tolist() == [
        row.tolist().index(label) + 1 for row, label in zip(order, labels, strict=True)
    ]


def test_a_label_that_the_model_does_not_know_is_never_among_its_predictions() -> None:
    probs = np.array([[0.6, 0.4, -1], [0.3, 0.7, -1]])
    one = judged(one_hot([2, 1], 3), probs)
    assert [top.value for top in top_accuracy(one, 3)] == [0.5, 0.5]  # and there are two to choose from


def test_of_several_true_labels_the_likeliest_counts_and_records_without_any_are_left_out() -> None:
    truth = np.array([[1, 0, 1], [0, 0, 0], [1, 0, 0]], np.bool_)
    probs = np.array([[0.2, 0.3, 0.9], [0.1, 0.1, 0.1], [0.5, 0.8, 0.6]], np.float32)
    one = held_out(truth, probs >= 0.5, probs)
    assert rank_of_truth(truth, probs).tolist()[::2] == [1, 3]
    assert [top.value for top in top_accuracy(one, 3)] == pytest.approx([0.5, 0.5, 1.0])


def test_where_only_decisions_are_known_there_is_no_top_k_and_no_calibration() -> None:
    truth = one_hot([0, 1, 1], 2)
    matches = evaluate_predictions(held_out(truth, truth), "ab", NAMES)
    assert matches.top == ()
    assert matches.reliability is None
    assert matches.score.accuracy.value == 1


def test_the_calibration_error_is_the_mean_distance_of_the_bins() -> None:
    stated = np.repeat([0.6, 0.9], 10)
    right = np.array([True] * 5 + [False] * 5 + [True] * 10)
    matches = reliability(stated, right, np.full(20, 0.05))
    assert matches is not None
    assert [one.stated for one in matches.bins] == pytest.approx([0.6, 0.9])
    assert [one.right for one in matches.bins] == pytest.approx([0.5, 1.0])
    assert [one.records for one in matches.bins] == [10, 10]
    assert matches.error == pytest.approx(0.1)
    assert all(one.low <= one.right <= one.high for one in matches.bins)


def test_one_calibrated_model_in_twenty_or_so_looks_worse_than_chance() -> None:
    rng, beyond = np.random.default_rng(2), 0
    for seed in range(60):
        stated = rng.beta(4, 1.5, 100)
        matches = reliability(stated, rng.random(100) < stated, np.ones(100), seed)
        assert matches is not None
        beyond += matches.error > matches.at_most
    assert 1 <= beyond <= 8


def test_a_model_that_is_too_sure_is_found_out() -> None:
    rng = np.random.default_rng(3)
    matches = reliability(np.full(200, 0.95), rng.random(200) < 0.8, np.ones(200))
    assert matches is not None
    assert matches.error > matches.at_most


@settings(deadline=None, max_examples=40)
@given(some.lists(some.tuples(some.integers(0, 2), some.integers(0, 2)), min_size=1))
def test_the_cells_of_a_confusion_add_up_to_the_records(pairs: list[tuple[int, int]]) -> None:
    truth, message = (one_hot(list(side), 3) for side in zip(*pairs, strict=True))
    cells = confusion(held_out(truth, message), "abc", NAMES)
    assert sum(cell.records for cell in cells) == len(pairs)
    assert sum(cell.share for cell in cells) == pytest.approx(1)
    assert {(cell.truth_id, cell.predicted_id): cell.records for cell in cells} == {
        ("abc"[true], "abc"[predicted]): pairs.count((true, predicted)) for true, predicted in set(pairs)
    }


def test_a_missed_label_is_paired_with_the_predicted_one_or_with_none() -> None:
    truth = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0]], np.bool_)
    message = np.array([[1, 0, 1], [0, 0, 0], [0, 0, 0]], np.bool_)
    cells = confusion(held_out(truth, message), "abc", NAMES)
    assert {(cell.truth, cell.predicted) for cell in cells} == {
        ("A", "A"),
        ("B", "C"),
        ("A", "none of them"),
        ("none of them", "none of them"),
    }


def test_records_that_represent_many_weigh_in_every_figure() -> None:
    weight = np.repeat([0.7, 0.1, 0.1, 0.1], 3) / 3
    weights = Weights(weight, np.zeros(12), np.ones(12, np.bool_), 6.0, 120, 0)
    truth, message = (one_hot(np.repeat(labels, 3).tolist(), 2) for labels in ([0, 1, 0, 1], [0, 0, 1, 0]))
    probs = np.where(message, 0.9, 0.1).astype(np.float32)
    matches = evaluate_predictions(held_out(truth, message, probs, weights), "ab", NAMES)
    assert matches.score.accuracy.value == matches.top[0].value == pytest.approx(0.7)
    assert {(cell.truth, cell.predicted): cell.share for cell in matches.confusion}["A", "A"] == pytest.approx(0.7)
    assert matches.reliability is not None
    assert matches.reliability.error == pytest.approx(0.2)


def test_records_that_are_alike_are_drawn_together_where_there_are_many() -> None:
    """Labels are equally frequent and mistakes equally likely, so both figures are the share that is right."""
    rng = np.random.default_rng(4)
    truth = rng.integers(0, 4, 2 * MANY)
    message = np.where(rng.random(2 * MANY) < 0.8, truth, rng.integers(0, 4, 2 * MANY))
    both = one_hot(truth, 4), one_hot(message, 4)
    firsts, counts = group_alike(np.hstack(both), np.ones(2 * MANY))
    assert (len(firsts), counts.sum()) == (16, 2 * MANY)
    matches = score(*both)
    width = matches.accuracy.high - matches.accuracy.low
    assert matches.macro_f1.high - matches.macro_f1.low == pytest.approx(width, rel=0.15)
