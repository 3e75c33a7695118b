"""Does the sampler do better than chance this round? Knows a pool and the batch from it, not why it was chosen so.

The failure to catch, seen in a rival: the score function broke, every score became 0.5, records came in file order.
"""

from dataclasses import dataclass, replace

import numpy as np

from core.sampling.batch import Batch
from core.sampling.diversity import gather
from core.sampling.pool import Floats, Ints, Pool
from core.sampling.uncertainty import flat, score_pool, small_margin

DRAWS = 20  # random batches of the same size to compare with
NEAR_DUPLICATE = 0.98  # cosine from which two records ask the same question


@dataclass(frozen=True)
class SelfTest:
    """One round's figures; None where there is no model yet or too few records to tell.

    spread: 95th minus 5th percentile of the pool's acquisition scores. lift: mean score of the chosen (audit apart)
    minus the pool's. redundancy and redundancy_by_chance: mean over the batch of the highest cosine to another record
    of it, and the same for random batches. near_duplicates: share of the chosen that have a near-duplicate in the
    batch. chosen_mix and pool_mix: share of each label among the suggestions, (labels,). warnings: plain sentences.
    """

    spread: float | None
    lift: float | None
    redundancy: float | None
    redundancy_by_chance: float | None
    near_duplicates: float | None
    chosen_mix: tuple[float, ...] | None
    pool_mix: tuple[float, ...] | None
    warnings: tuple[str, ...]


def examine(pool: Pool, batch: Batch, rng: np.random.Generator) -> SelfTest:
    """Compare a batch with DRAWS random ones from the pool that it was chosen from."""
    chosen = batch.rows[~batch.audit]
    mine, near, by_chance, near_by_chance = _redundancies(pool, chosen, rng)
    figures = SelfTest(None, None, mine, _mean(by_chance), near, None, None, ())
    warnings = _of_redundancy(mine, by_chance, near, near_by_chance)
    if pool.probs is None or len(pool.rows) < 2:
        return replace(figures, warnings=warnings)
    scores = score_pool(pool, small_margin)
    picked = np.searchsorted(pool.rows, chosen)
    low, high = np.percentile(scores, [5, 95])
    lift = float(scores[picked].mean() - scores.mean()) if len(chosen) else None
    chosen_mix, pool_mix = _mix(pool, picked), _mix(pool, np.arange(len(pool.rows)))
    warnings = _of_scores(scores) + warnings + _of_mix(chosen_mix, pool_mix, len(chosen))
    if not flat(scores) and _no_better(lift, mine, by_chance):
        warnings += (
            "This batch is no better than chance: its records are neither less certain nor more varied than random "
            "ones. Choose another strategy, or label a random batch and fit again.",
        )
    return replace(
        figures,
        spread=float(high - low),
        lift=lift,
        chosen_mix=tuple(map(float, chosen_mix)),
        pool_mix=tuple(map(float, pool_mix)),
        warnings=warnings,
    )


def redundancy(points: Floats) -> tuple[float, float]:
    """(mean over points of the highest cosine to another, share that have a near-duplicate). Needs two points."""
    units = points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)
    cosines = units @ units.T
    np.fill_diagonal(cosines, -1.0)
    highest = cosines.max(axis=1)
    return float(highest.mean()), float((highest >= NEAR_DUPLICATE).mean())


def _redundancies(
    pool: Pool, chosen: Ints, rng: np.random.Generator
) -> tuple[float | None, float | None, Floats, Floats]:
    """The batch's two figures, then the same for random batches; nothing for fewer than two chosen records."""
    if len(chosen) < 2 or len(pool.rows) < 2 * len(chosen):
        return None, None, np.empty(0), np.empty(0)
    mine, near = redundancy(gather(pool.vectors, chosen))
    draws = [rng.choice(pool.rows, size=len(chosen), replace=False) for _ in range(DRAWS)]
    chance = np.array([redundancy(gather(pool.vectors, rows)) for rows in draws])
    return mine, near, chance[:, 0], chance[:, 1]


def _mix(pool: Pool, positions: Ints) -> Floats:
    """Share of each label among the suggestions: the best label, or every label from 0.5 where several may hold."""
    if pool.probs is None:
        raise ValueError("There are no suggestions without probabilities.")
    probs = pool.probs[positions]
    suggested = probs >= 0.5 if pool.multi else np.arange(probs.shape[1]) == probs.argmax(axis=1)[:, None]
    counts = suggested.sum(axis=0)
    return np.asarray(counts / max(counts.sum(), 1), dtype=np.float64)


def _of_scores(scores: Floats) -> tuple[str, ...]:
    if not flat(scores):
        return ()
    return (
        f"The model is equally unsure of every record (all scores are {float(scores[0]):.2f}), so the order is chance. "
        "Fit the model again; if this stays, its scores are broken.",
    )


def _of_redundancy(
    mine: float | None, by_chance: Floats, near: float | None, near_by_chance: Floats
) -> tuple[str, ...]:
    """Alike: clearly beyond random batches. Near-duplicates: a tenth of the batch and twice what chance brings."""
    if mine is None or near is None:
        return ()
    if near >= 0.1 and near > 2 * float(near_by_chance.mean()):
        return (
            f"{near:.0%} of this batch have a near-duplicate in it (by chance: {near_by_chance.mean():.0%}). "
            "Remove duplicates, or choose a strategy that spreads.",
        )
    clearly = float(by_chance.mean()) + max(0.15, 4 * float(by_chance.std()))
    if mine > clearly:
        return (
            f"The records of this batch are much alike: {mine:.2f} similar on average, random ones "
            f"{by_chance.mean():.2f}. Choose a strategy that spreads.",
        )
    return ()


def _of_mix(chosen: Floats, pool: Floats, n: int) -> tuple[str, ...]:
    if n < 5 or len(pool) < 2 or pool.sum() == 0:
        return ()
    if pool.max() > 0.999:
        return ("The model suggests one and the same label for the whole pool. Label a random batch, then fit again.",)
    if chosen.max() > 0.999 and pool.max() ** n < 0.01:
        return (
            f"Every record of this batch is suggested the same label, which only {pool[chosen.argmax()]:.0%} of the "
            "pool are. Choose a strategy that spreads.",
        )
    return ()


def _no_better(lift: float | None, mine: float | None, by_chance: Floats) -> bool:
    """Neither less certain than the pool nor less alike than the middle random batch."""
    if lift is None or mine is None:
        return False
    return lift <= 0 and mine >= float(np.median(by_chance))


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if len(values) else None
