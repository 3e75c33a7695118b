"""Does the sampler do better than chance this round? Knows a pool and the batch from it, not the strategy.

The failure to catch, seen in another tool: the score function broke, every score became 0.5, records came in file
order.
"""

from dataclasses import dataclass

import numpy as np

from core.arrays import Floats, Ints, unit_rows
from core.sampling.batch import ChosenBatch
from core.sampling.diversity import gather
from core.sampling.pool import Pool
from core.sampling.uncertainty import is_flat, score_pool
from core.tasks.task import Predictions

DRAWS = 20  # random batches of the same size to compare with
SAMPLE = 500  # random records of the pool that a batch should represent
NEAR_DUPLICATE = 0.98  # cosine from which two records count as near-duplicates
PATIENT_ROUNDS = 5  # before a label without a record is worth a warning
NAMED = 10  # labels that a warning names, at most
ONE_LABEL = 0.999  # share of the suggestions from which there is only one label


@dataclass(frozen=True)
class Shape:
    """How similar some records are to each other and to the pool.

    redundancy: mean over them of the highest cosine to another of them. near_duplicates: share that have a
    near-duplicate among them. coverage: mean over a sample of the pool of the highest cosine to any of them.
    """

    redundancy: float
    near_duplicates: float
    coverage: float


@dataclass(frozen=True)
class SelfTest:
    """One round's figures; None where there is no model yet, or too few records.

    spread: 95th minus 5th percentile of the pool's acquisition scores. lift: mean score of the chosen (audit apart)
    minus the pool's. shape, shape_by_chance: of the chosen, and the median of random batches of that size.
    chosen_mix, pool_mix: share of each label among the suggestions, in the order of the labels.
    """

    spread: float | None = None
    lift: float | None = None
    shape: Shape | None = None
    shape_by_chance: Shape | None = None
    chosen_mix: tuple[float, ...] | None = None
    pool_mix: tuple[float, ...] | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class AuditedLabels:
    """People's labels of audit records: `counts` (labels,) of `n` records have each of the `labels` (names)."""

    labels: tuple[str, ...]
    counts: Ints
    n: int


def run_self_test(
    pool: Pool, batch: ChosenBatch, rng: np.random.Generator, audited: AuditedLabels | None = None
) -> SelfTest:
    """Compares a batch with random ones from the pool that it was chosen from, and the suggestions with the audit."""
    chosen = batch.rows[~batch.audit]
    shape, by_chance = _shapes(pool, chosen, rng)
    warnings = _of_shape(shape, by_chance)
    predictions = pool.predictions
    if predictions is None or len(pool.rows) < 2 or len(chosen) == 0:
        return SelfTest(None, None, shape, by_chance, None, None, warnings)
    scores = score_pool(pool)
    positions = np.searchsorted(pool.rows, chosen)
    low, high = np.percentile(scores, [5, 95])
    lift = float(scores[positions].mean() - scores.mean())
    warnings += _of_scores(scores, lift, shape, by_chance)
    if not predictions.space.categories:
        return SelfTest(float(high - low), lift, shape, by_chance, None, None, warnings)
    chosen_mix, pool_mix = _mix(predictions.take(positions)), _mix(predictions)
    warnings += _of_mix(chosen_mix, pool_mix, len(chosen))
    if audited is not None and predictions.space.exclusive:
        warnings += _of_audit(pool_mix, audited)
    mixes = tuple(chosen_mix.tolist()), tuple(pool_mix.tolist())
    return SelfTest(float(high - low), lift, shape, by_chance, *mixes, warnings)


def measure_shape(points: Floats, sample: Floats) -> Shape:
    """points: at least two vectors, sample: vectors of the pool. Cosines, so lengths do not matter."""
    units, others = unit_rows(points), unit_rows(sample)
    among = units @ units.T
    np.fill_diagonal(among, -1.0)
    highest = among.max(axis=1)
    coverage = (others @ units.T).max(axis=1).mean()
    return Shape(float(highest.mean()), float((highest >= NEAR_DUPLICATE).mean()), float(coverage))


def _shapes(pool: Pool, chosen: Ints, rng: np.random.Generator) -> tuple[Shape | None, Shape | None]:
    """The batch's shape and the median random one; None for a batch under two records or over half the pool."""
    if len(chosen) < 2 or len(pool.rows) < 2 * len(chosen):
        return None, None
    sample = gather(pool.vectors, rng.choice(pool.rows, size=min(SAMPLE, len(pool.rows)), replace=False))
    draws = [rng.choice(pool.rows, size=len(chosen), replace=False) for _ in range(DRAWS)]
    random = [measure_shape(gather(pool.vectors, rows), sample) for rows in draws]
    median = Shape(
        float(np.median([shape.redundancy for shape in random])),
        float(np.median([shape.near_duplicates for shape in random])),
        float(np.median([shape.coverage for shape in random])),
    )
    return measure_shape(gather(pool.vectors, chosen), sample), median


