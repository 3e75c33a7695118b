"""A batch: what a strategy chose plus the uniform audit share. Knows rows and a generator, not queues or people."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from core.arrays import Floats, Ints
from core.errors import BadInput
from core.sampling.pool import Pool, Strategy, without
from core.sampling.uncertainty import score_pool


@dataclass(frozen=True)
class ChosenBatch:
    """Records in the order they are to be asked.

    rows: (n,) distinct row numbers. audit: (n,) True where drawn uniformly at random. scores: (n,) float32
    acquisition scores of the model that chose (higher = ask sooner), NaN before the first model and outside the pool.
    """

    rows: Ints
    audit: npt.NDArray[np.bool_]
    scores: Floats


def compose(pool: Pool, n: int, strategy: Strategy, audit_share: float, rng: np.random.Generator) -> ChosenBatch:
    """min(n, candidates) records: the audit share, drawn first and uniformly from all that no person has labelled, then
    the strategy's choice from the pool.

    The number of audit records is rounded up or down at random, so small batches too have the share in expectation.
    Audit records are at random positions, so a batch that is left half-way still has its share.
    """
    if not 0 <= audit_share <= 1:
        raise BadInput(f"The audit share is {audit_share}; it must lie between 0 and 1.")
    if n < 0:
        raise BadInput(f"A batch of {n} records cannot be chosen; ask for 1 or more.")
    candidates = np.concatenate([pool.rows, pool.audit_only])
    drawn = _audit_positions(len(candidates), min(n, len(candidates)), audit_share, rng)
    left = without(pool, pool.rows[drawn[drawn < len(pool.rows)]])
    chosen = strategy(left, min(n - len(drawn), len(left.rows)), rng)
    n = len(drawn) + len(chosen)
    audit = np.zeros(n, dtype=bool)
    audit[rng.choice(n, size=len(drawn), replace=False)] = True
    rows = np.empty(n, dtype=np.int64)
    rows[audit], rows[~audit] = candidates[drawn], chosen
    return ChosenBatch(rows, audit, _scores_of(pool, rows))


def _audit_positions(candidates: int, n: int, share: float, rng: np.random.Generator) -> Ints:
    expected = n * share
    count = int(expected) + int(rng.random() < expected - int(expected))
    return rng.choice(candidates, size=min(count, n), replace=False).astype(np.int64)


def _scores_of(pool: Pool, rows: Ints) -> Floats:
    scores = np.full(len(rows), np.nan, dtype=np.float32)
    if pool.predictions is not None:
        inside = np.isin(rows, pool.rows)
        positions = np.searchsorted(pool.rows, rows[inside])
        there = replace(pool, rows=rows[inside], predictions=pool.predictions.take(positions))
        scores[inside] = score_pool(there)
    return scores
