"""The laws that hold for every query strategy, and for the batch composed around it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.arrays import Floats
from core.errors import BadInput
from core.sampling import strategies
from core.sampling.batch import compose
from core.sampling.pool import Pool
from core.sampling.rare_labels import FEW, likeliest_of_rare
from core.sampling.strategies import STRATEGIES
from core.tasks.labels import label_predictions

NAMES = sorted(STRATEGIES)
LOOKING = ["badge", "central", "default", "k_center", "margin_kmeans", "typiclust"]  # strategies that read vectors
DOUBTING = ["badge", "default", "entropy", "least_confidence", "margin", "margin_kmeans"]  # that read probabilities


def unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9), dtype=np.float32)


def make_pool(records: int = 120, labelled: int = 20, labels: int = 3, multi: bool = False, seed: int = 0) -> Pool:
    rng = np.random.default_rng(seed)
    vectors = unit(rng.normal(size=(records, 8)))
    order = rng.permutation(records)
    rows = np.sort(order[labelled:])
    probs = rng.random((len(rows), labels)).astype(np.float32)
    probs = probs if multi else probs / probs.sum(axis=1, keepdims=True)
    predictions = label_predictions(probs, several=multi) if labels else None
    return Pool(vectors, rows, np.sort(order[:labelled]), predictions, label_counts=rng.integers(0, 9, labels))


@st.composite
def pools(draw: st.DrawFn) -> Pool:
    records = draw(st.integers(2, 60))
    labelled = draw(st.integers(0, records - 1))
    pool = make_pool(records, labelled, draw(st.integers(0, 5)), draw(st.booleans()), draw(st.integers(0, 99)))
    shape = draw(st.sampled_from(["apart", "same", "zero", "half"]))
    if shape == "same":
        pool.vectors[:] = pool.vectors[0]
    if shape == "zero":
        pool.vectors[:] = 0
    if shape == "half":
        pool.vectors[: records // 2] = pool.vectors[0]
    if pool.predictions is not None and draw(st.booleans()):
        pool.predictions.outputs[:] = pool.predictions.outputs[0]
    return pool


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None)
@given(pool=pools(), n=st.integers(0, 80), seed=st.integers(0, 9))
def test_a_strategy_returns_the_asked_number_of_distinct_candidates(name: str, pool: Pool, n: int, seed: int) -> None:
    rows = STRATEGIES[name](pool, n, np.random.default_rng(seed))
    assert rows.dtype == np.int64
    assert len(rows) == len(set(rows.tolist())) == min(n, len(pool.rows))
    assert set(rows.tolist()) <= set(pool.rows.tolist())


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15, deadline=None)
@given(pool=pools(), n=st.integers(1, 30), seed=st.integers(0, 9))
def test_a_strategy_repeats_itself_for_the_same_seed(name: str, pool: Pool, n: int, seed: int) -> None:
    first, again = (STRATEGIES[name](pool, n, np.random.default_rng(seed)) for _ in range(2))
    assert first.tolist() == again.tolist()


@pytest.mark.parametrize("name", NAMES)
def test_a_strategy_leaves_the_pool_as_it_was(name: str) -> None:
    pool, same = make_pool(), make_pool()
    STRATEGIES[name](pool, 10, np.random.default_rng(0))
    assert pool.predictions is not None
    assert same.predictions is not None
    np.testing.assert_array_equal(pool.vectors, same.vectors)
    np.testing.assert_array_equal(pool.predictions.outputs, same.predictions.outputs)


@pytest.mark.parametrize("name", NAMES)
def test_a_strategy_reads_a_half_precision_memory_map(name: str, tmp_path: Path) -> None:
    pool = make_pool()
    np.save(tmp_path / "vectors.npy", pool.vectors.astype(np.float16))
    mapped = Pool(np.load(tmp_path / "vectors.npy", mmap_mode="r"), pool.rows, pool.labelled, pool.predictions)
    assert len(STRATEGIES[name](mapped, 12, np.random.default_rng(0))) == 12


@pytest.mark.parametrize("name", NAMES)
def test_a_strategy_works_on_a_pool_larger_than_its_sample(name: str) -> None:
    rows = STRATEGIES[name](make_pool(strategies.CANDIDATES + 500), 40, np.random.default_rng(0))
    assert len(set(rows.tolist())) == 40


@pytest.mark.parametrize("name", LOOKING)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_strategy_refuses_vectors_that_are_not_numbers(name: str, bad: float) -> None:
    pool = make_pool(labels=0)
    pool.vectors[:, 3] = bad
    with pytest.raises(BadInput, match="NaN or infinity"):
        STRATEGIES[name](pool, 5, np.random.default_rng(0))


@pytest.mark.parametrize("name", DOUBTING)
@pytest.mark.parametrize("multi", [False, True])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_strategy_refuses_probabilities_that_are_not_numbers(name: str, multi: bool, bad: float) -> None:
    pool = make_pool(multi=multi)
    assert pool.predictions is not None
    pool.predictions.outputs[7, 1] = bad
    with pytest.raises(BadInput, match="not finite"):
        STRATEGIES[name](pool, 5, np.random.default_rng(0))


@pytest.mark.parametrize("name", DOUBTING)
def test_a_strategy_refuses_probabilities_of_other_records(name: str) -> None:
    pool = make_pool()
    assert pool.predictions is not None
    with pytest.raises(BadInput, match="do not fit"):
        STRATEGIES[name](
            Pool(pool.vectors, pool.rows[1:], pool.labelled, pool.predictions), 5, np.random.default_rng(0)
        )


@pytest.mark.parametrize("name", NAMES)
def test_every_strategy_has_a_caption_for_the_menu(name: str) -> None:
    caption = (STRATEGIES[name].__doc__ or "").split("\n")[0]
    assert 20 < len(caption) < 120
    assert caption.endswith(".")


@pytest.mark.parametrize("name", ["margin", "entropy", "least_confidence"])
def test_doubt_asks_for_the_coin_toss_first(name: str) -> None:
    probs = np.array([[0.9, 0.1], [0.5, 0.5], [0.7, 0.3]], dtype=np.float32)
    for multi in (False, True):
        pool = Pool(np.eye(3, dtype=np.float32), np.arange(3), np.arange(0), label_predictions(probs, several=multi))
        assert STRATEGIES[name](pool, 3, np.random.default_rng(0)).tolist() == [1, 2, 0]


def test_ties_fall_by_lot_and_not_in_file_order() -> None:
    pool = make_pool(200, 0, 2)
    assert pool.predictions is not None
    pool.predictions.outputs[:] = 0.5
    drawn = [STRATEGIES["margin"](pool, 50, np.random.default_rng(seed)) for seed in range(40)]
    assert 80 < np.mean(drawn) < 120
    assert len({tuple(rows.tolist()) for rows in drawn}) == 40


@pytest.mark.parametrize("name", ["central", "k_center", "typiclust", "badge", "margin_kmeans"])
def test_a_spreading_strategy_takes_one_record_of_each_bundle_of_duplicates(name: str) -> None:
    vectors = np.repeat(np.eye(6, dtype=np.float32), 20, axis=0)
    pool = Pool(vectors, np.arange(120), np.arange(0), label_predictions(np.full((120, 2), 0.5, np.float32)))
    rows = STRATEGIES[name](pool, 6, np.random.default_rng(0))
    assert len(set((rows // 20).tolist())) >= 5


@pytest.mark.parametrize("name", ["central", "k_center", "typiclust"])
def test_a_covering_strategy_keeps_away_from_what_is_labelled(name: str) -> None:
    vectors = np.repeat(np.eye(6, dtype=np.float32), 20, axis=0)
    pool = Pool(vectors, np.setdiff1d(np.arange(120), [0, 20, 40]), np.array([0, 20, 40]))
    rows = STRATEGIES[name](pool, 3, np.random.default_rng(0))
    assert set((rows // 20).tolist()) == {3, 4, 5}


def test_the_default_starts_with_central_records_and_turns_to_doubt() -> None:
    young, old = make_pool(labelled=8), make_pool(labelled=9)
    for pool, name in ((young, "central"), (replace(old, label_counts=None), "margin_kmeans")):
        ours, theirs = (STRATEGIES[key](pool, 10, np.random.default_rng(1)) for key in ("default", name))
        assert ours.tolist() == theirs.tolist()


@settings(max_examples=40, deadline=None)
@given(pool=pools(), n=st.integers(1, 80), share=st.floats(0, 1), seed=st.integers(0, 9))
def test_a_batch_is_distinct_and_repeats_itself(pool: Pool, n: int, share: float, seed: int) -> None:
    batch, again = (compose(pool, n, STRATEGIES["default"], share, np.random.default_rng(seed)) for _ in range(2))
    assert len(set(batch.rows.tolist())) == len(batch.audit) == len(batch.scores) == min(n, len(pool.rows))
    assert set(batch.rows.tolist()) <= set(pool.rows.tolist())
    assert (batch.rows.tolist(), batch.audit.tolist()) == (again.rows.tolist(), again.audit.tolist())
    assert np.isnan(batch.scores).all() if pool.predictions is None else np.isfinite(batch.scores).all()


def test_the_audit_share_holds_in_expectation_for_small_batches_and_at_every_position() -> None:
    pool = make_pool(400, 0)
    batches = [compose(pool, 4, STRATEGIES["margin"], 0.1, np.random.default_rng(seed)) for seed in range(2000)]
    audit = np.array([batch.audit for batch in batches])
    assert 0.08 < audit.mean() < 0.12
    assert (np.abs(audit.mean(axis=0) - 0.1) < 0.03).all()  # a batch left half-way still has its share


def test_audit_records_are_drawn_uniformly_from_the_whole_pool() -> None:
    pool = make_pool(50, 10)
    batches = [compose(pool, 10, STRATEGIES["margin"], 0.3, np.random.default_rng(seed)) for seed in range(1500)]
    counts = np.bincount(np.concatenate([batch.rows[batch.audit] for batch in batches]), minlength=50)
    assert counts[pool.labelled].sum() == 0
    expected = 1500 * 3 / len(pool.rows)
    assert (np.abs(counts[pool.rows] - expected) < 6 * np.sqrt(expected)).all()


def test_a_batch_states_the_margin_score_of_each_of_its_records() -> None:
    pool = make_pool()
    assert pool.predictions is not None
    batch = compose(pool, 12, STRATEGIES["margin"], 0.25, np.random.default_rng(0))
    best = np.sort(pool.predictions.outputs[np.searchsorted(pool.rows, batch.rows)], axis=1)
    np.testing.assert_allclose(batch.scores, 1 - (best[:, -1] - best[:, -2]), rtol=1e-5)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_an_impossible_audit_share_is_refused(share: float) -> None:
    with pytest.raises(BadInput, match="audit share"):
        compose(make_pool(), 5, STRATEGIES["random"], share, np.random.default_rng(0))


def test_records_labelled_by_machine_are_drawn_for_the_audit_as_often_as_others_and_never_chosen() -> None:
    whole = make_pool(60, 10)
    machine, rows = whole.rows[:20], whole.rows[20:]
    predictions = whole.predictions and whole.predictions.take(np.arange(20, len(whole.rows)))
    pool = Pool(whole.vectors, rows, whole.labelled, predictions, audit_only=machine)
    times = np.zeros(60)
    for seed in range(1500):
        batch = compose(pool, 10, STRATEGIES["margin"], 0.3, np.random.default_rng(seed))
        assert not np.isin(batch.rows[~batch.audit], machine).any()
        times[batch.rows[batch.audit]] += 1
    assert abs(times[machine].mean() - 1500 * 3 / 50) < 5
    assert abs(times[rows].mean() - 1500 * 3 / 50) < 5
    only = compose(
        Pool(whole.vectors, rows[:0], whole.labelled, audit_only=machine),
        5,
        STRATEGIES["random"],
        1.0,
        np.random.default_rng(0),
    )
    assert set(only.rows.tolist()) <= set(machine.tolist())
    assert len(only.rows) == 5


@pytest.mark.parametrize("multi", [False, True])
def test_a_third_of_a_batch_goes_to_labels_that_hardly_any_record_has(multi: bool) -> None:
    pool = replace(make_pool(400, 60, 4, multi), label_counts=np.array([50, 5, 0, 3]))
    assert pool.predictions is not None
    rare = likeliest_of_rare(pool, 24, np.random.default_rng(0))
    best = pool.rows[np.argsort(-pool.predictions.outputs, axis=0, kind="stable")]
    assert set(rare) == {*best[:FEW, 2], *best[:2, 3]}  # five are lacking of one label, two of the other
    assert rare[:2].tolist() == [best[0, 2], best[0, 3]]
    batch = STRATEGIES["default"](pool, 24, np.random.default_rng(0))
    assert batch[: len(rare)].tolist() == rare.tolist()
    assert len(likeliest_of_rare(pool, 6, np.random.default_rng(0))) == 2


def test_where_labels_are_common_or_nothing_is_known_of_them_no_label_is_looked_for() -> None:
    pool = make_pool(400, 60, 4)
    for counts in (np.full(4, FEW), None, np.zeros(3, np.int64)):
        assert not len(likeliest_of_rare(replace(pool, label_counts=counts), 24, np.random.default_rng(0)))


def test_a_label_that_stays_away_gets_one_record_of_a_batch() -> None:
    pool = replace(make_pool(400, 100, 4), label_counts=np.array([50, 50, 0, 50]))
    assert len(likeliest_of_rare(pool, 24, np.random.default_rng(0))) == 1
