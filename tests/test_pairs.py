"""Which texts are held out, and which pairs and triplets are made of those that teach."""

import re

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.arrays import Bools
from core.errors import Refused
from gpu_jobs.trainers.encoder import repeat_small
from gpu_jobs.trainers.pairs import (
    Hard,
    Plan,
    count_pairs,
    draw_like,
    draw_unlike,
    interleave,
    make_pairs,
    make_triplets,
    mine,
)
from gpu_jobs.trainers.splitting import KEPT, split

NO_HARD = Hard(np.empty(0, np.int64), np.empty(0, np.int64))
MANY = 1_000_000

several = arrays(np.bool_, st.tuples(st.integers(2, 25), st.integers(1, 5)))
"""records on which several labels may hold, or none"""
single = st.lists(st.integers(0, 4), min_size=2, max_size=60).map(lambda located: np.eye(5, dtype=np.bool_)[located])
any_targets = st.one_of(several, single)


def teaches(targets: Bools) -> bool:
    return all(count_pairs(targets))


@given(targets=any_targets)
def test_the_count_of_pairs_is_that_of_a_plain_loop(targets: Bools) -> None:
    pairs = [(left, right) for left in range(len(targets)) for right in range(left + 1, len(targets))]
    like = sum((targets[left] & targets[right]).any() for left, right in pairs)
    message = sum((targets[left] | targets[right]).any() for left, right in pairs)
    assert count_pairs(targets) == (like, message - like)


@settings(deadline=None)
@given(targets=any_targets, iterations=st.integers(0, 3), seed=st.integers(0, 9))
def test_half_the_pairs_have_a_label_in_common_and_half_have_none(targets: Bools, iterations: int, seed: int) -> None:
    assume(teaches(targets))
    matches = make_pairs(targets, Plan(iterations, MANY), NO_HARD, np.random.default_rng(seed))
    shared = (targets[matches.left] & targets[matches.right]).sum(axis=1)
    either = (targets[matches.left] | targets[matches.right]).sum(axis=1)
    assert np.allclose(matches.alike, shared / either)
    assert (matches.left != matches.right).all()
    assert (matches.alike > 0).sum() * 2 == len(matches.alike)


@settings(deadline=None)
@given(targets=any_targets, iterations=st.integers(0, 3), seed=st.integers(0, 9))
def test_a_triplet_holds_another_record_with_a_label_in_common_and_one_with_none(
    targets: Bools, iterations: int, seed: int
) -> None:
    assume(teaches(targets))
    triplets = make_triplets(targets, Plan(iterations, MANY), NO_HARD, np.random.default_rng(seed))
    assert (targets[triplets.anchors] & targets[triplets.positives]).any(axis=1).all()
    assert (triplets.anchors != triplets.positives).all()
    assert not (targets[triplets.anchors] & targets[triplets.negatives]).any()


@given(targets=any_targets, together=st.integers(2, 4), seed=st.integers(0, 9))
def test_a_draw_for_triplets_takes_that_many_different_texts_of_a_label(
    targets: Bools, together: int, seed: int
) -> None:
    assume(teaches(targets))
    triplets = make_triplets(targets, Plan(1, MANY, 1, together), NO_HARD, np.random.default_rng(seed))
    pairs = list(zip(triplets.anchors.tolist(), triplets.positives.tolist(), strict=True))
    assert len(pairs) == len(set(pairs))
    assert max(np.bincount(triplets.anchors)) <= together - 1


def test_the_only_unlike_record_among_many_is_met() -> None:
    targets = np.array([[0, 1], [1, 0]] + [[1, 1]] * 500, np.bool_)
    assert draw_unlike(targets, np.array([0, 1, 2]), np.random.default_rng(0)).tolist() == [1, 0, -1]


def test_the_only_like_record_among_many_is_met() -> None:
    targets = np.array([[1] * 30, [1] + [0] * 29], np.bool_)  # of 30 labels the first record shares one
    assert draw_like(targets, np.array([0] * 400), np.random.default_rng(0)).tolist() == [1] * 400


