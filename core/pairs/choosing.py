"""Which pairs to decide next in a replay: the extremes first, then those that a model is least sure of.

Knows similarities and probabilities, not texts or where decisions come from.
"""

import numpy as np

from core.arrays import Floats, Ints

BAND = (0.85, 0.95)
"""similarity where same and different meet most often"""
BATCHES = ((50, 10), (200, 25), (500, 50))
"""(decisions so far, next batch): while there are fewer than so many"""
LARGEST = 125


def batch_size(decided: int) -> int:
    """How many to decide next: small while each teaches much, larger later."""
    return next((size for below, size in BATCHES if decided < below), LARGEST)


def choose_first(similarity: Floats, n: int, rng: np.random.Generator) -> Ints:
    """A third each of the most similar pairs, the least similar, and those in BAND; ties and the band's by lot."""
    order = rng.permutation(len(similarity))
    order = order[np.argsort(similarity[order], kind="stable")]
    third = n // 3
    band = order[(similarity[order] >= BAND[0]) & (similarity[order] <= BAND[1])]
    parts = [order[::-1][:third], order[:third], rng.permutation(band), rng.permutation(order)]
    return np.array(list(dict.fromkeys(np.concatenate(parts).tolist()))[:n], np.int64)


def choose_next(same: Floats, n: int, rng: np.random.Generator) -> Ints:
    """The n pairs whose probability of being the same is nearest to one half, ties by lot. Luo et al. 2005."""
    order = rng.permutation(len(same))
    margin = np.abs(same - 0.5)
    return np.asarray(order[np.argsort(margin[order], kind="stable")][:n], np.int64)
