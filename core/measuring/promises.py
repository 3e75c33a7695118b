"""Which machine labels may be accepted so that their precision is promised, and watching that promise. Knows arrays."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from core.errors import BadInput
from core.measuring.regions import Evidence, Floats, Ints, Regions, read_regions

LIKELY = 0.8
"""chance of a pass at which a number of audit labels is called enough"""
TRUST = 20
"""audit labels that the guide's expectation counts for where missing ones are estimated"""
WORTHWHILE = 0.05
"""share of the pool that further audit labels should cover at least"""
_TRIED = (10, 20, 30, 40, 50, 60, 80, 100, 120, 150, 200, 250, 300, 400, 500, 700, 1000, 1500, 2000)


@dataclass(frozen=True)
class Wanted:
    """Precision of all accepted labels and, if not None, of each label's part; both hold with this confidence."""

    precision: float = 0.95
    per_label: float | None = None
    confidence: float = 0.95

    @property
    def risk(self) -> float:
        """The chance that the promise is broken."""
        return 1 - self.confidence


@dataclass(frozen=True)
class Part:
    """What is accepted of one label: from which probability, how many, and the audit records behind it."""

    label: str
    threshold: float
    covered: int
    audits: int
    wrong: int
    bound: float


@dataclass(frozen=True)
class Step:
    """One cut: what accepting all that is surer would cover. bound: precision at the wanted confidence, at this cut
    alone: for a picture, since the best of many cuts looks better than it is."""

    covered: int
    share: float
    audits: int
    wrong: int
    bound: float


@dataclass(frozen=True)
class Certificate:
    """thresholds: label to least probability, of the labels that are accepted. covered, pool: records. audits, wrong:
    the audit records in the accepted region. bound: as `Step` has it, never below the promised precision."""

    thresholds: dict[str, float]
    parts: tuple[Part, ...]
    covered: int
    pool: int
    audits: int
    wrong: int
    bound: float
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Refusal:
    """Nothing can be promised. missing: further audit labels that would probably do, None where no number would."""

    missing: int | None
    audits: int
    pool: int
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class _Candidate:
    """A region and the labels of it that would be accepted."""

    row: int
    labels: Ints


def fewest(wanted: Wanted) -> int:
    """Audit labels without which no test can pass: all of them right would still be chance."""
    return int(np.ceil(np.log(wanted.risk) / np.log(wanted.precision)))


def check_wanted(wanted: Wanted) -> None:
    """Raises BadInput for shares that no evidence could prove, or that promise nothing."""
    shares = {"precision": wanted.precision, "precision per label": wanted.per_label, "confidence": wanted.confidence}
    for name, value in shares.items():
        if value is not None and not 0.5 <= value <= 0.999:
            raise BadInput(f"The {name} is {value}; it must lie between 0.5 and 0.999.")


def certify(evidence: Evidence, wanted: Wanted) -> Certificate | Refusal:
    """The largest part of the pool whose suggestions are right in `precision` of cases, with `confidence`.

    Learn then test (Angelopoulos, Bates, Candes, Jordan, Lei, Annals of Applied Statistics 2025) with fixed-sequence
    testing: from the region that covers most, times its chance to pass as far as one can say without looking whether
    audits are right, to looser and looser ones until the first that fails. A region's test is exact for the finite
    pool (`chance_of_so_few`). That all labels keep a promise of their own costs no extra risk: a region passes when
    each of its tests does (intersection-union, Berger 1982).
    """
    regions = read_regions(evidence)
    passed: _Candidate | None = None
    for candidate in _sequence(regions, wanted):
        if _doubt(regions, candidate, wanted) > wanted.risk:
            break
        passed = candidate
    return _refuse(regions, wanted) if passed is None else _certificate(evidence, regions, passed, wanted)


def _sequence(regions: Regions, wanted: Wanted) -> Iterator[_Candidate]:
    """Regions from the most hopeful to the loosest; which labels are in is decided for each by what is hoped."""
    hopes, orders, sizes = _hopes(regions, wanted)
    if not hopes.size or hopes.max() <= 0:
        return
    for row in range(int(np.unravel_index(hopes.argmax(), hopes.shape)[0]), len(hopes)):
        count = int(hopes[row].argmax()) + 1
        if hopes[row, count - 1] > 0:
            yield _Candidate(row, np.sort(orders[row, :count][sizes[row, :count] > 0]))


