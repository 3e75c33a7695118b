"""How many matches a search for pairs misses: from pairs drawn among those it did not find, and from two searches that
overlap. Knows counts and weights, not pairs or where they came from."""

from dataclasses import dataclass
from math import exp, log, prod, sqrt

from core.arrays import Bools
from core.evaluation.audit import Weights
from core.evaluation.metrics import Estimate
from core.evaluation.scores import exact

ERROR, Z = 0.05, 1.959964
"""chance that an interval does not hold; standard deviations that leave so much out"""


@dataclass(frozen=True)
class Bounds:
    """A number of pairs with an interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class DrawnStratum:
    """population: pairs that the search did not find; of those drawn from them so many were decided, and of these so
    many are matches."""

    population: int
    decided: int
    matches: int

    def missed(self, error: float = ERROR) -> Bounds:
        """Matches among all of them, by the exact binomial interval (Clopper & Pearson 1934). Nothing decided: 0 to
        all of them; all decided: the number itself."""
        if self.decided >= self.population:
            return Bounds(self.matches, self.matches, self.matches)
        share = exact(self.matches / self.decided, self.decided, error) if self.decided else Estimate(0.0, 0.0, 1.0)
        return Bounds(*(self.population * value for value in (share.value, share.low, share.high)))


@dataclass(frozen=True)
class SearchOverlap:
    """Matches by which of two searches found them: by both, by the first or second alone; as many as a random sample
    that says as much would hold."""

    both: float
    first: float
    second: float

    @property
    def total(self) -> float:
        """Matches that either found."""
        return self.both + self.first + self.second


def count_matches(is_match: Bools, weights: Weights, error: float = ERROR) -> Bounds:
    """Matches among the records that could be asked. is_match: (k,) of the asked ones, whose weights these are.

    Horvitz-Thompson, as the audit does it: what was decided counts as it was decided, and the drawn records stand for
    what was not asked, by an exact binomial interval at their effective number. Imports without an audit record are
    taken to have matches as often as the others.
    """
    population = weights.population or 0
    if population <= weights.uncovered:
        return Bounds(0.0, 0.0, float(population))
    random, rest = weights.random, float(weights.random.sum())
    certain = float(weights.known[is_match].sum())
    share = Estimate(0.0, 0.0, 0.0)
    if rest > 0:
        share = exact(min(float(random[is_match].sum()) / rest, 1.0), weights.effective, error)
    return Bounds(*(population * (certain + rest * value) for value in (share.value, share.low, share.high)))


def recall_of(matches: Bounds, missed: tuple[Bounds, ...]) -> Estimate:
    """matches / (matches + missed). The bounds must be at ERROR / their number (Bonferroni), so that all hold at once:
    the interval then covers in 95 of 100 cases or more. matches.value > 0."""
    value, low, high = (sum(getattr(one, name) for one in missed) for name in ("value", "low", "high"))
    return Estimate(
        matches.value / (matches.value + value),
        matches.low / (matches.low + high) if matches.low else 0.0,
        matches.high / (matches.high + low),
    )


def overlap_of(is_match: Bools, first: Bools, second: Bools, weights: Weights) -> SearchOverlap:
    """first, second: (k,) whether that search found the asked record. Weighed up to all records, then scaled to the
    effective number of matches (Kish 1965): chosen pairs are no sample, and count for themselves alone."""
    weight = weights.weight * (is_match & (first | second))
    total = float(weight.sum())
    scale = total / float((weight**2).sum()) if total > 0 else 0.0
    parts = (first & second, first & ~second, second & ~first)
    return SearchOverlap(*(float(weight[part].sum()) * scale for part in parts))


def capture_recapture(overlap: SearchOverlap) -> Estimate | None:
    """Share of all matches that either search found, from how often both found the same. None without a common one.

    Lincoln 1930 and Petersen 1896 with Chapman's correction (1951): first * second / (both + 1) matches are missed by
    both. The interval is the wider of Chapman's, log-normal in what is missed (Chao 1987), and that of both shares, of
    the one's matches that the other found too, at their exact bounds, which says something where one found nothing
    alone. It holds where one search finds a match no more likely because the other does. Searches that fail on the same
    pairs, as those of few words, make it too high.
    """
    if overlap.both <= 0:
        return None
    ours, theirs = overlap.both + overlap.first, overlap.both + overlap.second
    missed = overlap.first * overlap.second / (overlap.both + 1)
    variance = (ours + 1) * (theirs + 1) * overlap.first * overlap.second
    variance /= (overlap.both + 1) ** 2 * (overlap.both + 2)
    spread = exp(Z * sqrt(log(1 + variance / missed**2))) if missed else 1.0
    shares = [exact(overlap.both / one, one, ERROR) for one in (ours, theirs)]
    low, high = (1 - prod(1 - getattr(one, name) for one in shares) for name in ("low", "high"))
    value, *bounds = (overlap.total / (overlap.total + unseen) for unseen in (missed, missed * spread, missed / spread))
    return Estimate(value, min(low, bounds[0]), max(high, bounds[1]))
