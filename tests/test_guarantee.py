"""A guarantee about machine labels: tests against the textbook, and kept as often as guaranteed in simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from core.errors import BadInput
from core.evaluation.exact_tests import evidence_against, hypergeometric_p_value, lower_bound
from core.evaluation.guarantee import (
    Certificate,
    GuaranteeTerms,
    Refusal,
    certify,
    check_terms,
    fewest,
)
from core.evaluation.regions import CheckedRecords, Evidence, read_regions

LABELS = ("a", "b", "c")


def world(rng: np.random.Generator, audits: int, pool: int, bend: float) -> tuple[Evidence, np.ndarray]:
    """Suggestions in three labels that are right with chance ** bend, and whether those of the pool are."""

    def some_of(count: int) -> CheckedRecords:
        label, chance = rng.integers(0, 3, count), rng.uniform(0.4, 1, count)
        return CheckedRecords(label, chance, rng.random(count) < chance ** (bend * (1 + label)))

    audit, guide, rest = some_of(audits), some_of(100), some_of(pool)
    return Evidence(LABELS, audit, guide, rest.label, rest.chance), rest.right


def accepted(evidence: Evidence, certificate: Certificate) -> np.ndarray:
    """(N,) label number where the pool's record is accepted, -1 elsewhere."""
    least = np.array([certificate.thresholds.get(label, 2.0) for label in LABELS])
    return np.where(evidence.pool_chance >= least[evidence.pool_label], evidence.pool_label, -1)


@given(some.integers(1, 300), some.floats(0, 0.2), some.sampled_from([0.9, 0.95, 0.99]))
@settings(max_examples=30, deadline=None)
def test_for_a_large_pool_it_is_the_binomial_test(audits: int, share: float, guaranteed: float) -> None:
    from scipy.stats import binom

    wrong = int(audits * share)
    matches = float(hypergeometric_p_value(audits, wrong, 10**8, guaranteed))
    assert matches == pytest.approx(binom.cdf(wrong, audits, 1 - guaranteed), rel=1e-3)


@given(some.integers(1, 25), some.integers(1, 25), some.integers(0, 5), some.sampled_from([0.6, 0.8, 0.9]))
@settings(max_examples=30, deadline=None)
def test_a_small_pool_is_counted_out(audits: int, pool: int, wrong: int, guaranteed: float) -> None:
    """With any number of wrong ones in both together, passing and breaking the guarantee meet in `risk` at most."""
    from scipy.stats import hypergeom

    risk = 0.1
    passing = [w for w in range(audits + 1) if hypergeometric_p_value(audits, w, pool, guaranteed) <= risk]
    for total in range(audits + pool + 1):
        bad = [w for w in passing if total - w > (1 - guaranteed) * pool + 1e-9]
        assert np.sum(hypergeom.pmf(bad, audits + pool, total, audits)) <= risk + 1e-9


def test_fifty_nine_right_ones_prove_95_percent_and_58_do_not() -> None:
    assert fewest(GuaranteeTerms(0.95, None, 0.95)) == 59
    assert hypergeometric_p_value(59, 0, 10**7, 0.95) <= 0.05 < hypergeometric_p_value(58, 0, 10**7, 0.95)
    assert lower_bound(59, 0, 10**6, 0.05) == pytest.approx(0.95, abs=1e-3)
    assert lower_bound(0, 0, 100, 0.05) == lower_bound(10, 10, 100, 0.05) == 0


@pytest.mark.parametrize("requested", [GuaranteeTerms(0.8, None, 0.9), GuaranteeTerms(0.8, 0.7, 0.9)])
def test_the_guarantee_is_kept_as_often_as_guaranteed(requested: GuaranteeTerms) -> None:
    rng = np.random.default_rng(3)
    broken = covered = 0.0
    for _ in range(60):
        evidence, right = world(rng, int(rng.integers(40, 160)), int(rng.integers(80, 400)), bend=0.5)
        matches = certify(evidence, requested)
        if isinstance(matches, Refusal):
            continue
        label = accepted(evidence, matches)
        assert (label >= 0).sum() == matches.covered
        parts = [right[label == number] for number in range(3) if (label == number).any()]
        each = requested.per_label is None or min(part.mean() for part in parts) >= requested.per_label
        broken += not (right[label >= 0].mean() >= requested.precision and each)
        covered += matches.covered / matches.pool
    assert broken <= 11  # of 60, at 10 % risk: more would be a chance of 2 in 100
    assert covered >= 3


def test_where_regions_lie_does_not_depend_on_whether_audits_are_right() -> None:
    evidence, _ = world(np.random.default_rng(0), 80, 300, bend=1)
    audit = evidence.audit
    turned = Evidence(LABELS, CheckedRecords(audit.label, audit.chance, ~audit.right), evidence.guide, *_pool(evidence))
    assert (read_regions(turned).thresholds == read_regions(evidence).thresholds).all()


