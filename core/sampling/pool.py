"""What a query strategy may look at. Knows arrays, not records, people or files."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from core.arrays import Floats, Ints
from core.tasks.task import Predictions


@dataclass(frozen=True)
class Pool:
    """One moment of a project, seen by a strategy.

    vectors: (records, dims) float16 or float32, unit rows, often a memory map: gather rows, never copy it whole.
    rows: (m,) row numbers of the candidates, ascending. labelled: (k,) row numbers that already have a label.
    predictions: of the active model, aligned with `rows`, or None before the first model.
    audit_only: row numbers that the audit may draw but no strategy may choose: labelled by machine under a guarantee.
    label_counts: (labels,) how many labelled records have each category of the predictions; None where rare labels are
    not looked for.
    """

    vectors: Floats
    rows: Ints
    labelled: Ints
    predictions: Predictions | None = None
    audit_only: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    label_counts: Ints | None = None


Strategy = Callable[[Pool, int, np.random.Generator], Ints]
"""(pool, n, rng) -> min(n, m) distinct row numbers out of `pool.rows`, those to ask first first."""


def without(pool: Pool, rows: Ints) -> Pool:
    """The pool less some of its rows."""
    if not len(rows):
        return pool
    positions = np.searchsorted(pool.rows, rows)
    predictions = pool.predictions and pool.predictions.drop(positions)
    return replace(pool, rows=np.delete(pool.rows, positions), predictions=predictions)