def _mix(predictions: Predictions) -> Floats:
    """Share of each category among the suggestions."""
    counts = np.asarray(predictions.answers, np.int64).sum(axis=0)
    return np.asarray(counts / max(counts.sum(), 1), dtype=np.float64)


def _of_shape(mine: Shape | None, chance: Shape | None) -> tuple[str, ...]:
    """Uncertain records lie closer together than random ones, so it warns only below half the random distance."""
    if mine is None or chance is None:
        return ()
    if mine.near_duplicates >= 0.1 and mine.near_duplicates > 2 * chance.near_duplicates:
        return (
            f"{mine.near_duplicates:.0%} of this batch have a near-duplicate in it (by chance: "
            f"{chance.near_duplicates:.0%}). Remove duplicates, or choose a strategy that spreads.",
        )
    if mine.redundancy > 0.5 and 1 - mine.redundancy < 0.5 * (1 - chance.redundancy) - 1e-3:
        return (
            f"The records of this batch are much alike (similarity {mine.redundancy:.2f}, by chance "
            f"{chance.redundancy:.2f}). Choose a strategy that spreads.",
        )
    return ()


def _of_scores(scores: Floats, lift: float, mine: Shape | None, chance: Shape | None) -> tuple[str, ...]:
    if is_flat(scores):
        return (
            f"The model is equally unsure of every record (all scores are {float(scores[0]):.2f}), so the order is "
            "chance. Fit the model again; if this stays, its scores are broken.",
        )
    if mine is None or chance is None:
        return ()
    if lift <= 0 and mine.redundancy >= chance.redundancy and mine.coverage <= chance.coverage:
        return (
            "This batch is no better than chance: its records are neither less certain, nor more varied, nor more "
            "typical than random ones. Choose another strategy.",
        )
    return ()


def _of_mix(chosen: Floats, pool: Floats, n: int) -> tuple[str, ...]:
    if n < 5 or len(pool) < 2 or pool.sum() == 0:
        return ()
    if pool.max() > ONE_LABEL:
        return ("The model suggests one and the same label for the whole pool. Label a random batch, then fit again.",)
    only = int(chosen.argmax())
    if chosen[only] > ONE_LABEL and pool[only] ** n < 0.01:
        return (
            f"Every record of this batch is suggested the same label, which only {pool[only]:.0%} of the pool are. "
            "Choose a strategy that spreads.",
        )
    return ()


def _of_audit(pool: Floats, audited: AuditedLabels) -> tuple[str, ...]:
    """A label that the audit finds far more or less often than the model suggests it (exact binomial, Bonferroni)."""
    from scipy.stats import binomtest

    if not audited.n:
        return ()
    strange = [
        f"{name} (the model: {share:.0%} of the pool, the audit: {count} of {audited.n})"
        for name, share, count in zip(audited.labels, pool.tolist(), audited.counts.tolist(), strict=True)
        if binomtest(count, audited.n, share).pvalue < 0.001 / len(audited.labels)
    ]
    if not strange:
        return ()
    return (f"The model's suggestions and the audit disagree on how common a label is: {'; '.join(strange)}.",)


def unseen_labels(pool: Pool, audited: AuditedLabels, rounds: int) -> str | None:
    """A warning of labels that no record has after PATIENT_ROUNDS, and how rare the audit says they must be; or None.

    The upper end of Clopper and Pearson's interval for none of n; a batch is being chosen for the last of the `rounds`.
    """
    counts = pool.label_counts
    if counts is None or rounds <= PATIENT_ROUNDS or len(counts) != len(audited.labels) or not len(pool.labelled):
        return None
    names = [name for name, count in zip(audited.labels, counts.tolist(), strict=True) if not count]
    if not names:
        return None
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    rare = ""
    if audited.n:
        high = 1 - 0.025 ** (1 / audited.n)
        rare = f" None of {audited.n} records drawn at random has one of them: each is under {high:.1%} of all (95 %)."
    return (
        f"After {rounds - 1} rounds and {len(pool.labelled):,} answers no record has the label "
        f"{', '.join(names[:NAMED])}{more}.{rare} Search for one on the Records page and label it, say in the label's "
        "description what such a record looks like, or retire the label."
    )
