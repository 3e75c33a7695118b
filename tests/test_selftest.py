"""The sampler's self-test: planted failures are named, healthy batches pass in silence."""

from dataclasses import replace

import numpy as np
import pytest

from core.arrays import Floats
from core.sampling.batch import ChosenBatch, compose
from core.sampling.pool import Pool
from core.sampling.selftest import AuditedLabels, SelfTest, run_self_test, unseen_labels
from core.sampling.strategies import STRATEGIES
from core.tasks.labels import label_predictions

GROUPS = 8


def grouped_vectors(records: int, seed: int) -> Floats:
    """Unit vectors in groups, as texts on a few subjects are."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(GROUPS, 32))
    vectors = centres[np.arange(records) % GROUPS] + rng.normal(size=(records, 32))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def healthy_pool(seed: int = 0, multi: bool = False) -> Pool:
    rng = np.random.default_rng(seed)
    logits = 3 * rng.normal(size=(600, 4))
    probs = 1 / (1 + np.exp(-logits)) if multi else np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return Pool(
        grouped_vectors(600, seed),
        np.arange(600),
        np.arange(0),
        label_predictions(probs.astype(np.float32), several=multi),
    )


def chosen(pool: Pool, rows: list[int]) -> ChosenBatch:
    selected = np.array(rows, dtype=np.int64)
    return ChosenBatch(selected, np.zeros(len(selected), dtype=bool), np.full(len(selected), np.nan, dtype=np.float32))


def examined(pool: Pool, batch: ChosenBatch) -> SelfTest:
    return run_self_test(pool, batch, np.random.default_rng(0))


@pytest.mark.parametrize("multi", [False, True])
@pytest.mark.parametrize("name", ["default", "margin", "entropy", "badge", "margin_kmeans"])
@pytest.mark.parametrize("seed", range(5))
def test_a_healthy_batch_passes_in_silence(name: str, multi: bool, seed: int) -> None:
    pool = healthy_pool(seed, multi)
    batch = compose(pool, 20, STRATEGIES[name], 0.1, np.random.default_rng(seed))
    assert examined(pool, batch).warnings == ()


@pytest.mark.parametrize("name", ["default", "k_center", "typiclust", "central", "random"])
def test_a_start_without_a_model_passes_in_silence(name: str) -> None:
    pool = replace(healthy_pool(), predictions=None)
    figures = examined(pool, compose(pool, 20, STRATEGIES[name], 0.1, np.random.default_rng(0)))
    assert figures.warnings == ()
    assert figures.spread is None
    assert figures.shape is not None


@pytest.mark.parametrize("multi", [False, True])
@pytest.mark.parametrize("labels", [2, 4])
def test_scores_that_are_all_one_half_are_found_out(labels: int, multi: bool) -> None:
    halves = label_predictions(np.full((600, labels), 0.5, np.float32), several=multi)
    pool = replace(healthy_pool(multi=multi), predictions=halves)
    figures = examined(pool, chosen(pool, list(range(20))))  # in file order, as it came
    assert figures.spread == 0
    assert "equally unsure of every record" in figures.warnings[0]


def test_the_surest_records_are_called_no_better_than_chance() -> None:
    pool = healthy_pool()
    assert pool.predictions is not None
    group = np.flatnonzero(np.arange(600) % GROUPS == 0)
    surest = group[np.argsort(-pool.predictions.outputs[group].max(axis=1))[:20]]
    figures = examined(pool, chosen(pool, surest.tolist()))
    assert figures.lift is not None
    assert figures.lift < 0
    assert any("no better than chance" in warning for warning in figures.warnings)


def test_a_batch_from_one_corner_is_called_alike() -> None:
    pool = replace(healthy_pool(), predictions=None)
    pool.vectors[:30] = pool.vectors[0] + 0.05 * pool.vectors[:30]
    figures = examined(pool, chosen(pool, list(range(20))))
    assert len(figures.warnings) == 1
    assert "alike" in figures.warnings[0] or "near-duplicate" in figures.warnings[0]


def test_near_duplicates_in_a_batch_are_counted() -> None:
    pool = healthy_pool()
    pool.vectors[1:4] = pool.vectors[0]
    figures = examined(pool, chosen(pool, [0, 1, 2, 3, *range(100, 116)]))
    assert figures.shape is not None
    assert figures.shape.near_duplicates == pytest.approx(0.2)
    assert any("20% of this batch have a near-duplicate" in warning for warning in figures.warnings)


def test_a_pool_of_duplicates_is_not_the_samplers_fault() -> None:
    pool = replace(healthy_pool(), predictions=None)
    pool.vectors[:] = pool.vectors[0]
    assert examined(pool, chosen(pool, list(range(20)))).warnings == ()


def test_one_suggested_label_for_everything_is_reported() -> None:
    pool = healthy_pool()
    assert pool.predictions is not None
    pool.predictions.outputs[:, 1] += 5
    pool.predictions.outputs[:] /= pool.predictions.outputs.sum(axis=1, keepdims=True)
    figures = examined(pool, chosen(pool, list(range(20))))
    assert any("one and the same label for the whole pool" in warning for warning in figures.warnings)


def test_a_batch_of_one_suggested_label_is_reported() -> None:
    pool = healthy_pool()
    assert pool.predictions is not None
    rows = np.flatnonzero(pool.predictions.outputs.argmax(axis=1) == 2)[:20].tolist()
    figures = examined(pool, chosen(pool, rows))
    assert figures.chosen_mix == (0, 0, 1, 0)
    assert any("same label, which only" in warning for warning in figures.warnings)


def test_a_batch_of_one_or_none_says_nothing() -> None:
    pool = healthy_pool()
    for rows in ([], [3]):
        assert examined(pool, chosen(pool, rows)).shape is None


def test_the_self_test_repeats_itself() -> None:
    pool = healthy_pool()
    batch = compose(pool, 20, STRATEGIES["default"], 0.1, np.random.default_rng(0))
    assert examined(pool, batch) == examined(pool, batch)


def test_suggestions_that_the_audit_contradicts_are_named() -> None:
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(400, 8)).astype(np.float32)
    probs = np.tile([0.9, 0.1], (400, 1)) + rng.uniform(-0.05, 0.05, size=(400, 1)) * [1, -1]
    probs[:20] = probs[:20, ::-1]
    pool = Pool(vectors, np.arange(400), np.empty(0, np.int64), label_predictions(probs))
    batch = compose(pool, 20, STRATEGIES["margin_kmeans"], 0.1, rng)
    agreed = AuditedLabels(("ham", "spam"), np.array([57, 3]), 60)
    contradicted = AuditedLabels(("ham", "spam"), np.array([30, 30]), 60)
    assert not any("audit" in warning for warning in run_self_test(pool, batch, rng, agreed).warnings)
    assert any("spam (the model: 5%" in warning for warning in run_self_test(pool, batch, rng, contradicted).warnings)


def test_a_label_without_a_record_after_five_rounds_is_named_with_how_rare_it_must_be() -> None:
    rows = np.arange(90)
    pool = Pool(np.eye(100, dtype=np.float32), rows, np.arange(90, 100), label_counts=np.array([7, 0, 3]))
    audited = AuditedLabels(("ham", "fraud", "spam"), np.array([20, 0, 10]), 30)
    assert unseen_labels(pool, audited, 5) is None
    warning = unseen_labels(pool, audited, 6)
    assert warning
    assert "After 5 rounds and 10 answers no record has the label fraud. None of 30 records" in warning
    assert "under 11.6%" in warning
    assert unseen_labels(replace(pool, label_counts=np.array([7, 1, 3])), audited, 6) is None
