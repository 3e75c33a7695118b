"""The weights of audit records: laws that hold for every history, and what they buy under biased selection."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from core.errors import BadInput
from core.evaluation.audit import PoolHistory, equal_weights, weigh
from core.evaluation.scores import exact, score, share, share_of

SIZES, SHARES = (60,) * 5, (0.1, 0.6, 0.3, 0.5, 0.3)


def project(
    seed: int, records: int = 900, arrives: tuple[int, ...] = (0,)
) -> tuple[np.ndarray, np.ndarray, PoolHistory]:
    """(right (N,), asked, history): each batch draws its audit, then takes the records most in doubt, often wrong."""
    rng = np.random.default_rng(seed)
    doubt = rng.beta(2, 2, records)
    right = rng.random(records) < 1.25 - doubt
    opens = np.array(arrives)
    wave = np.arange(records) * len(opens) // records
    left, audited = np.full(records, -1), np.zeros(records, np.bool_)
    for draw, (size, audit) in enumerate(zip(SIZES, SHARES, strict=True)):
        pool = np.flatnonzero((left < 0) & (opens[wave] <= draw))
        drawn = rng.choice(pool, round(size * audit), replace=False)
        rest = np.setdiff1d(pool, drawn)
        chosen = rest[np.argsort(-doubt[rest])][: size - len(drawn)]
        left[drawn], left[chosen], audited[drawn] = draw, draw, True
    indices = np.flatnonzero(left >= 0)
    return right, indices, PoolHistory(np.bincount(wave), opens, wave[indices], left[indices], audited[indices])


@pytest.mark.parametrize("arrives", [(0,), (0, 2)])
def test_biased_selection_and_a_changing_audit_share_do_not_bias_the_score(arrives: tuple[int, ...]) -> None:
    rows = []
    for seed in range(600):
        right, query, history = project(seed, arrives=arrives)
        verdict, true = right[query], right.mean()
        matches = share_of(verdict, np.ones_like(verdict), weigh(history))
        drawn = verdict[history.audited]
        naive = share(int(drawn.sum()), len(drawn))
        assert matches is not None
        held = [one.low <= true <= one.high for one in (matches, naive)]
        rows.append((matches.value - true, naive.value - true, *held))
    error, naive_error, held, naive_held = np.mean(rows, axis=0)
    noise = np.std(rows, axis=0)[0] / len(rows) ** 0.5
    assert abs(error) < 4 * noise
    assert naive_error > 20 * noise  # the hard records are gone from the later draws
    assert 0.93 <= held <= 0.98
    assert naive_held < held - 0.03


@given(some.integers(0, 10_000), some.sampled_from([(0,), (0, 1), (0, 0, 3), (0, 4)]))
def test_weights_are_shares_of_all_records(seed: int, arrives: tuple[int, ...]) -> None:
    _, _, history = project(seed, 700, arrives)
    matches = weigh(history)
    assert matches.weight.sum() == pytest.approx(1)
    assert matches.weight.min() >= 0
    assert matches.random[~matches.drawn] == pytest.approx(0)
    assert (matches.random[matches.drawn] > 0).all()
    assert 0 < matches.stray < 1
    assert matches.population == 700
    assert matches.uncovered == 0


def test_weights_by_hand() -> None:
    """Ten records; draw 0 takes an audit and a chosen one, draw 1 an audit from the eight that are left."""
    one = np.zeros(1, np.int64)
    history = PoolHistory(one + 10, one, np.zeros(3, np.int64), np.array([0, 0, 1]), np.array([True, False, True]))
    matches = weigh(history)
    assert matches.weight == pytest.approx([(5 + 0.5) / 10, 0.5 / 10, 4 / 10])
    assert matches.effective == pytest.approx(81 / (25 * 0.9 + 16 * 0.875))


def test_a_single_draw_is_a_plain_sample() -> None:
    one = np.zeros(1, np.int64)
    matches = weigh(PoolHistory(one + 1000, one, np.zeros(20, np.int64), np.zeros(20, np.int64), np.ones(20, np.bool_)))
    assert matches.weight == pytest.approx(equal_weights(20).weight)
    assert matches.effective == pytest.approx(20 / (1 - 20 / 1000))


def test_where_every_record_was_asked_the_score_is_their_mean_with_the_doubt_of_a_sample() -> None:
    """Other folds would have judged some of them otherwise, so 63 % (63 to 63) would be too sure."""
    right, query, history = project(3, 300)
    assert len(query) == 300
    verdict = np.stack([right[query], ~right[query]], axis=1)
    matches = score(np.tile([True, False], (300, 1)), verdict, weigh(history))
    assert matches.effective is None
    for estimate in (matches.accuracy, matches.macro_f1, matches.micro_f1):
        assert estimate.low < estimate.value < estimate.high
    sample = exact(float(right.mean()), 300)
    assert matches.accuracy.value == pytest.approx(right.mean())
    assert (matches.accuracy.low, matches.accuracy.high) == pytest.approx((sample.low, sample.high))


def test_an_import_without_an_audit_record_is_left_out_and_counted() -> None:
    _, _, history = project(1, arrives=(0, 9))
    matches = weigh(history)
    assert (matches.population, matches.uncovered) == (900, 450)
    assert matches.weight.sum() == pytest.approx(1)
    assert (
        "450 records"
        in score(np.eye(2, dtype=bool)[history.left % 2], np.eye(2, dtype=bool)[history.left % 2], matches).unsaid[0]
    )


def test_without_an_audit_record_nothing_is_claimed() -> None:
    one, none = np.zeros(1, np.int64), np.zeros(0, np.int64)
    weights = weigh(PoolHistory(one + 50, one, none, none, np.zeros(0, np.bool_)))
    empty = np.zeros((0, 3), np.bool_)
    matches = score(empty, empty, weights, labels="abc")
    assert (matches.n, matches.accuracy.low, matches.accuracy.high) == (0, 0.0, 1.0)
    assert matches.per_label["c"].recall is None
    assert matches.unsaid[-1].startswith("There are no audit labels yet.")


def test_a_record_labelled_before_any_draw_represents_itself() -> None:
    one = np.zeros(1, np.int64)
    matches = weigh(
        PoolHistory(one + 10, one, np.zeros(3, np.int64), np.array([-1, 0, 0]), np.array([False, True, True]))
    )
    assert matches.weight == pytest.approx([0.1, 0.45, 0.45])


def test_an_impossible_history_is_refused() -> None:
    one, three = np.zeros(1, np.int64), np.zeros(3, np.int64)
    with pytest.raises(BadInput, match="2 records but 3"):
        weigh(PoolHistory(one + 2, one, three, three, np.ones(3, np.bool_)))
    with pytest.raises(BadInput, match="before its import"):
        weigh(PoolHistory(one + 9, one + 1, three, three, np.ones(3, np.bool_)))
