"""Which texts are held out, and in which order and how often the others teach."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.arrays import Bools
from gpu_jobs.trainers.encoder import interleave, repeat_small
from gpu_jobs.trainers.splitting import KEPT, split

several = arrays(np.bool_, st.tuples(st.integers(2, 25), st.integers(1, 5)))
"""records on which several labels may hold, or none"""
single = st.lists(st.integers(0, 4), min_size=2, max_size=60).map(lambda located: np.eye(5, dtype=np.bool_)[located])
any_targets = st.one_of(several, single)


def test_texts_of_a_label_follow_each_other_as_many_as_are_drawn_together() -> None:
    targets = np.eye(3, dtype=np.bool_)[np.repeat([0, 1, 2], 8)]
    order = interleave(targets, np.random.default_rng(0), 4)
    assert sorted(order) == list(range(24))
    assert all(len(set(order[first : first + 4] // 8)) == 1 for first in range(0, 24, 4))


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
    train_rows, held_out = split(texts, targets, share, np.random.default_rng(seed), 10)
    assert sorted([*train_rows, *held_out]) == list(range(len(texts)))
    assert not {texts[row] for row in train_rows} & {texts[row] for row in held_out}
    assert len(held_out) == 0 or len(held_out) >= 10
    if names >= len(texts):
        assert (targets[train_rows].sum(axis=0) >= np.minimum(targets.sum(axis=0), KEPT)).all()


def test_each_label_gives_its_share_of_what_is_held_out() -> None:
    targets = np.eye(4, dtype=np.bool_)[np.repeat(np.arange(4), [60, 30, 8, 2])]
    texts = [str(number) for number in range(100)]
    _, held_out = split(texts, targets, 0.2, np.random.default_rng(0))
    assert targets[held_out].sum(axis=0).tolist() == [12, 6, 2, 0]
