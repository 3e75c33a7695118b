"""How well vectors tell labels apart, before any model is fitted. Knows arrays, not which encoder made them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.errors import Refused
from core.measuring.scores import Estimate, share

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

NEIGHBOURS = 5
FEW = (1, 4, 16)
"""labels per label that a head is fitted on"""
SEEDS = 10
MOST = 5_000
"""records that are looked at: of more a random part, since distances between all of them are needed"""
STARTS = 5
"""of k-means, since its clusters depend on where it starts"""


@dataclass(frozen=True)
class FewLabels:
    """Accuracy on all other records of a head fitted on `per_label` records of each label."""

    per_label: int
    accuracy: Estimate


@dataclass(frozen=True)
class Quality:
    """Of n records. Intervals are 95 %: of neighbours over records (Wilson 1927), of the rest over seeds or starts
    (Student's t), so they say how far chance in drawing goes, not how far another set of records would differ.

    neighbours: share whose label is that of most of their nearest others. purity: share that has the most frequent
    label of its cluster, with as many clusters as labels. silhouette: -1..1, how much nearer a record is to its own
    label than to the next (Rousseeuw 1987). few: for each of FEW that there are labels enough for.
    """

    n: int
    labels: int
    neighbours: Estimate
    purity: Estimate
    silhouette: Estimate
    few: tuple[FewLabels, ...]


def choose_records(labels: Ints, rng: np.random.Generator) -> Ints:
    """Places of at most MOST records, ascending. labels: (n,) numbers. Raises Refused where nothing can be told apart.

    Labels of a single record are left out: no other tells where it belongs.
    """
    counts = np.bincount(labels) if len(labels) else np.zeros(0, np.int64)
    places = np.flatnonzero(counts[labels] > 1) if len(labels) else np.empty(0, np.int64)
    if len(np.unique(labels[places])) < 2:
        raise Refused(
            f"Encoders are compared on at least two labels with two records each; there are {len(counts[counts > 1])}. "
            "Label some more records, or name a labelled file."
        )
    if len(places) > MOST:
        places = np.sort(rng.choice(places, MOST, replace=False))
    return np.asarray(places, np.int64)


def measure(vectors: Floats, labels: Ints, seed: int = 0) -> Quality:
    """vectors: (n, dims) unit rows. labels: (n,) numbers, one a record."""
    from threadpoolctl import threadpool_limits

    names, codes = np.unique(labels, return_inverse=True)
    with threadpool_limits(1):
        return Quality(
            n=len(codes),
            labels=len(names),
            neighbours=_neighbours(vectors, codes),
            purity=_over(list(_purities(vectors, codes, seed))),
            silhouette=_silhouette(vectors, codes),
            few=tuple(_few(vectors, codes, seed)),
        )


def _neighbours(vectors: Floats, codes: Ints) -> Estimate:
    """Leave one out; of equally frequent labels the nearer one is taken."""
    from sklearn.neighbors import NearestNeighbors

    k = min(NEIGHBOURS, len(codes) - 1)
    near = NearestNeighbors(n_neighbors=k, metric="cosine").fit(vectors).kneighbors(return_distance=False)
    votes = np.zeros((len(codes), int(codes.max()) + 1))
    for place in range(k):
        votes[np.arange(len(codes)), codes[near[:, place]]] += 1 + 1e-3 * (k - place)
    return share(int((votes.argmax(axis=1) == codes).sum()), len(codes))


def _purities(vectors: Floats, codes: Ints, seed: int) -> Iterator[float]:
    """k-means, a few starts; each its own figure."""
    from sklearn.cluster import KMeans

    labels = int(codes.max()) + 1
    for number in range(STARTS):
        found = KMeans(labels, n_init=1, random_state=seed + number).fit_predict(vectors)
        counts = np.zeros((labels, labels), np.int64)
        np.add.at(counts, (found, codes), 1)
        yield float(counts.max(axis=1).sum() / len(codes))


def _silhouette(vectors: Floats, codes: Ints) -> Estimate:
    """The mean over records, its interval by the spread among them."""
    from sklearn.metrics import silhouette_samples

    each = silhouette_samples(vectors, codes, metric="cosine")
    mean, half = float(each.mean()), 1.96 * float(each.std(ddof=1)) / len(each) ** 0.5
    return Estimate(mean, max(mean - half, -1.0), min(mean + half, 1.0))


def _few(vectors: Floats, codes: Ints, seed: int) -> Iterator[FewLabels]:
    """As long as half of the records are left to judge; of a rare label all but one teach.

    Whatever the vectors are the same records teach: the draw depends on seed and labels alone.
    """
    from sklearn.linear_model import LogisticRegression

    counts = np.bincount(codes)
    for per_label in FEW:
        taught_of_each = np.minimum(per_label, counts - 1)
        if taught_of_each.sum() > len(codes) / 2:
            break
        found = []
        for number in range(SEEDS):
            place = _place_in_label(codes, np.random.default_rng([seed, per_label, number]))
            taught = place < taught_of_each[codes]
            head = LogisticRegression(C=10.0, max_iter=300).fit(vectors[taught], codes[taught])
            found.append(float((head.predict(vectors[~taught]) == codes[~taught]).mean()))
        yield FewLabels(per_label, _over(found))


def _place_in_label(codes: Ints, rng: np.random.Generator) -> Ints:
    """(n,) each record's place among those of its label, in random order, from 0."""
    order = rng.permutation(len(codes))
    order = order[np.argsort(codes[order], kind="stable")]
    place = np.empty(len(codes), np.int64)
    place[order] = np.arange(len(codes)) - np.searchsorted(codes[order], codes[order])
    return place


def _over(found: list[float]) -> Estimate:
    """Mean over repetitions with Student's interval."""
    from scipy.stats import t

    mean = float(np.mean(found))
    half = float(t.ppf(0.975, len(found) - 1) * np.std(found, ddof=1) / len(found) ** 0.5)
    return Estimate(mean, max(mean - half, 0.0), min(mean + half, 1.0))