def _hopes(regions: Regions, wanted: Wanted) -> tuple[Floats, Ints, Ints]:
    """(regions, labels) covered records times the chance to pass when so many labels are in; the order of the labels,
    most likely to pass first; and how many records each has, in that order. Never looks at `regions.wrong`."""
    likely = np.ones(regions.pool.shape)
    if wanted.per_label is not None:
        likely = _power(regions.audits, regions.pool, regions.expected, (wanted.per_label, wanted.risk))
        likely[regions.pool == 0] = 1.0
    orders = np.argsort(-likely, axis=1, kind="stable")
    audits, pool, expected, likely = (
        np.take_along_axis(part, orders, axis=1) for part in (regions.audits, regions.pool, regions.expected, likely)
    )
    total = pool.cumsum(axis=1)
    right = (pool * expected).cumsum(axis=1) / np.maximum(total, 1)
    hopes = (
        total * likely.cumprod(axis=1) * _power(audits.cumsum(axis=1), total, right, (wanted.precision, wanted.risk))
    )
    if wanted.per_label is None:
        hopes[:, :-1] = 0  # labels are left out only where they must keep a promise of their own
    return hopes, orders, pool


def _power(audits: Ints, pool: Ints, expected: Floats, test: tuple[float, float]) -> Floats:
    """Chance that a region of such precision passes its test of (promised, risk)."""
    from scipy.special import bdtr

    low = np.full(
        audits.shape, -1
    )  # the most that may be wrong lies in [low, high); a share that is broken never passes
    high = np.minimum(audits, np.ceil(audits * (1 - test[0])).astype(np.int64) + 1)
    while (high - low > 1).any():
        middle = (low + high) // 2
        passed = (chance_of_so_few(audits, np.maximum(middle, 0), pool, test[0]) <= test[1]) & (middle >= 0)
        low, high = np.where(passed, middle, low), np.where(passed, high, np.maximum(middle, low + 1))
    return np.where(low >= 0, bdtr(np.maximum(low, 0), np.maximum(audits, 1), np.clip(1 - expected, 1e-6, 1)), 0.0)


def _doubt(regions: Regions, region: _Candidate, wanted: Wanted) -> float:
    """The largest p-value of the region's tests."""
    audits, wrong, pool = (part[region.row, region.labels] for part in (regions.audits, regions.wrong, regions.pool))
    doubts = [chance_of_so_few(audits.sum(), wrong.sum(), pool.sum(), wanted.precision)]
    if wanted.per_label is not None:
        doubts.append(chance_of_so_few(audits, wrong, pool, wanted.per_label))
    return float(max(part.max() for part in doubts))


