"""Vectors that tell labels apart are said to, and those that do not are not."""

import numpy as np
import pytest

from core.errors import Refused
from core.evaluation.encoder_quality import (
    MOST,
    EncoderQuality,
    chance_purity,
    choose_records,
    compare_quality,
    measure_encoder,
    usual_clusters,
)

SPREAD = 0.35


def cloud(per_label: int, labels: int, spread: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors around one corner per label, and the labels."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(labels), per_label)
    vectors = np.eye(16, dtype=np.float32)[codes] + spread * rng.standard_normal((len(codes), 16)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), codes


def values(quality: EncoderQuality) -> list[float]:
    """All figures, a larger one being better."""
    few = [one.accuracy.value for one in quality.few]
    return [quality.neighbours.value, quality.purity.value, quality.silhouette.value, *few]


def test_labels_in_corners_of_their_own_give_perfect_figures() -> None:
    matches = measure_encoder(*cloud(40, 3, 0.01))
    assert values(matches)[:2] == [1, 1]
    assert matches.silhouette.value > 0.99
    assert [one.per_label for one in matches.few] == [1, 4, 16]
    assert matches.few[0].accuracy.value == 1
    assert matches.neighbours.low < 1  # 120 records cannot prove more


def test_noise_tells_no_labels_apart() -> None:
    vectors, codes = cloud(40, 4, 0.01)
    matches = measure_encoder(vectors, np.random.default_rng(1).permutation(codes))
    assert matches.neighbours.value == pytest.approx(0.25, abs=0.12)
    assert abs(matches.silhouette.value) < 0.1
    assert matches.few[0].accuracy.value == pytest.approx(0.25, abs=0.1)


def test_the_tighter_the_clouds_the_better_every_figure() -> None:
    tight, loose = (measure_encoder(*cloud(30, 4, spread)) for spread in (SPREAD, 2 * SPREAD))
    assert all(better > worse for better, worse in zip(values(tight), values(loose), strict=True))
    for one in (tight.neighbours, tight.purity, tight.silhouette, *(few.accuracy for few in tight.few)):
        assert one.low <= one.value <= one.high


def test_the_same_seed_gives_the_same_figures() -> None:
    assert measure_encoder(*cloud(20, 3, SPREAD), seed=5) == measure_encoder(*cloud(20, 3, SPREAD), seed=5)


def test_of_a_rare_label_one_record_is_left_to_test_on() -> None:
    vectors, codes = cloud(30, 3, 0.05)
    retained = np.r_[0:30, 30:60, 60:62]
    assert [one.per_label for one in measure_encoder(vectors[retained], codes[retained]).few] == [1, 4]


def test_one_label_or_single_records_are_refused() -> None:
    for codes in ([], [0, 0, 0], [0, 0, 1], [0, 1, 2]):
        with pytest.raises(Refused, match="two labels with two records"):
            choose_records(np.array(codes, np.int64), np.random.default_rng(0))


def test_of_many_records_a_sample_is_scored_and_lonely_labels_are_left_out() -> None:
    codes = np.r_[np.zeros(MOST), np.ones(MOST), 2].astype(np.int64)
    chosen = choose_records(codes, np.random.default_rng(0))
    assert len(chosen) == len(set(chosen)) == MOST
    assert 2 not in codes[chosen]
    assert chosen.tolist() == sorted(chosen)


def test_an_encoder_ahead_of_another_is_reported_with_an_interval_and_equal_ones_are_not() -> None:
    loose, tight = (measure_encoder(*cloud(30, 4, spread)).per_record for spread in (2 * SPREAD, SPREAD))
    ahead = compare_quality(loose, tight)
    for one in (ahead.neighbours, ahead.purity, ahead.silhouette, *ahead.few.values()):
        assert 0 < one.low <= one.value <= one.high
    wider = compare_quality(loose, tight, comparisons=5).neighbours
    assert wider.low < ahead.neighbours.low
    same = compare_quality(tight, tight)
    assert (same.neighbours.value, same.few[4].value) == (0, 0)
    assert same.neighbours.low < 0 < same.neighbours.high  # 120 records cannot prove that there is no difference


def test_purity_of_noise_is_near_the_reported_chance_level() -> None:
    codes = np.repeat([0, 1, 2], [160, 30, 10])
    vectors = np.random.default_rng(0).standard_normal((200, 16)).astype(np.float32)
    matches = measure_encoder(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), codes, clusters=4)
    assert chance_purity(codes) == 0.8
    assert matches.purity.value == pytest.approx(0.8, abs=0.02)


def test_there_are_twice_as_many_clusters_as_labels_but_at_least_twelve_where_records_allow() -> None:
    assert [usual_clusters(*of) for of in ((1_000, 3), (1_000, 10), (10, 3), (4, 2))] == [12, 20, 5, 2]