def test_texts_of_a_label_follow_each_other_as_many_as_are_drawn_together() -> None:
    targets = np.eye(3, dtype=np.bool_)[np.repeat([0, 1, 2], 8)]
    order = interleave(targets, np.random.default_rng(0), 4)
    assert sorted(order) == list(range(24))
    assert all(len(set(order[first : first + 4] // 8)) == 1 for first in range(0, 24, 4))


def test_rare_labels_are_met_as_often_as_common_ones_among_the_unlike() -> None:
    targets = np.eye(3, dtype=np.bool_)[np.repeat([0, 1, 2], [50, 45, 5])]
    met = draw_unlike(targets, np.zeros(4_000, np.int64), np.random.default_rng(0))
    assert targets[met].mean(axis=0) == pytest.approx([0, 0.5, 0.5], abs=0.05)


def test_a_record_without_a_like_or_unlike_one_has_no_partner() -> None:
    targets = np.array([[1, 0], [0, 1], [0, 1], [1, 1]], np.bool_)
    assert draw_like(targets[:3], np.array([0]), np.random.default_rng(0)).tolist() == [-1]
    assert draw_unlike(targets, np.array([3]), np.random.default_rng(0)).tolist() == [-1]


@settings(deadline=None)
@given(targets=any_targets, k=st.integers(0, 4), least=st.floats(-1, 1), seed=st.integers(0, 9))
def test_hard_negatives_are_the_nearest_records_with_no_label_in_common(
    targets: Bools, k: int, least: float, seed: int
) -> None:
    vectors = np.random.default_rng(seed).normal(size=(len(targets), 3)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    matches = mine(vectors, targets, np.arange(len(targets)), k, least)
    for row in range(len(targets)):
        near = vectors @ vectors[row]
        apart = ~(targets & targets[row]).any(axis=1) & (targets.any(axis=1) | targets[row].any()) & (near >= least)
        expected = np.sort(near[apart])[::-1][:k]
        assert np.allclose(near[matches.negatives[matches.anchors == row]], expected, atol=1e-6)


def test_hard_negatives_come_on_top_as_often_as_asked() -> None:
    targets = np.eye(2, dtype=np.bool_)[[0, 0, 1, 1]]
    hard, rng = Hard(np.array([0]), np.array([3])), np.random.default_rng(0)
    plain, more = (make_pairs(targets, Plan(0, MANY, 3), which, rng) for which in (NO_HARD, hard))
    assert (len(plain.left), len(more.left)) == (8, 11)
    assert list(zip(more.left[-3:], more.right[-3:], more.alike[-3:], strict=True)) == [(0, 3, 0.0)] * 3
    triplets = make_triplets(targets, Plan(0, MANY, 3), hard, rng)
    assert [tuple(column[-3:]) for column in (triplets.anchors, triplets.negatives)] == [(0, 0, 0), (3, 3, 3)]


@pytest.mark.parametrize("make", [make_pairs, make_triplets])
def test_an_explosion_of_pairs_is_refused_with_the_figure_and_the_advice_works(make: object) -> None:
    targets = np.eye(3, dtype=np.bool_)[np.arange(1_200) % 3]
    hard = Hard(np.arange(1_200), np.arange(1_200)[::-1].copy())
    with pytest.raises(
        Refused, match=r"1,200 records make [\d,]{7,} (pairs|triplets), and max_pairs is 20,000"
    ) as result:
        make(targets, Plan(0, 20_000, 2), hard, np.random.default_rng(0))  # type: ignore[operator]
    advised = int(re.findall(r"iterations=(\d+)", str(result.value))[0])
    matches = make(targets, Plan(advised, 20_000, 2), hard, np.random.default_rng(0))  # type: ignore[operator]
    assert len(next(iter(vars(matches).values()))) <= 20_000


@pytest.mark.parametrize("targets", [np.eye(4, dtype=np.bool_), np.ones((4, 1), np.bool_)])
def test_records_that_cannot_be_paired_are_refused(targets: Bools) -> None:
    with pytest.raises(Refused, match="Label two records each of at least two labels"):
        make_pairs(targets, Plan(1, MANY), NO_HARD, np.random.default_rng(0))


@given(targets=any_targets, seed=st.integers(0, 9))
def test_a_mingled_order_holds_each_record_once_and_likes_side_by_side(targets: Bools, seed: int) -> None:
    order = interleave(targets, np.random.default_rng(seed))
    assert sorted(order) == list(range(len(targets)))
    if (targets.sum(axis=1) == 1).all():
        alone = (targets.sum(axis=0) % 2).sum()  # one of each label of an odd number has no like left
        beside = (targets[order[:-1]] & targets[order[1:]]).any(axis=1)
        assert beside.sum() >= (len(targets) - alone) // 2


@given(targets=any_targets, seed=st.integers(0, 9))
def test_oversampling_keeps_every_record_and_makes_small_labels_as_frequent(targets: Bools, seed: int) -> None:
    rows = repeat_small(targets, np.random.default_rng(seed))
    assert set(rows) == set(range(len(targets)))
    counts, before = targets[rows].sum(axis=0), targets.sum(axis=0)
    assert (counts[before > 0] >= before.max()).all()
    if (targets.sum(axis=1) == 1).all():
        assert set(counts[before > 0]) == {before.max()}


@given(
    targets=arrays(np.bool_, st.tuples(st.integers(0, 80), st.integers(1, 5))),
    names=st.integers(1, 99),
    share=st.floats(0, 0.9),
    seed=st.integers(0, 9),
)
def test_a_split_holds_every_text_once_and_no_text_on_both_sides(
    targets: Bools, names: int, share: float, seed: int
) -> None:
    texts = [str(number % names) for number in range(len(targets))]
    taught, held_out = split(texts, targets, share, np.random.default_rng(seed), 10)
    assert sorted([*taught, *held_out]) == list(range(len(texts)))
    assert not {texts[row] for row in taught} & {texts[row] for row in held_out}
    assert len(held_out) == 0 or len(held_out) >= 10
    if names >= len(texts):
        assert (targets[taught].sum(axis=0) >= np.minimum(targets.sum(axis=0), KEPT)).all()


def test_each_label_gives_its_share_of_what_is_held_out() -> None:
    targets = np.eye(4, dtype=np.bool_)[np.repeat(np.arange(4), [60, 30, 8, 2])]
    texts = [str(number) for number in range(100)]
    _, held_out = split(texts, targets, 0.2, np.random.default_rng(0))
    assert targets[held_out].sum(axis=0).tolist() == [12, 6, 2, 0]
