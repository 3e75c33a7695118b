"""How unsure a model is of each record, as one number. Knows probabilities, not vectors or batches.

Where several labels may hold, doubt is the doubt about the BEST label of a record. On library records of 29 subjects
the mean over labels, and the most doubtful of all labels, did worse than random: some label is always in doubt.
"""

from collections.abc import Callable

import numpy as np

from core.errors import BadInput
from core.sampling.pool import Floats, Ints, Pool

FLAT = 1e-4  # scores that differ by less than this say nothing about who should be first
CHUNK = 8192  # rows at a time: 64 labels in float32 stay inside the second-level cache

Measure = Callable[[Floats, bool], Floats]
"""(probs, multi) -> (n,) float32 acquisition scores, higher = ask sooner."""


def least_confident(probs: Floats, multi: bool) -> Floats:
    """1 - the best probability. Lewis & Gale 1994.

    With several labels too; where many records carry no label at all prefer the margin, these would come first.
    """
    return np.asarray(1 - probs.max(axis=1))


def small_margin(probs: Floats, multi: bool) -> Floats:
    """1 - (best - second best), so 1.0 is a coin toss; with several labels 1 - |2p - 1| of the best.

    Scheffer et al. 2001. A single label (one column) leaves nothing to be unsure between: 1 - p.
    """
    if multi:
        return np.asarray(1 - np.abs(2 * probs.max(axis=1) - 1))
    if probs.shape[1] == 1:
        return np.asarray(1 - probs[:, 0])
    best = np.partition(probs, -2, axis=1)[:, -2:]
    return np.asarray(1 - (best[:, 1] - best[:, 0]))


def high_entropy(probs: Floats, multi: bool) -> Floats:
    """Shannon entropy in nats; with several labels the mean of the binary entropies. Shannon 1948, Settles 2009."""
    floor = np.float32(1e-12)
    entropy = -(probs * np.log(np.maximum(probs, floor)))
    if not multi:
        return np.asarray(entropy.sum(axis=1))
    rest = 1 - probs
    return np.asarray((entropy - rest * np.log(np.maximum(rest, floor))).mean(axis=1))


def score_pool(pool: Pool, measure: Measure) -> Floats:
    """(m,) float32 acquisition scores aligned with `pool.rows`. Needs `pool.probs`; not-a-number is refused."""
    if pool.probs is None:
        raise ValueError("A pool without probabilities has no uncertainty; ask `pool.probs is None` first.")
    check_probs(pool)
    scores = np.empty(len(pool.rows), dtype=np.float32)
    for start in range(0, len(scores), CHUNK):
        probs = np.asarray(pool.probs[start : start + CHUNK], dtype=np.float32)
        scores[start : start + CHUNK] = measure(probs, pool.multi)
    if not np.isfinite(scores).all():
        bad = int(pool.rows[int(np.flatnonzero(~np.isfinite(scores))[0])])
        raise BadInput(f"The model's probabilities for record row {bad} are not finite numbers. Fit the model again.")
    return scores


def check_probs(pool: Pool) -> None:
    """Probabilities stand one row per candidate and have at least one label."""
    shape = (0, 0) if pool.probs is None else pool.probs.shape
    if len(shape) != 2 or shape[0] != len(pool.rows) or shape[1] == 0:
        raise BadInput(f"Probabilities of shape {shape} do not fit {len(pool.rows)} candidates. Score the pool again.")


def flat(scores: Floats) -> bool:
    """True when all scores are one number, so that any order by them is chance."""
    return len(scores) == 0 or float(scores.max() - scores.min()) < FLAT


def best_positions(scores: Floats, n: int, rng: np.random.Generator) -> Ints:
    """Positions of the n highest scores, highest first.

    Ties fall by lot, since import order is often by date or label.
    """
    n = min(n, len(scores))
    if n == 0:
        return np.empty(0, dtype=np.int64)
    threshold = np.partition(scores, -n)[-n]
    above, level = np.flatnonzero(scores > threshold), np.flatnonzero(scores == threshold)
    drawn = rng.choice(level, size=n - len(above), replace=False)
    chosen = rng.permutation(np.concatenate([above, drawn]))
    return chosen[np.argsort(-scores[chosen], kind="stable")].astype(np.int64)
