"""Candidates, features and models of pairs: what must hold of each, on real texts and a real encoder."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.arrays import Floats
from core.config.record_fields import join_fields
from core.models.encoders.encoder import EMBEDDED
from core.models.encoders.loading import load_encoder
from core.models.heads.pair_head import FEW, fit_pair_head
from core.pairs.blocking.candidates import Pairs, distinct_texts, find_candidates, find_mutual_best
from core.pairs.choosing import choose_first, choose_next
from core.pairs.features import pair_features, split_fields
from core.pairs.learning_curve import KnownPairs, play, score_all, steps
from core.pairs.spaces import NEAREST, Spaces, build_spaces, nearest
from tests.pair_world import products

COUNT = 60


def quiet(done: int, total: int) -> None:
    """A report that nobody reads."""


@pytest.fixture(scope="module")
def sides() -> tuple[list[str], list[str]]:
    return products(COUNT)


@pytest.fixture(scope="module")
def vectors(sides: tuple[list[str], list[str]]) -> tuple[Floats, Floats]:
    encoder = load_encoder(EMBEDDED, Path(), 1)
    return encoder.encode(sides[0]), encoder.encode(sides[1])


@pytest.fixture(scope="module")
def linked(sides: tuple[list[str], list[str]], vectors: tuple[Floats, Floats]) -> Spaces:
    """Two sources."""
    return build_spaces(sides, vectors, quiet)


@pytest.fixture(scope="module")
def one_source(sides: tuple[list[str], list[str]], vectors: tuple[Floats, Floats]) -> Spaces:
    """Both sides as one source: the partner of row i is row i + COUNT."""
    return build_spaces(([*sides[0], *sides[1]], None), (np.concatenate(vectors), None), quiet)


def test_candidates_of_two_sources_are_few_and_hold_the_partners(linked: Spaces) -> None:
    pairs = find_candidates(linked)
    matches = set(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True))
    assert len(matches) == len(pairs) < COUNT * 20
    assert all((row, row) in matches for row in range(COUNT))


def test_candidates_of_one_source_have_no_self_pairs_and_no_pair_twice(one_source: Spaces) -> None:
    pairs = find_candidates(one_source)
    assert (pairs.left < pairs.right).all()
    matches = set(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True))
    assert len(matches) == len(pairs)
    assert all((row, row + COUNT) in matches for row in range(COUNT))


def test_neighbours_are_those_that_all_cosines_say(linked: Spaces) -> None:
    for space in linked.all:
        dense = [
            np.asarray(side if isinstance(side, np.ndarray) else side.toarray()) for side in (space.left, space.right)
        ]
        cosines = dense[0] @ dense[1].T
        assert space.of_left.rows.shape == (COUNT, NEAREST)
        assert np.allclose(space.of_left.cosines, -np.sort(-cosines, axis=1)[:, :NEAREST], atol=1e-5)
        assert np.allclose(space.of_right.cosines, -np.sort(-cosines.T, axis=1)[:, :NEAREST], atol=1e-5)
        rows = np.arange(COUNT)
        assert np.allclose(space.cosines(rows, rows), cosines[rows, rows], atol=1e-5)


def test_nobody_is_a_neighbour_of_itself_even_among_equal_vectors() -> None:
    same = np.tile(np.array([[0.6, 0.8]], np.float32), (30, 1))
    near = nearest(same, None, quiet)
    assert not (near.rows == np.arange(30)[:, None]).any()
    assert nearest(same[:1], None, quiet).rows.shape == (1, 0)


def test_progress_runs_to_the_end_and_never_back(
    sides: tuple[list[str], list[str]], vectors: tuple[Floats, Floats]
) -> None:
    seen: list[int] = []
    build_spaces(sides, vectors, lambda done, total: seen.append(done))
    assert seen == sorted(seen)
    assert seen[-1] == 3000


def test_equal_texts_are_one_and_blank_ones_none() -> None:
    distinct = distinct_texts(["A  b", "", "c", "a B", "  ", "c"])
    assert distinct.firsts.tolist() == [0, 2]
    assert distinct.text_of.tolist() == [0, -1, 1, 0, -1, 1]


def test_each_the_others_best_finds_the_partners_of_two_shops(linked: Spaces) -> None:
    best = find_mutual_best(linked)
    assert len(set(best.left.tolist())) == len(best)
    right = (best.left == best.right).mean()
    assert right > 0.9
    assert len(best) > COUNT / 3


def test_features_do_not_depend_on_which_record_is_left(one_source: Spaces, sides: tuple[list[str], list[str]]) -> None:
    texts = [*sides[0], *sides[1]]
    pairs = find_candidates(one_source)
    ahead = pair_features(one_source, (texts, texts), pairs, quiet)
    turned = pair_features(one_source, (texts, texts), Pairs(pairs.right, pairs.left), quiet)
    assert ahead.names == turned.names
    assert len(set(ahead.names)) == ahead.values.shape[1]
    assert np.allclose(ahead.values, turned.values, atol=1e-4)
    assert np.isfinite(ahead.values).all()


def test_the_context_says_who_is_the_best_partner(linked: Spaces, sides: tuple[list[str], list[str]]) -> None:
    rows = np.arange(COUNT)
    others = Pairs(rows, np.roll(rows, 1))
    true, wrong = (pair_features(linked, sides, pairs, quiet) for pairs in (Pairs(rows, rows), others))
    column = true.names.index("characters: above the next, least")
    assert np.median(true.values[:, column]) > 0 > np.median(wrong.values[:, column])
    rank = true.names.index("characters: rank, most")
    assert np.median(true.values[:, rank]) == 0 < np.median(wrong.values[:, rank])


def test_odd_texts_have_finite_features() -> None:
    texts = ["!", "!!!", "name: a\nprice:", "名前 カメラ 12,5", "x" * 100_000, "1.2.3,4,5 a1-b2"]
    vectors = np.eye(len(texts), 8, dtype=np.float32)
    spaces = build_spaces((texts, None), (vectors, None), quiet)
    every = Pairs(*(np.array(side) for side in np.triu_indices(len(texts), 1)))
    assert np.isfinite(pair_features(spaces, (texts, texts), every, quiet).values).all()
    assert pair_features(spaces, (texts, texts), Pairs(np.arange(0), np.arange(0)), quiet).values.shape[0] == 0
    numbers = [f"name: {word}\nprice: {amount}" for word in "ab" for amount in ("", "1,299.00", "9" * 400)]
    fields = pair_features(spaces, (numbers, numbers), every, quiet)
    assert "price: amount, least of most" in fields.names
    assert np.isfinite(fields.values).all()


@given(st.dictionaries(st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True), st.text(), min_size=2, max_size=5))
def test_joined_fields_are_split_again(fields: dict[str, str]) -> None:
    read = split_fields([join_fields(fields)] * 3)
    assert read == {name: [" ".join(value.split())] * 3 for name, value in fields.items()}


def test_plain_texts_have_no_fields() -> None:
    assert split_fields(["one text", "name: with a colon", "and\nmore"]) == {}
    assert split_fields([]) == {}


def known_pairs(count: int = 400) -> KnownPairs:
    """Two features, of which one tells; a quarter is the same; every fifth judges."""
    rng = np.random.default_rng(0)
    same = np.arange(count) % 4 == 0
    values = np.column_stack([same + rng.normal(0, 0.3, count), rng.normal(0, 1, count)]).astype(np.float32)
    return KnownPairs(values, np.clip(values[:, 0] / 2, 0, 1), same, np.arange(count) % 5 == 0)


def test_a_model_learns_from_few_and_from_many_decisions() -> None:
    known = known_pairs()
    for count in (FEW // 2, 300):
        probabilities = fit_pair_head(known.values[:count], known.same[:count], 0).raw(known.values)
        assert ((probabilities > 0.5) == known.same).mean() > 0.85
        again = fit_pair_head(known.values[:count], known.same[:count], 0)
        assert (again.raw(known.values) == probabilities).all()
    assert score_all(known, 0) > 0.8


def test_decisions_of_one_kind_only_give_a_model_that_says_so() -> None:
    values = np.zeros((5, 2), np.float32)
    assert fit_pair_head(values, np.ones(5, np.bool_), 0).raw(values).tolist() == [6 / 7] * 5
    assert fit_pair_head(values[:0], np.ones(0, np.bool_), 0).raw(values).tolist() == [0.5] * 5


def test_the_first_pairs_are_of_both_ends_and_of_the_band() -> None:
    known = np.linspace(0, 1, 200)
    chosen = choose_first(known, 12, np.random.default_rng(0))
    assert len(set(chosen.tolist())) == 12
    assert {199, 198, 0, 1} <= set(chosen.tolist())
    assert sum(0.85 <= known[row] <= 0.95 for row in chosen) >= 4
    assert len(choose_first(known[:3], 12, np.random.default_rng(0))) == 3


def test_the_next_pairs_are_those_that_the_model_doubts_most() -> None:
    known = known_pairs()
    same = fit_pair_head(known.values, known.same, 0).raw(known.values)
    chosen = choose_next(same, 10, np.random.default_rng(0))
    doubt = np.abs(same - 0.5)
    assert doubt[chosen].max() <= np.sort(doubt)[9]


def test_a_curve_has_a_point_for_each_batch_and_the_same_seed_gives_it_again() -> None:
    known = known_pairs()
    assert steps(1000, 210) == [10, 20, 30, 40, 50, 75, 100, 125, 150, 175, 200, 210]
    assert steps(12, 100) == [10, 12]
    for strategy in ("ours", "random"):
        curve = play(known, strategy, 60, 3, lambda: None)
        assert len(curve) == len(steps(320, 60))
        assert curve == play(known, strategy, 60, 3, lambda: None)
        assert curve[-1] > 0.7
