"""How unsure a model is of each record, as one number. Knows predictions of any task, not vectors or batches."""

import numpy as np

from core.arrays import Floats, Ints
from core.errors import BadInput
from core.sampling.pool import Pool
from core.tasks.task import Predictions

FLAT = 1e-4  # scores that differ by less than this give no order
CHUNK = 8192  # rows at a time: 64 labels in float32 stay inside the second-level cache


def score_pool(pool: Pool, name: str | None = None) -> Floats:
    """(m,) float32 acquisition scores aligned with `pool.rows`, by the task's score of that name or its default.

    Needs `pool.predictions`; not-a-number is refused.
    """
    if pool.predictions is None:
        raise ValueError("A pool without predictions has no uncertainty; ask `pool.predictions is None` first.")
    shape = pool.predictions.outputs.shape
    if len(shape) != 2 or shape[0] != len(pool.rows) or shape[1] == 0:
        raise BadInput(f"Predictions of shape {shape} do not fit {len(pool.rows)} candidates. Score the pool again.")
    scores = score(pool.predictions, name)
    if not np.isfinite(scores).all():
        bad = int(pool.rows[int(np.flatnonzero(~np.isfinite(scores))[0])])
        raise BadInput(f"The model's predictions for record row {bad} are not finite numbers. Fit the model again.")
    return scores


def score(predictions: Predictions, name: str | None = None) -> Floats:
    """(n,) float32 acquisition scores, higher = ask sooner."""
    acquisition, scores = predictions.acquisition(name), np.empty(len(predictions), dtype=np.float32)
    for start in range(0, len(scores), CHUNK):
        scores[start : start + CHUNK] = acquisition(np.asarray(predictions.outputs[start : start + CHUNK], np.float32))
    return scores


def is_flat(scores: Floats) -> bool:
    """True when all scores are one number, so that any order by them is chance."""
    return len(scores) == 0 or float(scores.max() - scores.min()) < FLAT


def best_positions(scores: Floats, n: int, rng: np.random.Generator) -> Ints:
    """Positions of the n highest scores, highest first.

    Ties are broken at random, since import order is often by date or label.
    """
    n = min(n, len(scores))
    if n == 0:
        return np.empty(0, dtype=np.int64)
    threshold = np.partition(scores, -n)[-n]
    above, level = np.flatnonzero(scores > threshold), np.flatnonzero(scores == threshold)
    drawn = rng.choice(level, size=n - len(above), replace=False)
    chosen = rng.permutation(np.concatenate([above, drawn]))
    return chosen[np.argsort(-scores[chosen], kind="stable")].astype(np.int64)
