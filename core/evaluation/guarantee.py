"""Which machine labels may be accepted so that their precision is guaranteed. Knows arrays."""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from core.arrays import Floats, Ints
from core.errors import BadInput
from core.evaluation.exact_tests import hypergeometric_p_value, lower_bound
from core.evaluation.regions import Evidence, Regions, read_regions

LIKELY = 0.8
"""chance of a pass at which a number of audit labels is called enough"""
TRUST = 20
"""audit labels that the guide's expectation counts for where missing ones are estimated"""
COARSE = 5
"""where missing audit labels are estimated, only every so many-th region is tried"""
WORTHWHILE = 0.05
"""share of the pool that further audit labels should cover at least"""
_TRIED = (10, 20, 30, 40, 50, 60, 80, 100, 120, 150, 200, 250, 300, 400, 500, 700, 1000, 1500, 2000)


@dataclass(frozen=True)
class GuaranteeTerms:
    """Precision of all accepted labels and, if not None, of each label's part; both hold with this confidence."""

    precision: float = 0.95
    per_label: float | None = None
    confidence: float = 0.95

    @property
    def risk(self) -> float:
        """The chance that the guarantee is broken."""
        return 1 - self.confidence

    def shared(self, compared: int) -> "GuaranteeTerms":
        """To be proved of one, so that they hold whichever of so many was chosen by the same audit (Bonferroni)."""
        return replace(self, confidence=1 - self.risk / max(compared, 1))


@dataclass(frozen=True)
class GuaranteePart:
    """What is accepted of one label: the least probability, how many records, and the audit records behind it."""

    label: str
    threshold: float
    covered: int
    audits: int
    wrong: int
    bound: float


@dataclass(frozen=True)
class Step:
    """One threshold: what accepting all suggestions above it would cover. bound: precision at the requested confidence,
    at this threshold alone: for a chart only, since the best of many thresholds looks better than it is.
    """

    covered: int
    share: float
    audits: int
    wrong: int
    bound: float


@dataclass(frozen=True)
class Certificate:
    """thresholds: label to least probability, of the labels that are accepted. covered, pool: records. audits, wrong:
    the audit records in the accepted region. bound: as `Step` has it, never below the guaranteed precision."""

    thresholds: dict[str, float]
    parts: tuple[GuaranteePart, ...]
    covered: int
    pool: int
    audits: int
    wrong: int
    bound: float
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Refusal:
    """Nothing can be guaranteed. missing: further audit labels that would probably suffice, or where there are too few
    to estimate that, those with which a test could pass at all; None where no number would suffice.
    """

    missing: int | None
    audits: int
    pool: int
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class _Candidate:
    """A region and the labels of it that would be accepted."""

    row: int
    labels: Ints


def fewest(terms: GuaranteeTerms) -> int:
    """The fewest audit labels with which a test can pass: with fewer, even all of them right could be chance."""
    return int(np.ceil(np.log(terms.risk) / np.log(terms.precision)))


def check_terms(terms: GuaranteeTerms) -> None:
    """Raises BadInput for shares that no evidence could prove, or that guarantee nothing."""
    shares = {
        "precision": terms.precision,
        "precision per label": terms.per_label,
        "confidence": terms.confidence,
    }
    for name, value in shares.items():
        if value is not None and not 0.5 <= value <= 0.999:
            raise BadInput(f"The {name} is {value}; it must lie between 0.5 and 0.999.")


def certify(evidence: Evidence, terms: GuaranteeTerms) -> Certificate | Refusal:
    """The largest part of the pool whose suggestions are right in `precision` of cases, with `confidence`.

    Learn then test (Angelopoulos, Bates, Candes, Jordan, Lei, Annals of Applied Statistics 2025) with fixed-sequence
    testing: starts at the region with the largest coverage times chance to pass, estimated without looking at whether
    audits are right, and goes to looser ones until the first that fails. A region's test is exact for the finite pool
    (`hypergeometric_p_value`). A guarantee for every label costs no extra risk: a region passes when each of its tests
    does (intersection-union, Berger 1982). The confidence is that of one look: repeating this after every few audit
    labels and taking the first certificate has somewhat less.
    """
    regions = read_regions(evidence)
    passed: _Candidate | None = None
    for candidate in _sequence(regions, terms):
        if _doubt(regions, candidate, terms) > terms.risk:
            break
        passed = candidate
    return _refuse(regions, terms) if passed is None else _certificate(evidence, regions, passed, terms)


def _sequence(regions: Regions, terms: GuaranteeTerms) -> Iterator[_Candidate]:
    """Regions from the largest expected coverage to the loosest, each with the labels that maximize that coverage."""
    hopes, orders, sizes = _hopes(regions, terms)
    if not hopes.size or hopes.max() <= 0:
        return
    for row in range(int(np.unravel_index(hopes.argmax(), hopes.shape)[0]), len(hopes)):
        count = int(hopes[row].argmax()) + 1
        if hopes[row, count - 1] > 0:
            yield _Candidate(row, np.sort(orders[row, :count][sizes[row, :count] > 0]))


