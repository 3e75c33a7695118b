"""Agreement is what the literature and the library say, and keeps the laws that such figures have."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.agreement.kappa import (
    Votes,
    alpha,
    confusion,
    count_categories,
    count_one,
    kappa,
    kappas,
    sheet,
)

Table = npt.NDArray[np.int64]

# Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", sections A, B and C: alpha .095, .692 and .743.
BINARY = ["0100000010", "1110010000"]
TWO_OBSERVERS = ["aabbdcccedda", "babbbccceddd"]
FOUR_OBSERVERS = ["123321412...", "1233224125.3", ".3332342251.", "12332441251."]
# The computational example of Wikipedia's article on the coefficient, after Krippendorff 2004: .691.
THREE_CODERS = [".....34121133.3", "1.213343.......", "..21344.21133.4"]


def table_of(rows: list[str]) -> Table:
    """(people, records) of codes from 0, -1 for nothing."""
    known = sorted({letter for row in rows for letter in row} - {"."})
    return np.array([[known.index(letter) if letter != "." else -1 for letter in row] for row in rows])


def votes_of(table: Table) -> Votes:
    annotator, record = np.nonzero(table >= 0)
    answer = table[annotator, record]
    return Votes(record, annotator, answer, table.shape[1], len(table), int(table.max(initial=0)) + 1)


def alpha_of(table: Table) -> float | None:
    return alpha(count_categories(votes_of(table)), np.random.default_rng(0), 10).value


@pytest.mark.parametrize(
    ("rows", "published"), [(BINARY, 0.095), (TWO_OBSERVERS, 0.692), (FOUR_OBSERVERS, 0.743), (THREE_CODERS, 0.691)]
)
def test_alpha_is_what_was_published(rows: list[str], published: float) -> None:
    assert alpha_of(table_of(rows)) == pytest.approx(published, abs=0.0006)


tables = st.integers(2, 5).flatmap(
    lambda people: st.lists(
        st.lists(st.integers(-1, 3), min_size=people, max_size=people), min_size=2, max_size=30
    ).map(lambda rows: np.array(rows).T)
)


@given(tables)
@settings(deadline=None)
def test_alpha_is_what_the_library_says(table: Table) -> None:
    import krippendorff

    pairable = table[:, (table >= 0).sum(axis=0) > 1]
    used = np.unique(pairable[pairable >= 0])
    if len(used) < 2:
        assert alpha_of(table) is None
        return
    reference = krippendorff.alpha(np.where(table >= 0, table, np.nan), level_of_measurement="nominal")
    assert alpha_of(table) == pytest.approx(reference, abs=1e-9)


@given(tables, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_names_and_order_change_nothing(table: Table, random: "np.random.Generator") -> None:
    people, records, codes = list(range(len(table))), list(range(table.shape[1])), list(range(4))
    for order in (people, records, codes):
        random.shuffle(order)
    shuffled = np.array([*codes, -1])[table][people][:, records]
    one, other = alpha_of(table), alpha_of(shuffled)
    assert one == pytest.approx(other) if one is not None else other is None


@given(st.lists(st.integers(0, 3), min_size=2, max_size=40).filter(lambda truth: len(set(truth)) > 1))
@settings(deadline=None)
def test_full_agreement_is_one(truth: list[int]) -> None:
    votes = votes_of(np.array([truth] * 3))
    matches = alpha(count_categories(votes), np.random.default_rng(0), 200)
    assert matches.value == 1.0
    assert matches.high in (None, 1.0)
    assert {one.value for one in kappas(votes, np.arange(3)).values()} == {1.0}


def test_a_label_against_the_rest_is_alpha_of_two_categories() -> None:
    table = table_of(FOUR_OBSERVERS)
    votes = votes_of(table)
    matches = alpha(count_one(votes, votes.answer == 2), np.random.default_rng(0), 10).value
    assert matches == pytest.approx(alpha_of(np.where(table >= 0, (table == 2).astype(int), -1)))


def test_kappa_is_what_was_published() -> None:
    # Cohen's kappa of two readers of 50 proposals, the example of Wikipedia's article: .4.
    matches = kappa(np.array([[20, 5], [10, 15]]))
    assert matches.value == pytest.approx(0.4)
    assert matches.records == 50
    assert matches.same == pytest.approx(0.7)


def test_confusion_counts_shared_records_only() -> None:
    table = table_of(["ab.a", "bba."])
    assert confusion(table[0], table[1], 2).tolist() == [[0, 1], [0, 1]]
    assert sheet(votes_of(table), np.array([1])).T.tolist() == [[1, 1, 0, -1]]


def test_agreement_that_cannot_be_computed_has_a_reason() -> None:
    rng = np.random.default_rng(0)
    alone = alpha(count_categories(votes_of(table_of(["ab.", "..a"]))), rng)
    assert (alone.value, alone.why) == (None, "no record has answers of two people")
    same = alpha(count_categories(votes_of(table_of(["aaa", "aaa"]))), rng)
    assert same.value is None
    assert same.why is not None
    assert "always gave the same answer" in same.why
    assert kappa(np.zeros((2, 2), np.int64)).why == "they share no record"
    assert "one label only" in (kappa(np.array([[5, 0], [0, 0]])).why or "")


def crowd(rng: np.random.Generator, records: int, people: int = 4) -> Table:
    """People who know the label in three of four cases, else any of three; half of the answers are missing."""
    truth = rng.integers(3, size=records)
    table = np.where(rng.random((people, records)) < 0.75, truth, rng.integers(3, size=(people, records)))
    return np.where(rng.random(table.shape) < 0.5, table, -1)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    truth = alpha_of(crowd(np.random.default_rng(1), 200_000))
    assert truth is not None
    hits = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        matches = alpha(count_categories(votes_of(crowd(rng, 150))), rng, 300)
        assert matches.low is not None
        assert matches.high is not None
        hits += matches.low <= truth <= matches.high
    assert 0.90 <= hits / 200 <= 0.99


def test_many_records_are_drawn_anew_as_kinds_and_not_one_by_one() -> None:
    votes = votes_of(crowd(np.random.default_rng(0), 100_000))
    matches = alpha(count_categories(votes), np.random.default_rng(0))
    again = alpha(count_categories(votes), np.random.default_rng(0))
    assert matches == again
    assert matches.low is not None
    assert matches.high is not None
    assert matches.high - matches.low < 0.02