def _certificate(evidence: Evidence, regions: Regions, region: _Candidate, wanted: Wanted) -> Certificate:
    row, risk = region.row, wanted.risk
    parts = tuple(
        Part(
            label=evidence.labels[label],
            threshold=float(regions.thresholds[row, label]),
            covered=int(regions.pool[row, label]),
            audits=int(regions.audits[row, label]),
            wrong=int(regions.wrong[row, label]),
            bound=lower_bound(*_counts(regions, row, np.array([label])), risk),
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
        bound=lower_bound(audits, wrong, covered, risk),
        steps=_steps(regions, wanted),
    )


def _counts(regions: Regions, row: int, labels: Ints | slice) -> tuple[int, int, int]:
    """(audits, wrong, pool) of some labels of a region."""
    return (
        int(regions.audits[row, labels].sum()),
        int(regions.wrong[row, labels].sum()),
        int(regions.pool[row, labels].sum()),
    )


def _steps(regions: Regions, wanted: Wanted) -> tuple[Step, ...]:
    counts = [_counts(regions, row, slice(None)) for row in range(len(regions.pool))]
    size = max(counts[-1][2], 1) if counts else 1
    return tuple(
        Step(pool, pool / size, audits, wrong, lower_bound(audits, wrong, pool, wanted.risk))
        for audits, wrong, pool in counts
    )


def _refuse(regions: Regions, wanted: Wanted) -> Refusal:
    pool = int(regions.pool[-1].sum()) if len(regions.pool) else 0
    audits = int(regions.audits[-1].sum()) if pool else 0
    missing = _missing(regions, wanted, audits) if pool else None
    return Refusal(missing, audits, pool, _steps(regions, wanted))


def _missing(regions: Regions, wanted: Wanted, audits: int) -> int | None:
    """The fewest further audit labels with which some region would be LIKELY to pass, as far as its precision is known
    now: from the audits, and where they are few from what the guide lets expect. None: no number would do."""
    size = regions.pool[-1].sum()
    right = regions.audits - regions.wrong
    known = (right + TRUST * regions.expected) / (regions.audits + TRUST)
    least = max(fewest(wanted) - audits, 0)
    for more in _TRIED:
        planned = np.round(regions.pool * ((audits + more) / size)).astype(np.int64)
        hopes, _, pool = _hopes(replace(regions, audits=planned, expected=known), wanted)
        covered = pool.cumsum(axis=1)
        if (hopes >= LIKELY * np.maximum(covered, WORTHWHILE * size)).any():
            return max(more, least)
    return least or None


def chance_of_so_few(audits: npt.ArrayLike, wrong: npt.ArrayLike, pool: npt.ArrayLike, promised: float) -> Floats:
    """p-value of "fewer than `promised` of the pool's records are right" when so few of the audits were wrong.

    Audits and the rest of a region are one population without order, so the audits among it are a draw without
    replacement: with W wrong in both together, P(at most w of the audits are wrong) is hypergeometric, and the worst
    case that breaks the promise is W = w + 1 + the most that may be wrong in the rest. For a large rest this is the
    binomial test; for a small one that would be too sure, since what was found right is gone from the rest.
    """
    n, w, m = np.broadcast_arrays(*(np.asarray(part, np.int64) for part in (audits, wrong, pool)))
    most = np.floor((1 - promised) * m + 1e-9).astype(np.int64)
    empty = (n == 0) | (m == 0) | (w >= n)
    n, w, m = (np.where(empty, 1, part) for part in (n, w, m))
    bad = np.minimum(np.where(empty, 0, most) + 1 + w, n + m)
    found = np.zeros(n.shape)
    for seen in range(int(np.where(empty, 0, w).max(initial=0)) + 1):
        log = _log_choose(bad, seen) + _log_choose(n + m - bad, n - seen) - _log_choose(n + m, n)
        found += np.where(seen <= w, np.exp(log), 0.0)
    return np.where(empty, 1.0, np.minimum(found, 1.0))


def lower_bound(audits: int, wrong: int, pool: int, risk: float) -> float:
    """The largest precision of the rest of a region that `chance_of_so_few` lets promise; 0 for none."""
    if not audits or not pool:
        return 0.0
    low, high = -1, pool  # the fewest wrong that can be promised lie in (low, high]
    while high - low > 1:
        middle = (low + high) // 2
        passed = chance_of_so_few(audits, wrong, pool, 1 - middle / pool) <= risk
        low, high = (low, middle) if passed else (middle, high)
    return 1 - high / pool


def evidence_against(right: int, wrong: int, accepted: int, promised: float) -> float:
    """How much more likely blind answers are when the promise is broken: an e-value that may be looked at any time.

    With a promise that holds it ever exceeds 1 / risk with chance `risk` at most (Ville 1939). Answers are a draw
    without replacement from the accepted records; against the best case that keeps the promise stands a mixture over
    precisions (Beta, around three times the wrong ones that are allowed): a prior-posterior ratio, Waudby-Smith and
    Ramdas 2020, which does not depend on the order.
    """
    from scipy.special import betaln

    most = int(np.floor((1 - promised) * accepted + 1e-9))
    seen = right + wrong
    if not seen or not accepted:
        return 1.0
    if wrong > most:
        return float("inf")
    a = 1.5
    b = a / min(3 * (1 - promised), 0.75) - a
    broken = betaln(wrong + a, right + b) - betaln(a, b)
    likeliest = (accepted + 1) * wrong // seen + np.arange(-1, 2)
    kept = np.clip(likeliest, wrong, min(most, accepted - right))
    held = (_log_choose(accepted - seen, kept - wrong) - _log_choose(accepted, kept)).max()
    return float(np.exp(min(broken - held, 700.0)))


def _log_choose(n: npt.ArrayLike, k: npt.ArrayLike) -> Floats:
    """-inf where there is no way to choose."""
    from scipy.special import gammaln

    n, k = np.asarray(n, np.float64), np.asarray(k, np.float64)
    possible = (k >= 0) & (k <= n)
    k = np.where(possible, k, 0)
    return np.where(possible, gammaln(n + 1) - gammaln(k + 1) - gammaln(np.maximum(n - k, 0) + 1), -np.inf)
