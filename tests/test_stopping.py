"""Net gain against sums by hand; agreement and doubt against known values."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from core.errors import BadInput
from core.evaluation.curve import Curve
from core.evaluation.stopping import Price, agreement, worth
from core.tasks.labels import labels_space

SURE_CURVE = Curve(
    labels=400,
    error=np.full(500, 0.2),
    share=np.full(500, 1.0),
    exponent=np.full(500, 0.5),
    luck=np.zeros(500),
    noise=0.0,
    points=((400.0, 0.8),),
)
"""without any doubt: error 0.2 at 400 labels, 0.1 at 1,600"""


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_the_net_gain_is_errors_avoided_less_the_price() -> None:
    matches = worth(SURE_CURVE, Price(per_label=0.5, per_error=4, left=100_000), rng())
    offer = next(one for one in matches.offers if one.more == 500)
    after = 0.2 * (900 / 400) ** -0.5
    assert offer.errors == pytest.approx(100_000 * 0.2 - (100_000 - 500) * after, rel=0.001)
    assert offer.net == pytest.approx(4 * offer.errors - 250)
    assert (offer.net_low, offer.net_high) == pytest.approx((offer.net, offer.net))
    assert matches.best is matches.offers[-1]
    assert "2,000 labels reach far beyond the 400 known so far" in matches.sentence


def test_dear_labels_and_cheap_errors_are_not_expected_to_pay() -> None:
    matches = worth(SURE_CURVE, Price(per_label=10, per_error=0.01, left=1000, unit="euros"), rng())
    assert matches.best is None
    assert matches.sentence.startswith(
        "No further labels are expected to pay. The least loss: 25 more labels: \u2212250 euros"
    )


def test_uncertainty_is_shown_beside_the_advice() -> None:
    wide = rng().uniform(0.0, 0.9, 500)
    curve = Curve(400, np.full(500, 0.1), wide, np.full(500, 0.5), np.zeros(500), 0.01, ((400.0, 0.9),))
    matches = worth(curve, Price(per_label=0.3, per_error=2, left=3000), rng())
    assert matches.best is not None
    assert matches.best.net_low < 0
    assert "do not exclude a loss" in matches.sentence
    json.dumps(asdict(matches), allow_nan=False)


@given(some.integers(1, 3000), some.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_labelling_all_that_is_left_avoids_every_error(left: int, asked_wrong: float) -> None:
    offers = worth(SURE_CURVE, Price(1, 1, left, asked_wrong=asked_wrong), rng()).offers
    assert all(offer.more <= left for offer in offers)
    assert all(0 <= offer.errors <= 0.2 * left * (1 + 1e-9) for offer in offers)
    if left <= 2000:
        assert offers[-1].errors == pytest.approx(0.2 * left)


def test_asking_what_the_model_gets_wrong_is_worth_more() -> None:
    plain = worth(SURE_CURVE, Price(1, 1, 5000), rng()).offers
    hard = worth(SURE_CURVE, Price(1, 1, 5000, asked_wrong=0.6), rng()).offers
    assert all(more.errors > less.errors for more, less in zip(hard, plain, strict=True))


def test_with_nothing_left_there_is_nothing_to_buy() -> None:
    matches = worth(SURE_CURVE, Price(1, 1, 0), rng())
    assert (matches.offers, matches.best) == ((), None)
    with pytest.raises(BadInput, match="0 or more"):
        worth(SURE_CURVE, Price(-1, 1, 10), rng())
    with pytest.raises(BadInput, match="between 0 and 1"):
        worth(SURE_CURVE, Price(1, 1, 10, asked_wrong=1.2), rng())


def test_kappa_by_hand() -> None:
    before = np.repeat([0, 0, 1, 1], [20, 5, 10, 15])  # 35 of 50 the same; by chance 25
    after = np.repeat([0, 1, 0, 1], [20, 5, 10, 15])
    matches = agreement(before, after)
    assert matches is not None
    assert (matches.kappa, matches.same) == pytest.approx((0.4, 0.7))
    assert matches.decisions == 50


def test_kappa_of_several_labels_counts_decisions() -> None:
    before, after = np.array([[1, 0, 0], [0, 1, 1]]), np.array([[1, 0, 0], [0, 1, 0]])
    matches = agreement(before, after)
    assert matches is not None
    assert matches.decisions == 6
    assert matches.kappa == pytest.approx((5 / 6 - 0.5) / 0.5)
    whole = agreement([3, 3], [3, 3])
    assert whole is not None
    assert whole.kappa == 1.0
    assert agreement([], []) is None
    with pytest.raises(BadInput, match="3 and 2 decisions"):
        agreement([1, 2, 3], [1, 2])


def test_doubtful_records_are_those_below_sure() -> None:
    single, several = (labels_space(("a", "b"), several=several) for several in (False, True))
    assert single.doubtful(np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8]])).tolist() == [False, True, False]
    assert several.doubtful(np.array([[0.9, 0.1], [0.95, 0.5], [0.05, 0.1]])).tolist() == [False, True, False]
