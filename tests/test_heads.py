"""What a head guarantees: probabilities that are numbers and mean what they say, with few, many or unused labels."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.arrays import Bools, Floats, Ints
from core.errors import BadInput
from core.models.heads.calibration import expected_error, weights_by_doubt
from core.models.heads.head import Head, LabelledVectors, cross_fit, fit_head
from core.models.heads.kind import NeighbourGraph, WeakRecords
from core.models.heads.logistic import Examples, fit_linear, softmax_loss
from core.models.heads.neighbour_graph import Graph, neighbour_graph

DIMS = 16


def texts(records: int, labels: int, noise: float = 0.6, seed: int = 0) -> tuple[Floats, Ints, Floats]:
    """(unit vectors, true labels, one centre a label), as an encoder gives for texts on a few subjects."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(1).normal(size=(labels, DIMS))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    truth = rng.integers(labels, size=records)
    vectors = centres[truth] + noise * rng.normal(size=(records, DIMS)) / np.sqrt(DIMS) * 2
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), truth, centres


def labelled_vectors_of(
    vectors: Floats, truth: Ints, labels: int, multi: bool = False, names: Floats | None = None
) -> LabelledVectors:
    return LabelledVectors(vectors, np.eye(labels)[truth], tuple(f"label-{n}" for n in range(labels)), multi, names)


def around(vectors: Floats) -> NeighbourGraph:
    graph = neighbour_graph(vectors, np.arange(len(vectors)), np.random.default_rng(0))
    return NeighbourGraph(graph, vectors[graph.rows].astype(np.float32))


def train_rows(labelled_vectors: LabelledVectors, neighbour_graph: NeighbourGraph | None = None) -> Head:
    return fit_head(labelled_vectors, neighbour_graph, np.random.default_rng(0))


@settings(max_examples=40, deadline=None)
@given(
    records=st.integers(0, 40),
    labels=st.integers(1, 6),
    used=st.integers(1, 6),
    multi=st.booleans(),
    named=st.booleans(),
    near=st.booleans(),
    seed=st.integers(0, 50),
)
def test_probabilities_are_always_numbers_between_0_and_1(
    records: int, labels: int, used: int, multi: bool, named: bool, near: bool, seed: int
) -> None:
    vectors, truth, centres = texts(records + 30, labels, seed=seed)
    names = centres.astype(np.float32) if named else None
    labelled_vectors = labelled_vectors_of(vectors[:records], truth[:records] % min(used, labels), labels, multi, names)
    probs = train_rows(labelled_vectors, around(vectors) if near else None).predict(vectors)
    assert probs.dtype == np.float32
    assert probs.shape == (len(vectors), labels)
    assert ((probs >= 0) & (probs <= 1)).all()
    if not multi:
        np.testing.assert_allclose(probs.sum(axis=1), 1, rtol=1e-4)


@pytest.mark.parametrize("multi", [False, True])
def test_the_same_training_set_gives_the_same_head(multi: bool) -> None:
    vectors, truth, _ = texts(200, 4)
    first, again = (
        train_rows(labelled_vectors_of(vectors[:50], truth[:50], 4, multi), around(vectors)) for _ in range(2)
    )
    np.testing.assert_array_equal(first.weights, again.weights)
    assert (first.temperature, first.calibration_error) == (again.temperature, again.calibration_error)


def test_the_solver_agrees_with_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    vectors, truth, _ = texts(300, 5, noise=1.0)
    theirs = LogisticRegression(C=10, max_iter=2000, tol=1e-8).fit(vectors, truth).predict_proba(vectors)
    ones = np.ones((300, 1), dtype=np.float32)
    matrix = fit_linear(Examples(vectors, np.eye(5, dtype=np.float32)[truth], ones), softmax_loss, 10.0)
    ours = np.exp(vectors @ matrix[:, :-1].T + matrix[:, -1])
    np.testing.assert_allclose(ours / ours.sum(axis=1, keepdims=True), theirs, atol=0.01)


def test_a_head_learns_from_three_records_a_label_and_its_neighbours() -> None:
    vectors, truth, _ = texts(600, 6)
    shown = np.concatenate([np.flatnonzero(truth == label)[:3] for label in range(6)])
    head = train_rows(labelled_vectors_of(vectors[shown], truth[shown], 6), around(vectors))
    assert (head.predict(vectors).argmax(axis=1) == truth).mean() > 0.85


def test_without_labels_every_label_is_as_likely() -> None:
    vectors, truth, _ = texts(20, 4)
    single = train_rows(labelled_vectors_of(vectors[:0], truth[:0], 4)).predict(vectors)
    several = train_rows(labelled_vectors_of(vectors[:0], truth[:0], 4, multi=True)).predict(vectors)
    np.testing.assert_allclose(single, 0.25, rtol=1e-5)
    np.testing.assert_allclose(several, 0.25, rtol=1e-5)


def test_without_labels_their_names_already_sort_records() -> None:
    vectors, truth, centres = texts(300, 5)
    head = train_rows(labelled_vectors_of(vectors[:0], truth[:0], 5, names=centres.astype(np.float32)), around(vectors))
    assert (head.predict(vectors).argmax(axis=1) == truth).mean() > 0.8


