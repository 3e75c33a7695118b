"""Candidates, similarity and best partners where texts are too many to hold each against all others."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.make_people import make_people
from core.arrays import Floats, unit_rows
from core.pairs.blocking.candidates import FIRST, SECOND, Pairs, best_of_both
from core.pairs.blocking.large_sources import plain_texts, rate_large, search_large
from core.pairs.blocking.postings import MOST_TEXTS_OF_A_TERM, PARTNERS, find_sharing, join_pairs
from core.pairs.blocking.trigram_cosines import trigram_cosines
from core.pairs.blocking.vector_index import find_near
from core.pairs.spaces import CUT, row_cosines, tf_idf, trigrams
from tests.command_line import rondo
from tests.pair_world import products

FIELDS = ("name", "address", "city", "born", "phone")
ODD = ["", " ", "a", "👩‍👩‍👧 family", "שלום עולם", "مرحبا بالعالم", "日本語のテキスト", "\ud800 half", "x" * 5_000]


def quiet(done: int, total: int) -> None:
    """A report that nobody reads."""


def as_set(pairs: Pairs) -> set[tuple[int, int]]:
    return set(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True))


def test_texts_that_share_rare_words_are_candidates_once_and_in_order(tmp_path: Path) -> None:
    left, right = (plain_texts(side) for side in products(500))
    linked = find_sharing((left, right), tmp_path, 1, quiet).pairs
    matches = as_set(linked)
    assert sum((row, row) in matches for row in range(500)) > 475
    assert len(matches) == len(linked) <= 1000 * (PARTNERS + 2)
    assert sorted(matches) == list(zip(linked.left.tolist(), linked.right.tolist(), strict=True))
    one = find_sharing(([*left, *right], None), tmp_path, 1, quiet).pairs
    assert (one.left < one.right).all()
    assert len(as_set(one)) == len(one)


def test_neighbours_per_record_hold_for_large_sources_too_and_what_comes_next_is_a_near_miss(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    left, right = ([" ".join(f"w{word}" for word in rng.integers(0, 90, 4)) for _ in range(150)] for _ in range(2))
    few, many = (search_large((left, right), tmp_path, 1, per_record, quiet) for per_record in (1, 5))
    assert len(few.pairs) < 300 * 4 < len(many.pairs) <= 300 * 12
    assert as_set(few.pairs) < as_set(many.pairs)
    assert as_set(few.near)
    assert not as_set(few.near) & as_set(few.pairs)
    assert set(few.searches.tolist()) == {FIRST, SECOND, FIRST + SECOND}
    assert len(few.similarity) == len(few.pairs)


def test_a_frequent_word_makes_no_pairs_and_the_alphabet_still_does(tmp_path: Path) -> None:
    frequent = [f"common word {number:05}" for number in range(10_000)]
    pairs = find_sharing((frequent, None), tmp_path, 1, quiet).pairs
    assert len(pairs) <= 2 * 10_000
    matches = as_set(pairs)
    assert all((row, row + 1) in matches for row in range(9_999))
    few = [f"shared {number}" for number in range(MOST_TEXTS_OF_A_TERM)]
    assert len(find_sharing((few, None), tmp_path, 1, quiet).pairs) > MOST_TEXTS_OF_A_TERM * PARTNERS / 2


def test_odd_texts_are_searched_without_an_error_and_progress_never_goes_back(tmp_path: Path) -> None:
    seen: list[int] = []
    texts = [text for text in plain_texts([text for text in ODD if text.strip()]) if "\ud800" not in text]
    rated = rate_large((texts, None), None, tmp_path, 1, lambda done, total: seen.append(done))
    assert len(rated.pairs)
    assert np.isfinite(rated.similarity).all()
    assert seen == sorted(seen)
    assert seen[-1] == 1000


def test_cosines_of_some_pairs_are_those_of_the_space_of_characters() -> None:
    left, right = (plain_texts(side) for side in products(300))
    left[3] = left[3] + " long" * CUT
    rows, others = tf_idf((left, right), trigrams)
    assert others is not None
    rng = np.random.default_rng(0)
    pairs = Pairs(rng.integers(300, size=2_000), rng.integers(300, size=2_000))
    exact = row_cosines(rows, others, pairs.left, pairs.right)
    hashed = trigram_cosines((left, right), pairs, quiet)
    assert np.abs(exact - hashed).mean() < 1e-3
    assert np.abs(exact - hashed).max() < 0.05
    assert trigram_cosines((left, None), Pairs(np.arange(9), np.arange(9)), quiet) == pytest.approx(1)
    assert len(trigram_cosines((left, None), Pairs(np.empty(0, np.int64), np.empty(0, np.int64)), quiet)) == 0


def vectors(count: int, seed: int) -> Floats:
    return unit_rows(np.random.default_rng(seed).normal(size=(count, 32)).astype(np.float16))


def test_the_index_finds_almost_all_near_vectors_of_both_sides() -> None:
    left = vectors(3_000, 0)
    right = unit_rows(left[::-1] + np.float16(0.05) * vectors(3_000, 1))
    matches = as_set(find_near((left, right), 5, quiet))
    assert sum((row, 2_999 - row) in matches for row in range(3_000)) > 2_900
    one = find_near((np.concatenate([left, right]), None), 5, quiet)
    assert (one.left < one.right).all()
    matches = as_set(one)
    assert sum((row, 5_999 - row) in matches for row in range(3_000)) > 2_900


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 4)), max_size=20), st.booleans())
def test_the_best_of_both_have_no_nearer_partner(rows: list[tuple[int, int, int]], one_source: bool) -> None:
    known = {(min(a, b), max(a, b)) if one_source else (a, b): value / 4 for a, b, value in rows if a != b}
    ends = np.array(list(known), np.int64).reshape(-1, 2)
    values = np.array(list(known.values()))
    best = best_of_both(Pairs(ends[:, 0], ends[:, 1]), values, one_source=one_source)
    for (left, right), value, is_best in zip(known, values, best, strict=True):
        rivals = [
            other
            for (one, two), other in known.items()
            if (one == left or two == right) or (one_source and (one == right or two == left))
        ]
        assert is_best == (value > 0 and value >= max(rivals))


def test_joined_pairs_come_once_and_in_order() -> None:
    one, other = Pairs(np.array([2, 0]), np.array([1, 3])), Pairs(np.array([0, 0]), np.array([3, 2]))
    joined = join_pairs([one, other], 4)
    assert list(zip(joined.left.tolist(), joined.right.tolist(), strict=True)) == [(0, 2), (0, 3), (2, 1)]


def test_with_vectors_neighbours_by_meaning_are_candidates_too(tmp_path: Path) -> None:
    texts = [f"{chr(97 + number % 26) * 3} word{number} other{number * 7}" for number in range(2_000)]
    near = vectors(2_000, 2)
    near[1] = near[1_500]
    without = rate_large((texts, None), None, tmp_path, 1, quiet)
    rated = rate_large((texts, None), (near, None), tmp_path, 1, quiet)
    assert (1, 1_500) not in as_set(without.pairs)
    assert as_set(without.pairs) < as_set(rated.pairs)
    index = list(zip(rated.pairs.left.tolist(), rated.pairs.right.tolist(), strict=True)).index((1, 1_500))
    assert rated.similarity[index] > 0.45


def test_names_of_fields_are_no_words() -> None:
    texts = [f"name: Ann {number}\nborn: \nnote: NAME: x" for number in range(20)]
    assert plain_texts(texts)[3] == "ann 3 note: name: x".replace("note: ", "")
    assert plain_texts(["see: this", "Plain  text"]) == ["see: this", "plain text"]


@pytest.mark.usefixtures("jobs_here")
def test_people_recorded_several_times_are_found_without_the_encoder(tmp_path: Path) -> None:
    file, out, unsure = tmp_path / "people.csv", tmp_path / "out.parquet", tmp_path / "unsure.jsonl"
    make_people(file, 4_000, seed=3)
    words = ("dedup", file, "--id", "id", *(word for name in FIELDS for word in ("--text", name)), "--out", out)
    limits = ("--no-encoder", "--auto-above", 0.5, "--drop-below", 0.3)
    result: dict[str, Any] = json.loads(rondo(*words, *limits, "--unsure", unsure, "--json"))
    assert (result["encoded"], result["exact"], result["held"]) == (False, False, 0)
    truth = dict(pl.read_csv(file, infer_schema_length=0).select("id", "person").iter_rows())
    table = pl.read_parquet(out)
    assert table["id"].to_list() == list(truth)
    table = table.with_columns(person=pl.Series(truth.values()))

    def pairs(*columns: str) -> int:
        sizes = table.group_by(columns).len()["len"].cast(pl.Int64)
        return int((sizes * (sizes - 1) // 2).sum())

    assert pairs("cluster", "person") > 0.99 * pairs("cluster")
    assert pairs("cluster", "person") > 0.95 * pairs("person")
    rows = pl.read_ndjson(unsure)
    assert len(rows) == result["unsure"] > 0
    assert rows["similarity"].is_between(0.3, 0.5).all()
    cluster = dict(table.select("id", "cluster").iter_rows())
    assert all(cluster[left] != cluster[right] for left, right in rows.select("left_id", "right_id").iter_rows())
    assert "name: " in rows["left"][0]
    within = result["candidates"] - result["unsure"] - result["dropped"] - (result["joined"] - result["identical"])
    assert 0 <= within < 0.05 * result["joined"]
    printed = rondo(*words, "--no-encoder")
    assert "without the encoder, similarity is by characters alone" in printed
    assert "--unsure FILE writes them" in printed