def _hopes(regions: Regions, terms: GuaranteeTerms) -> tuple[Floats, Ints, Ints]:
    """(regions, labels) expected coverage, records times the chance to pass, with the first so many labels in; the
    order of the labels, most likely to pass first; and how many records each has, in that order. Never looks at
    `regions.wrong`.
    """
    likely: Floats = np.ones(regions.pool.shape)
    if terms.per_label is not None:
        power = _power(regions.audits, regions.pool, regions.expected, (terms.per_label, terms.risk))
        likely = np.where(regions.pool == 0, 1.0, power)
    orders = np.argsort(-likely, axis=1, kind="stable")
    audits, pool, expected, likely = (  # type: ignore[assignment]
        np.take_along_axis(part, orders, axis=1) for part in (regions.audits, regions.pool, regions.expected, likely)
    )
    total = pool.cumsum(axis=1)
    right = (pool * expected).cumsum(axis=1) / np.maximum(total, 1)
    hopes = total * likely.cumprod(axis=1) * _power(audits.cumsum(axis=1), total, right, (terms.precision, terms.risk))
    if terms.per_label is None:
        hopes[:, :-1] = 0  # labels are left out only where each needs its own guarantee
    return np.asarray(hopes, np.float64), orders.astype(np.int64), pool.astype(np.int64)


def _power(audits: Ints, pool: Ints, expected: Floats, test: tuple[float, float]) -> Floats:
    """Chance that a region of such precision passes its test of (guaranteed, risk)."""
    from scipy.special import bdtr

    # the most that may be wrong lies in [low, high); a share that is broken never passes
    low = np.full(audits.shape, -1)
    high = np.minimum(audits, np.ceil(audits * (1 - test[0])).astype(np.int64) + 1)
    while (high - low > 1).any():
        middle = (low + high) // 2
        passed = (hypergeometric_p_value(audits, np.maximum(middle, 0), pool, test[0]) <= test[1]) & (middle >= 0)
        low, high = np.where(passed, middle, low), np.where(passed, high, np.maximum(middle, low + 1))
    return np.where(low >= 0, bdtr(np.maximum(low, 0), np.maximum(audits, 1), np.clip(1 - expected, 1e-6, 1)), 0.0)


def _doubt(regions: Regions, region: _Candidate, terms: GuaranteeTerms) -> float:
    """The largest p-value of the region's tests."""
    audits, wrong, pool = (part[region.row, region.labels] for part in (regions.audits, regions.wrong, regions.pool))
    doubts = [hypergeometric_p_value(audits.sum(), wrong.sum(), pool.sum(), terms.precision)]
    if terms.per_label is not None:
        doubts.append(hypergeometric_p_value(audits, wrong, pool, terms.per_label))
    return float(max(part.max() for part in doubts))


def _certificate(evidence: Evidence, regions: Regions, region: _Candidate, terms: GuaranteeTerms) -> Certificate:
    row, risk = region.row, terms.risk
    parts = tuple(
        GuaranteePart(
            label=evidence.labels[label],
            threshold=float(regions.thresholds[row, label]),
            covered=int(regions.pool[row, label]),
            audits=int(regions.audits[row, label]),
            wrong=int(regions.wrong[row, label]),
            bound=float(lower_bound(*_counts(regions, row, np.array([label])), risk)),
        )
        for label in region.labels.tolist()
    )
    audits, wrong, covered = _counts(regions, row, region.labels)
    return Certificate(
        thresholds={part.label: part.threshold for part in parts},
        parts=parts,
        covered=covered,
        pool=len(evidence.pool_label),
        audits=audits,
        wrong=wrong,
        bound=float(lower_bound(audits, wrong, covered, risk)),
        steps=_steps(regions, terms),
    )


def _counts(regions: Regions, row: int, labels: Ints | slice) -> tuple[int, int, int]:
    """(audits, wrong, pool) of some labels of a region."""
    return (
        int(regions.audits[row, labels].sum()),
        int(regions.wrong[row, labels].sum()),
        int(regions.pool[row, labels].sum()),
    )


def _steps(regions: Regions, terms: GuaranteeTerms) -> tuple[Step, ...]:
    audits, wrong, pool = (part.sum(axis=1) for part in (regions.audits, regions.wrong, regions.pool))
    bounds = lower_bound(audits, wrong, pool, terms.risk)
    size = max(int(pool.max(initial=0)), 1)
    rows = zip(pool.tolist(), audits.tolist(), wrong.tolist(), bounds.tolist(), strict=True)
    return tuple(Step(covered, covered / size, n, w, bound) for covered, n, w, bound in rows)


def _refuse(regions: Regions, terms: GuaranteeTerms) -> Refusal:
    pool = int(regions.pool[-1].sum()) if len(regions.pool) else 0
    audits = int(regions.audits[-1].sum()) if pool else 0
    missing = _missing(regions, terms, audits) if pool else None
    return Refusal(missing, audits, pool, _steps(regions, terms))


def _missing(regions: Regions, terms: GuaranteeTerms, audits: int) -> int | None:
    """The fewest further audit labels with which some region would be LIKELY to pass, as far as its precision is known
    now: from the audits, and where they are few from the guide records. None: no number would suffice. With fewer than
    `fewest` audits that cannot be estimated yet: then the number still missing to `fewest`.
    """
    rows = slice((len(regions.pool) - 1) % COARSE, None, COARSE)  # the last one, all of the pool, is in
    checked, wrong, pool = (part[rows] for part in (regions.audits, regions.wrong, regions.pool))
    known = (checked - wrong + TRUST * regions.expected[rows]) / (checked + TRUST)
    size, least = pool[-1].sum(), max(fewest(terms) - audits, 0)

    def enough(more: int) -> bool:
        planned = np.round(pool * ((audits + more) / size)).astype(np.int64)
        future = Regions(planned, wrong, pool, regions.thresholds[rows], known)
        hopes, _, sizes = _hopes(future, terms)
        return bool((hopes >= LIKELY * np.maximum(sizes.cumsum(axis=1), WORTHWHILE * size)).any())

    index = bisect_left(_TRIED, True, key=enough)
    return max(_TRIED[index], least) if index < len(_TRIED) else least or None
