"""How well vectors separate labels, before any model is fitted. Knows arrays, not which encoder made them."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from core.arrays import Floats, Ints
from core.errors import Refused
from core.evaluation.metrics import Estimate
from core.evaluation.scores import share

NEIGHBOURS = 5
FEW = (1, 4, 16)
"""labels per label that a head is fitted on"""
SEEDS = 10
MOST = 5_000
"""records that are used by default, a random part of more, since distances between all of them are needed"""
FEWEST_CLUSTERS = 12
STARTS = 5
"""of k-means, since its clusters depend on where it starts"""


@dataclass(frozen=True)
class FewLabels:
    """Accuracy on all other records of a head fitted on `per_label` records of each label."""

    per_label: int
    accuracy: Estimate


@dataclass(frozen=True)
class EncoderQuality:
    """Of n records. Intervals are 95 %: of neighbours over records (Wilson 1927), of the rest over seeds or starts
    (Student's t), so they cover the chance of the draw, not how far another set of records would differ.

    neighbours: accuracy of a vote of the nearest other records. purity: share that has the most frequent
    label of its cluster. silhouette: -1..1, how much nearer a record is to its own label than to the next (Rousseeuw
    1987). few: for each of FEW that there are labels enough for. per_record: for paired comparisons.
    """

    n: int
    labels: int
    neighbours: Estimate
    purity: Estimate
    silhouette: Estimate
    few: tuple[FewLabels, ...]
    per_record: "PerRecord" = field(compare=False, repr=False)


@dataclass(frozen=True)
class PerRecord:
    """right: (n,) do the nearest others vote for the record's label? silhouettes: (n,). purities: of each start. few:
    by `per_label`, of each draw; the draws are the same for all encoders.
    """

    right: npt.NDArray[np.bool_]
    silhouettes: npt.NDArray[np.float64]
    purities: npt.NDArray[np.float64]
    few: dict[int, npt.NDArray[np.float64]]


@dataclass(frozen=True)
class EncoderDifferences:
    """One encoder's figures minus another's on the same records, each with an interval."""

    neighbours: Estimate
    purity: Estimate
    silhouette: Estimate
    few: dict[int, Estimate]


def choose_records(labels: Ints, rng: np.random.Generator, most: int = MOST) -> Ints:
    """Rows of at most `most` records, ascending. labels: (n,) numbers. Raises Refused with fewer than two labels.

    Labels of a single record are left out: it has no neighbour of its label.
    """
    counts = np.bincount(labels) if len(labels) else np.zeros(0, np.int64)
    rows = np.flatnonzero(counts[labels] > 1) if len(labels) else np.empty(0, np.int64)
    if len(np.unique(labels[rows])) < 2:
        raise Refused(
            f"Encoders are compared on at least two labels with two records each; there are {len(counts[counts > 1])}. "
            "Label some more records, or name a labelled file."
        )
    if len(rows) > most:
        rows = np.sort(rng.choice(rows, most, replace=False))
    return np.asarray(rows, np.int64)


def usual_clusters(records: int, labels: int) -> int:
    """Twice the labels, at least FEWEST_CLUSTERS, but no more than leave two records for each."""
    return max(min(max(2 * labels, FEWEST_CLUSTERS), records // 2), 2)


def chance_purity(labels: Ints) -> float:
    """The largest label's share: random clusters reach it, and a little more the smaller they are."""
    return float(np.bincount(np.unique(labels, return_inverse=True)[1]).max() / len(labels))


def measure_encoder(vectors: Floats, labels: Ints, seed: int = 0, clusters: int = 0) -> EncoderQuality:
    """vectors: (n, dims) unit rows. labels: (n,) numbers, one a record. clusters: for the purity; 0:
    `usual_clusters`.
    """
    from sklearn.metrics import silhouette_samples
    from threadpoolctl import threadpool_limits

    names, codes = np.unique(labels, return_inverse=True)
    with threadpool_limits(1):
        per_record = PerRecord(
            right=_neighbours(vectors, codes),
            silhouettes=np.asarray(silhouette_samples(vectors, codes, metric="cosine"), np.float64),
            purities=np.array([*_purities(vectors, codes, seed, clusters or usual_clusters(len(codes), len(names)))]),
            few=dict(_few(vectors, codes, seed)),
        )
    return EncoderQuality(
        n=len(codes),
        labels=len(names),
        neighbours=share(int(per_record.right.sum()), len(codes)),
        purity=_over(per_record.purities, 0.0),
        silhouette=_over_records(per_record.silhouettes, -1.0),
        few=tuple(FewLabels(per_label, _over(scores, 0.0)) for per_label, scores in per_record.few.items()),
        per_record=per_record,
    )


def compare_quality(first: PerRecord, second: PerRecord, comparisons: int = 1) -> EncoderDifferences:
    """Second minus first. comparisons: how many are made at once, for which the intervals are wider (Bonferroni).

    Of neighbours and silhouettes over records, paired; of the rest over the same draws or starts, paired.
    """
    level = 0.05 / comparisons
    return EncoderDifferences(
        neighbours=_discordance(first.right, second.right, level),
        purity=_over(second.purities - first.purities, -1.0, level),
        silhouette=_over_records(second.silhouettes - first.silhouettes, -2.0, 2.0, level),
        few={count: _over(second.few[count] - first.few[count], -1.0, level) for count in first.few},
    )


def _discordance(first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_], level: float) -> Estimate:
    """Difference of two shares of the same records, half a record added to each kind (Agresti & Min 2005)."""
    from scipy.stats import norm

    gained, lost, n = int((second & ~first).sum()), int((first & ~second).sum()), len(first)
    value, centre, size = (gained - lost) / n, (gained - lost) / (n + 2), n + 2
    half = float(norm.ppf(1 - level / 2)) * max((gained + lost + 1) / size - centre**2, 0.0) ** 0.5 / size**0.5
    return Estimate(value, max(min(centre - half, value), -1.0), min(max(centre + half, value), 1.0))