def test_after_one_label_only_that_label_is_likely_but_not_certain() -> None:
    vectors, truth, _ = texts(8, 3)
    probs = train_rows(labelled_vectors_of(vectors, 0 * truth + 1, 3), around(vectors)).predict(vectors)
    np.testing.assert_allclose(probs[:, 1], 9 / 11, rtol=1e-4)


@pytest.mark.parametrize("multi", [False, True])
def test_a_label_nobody_has_used_stays_possible_and_unlikely(multi: bool) -> None:
    vectors, truth, _ = texts(200, 4)
    probs = train_rows(labelled_vectors_of(vectors, truth % 3, 4, multi), around(vectors)).predict(vectors)
    assert 0.0001 < probs[:, 3].mean() < 0.05


def test_hundreds_of_labels_are_distinguished() -> None:
    vectors, truth, _ = texts(1500, 200, noise=0.2)
    head = train_rows(labelled_vectors_of(vectors[:900], truth[:900], 200), around(vectors))
    assert (head.predict(vectors[900:]).argmax(axis=1) == truth[900:]).mean() > 0.7


def test_several_labels_may_hold_at_once() -> None:
    vectors, truth, centres = texts(600, 4)
    other = (truth + 1) % 4
    both = (vectors + centres[other]).astype(np.float32)
    both /= np.linalg.norm(both, axis=1, keepdims=True)
    targets = np.eye(4)[truth] + np.eye(4)[other]
    head = train_rows(LabelledVectors(both[:200], targets[:200], ("a", "b", "c", "d"), multi=True), around(both))
    right = (head.predict(both[200:]) >= 0.5) == (targets[200:] == 1)
    assert right.mean() > 0.85


def test_pseudo_labels_do_not_make_a_head_overconfident() -> None:
    vectors, truth, _ = texts(1200, 4, noise=1.1)
    head = train_rows(labelled_vectors_of(vectors[:200], truth[:200], 4), around(vectors))
    probs = head.predict(vectors[200:])
    stated, right = probs.max(axis=1).mean(), (probs.argmax(axis=1) == truth[200:]).mean()
    assert stated - right < 0.06
    assert head.calibration_error is not None


def test_labels_given_at_random_earn_no_confidence() -> None:
    vectors, truth, _ = texts(800, 4)
    dice = np.random.default_rng(7).permutation(truth)
    head = train_rows(labelled_vectors_of(vectors[:200], dice[:200], 4), around(vectors))
    assert head.predict(vectors[200:]).max(axis=1).mean() < 0.5


def test_calibration_error_is_the_gap_between_stated_and_right() -> None:
    probs = np.array([[0.8, 0.2]] * 10)
    targets = np.eye(2)[[0] * 6 + [1] * 4]
    assert expected_error(probs, targets, np.ones(10), multi=False) == pytest.approx(0.2)


def test_predictions_do_not_depend_on_the_chunk_or_the_file(tmp_path: Path) -> None:
    vectors, truth, _ = texts(9000, 3)
    head = train_rows(labelled_vectors_of(vectors[:60], truth[:60], 3))
    np.save(tmp_path / "vectors.npy", vectors.astype(np.float16))
    mapped = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    rows = np.array([8999, 3, 8200], dtype=np.int64)
    np.testing.assert_allclose(head.predict(mapped), head.predict(vectors), atol=5e-3)
    np.testing.assert_allclose(head.predict(mapped, rows), head.predict(mapped)[rows], rtol=1e-5)


@pytest.mark.parametrize("multi", [False, True])
@pytest.mark.parametrize("labels", [2, 3, 64])
def test_a_prediction_that_people_compare_is_the_same_to_the_bit_wherever_its_record_stands(
    labels: int, multi: bool
) -> None:
    rng = np.random.default_rng(0)
    weights, bias = rng.normal(size=(labels, 384)).astype(np.float32), rng.normal(size=labels).astype(np.float32)
    head = Head(weights, bias, 1.3, tuple(map(str, range(labels))), multi)
    vectors = rng.normal(size=(100, 384)).astype(np.float16)
    together = head.predict_each(vectors)
    assert np.allclose(together, head.predict(vectors), atol=1e-4)
    for first, last in ((0, 1), (1, 4), (5, 100), (37, 85)):
        assert np.array_equal(head.predict_each(vectors[first:last]), together[first:last])


def test_margins_that_are_alike_in_the_pool_leave_weights_that_are_numbers() -> None:
    assert weights_by_doubt(np.array([0.55]), np.array([0.5] * 5 + [0.6] * 5)) == pytest.approx([1])


def test_vectors_that_do_not_fit_are_refused() -> None:
    vectors, truth, _ = texts(40, 3)
    head = train_rows(labelled_vectors_of(vectors, truth, 3))
    with pytest.raises(BadInput, match="vectors of 16 numbers"):
        head.predict(vectors[:, :8])
    with pytest.raises(BadInput, match="do not fit"):
        train_rows(LabelledVectors(vectors, np.eye(3)[truth[:20]], ("a", "b", "c")))
    vectors[3, 2] = np.nan
    with pytest.raises(BadInput, match="NaN or infinity"):
        train_rows(labelled_vectors_of(vectors, truth, 3))