def _pool(evidence: Evidence) -> tuple[np.ndarray, np.ndarray]:
    return evidence.pool_label, evidence.pool_chance


def test_regions_are_nested_and_end_with_the_whole_pool() -> None:
    evidence, _ = world(np.random.default_rng(1), 80, 300, bend=1)
    regions = read_regions(evidence)
    assert (np.diff(regions.pool, axis=0) >= 0).all()
    assert (np.diff(regions.thresholds, axis=0) <= 0).all()
    assert regions.pool[-1].sum() == 300
    assert regions.audits[-1].sum() == 80


def test_with_too_few_audits_it_says_how_many_are_missing() -> None:
    evidence, _ = world(np.random.default_rng(2), 30, 2000, bend=0.02)
    matches = certify(evidence, GuaranteeTerms(0.95, None, 0.95))
    assert isinstance(matches, Refusal)
    assert matches.missing is not None
    assert 29 <= matches.missing <= 200
    assert matches.audits == 30


def test_where_suggestions_are_mostly_wrong_no_number_of_audits_is_named() -> None:
    matches = certify(world(np.random.default_rng(2), 200, 500, bend=6)[0], GuaranteeTerms(0.95, None, 0.95))
    assert isinstance(matches, Refusal)
    assert matches.missing is None


def test_with_too_few_audits_to_tell_the_least_number_is_named_that_could_do() -> None:
    requested = GuaranteeTerms(0.95, None, 0.95)
    matches = certify(world(np.random.default_rng(2), 5, 500, bend=6)[0], requested)
    assert isinstance(matches, Refusal)
    assert matches.missing == fewest(requested) - 5


@given(pool=some.integers(1, 12), audits=some.integers(0, 40))
@settings(max_examples=30, deadline=None)
def test_a_pool_however_small_has_an_answer(pool: int, audits: int) -> None:
    matches = certify(world(np.random.default_rng(pool), audits, pool, bend=1)[0], GuaranteeTerms())
    assert matches.steps[-1].covered == pool
    assert isinstance(matches, Certificate) or matches.pool == pool


def test_an_empty_pool_is_refused_without_a_number() -> None:
    matches = certify(world(np.random.default_rng(2), 20, 0, bend=1)[0], GuaranteeTerms())
    assert isinstance(matches, Refusal)
    assert (matches.missing, matches.pool) == (None, 0)


@pytest.mark.parametrize(
    "wrong", [GuaranteeTerms(precision=1.0), GuaranteeTerms(per_label=0.2), GuaranteeTerms(confidence=95)]
)
def test_a_guarantee_that_nothing_could_prove_is_refused(wrong: GuaranteeTerms) -> None:
    with pytest.raises(BadInput, match="between"):
        check_terms(wrong)


def test_the_watch_seldom_sounds_while_the_guarantee_holds() -> None:
    """All of a check of the whole, looked at after each answer, at the edge of what is guaranteed."""
    rng, sounded = np.random.default_rng(4), 0
    right = np.arange(200) >= 20
    for _ in range(300):
        wrong = np.cumsum(~rng.permutation(right))[:100].tolist()
        sounded += any(evidence_against(n - w, w, 200, 0.9) >= 10 for n, w in enumerate(wrong, 1))
    assert sounded <= 42  # of 300, at 10 % risk: more would be a chance of 2 in 100


def test_the_watch_sounds_soon_when_the_guarantee_is_broken() -> None:
    assert evidence_against(right=20, wrong=10, accepted=1000, guaranteed=0.95) > 1000
    assert evidence_against(right=57, wrong=3, accepted=1000, guaranteed=0.95) < 1
    assert evidence_against(right=0, wrong=3, accepted=10, guaranteed=0.8) == float("inf")  # more than there may be
    assert evidence_against(right=0, wrong=0, accepted=10, guaranteed=0.8) == 1


@given(some.integers(1, 12), some.sampled_from([0.5, 0.75, 0.9]))
@settings(max_examples=20, deadline=None)
def test_the_evidence_is_fair_for_every_number_of_wrong_ones_that_keeps_the_guarantee(
    seen: int, guaranteed: float
) -> None:
    """Its mean over draws without replacement is 1 at most, so it is an e-value."""
    from scipy.stats import hypergeom

    accepted_ = 20
    for total in range(int((1 - guaranteed) * accepted_ + 1e-9) + 1):
        wrong = np.arange(min(seen, total) + 1)
        weight = hypergeom.pmf(wrong, accepted_, total, seen)
        values = [evidence_against(seen - w, w, accepted_, guaranteed) for w in wrong.tolist()]
        assert (weight * np.where(weight > 0, values, 0)).sum() <= 1 + 1e-9