def _neighbours(vectors: Floats, codes: Ints) -> npt.NDArray[np.bool_]:
    """Leave-one-out vote; of equally frequent labels the nearer one wins."""
    from sklearn.neighbors import NearestNeighbors

    k = min(NEIGHBOURS, len(codes) - 1)
    near = NearestNeighbors(n_neighbors=k, metric="cosine").fit(vectors).kneighbors(return_distance=False)
    votes = np.zeros((len(codes), int(codes.max()) + 1))
    for rank in range(k):
        votes[np.arange(len(codes)), codes[near[:, rank]]] += 1 + 1e-3 * (k - rank)
    return np.asarray(votes.argmax(axis=1) == codes)


def _purities(vectors: Floats, codes: Ints, seed: int, clusters: int) -> Iterator[float]:
    """k-means, a few starts; each its own figure."""
    from sklearn.cluster import KMeans

    for number in range(STARTS):
        clusters_of = KMeans(clusters, n_init=1, random_state=seed + number).fit_predict(vectors)
        counts = np.zeros((clusters, int(codes.max()) + 1), np.int64)
        np.add.at(counts, (clusters_of, codes), 1)
        yield float(counts.max(axis=1).sum() / len(codes))


def _few(vectors: Floats, codes: Ints, seed: int) -> Iterator[tuple[int, npt.NDArray[np.float64]]]:
    """(per label, accuracy of each draw), as long as half of the records are left to test; of a rare label all but one
    train.

    The same records train whatever the vectors are: the draw depends on seed and labels alone.
    """
    from sklearn.linear_model import LogisticRegression

    counts = np.bincount(codes)
    for per_label in FEW:
        train_of_each = np.minimum(per_label, counts - 1)
        if train_of_each.sum() > len(codes) / 2:
            break
        shares = []
        for number in range(SEEDS):
            rank = _rank_in_label(codes, np.random.default_rng([seed, per_label, number]))
            train = rank < train_of_each[codes]
            head = LogisticRegression(C=10.0, max_iter=300).fit(vectors[train], codes[train])
            shares.append(float((head.predict(vectors[~train]) == codes[~train]).mean()))
        yield per_label, np.array(shares)


def _rank_in_label(codes: Ints, rng: np.random.Generator) -> Ints:
    """(n,) each record's rank among those of its label, in random order, from 0."""
    order = rng.permutation(len(codes))
    order = order[np.argsort(codes[order], kind="stable")]
    rank = np.empty(len(codes), np.int64)
    rank[order] = np.arange(len(codes)) - np.searchsorted(codes[order], codes[order])
    return rank


def _over(figures: npt.NDArray[np.float64], least: float, level: float = 0.05) -> Estimate:
    """Mean over repetitions with Student's interval, in least..1."""
    from scipy.stats import t

    mean = float(figures.mean())
    half = float(t.ppf(1 - level / 2, len(figures) - 1) * figures.std(ddof=1) / len(figures) ** 0.5)
    return Estimate(mean, max(mean - half, least), min(mean + half, 1.0))


def _over_records(figures: npt.NDArray[np.float64], least: float, most: float = 1.0, level: float = 0.05) -> Estimate:
    """The mean over records, its interval by the spread among them, in least..most."""
    from scipy.stats import norm

    mean = float(figures.mean())
    half = float(norm.ppf(1 - level / 2) * figures.std(ddof=1) / len(figures) ** 0.5)
    return Estimate(mean, max(mean - half, least), min(mean + half, most))