def test_a_graph_names_the_nearest_and_never_oneself() -> None:
    vectors, _, _ = texts(300, 4)
    vectors[:40] = vectors[0]  # more duplicates than neighbours
    graph = neighbour_graph(vectors, np.arange(300), np.random.default_rng(0))
    assert (graph.neighbours != np.arange(300)[:, None]).all()
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -1)
    np.testing.assert_allclose(graph.cosines, -np.sort(-cosines, axis=1)[:, :10], atol=1e-5)


@pytest.mark.parametrize("records", [1, 2, 5])
def test_a_graph_of_almost_nothing_still_trains(records: int) -> None:
    vectors, truth, _ = texts(records, 2)
    neighbour_graph = around(vectors)
    assert isinstance(neighbour_graph.graph, Graph)
    head = train_rows(labelled_vectors_of(vectors, np.arange(records) % 2, 2), neighbour_graph)
    assert np.isfinite(head.predict(vectors)).all()
    assert truth.shape == (records,)


def test_an_out_of_fold_prediction_does_not_know_the_label() -> None:
    """Labels by lot on texts that say nothing: a head that had seen them would be right far more often than chance."""
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(120, DIMS)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    truth = rng.integers(4, size=120)
    labelled_vectors, everybody = labelled_vectors_of(vectors, truth, 4), np.ones(120, bool)
    fitted = cross_fit(labelled_vectors, around(vectors), everybody, np.random.default_rng(0))
    head, held_out = fitted.head, fitted.outputs
    assert held_out is not None
    assert (held_out.argmax(axis=1) == truth).mean() < 0.4
    assert (head.predict(vectors).argmax(axis=1) == truth).mean() > 0.5


def test_changing_a_label_leaves_the_verdict_on_its_own_record_as_it_was() -> None:
    vectors, truth, _ = texts(60, 3)
    labelled_vectors, everybody = labelled_vectors_of(vectors, truth, 3), np.ones(60, bool)
    before = cross_fit(labelled_vectors, around(vectors), everybody, np.random.default_rng(0)).outputs
    truth[7] = (truth[7] + 1) % 3
    after = cross_fit(
        labelled_vectors_of(vectors, truth, 3), around(vectors), everybody, np.random.default_rng(0)
    ).outputs
    assert before is not None
    assert after is not None
    first, second = (np.log(probs[7]) - np.log(probs[7]).mean() for probs in (before, after))
    temperature = first[0] / second[0]  # of all held-out records, so it may differ a little
    assert temperature == pytest.approx(1, abs=0.5)
    assert first == pytest.approx(second * temperature, abs=1e-3)


def test_records_that_are_not_evaluated_still_calibrate_where_few_are() -> None:
    vectors, truth, _ = texts(80, 3)
    nobody = np.zeros(80, bool)
    fitted = cross_fit(labelled_vectors_of(vectors, truth, 3), around(vectors), nobody, np.random.default_rng(0))
    assert fitted.head.calibration_error is not None
    assert fitted.outputs is not None
    assert fitted.outputs.shape == (0, 3)
    assert fitted.records.shape == (0,)


@pytest.mark.parametrize(("records", "fewest_learnt_from"), [(12, 11), (100, 95), (400, 360), (1000, 800)])
def test_with_few_labels_out_of_fold_heads_train_on_nearly_all(records: int, fewest_learnt_from: int) -> None:
    vectors, truth, _ = texts(records, 3)
    everybody = np.ones(records, np.bool_)
    fitted = cross_fit(labelled_vectors_of(vectors, truth, 3), None, everybody, np.random.default_rng(0))
    assert fitted.records.shape == (records,)
    assert fitted.records.min() == fewest_learnt_from


@pytest.mark.parametrize("multi", [False, True])
def test_a_language_models_answers_teach_by_their_weight_and_are_never_evaluated(multi: bool) -> None:
    labels = 5
    vectors, truth, _ = texts(600, labels, noise=1.0)
    few = labelled_vectors_of(vectors[:15], truth[:15], labels, multi)
    others = np.eye(labels, dtype=np.bool_)[truth[15:315]]

    def accuracy(weight: float, answers: Bools) -> float:
        weak = WeakRecords(vectors[15:315], answers, np.full(300, weight))
        fitted = cross_fit(replace(few, weak=weak), None, np.ones(15, np.bool_), np.random.default_rng(0))
        assert fitted.outputs is not None
        assert len(fitted.outputs) == 15
        return float((fitted.head.predict(vectors[315:]).argmax(axis=1) == truth[315:]).mean())

    plain = float((train_rows(few).predict(vectors[315:]).argmax(axis=1) == truth[315:]).mean())
    right, none, wrong = accuracy(0.4, others), accuracy(0.0, others), accuracy(0.4, np.roll(others, 1, axis=1))
    assert right > plain + 0.05
    assert none == pytest.approx(plain, abs=0.02)
    assert wrong < plain
