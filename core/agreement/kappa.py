"""Agreement statistics of people who answered the same records. Knows codes and counts, not names or labels.

Categories are codes: a label, or where several may hold the whole set of them. Figures that cannot be computed are
None, with the reason in `why`.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.arrays import Floats, Ints

RESAMPLES = 1_000
_PART = 2_000_000
"""draws held at a time"""
_TOLD = 0.95
"""share of the resamples that must have a value for an interval to be named"""


@dataclass(frozen=True)
class Votes:
    """One entry per answer, (k,) each: the record's row 0..records-1, the person's number, the category's code."""

    record: Ints
    annotator: Ints
    answer: Ints
    records: int
    people: int
    categories: int


@dataclass(frozen=True)
class Agreement:
    """Krippendorff's alpha with its 95 % interval. records: those with two answers or more; answers: to these."""

    value: float | None
    low: float | None
    high: float | None
    records: int
    answers: int
    why: str | None = None


@dataclass(frozen=True)
class Kappa:
    """Cohen's kappa of two people on the records that both answered. same: share of them with the same category."""

    value: float | None
    records: int
    same: float | None
    why: str | None = None


def count_categories(votes: Votes) -> Ints:
    """(records, categories): how many people gave each category."""
    flat = np.bincount(votes.record * votes.categories + votes.answer, minlength=votes.records * votes.categories)
    return flat.reshape(votes.records, votes.categories)


def count_one(votes: Votes, yes: npt.NDArray[np.bool_]) -> Ints:
    """(records, 2): how many answered no and yes, for one label against the rest. yes: (k,), which answers have it."""
    flat = np.bincount(2 * votes.record + yes.astype(np.int64), minlength=2 * votes.records)
    return flat.reshape(votes.records, 2)


def alpha(counts: Ints, rng: np.random.Generator, resamples: int = RESAMPLES) -> Agreement:
    """Krippendorff's alpha for categories without order, from coincidences. counts: as `count_categories` makes them.

    Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", section C. The interval is from a bootstrap over
    records. Records with the same counts are one kind, so a resample is one multinomial draw.
    """
    kinds, members = np.unique(counts[counts.sum(axis=1) > 1], axis=0, return_counts=True)
    records, answers = int(members.sum()), int((kinds.sum(axis=1) * members).sum())
    if not records:
        return Agreement(None, None, None, 0, 0, "no record has answers of two people")
    terms = np.column_stack([_disagreement(kinds), kinds])
    value = float(_alphas(members[None].astype(np.float64), terms)[0])
    if np.isnan(value):
        return Agreement(
            None, None, None, records, answers, "everybody always gave the same answer, so chance is unknown"
        )
    low, high = _interval(members, terms, rng, resamples)
    return Agreement(value, low, high, records, answers, None if low is not None else "too few answers for an interval")


def _disagreement(kinds: Ints) -> Floats:
    """Pairs of a record's answers that differ, over one less than its answers."""
    answers = kinds.sum(axis=1)
    return np.asarray((answers**2 - (kinds**2).sum(axis=1)) / (answers - 1), np.float64)


def _alphas(members: Floats, terms: Floats) -> Floats:
    """(draws,) from how many records there are of each kind, (draws, kinds); NaN where there is one category only."""
    sums = members @ terms
    observed, answer = sums[:, 0], sums[:, 1:]
    answers = answer.sum(axis=1)
    expected = (answers**2 - (answer**2).sum(axis=1)) / np.maximum(answers - 1, 1)
    return np.where(expected > 0, 1 - observed / np.where(expected > 0, expected, 1), np.nan)


def _interval(
    members: Ints, terms: Floats, rng: np.random.Generator, resamples: int
) -> tuple[float, float] | tuple[None, None]:
    shares = members / members.sum()
    part = max(1, _PART // len(members))
    drawn = [
        _alphas(rng.multinomial(members.sum(), shares, size=min(part, resamples - start)).astype(np.float64), terms)
        for start in range(0, resamples, part)
    ]
    alphas = np.concatenate(drawn)
    alphas = alphas[~np.isnan(alphas)]
    if len(members) < 2 or len(alphas) < _TOLD * resamples:
        return None, None
    low, high = np.percentile(alphas, (2.5, 97.5))
    return float(low), float(high)


def sheet(votes: Votes, people: Ints) -> Ints:
    """(records, people): the category that each of these people gave, -1 for none."""
    result = np.full((votes.records, len(people)), -1, np.int64)
    for column, person in enumerate(people):
        supplied = votes.annotator == person
        result[votes.record[supplied], column] = votes.answer[supplied]
    return result


def confusion(first: Ints, second: Ints, categories: int) -> Ints:
    """(categories, categories): how often one person gave the row where the other gave the column. -1: not answered."""
    both = (first >= 0) & (second >= 0)
    flat = np.bincount(first[both] * categories + second[both], minlength=categories**2)
    return flat.reshape(categories, categories)


def kappa(matrix: Ints) -> Kappa:
    """Cohen 1960, from a matrix as `confusion` makes it."""
    total = int(matrix.sum())
    if not total:
        return Kappa(None, 0, None, "they share no record")
    same = float(np.trace(matrix) / total)
    chance = float((matrix.sum(axis=0) / total) @ (matrix.sum(axis=1) / total))
    if chance >= 1:
        return Kappa(None, total, same, "both gave one label only, so chance is unknown")
    return Kappa((same - chance) / (1 - chance), total, same)


def kappas(votes: Votes, people: Ints) -> dict[tuple[int, int], Kappa]:
    """Of each two of these people, by their positions in `people`, the first before the second."""
    answer = sheet(votes, people)
    columns = range(len(people))
    return {(a, b): _kappa_of(answer[:, a], answer[:, b]) for a in columns for b in columns if a < b}


def _kappa_of(first: Ints, second: Ints) -> Kappa:
    """With only the categories in use between two people: sets of labels can be many."""
    both = (first >= 0) & (second >= 0)
    used, codes = np.unique(np.concatenate([first[both], second[both]]), return_inverse=True)
    return kappa(confusion(codes[: both.sum()], codes[both.sum() :], len(used)))
